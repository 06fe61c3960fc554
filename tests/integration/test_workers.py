"""Several workers on one study: real processes, killed, stopped once and stopped twice."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from tests.conftest import Sweep
from tests.integration.commands import TINY, at_work, children, fork_servers, lines, rows, runs, start, wait_for
from tests.startup import before_steps, held_server
from tests.waiting import lives, until

from sweep.commands.manage_studies import main as studies
from sweep.launch.driver_lock import driver_of
from sweep.launch.liveness import held, read_status
from sweep.records.folder import StudyFolder

pytestmark = pytest.mark.slow

GRID = (*TINY, "study.seeds=[0,1]", "launcher.workers=2")


def training(folder: StudyFolder) -> list[str]:
    """Keys of unfinished trials that have begun to train."""
    return [
        file.parent.name
        for file in folder.path.glob("trials/*/losses.csv")
        if lines(file) > 1 and not (file.parent / "result.json").exists()
    ]


def reported(folder: StudyFolder) -> int:
    """How many workers have told a loss of their trial."""
    statuses = [read_status(folder.workers, file.stem) for file in folder.workers.glob("w-*.json")]
    return sum(status.get("loss") is not None for status in statuses)


def has_torch(pid: int) -> bool:
    """Whether a process has torch loaded."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return "libtorch" in Path(f"/proc/{pid}/maps").read_text()
    return False


def test_two_workers_stopped_and_killed_end_with_the_bits_of_one(
    tmp_path: Path, cache: Path, sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every trial once, whatever happened: stopped in order, resumed, one worker killed and replaced."""
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    sweeps = ("--sweeps", str(tmp_path / "sweeps"))
    study = (*GRID, "train.steps=300")
    process = start(tmp_path, cache, *study)
    wait_for(lambda: reported(folder) == 2, process)
    assert studies(["status", "tiny", *sweeps]) == 0
    assert studies(["stop", "tiny", *sweeps]) == 0
    said = capsys.readouterr().out
    assert "tiny: running, 0 of 4 finished (2 RUNNING, 2 WAITING)" in said
    assert said.count("of 300, loss") == 2
    assert f"run by process {process.pid} on " in said
    assert f"asked process {process.pid} to finish or save its trials" in said
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "finishing or saving the running trials; Ctrl-C again stops at once" in output
    assert "a worker died" not in output
    assert f"The same command resumes:\n  {shlex.quote(sys.executable)} -m sweep {shlex.join(study)}" in output
    assert not held(folder.driver_lock)
    assert {run.info.status for run in runs(tmp_path / "sweeps")} <= {"KILLED", "FINISHED"}
    assert len(rows(folder.path)) == len(list(folder.path.glob("trials/*/result.json"))) <= 2
    assert len(list(folder.path.glob("trials/*/losses.csv"))) == 2  # nothing was begun after the request

    logs = [file.read_text() for file in folder.path.glob("trials/*/log.txt")]
    assert all("paused after step" in text or "COMPLETE" in text for text in logs)
    assert any("paused after step" in text for text in logs)
    process = start(tmp_path, cache, *study)
    wait_for(lambda: list(folder.workers.glob("*.json")), process)
    os.kill(children(process.pid)[0], signal.SIGKILL)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert "a worker died (status -9) (killed: out of memory?); another one goes on" in output
    found = {row["key"]: row for row in rows(folder.path)}
    assert len(found) == len(rows(folder.path)) == 4
    assert {row["state"] for row in found.values()} == {"COMPLETE"}
    (model,) = folder.path.glob("trials/*/model")
    column = "cldr/pooled/alignment_consistency/low"
    totals: dict[str, float] = {}
    for key, row in found.items():
        point = key.rpartition(",")[0]
        totals[point] = totals.get(point, 0.0) + float(row[column])
    assert model.parent.name.rpartition(",")[0] == max(totals, key=lambda point: totals[point])
    assert {run.info.status for run in runs(tmp_path / "sweeps")} == {"FINISHED"}
    assert studies(["list", *sweeps]) == 0
    assert "complete" in capsys.readouterr().out

    alone = sweep(*study, "study.name=alone", "launcher.workers=1")
    assert alone.returncode == 0, alone.stdout + alone.stderr
    for row in rows(tmp_path / "sweeps" / "alone"):
        for name, value in row.items():
            if name.startswith("cldr/"):
                assert found[row["key"]][name] == value, (row["key"], name)


def test_a_second_signal_stops_at_once(tmp_path: Path, cache: Path) -> None:
    """To the whole process group, as a terminal or a service manager sends it; workers leave the decision to their
    driver, for which SIGTERM is one more Ctrl-C. A tracker that does not answer is not waited for."""
    silent = socket.create_server(("127.0.0.1", 0))
    tracker = f"tracking.uri=http://127.0.0.1:{silent.getsockname()[1]}"
    process = start(tmp_path, cache, *GRID, tracker, "train.steps=5000")
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    wait_for(lambda: len(training(folder)) == 2, process)
    driver = driver_of(folder)
    assert driver is not None
    assert driver.pid == process.pid
    workers = children(process.pid)
    assert len(workers) == 2
    assert dashboard_states(folder.database, tmp_path) == {"Running": 2, "Waiting": 2}
    os.killpg(process.pid, signal.SIGTERM)
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=15)
    silent.close()
    assert process.returncode == 130, output
    assert "0 of 4 trials are done and saved" in output
    assert "The same command resumes:" in output
    assert "Traceback" not in output
    assert "a worker died" not in output
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]


def dashboard_states(database: Path, home: Path) -> Counter[str]:
    """What `make dashboard` serves: how many trials are in which state."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(sys.executable).parent / "optuna-dashboard"
    dashboard = subprocess.Popen(
        [program, f"sqlite:///{database}", "--host", "127.0.0.1", "--port", str(port)],
        env={**os.environ, "HOME": str(home)},
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urlopen(f"http://127.0.0.1:{port}/api/studies/1?after=0") as answer:
                    return Counter(trial["state"] for trial in json.load(answer)["trials"])
            except URLError:
                assert time.monotonic() < deadline
                assert dashboard.poll() is None
                time.sleep(0.2)
    finally:
        dashboard.terminate()
        dashboard.wait()


def test_a_signal_before_any_trial_ends_the_command(tmp_path: Path, cache: Path, shared_mlflow: str) -> None:
    process = start(tmp_path, cache, *GRID, shared_mlflow)
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    wait_for(lambda: (folder.workers / "worker-2.log").exists(), process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130, output
    assert "Traceback" not in output


def test_workers_that_cannot_start_stop_the_study(tmp_path: Path, cache: Path, shared_mlflow: str) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "accelerate.py").write_text("raise RuntimeError('this installation is broken')")
    path = os.pathsep.join([str(broken), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "sweep", *GRID, shared_mlflow],
        cwd=tmp_path,
        env={**os.environ, "SWEEP_CACHE": str(cache), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "a worker ended with status 1 before its first trial" in done.stderr
    assert "this installation is broken" in done.stderr


FAULT = """
# The optimizer of rank 1 fails in its third step.
steps = [0]

def before_step(optimizer):
    steps[0] += 1
    if os.environ.get("RANK") == "1" and steps[0] == 3:
        raise ERROR
"""


def run_with_a_fault(tmp_path: Path, cache: Path, error: str, *study: str) -> subprocess.CompletedProcess[str]:
    """A study on two ranks, one of which has a fault that no other process has."""
    fault = before_steps(tmp_path, FAULT.replace("ERROR", error))
    return subprocess.run(
        [sys.executable, "-m", "sweep", *TINY, "launcher.processes=2", *study],
        cwd=tmp_path,
        env={**os.environ, "SWEEP_CACHE": str(cache), **fault},
        capture_output=True,
        text=True,
        timeout=110,  # two trials: while a failed rank's peers waited for it, each of them took a minute
        check=False,
    )


def test_a_rank_that_raises_fails_its_trial_with_its_own_reason(
    tmp_path: Path, cache: Path, shared_mlflow: str
) -> None:
    """Rank 0 knows only that its peer is gone. The study goes on with a new group of ranks."""
    done = run_with_a_fault(tmp_path, cache, "ValueError('bad memory')", shared_mlflow)
    assert done.returncode == 1, done.stdout + done.stderr
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    outcomes = [(row["state"], row["reason"]) for row in rows(folder.path)]
    assert outcomes == [("FAILED", "rank 1: ValueError: bad memory")] * 2
    assert "a worker ended: rank 1: ValueError: bad memory; another one goes on" in done.stdout
    assert "Traceback" in (folder.workers / "worker-1.log").read_text()
    assert not list(folder.workers.glob("*.failure"))


def test_a_full_disk_of_one_rank_stops_the_study(tmp_path: Path, cache: Path, shared_mlflow: str) -> None:
    """It is no fault of the trial, which goes on when the command is repeated."""
    done = run_with_a_fault(tmp_path, cache, "OSError(28, 'No space left on device')", shared_mlflow)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "error: a worker stopped: rank 1: the disk is full (No space left on device) (details:" in done.stderr
    assert rows(tmp_path / "sweeps" / "tiny") == []


def test_a_killed_rank_is_a_death_of_its_worker(tmp_path: Path, cache: Path, shared_mlflow: str) -> None:
    """It is no failure of the trial, whatever the other rank makes of it."""
    process = start(tmp_path, cache, *TINY, shared_mlflow, "launcher.processes=2", "train.steps=100")
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    wait_for(lambda: training(folder), process)
    (rank_0,) = at_work(process.pid, folder)
    (rank_1,) = {*children(process.pid)} - {rank_0}
    os.kill(rank_1, signal.SIGKILL)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert "a worker died (status -9) (killed: out of memory?); another one goes on" in output
    assert sorted(row["attempts"] for row in rows(folder.path)) == ["1", "2"]


def test_a_study_survives_its_fork_server(tmp_path: Path, cache: Path, shared_mlflow: str) -> None:
    """Its workers are ended with it; a new one forks others."""
    process = start(tmp_path, cache, *GRID, shared_mlflow, "train.steps=100", "train.checkpoint_steps=5")
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    wait_for(lambda: len(training(folder)) == 2, process)
    workers = children(process.pid)
    (server,) = fork_servers(process.pid)
    os.kill(server, signal.SIGKILL)
    wait_for(lambda: not [worker for worker in workers if Path(f"/proc/{worker}").exists()], process)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert output.count("a worker died (status -9) (killed: out of memory?); another one goes on") == 2
    assert [row["state"] for row in rows(folder.path)] == ["COMPLETE"] * 4


def test_workers_may_be_fresh_interpreters(sweep: Sweep, tmp_path: Path, shared_mlflow: str) -> None:
    done = sweep(*GRID, shared_mlflow, "launcher=spawn", "launcher.processes=2", "launcher.workers=1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row["state"] for row in rows(tmp_path / "sweeps" / "tiny")] == ["COMPLETE"] * 4


def test_a_fork_server_whose_driver_has_ended_imports_no_further(tmp_path: Path, cache: Path) -> None:
    """Wherever it is among its imports: here it is held up until bad data has ended the command."""
    bad = ("languages.train=[en,xx]", "languages.tiers.high=[en,xx]")
    process = start(tmp_path, cache, *TINY, *bad, **held_server(tmp_path))
    until((tmp_path / "held").exists)
    (server,) = fork_servers(process.pid)
    assert process.wait(timeout=240) == 2
    assert lives(server)
    assert not has_torch(server)
    (tmp_path / "go").touch()
    output, _ = process.communicate(timeout=240)  # which ends when the server has no end of the pipe any more
    assert "xx" in output
    until(lambda: has_torch(server) or not lives(server))
    assert not lives(server)
