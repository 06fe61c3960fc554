"""`python -m sweep.studies` on studies that were written without training."""

import json
import os
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from filelock import FileLock
from pyarrow import parquet

from sweep.commands.manage_studies import _changed, main
from sweep.errors import SweepError
from sweep.launch import driver_lock
from sweep.launch.driver_lock import driver_of, only_driver
from sweep.launch.liveness import alive_in, hold, write_status
from sweep.records.files import write_atomically
from sweep.records.folder import StudyFolder
from sweep.records.values import TrialResult
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.study.store import StudyStore

OBJECTIVE = "cldr/pooled/alignment_consistency/low"
Printed = pytest.CaptureFixture[str]


def make(sweeps: Path, name: str = "grid", finish: int = 2, fail: int = 0, run: bool = False) -> StudyFolder:
    """A grid of 4 trials, some of them finished, FAILED, or taken on by the worker w-1."""
    overrides = [f"study.name={name}", "study.space={ratio.monolingual: {grid: [0, 0.5]}}", "study.seeds=[0,1]"]
    composer = Composer("sweep", overrides)
    settings = load_settings(composer)
    folder = StudyFolder(sweeps / name)
    store = StudyStore(folder, settings.study, alive_in(folder.workers))
    store.check_settings(settings)
    store.enqueue()
    write_atomically(folder.config, composer.yaml())
    for number in range(finish + fail + run):
        claim = store.claim("w-1")
        assert claim is not None
        if number < finish:
            metrics = {OBJECTIVE: 0.5 + number / 10, "cldr/mono/map": 0.25}
            result = TrialResult(claim.point.key, "f", metrics, 0.1, 60.0, {}, 0, {})
            folder.trial(claim.point.key).write_result(result)
            store.finish(claim, result)
        elif number < finish + fail:
            store.fail(claim, "the loss became nan")
        else:
            status = {"key": claim.point.key, "phase": "training", "step": 7, "steps": 9, "loss": 0.5}
            write_status(folder.workers, "w-1", status)
    store.storage.close()  # not whenever Python lets go of it: a database's files beside it come and go with that
    return folder


def command(*arguments: str) -> int:
    return main([str(argument) for argument in arguments])


def line_of(text: str, word: str) -> list[str]:
    return next(line for line in text.splitlines() if word in line).split()


def test_the_list_says_how_far_every_study_is(tmp_path: Path, capsys: Printed) -> None:
    make(tmp_path, "done", finish=4)
    make(tmp_path, "half", finish=1)
    make(tmp_path, "bad", finish=3, fail=1)
    running = make(tmp_path, "busy", finish=2)
    (tmp_path / "mlartifacts").mkdir()
    with only_driver(running):
        assert command("--sweeps", str(tmp_path)) == 0
    text = capsys.readouterr().out
    assert line_of(text, "done")[:6] == ["done", "complete", "4", "of", "4", "0"]
    assert line_of(text, "half")[:6] == ["half", "stopped", "1", "of", "4", "0"]
    assert line_of(text, "bad")[:7] == ["bad", "failed", "trials", "3", "of", "4", "1"]
    assert line_of(text, "busy")[:6] == ["busy", "running", "2", "of", "4", "0"]
    assert "0.7500 at ratio.monolingual=0.5" in " ".join(line_of(text, "done"))  # the mean of .7 and .8
    assert "4 min 00 s" in " ".join(line_of(text, "done"))


def test_points_that_a_grid_does_not_have_are_counted_and_not_the_best(tmp_path: Path, capsys: Printed) -> None:
    folder = make(tmp_path, finish=4)
    folder.config.write_text(folder.config.read_text().replace("- 0\n      - 0.5\n", "- 0\n"))
    assert command("status", "grid", "--sweeps", str(tmp_path)) == 0
    text = capsys.readouterr().out
    assert "grid: complete, 2 of 2 finished (2 COMPLETE)" in text
    assert "at ratio.monolingual=0\n" in text
    assert f"2 more of points that the grid does not have: {folder.trials_csv}" in text


@pytest.mark.parametrize("place", ["sweeps", "odd place's"])
def test_the_commands_that_stop_a_study_name_its_folder(
    tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "SIGINT", 0)  # asks whether the process is there
    folder = make(Path(place), finish=0)
    named = ["-m", "sweep.studies", "stop", "grid", *(["--sweeps", place] if place != "sweeps" else [])]
    with only_driver(folder):
        assert command("stop", "grid", "--sweeps", place) == 0
        with pytest.raises(SweepError) as caught:
            only_driver(folder).__enter__()
    for text in (capsys.readouterr().out, str(caught.value)):
        assert text.strip().endswith(shlex.join(named))


def test_a_study_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path, capsys: Printed) -> None:
    make(tmp_path, "good")
    old = make(tmp_path, "old")
    old.config.write_text(old.config.read_text().replace("seed: 0", "sead: 0", 1))
    broken = make(tmp_path, "broken")
    broken.database.write_text("no database at all, and too long for an empty one" * 9)
    assert command("list", "--sweeps", str(tmp_path)) == 0
    told = capsys.readouterr()
    assert line_of(told.out, "good")[:2] == ["good", "stopped"]
    assert "old: cannot be read" in told.err
    assert "sead" in told.err
    assert "broken: cannot be read" in told.err
    assert "Traceback" not in told.err


def test_status_tells_what_running_trials_do(tmp_path: Path, capsys: Printed) -> None:
    folder = make(tmp_path, finish=1, fail=1, run=True)
    lock = hold(folder.workers, "w-1")
    assert command("status", "grid", "--sweeps", str(tmp_path)) == 0
    text = capsys.readouterr().out
    assert "grid: stopped, 1 of 4 finished (1 COMPLETE, 1 FAILED, 1 RUNNING, 1 WAITING)" in text
    assert "training, step 7 of 9, loss 0.5000 (w-1)" in text
    assert "the loss became nan" in text
    lock.release()
    assert command("status", "grid", "--sweeps", str(tmp_path)) == 0
    assert "its worker is gone; another one will go on" in capsys.readouterr().out


def test_of_a_large_study_status_shows_what_matters(
    tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, finish=2, fail=1, run=True)
    monkeypatch.setattr("sweep.report.studies.MOST_TRIALS", 3)
    assert command("status", "grid", "--sweeps", str(tmp_path)) == 0
    text = capsys.readouterr().out
    order = [line.split()[1] for line in text.splitlines() if ",seed=" in line]
    assert order == ["RUNNING", "FAILED", "COMPLETE"]
    assert "0.6000" in text.split("FAILED ")[-1]  # the best
    assert "3 of 4 trials; --all shows all" in text
    assert command("status", "grid", "--all", "--sweeps", str(tmp_path)) == 0
    assert capsys.readouterr().out.count(",seed=") == 4


def test_reading_changes_nothing(tmp_path: Path) -> None:
    folder = make(tmp_path, finish=1, run=True)

    def state() -> dict[str, tuple[int, bytes]]:
        """When every file was changed, and its content; a database's reader takes part in its locks (-shm)."""
        return {
            str(file): (file.stat().st_mtime_ns, file.read_bytes()) if file.is_file() else (0, b"")
            for file in folder.path.rglob("*")
            if file.suffix != ".lock" and not file.name.endswith("-shm")
        }

    before, files = state(), set(folder.path.rglob("*"))
    time.sleep(0.01)
    for arguments in (["list"], ["status", "grid"], ["export", "grid", str(tmp_path / "all.csv")]):
        assert main([*arguments, "--sweeps", str(tmp_path)]) == 0
    assert state() == before
    assert set(folder.path.rglob("*")) == files


def test_a_study_without_its_database_is_missing_and_stays_so(tmp_path: Path, capsys: Printed) -> None:
    make(tmp_path, "good")
    gone = make(tmp_path, "gone")
    for file in [*gone.path.glob("study.db*"), gone.path / "claim.lock"]:
        file.unlink()

    def files() -> set[Path]:
        """All but what SQLite keeps beside a database for as long as somebody has it open."""
        return {*tmp_path.rglob("*")} - {*tmp_path.glob("good/study.db-*")}

    before = files()
    assert command("list", "--sweeps", str(tmp_path)) == 0
    printed = capsys.readouterr()
    assert line_of(printed.out, "good")[:2] == ["good", "stopped"]
    assert "gone" not in printed.out
    assert printed.err == f"gone: cannot be read (its database {gone.database} is missing)\n"
    for arguments in (["status", "gone"], ["export", "gone", str(tmp_path / "all.csv")]):
        assert command(*arguments, "--sweeps", str(tmp_path)) == 1
        error = capsys.readouterr().err
        assert f"study 'gone' cannot be read: its database {gone.database} is missing" in error
    assert files() == before


def test_unknown_studies_and_folders_are_told(tmp_path: Path, capsys: Printed) -> None:
    make(tmp_path, "one")
    for arguments in (["status", "two"], ["stop", "two"], ["export", "two", "x.csv"]):
        assert main([*arguments, "--sweeps", str(tmp_path)]) == 2
        assert f"no study 'two' in {tmp_path}; there are: one" in capsys.readouterr().err
    assert command("--sweeps", str(tmp_path / "none")) == 2
    assert "name the folder of your studies with --sweeps" in capsys.readouterr().err
    assert command("--sweeps", str(tmp_path / "one" / "trials")) == 0
    assert "no studies in" in capsys.readouterr().out


def test_stop_signals_the_driver_and_nobody_else(
    tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, sent = make(tmp_path), list[tuple[int, int]]()
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))

    def stop() -> str:
        assert command("stop", "grid", "--sweeps", str(tmp_path)) == 1
        return capsys.readouterr().err

    # A driver that was killed leaves its number, which may be another process's by now.
    folder.driver.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": 0.0}))
    assert "study 'grid' is not running" in stop()
    with only_driver(folder):
        driver = json.loads(folder.driver.read_text())
        folder.driver.write_text(json.dumps({**driver, "host": "elsewhere"}))
        assert f"is run on elsewhere (process {os.getpid()}): stop it there" in stop()
        folder.driver.write_text(json.dumps({**driver, "pid": os.getppid()}))
        assert f"process {os.getppid()} does not hold" in stop()
        assert sent == []
        folder.driver.write_text(json.dumps(driver))
        assert command("stop", "grid", "--sweeps", str(tmp_path)) == 0
    assert sent == [(os.getpid(), 2)]
    assert not folder.driver.exists()


def test_one_driver_at_a_time_even_while_somebody_looks(tmp_path: Path) -> None:
    folder = make(tmp_path)
    with only_driver(folder):
        driver = driver_of(folder)
        assert driver is not None
        assert driver.pid == os.getpid()
        with pytest.raises(SweepError, match=r"is being run by another process.*sweep\.studies stop grid"):
            with only_driver(folder):
                pass
    assert driver_of(folder) is None


def test_whoever_just_looks_is_no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it has the lock on a busy machine, and whatever a driver that was killed has left."""
    folder = make(tmp_path)
    monkeypatch.setattr(driver_lock, "LOOK_S", 0.01)
    dead = subprocess.Popen(["true"])
    dead.wait()
    write_atomically(folder.driver, json.dumps({"pid": dead.pid, "host": socket.gethostname(), "since": 0.0}))
    probe, begun = FileLock(folder.driver_lock, thread_local=False), Event()
    probe.acquire()

    def drive() -> None:
        with only_driver(folder):
            begun.set()

    driver = Thread(target=drive)
    driver.start()
    assert not begun.wait(0.3)
    assert driver.is_alive()
    probe.release()
    driver.join(60)
    assert begun.is_set()
    monkeypatch.setattr(driver_lock, "PROBE_S", 0.05)
    with probe, pytest.raises(SweepError, match="is being run by another process"), only_driver(folder):
        pass


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_export(tmp_path: Path, capsys: Printed, suffix: str) -> None:
    folder, file = make(tmp_path, finish=2, fail=1), tmp_path / f"all.{suffix}"
    assert command("export", "grid", str(file), "--sweeps", str(tmp_path)) == 0
    assert "3 trials" in capsys.readouterr().out
    assert not folder.trials_csv.exists()
    if suffix == "csv":
        assert len(file.read_text().splitlines()) == 4
        return
    rows: list[dict[str, Any]] = parquet.read_table(file).to_pylist()
    assert [(row["state"], row["ratio.monolingual"], row[OBJECTIVE], row["reason"]) for row in rows] == [
        ("COMPLETE", 0, 0.5, None),
        ("COMPLETE", 0, 0.6, None),
        ("FAILED", 0.5, None, "the loss became nan"),
    ]
    assert not list(tmp_path.glob(".*"))


def test_export_to_other_files_is_refused(tmp_path: Path, capsys: Printed) -> None:
    make(tmp_path)
    assert command("export", "grid", str(tmp_path / "all.xlsx"), "--sweeps", str(tmp_path)) == 2
    assert "ends in .csv or .parquet" in capsys.readouterr().err
    assert command("export", "grid", str(tmp_path / "no" / "all.csv"), "--sweeps", str(tmp_path)) == 2
    assert "no such folder" in capsys.readouterr().err


def test_one_study_that_cannot_be_read_hides_no_other(tmp_path: Path, capsys: Printed) -> None:
    make(tmp_path, "good")
    (tmp_path / "bad").mkdir()
    for content in (b"a: [1\n", b"\xff\xfe\0", b"study: 7\n", b"", b"a: ${oc.env:NOTHING_OF_THE_KIND}"):
        (tmp_path / "bad" / "config.yaml").write_bytes(content)
        assert command("--sweeps", tmp_path) == 0
        output = capsys.readouterr()
        assert line_of(output.out, "good")[1] == "stopped"
        assert output.err.startswith("bad: cannot be read (")
        assert output.err.count("\n") == 1


def test_looking_at_a_study_is_no_change_of_it(tmp_path: Path) -> None:
    folder = make(tmp_path)
    for file in (folder.config, *folder.path.glob("study.db*")):
        os.utime(file, (1000, 1000))
    (folder.path / "study.db-shm").touch()  # as a reader of the log does
    assert _changed(folder) == 1000
