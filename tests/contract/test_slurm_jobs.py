"""What a worker does that is a job of Slurm, beyond the launchers' contract: queues, preemption, cancelled jobs.

submitit's local executor runs jobs for real; of Slurm there are commands of the same names (tests/fake_slurm.py).
"""

import json
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.contract.launching import CLUSTERS
from tests.contract.ranks import order
from tests.fake_slurm import Job, all_jobs, install, named, signal_all
from tests.waiting import SECONDS, lives, until

from sweep.errors import InputError
from sweep.launch import slurm_board, slurm_ending, slurm_job, slurm_launcher, slurm_states
from sweep.launch.registry import make_launcher
from sweep.launch.slurm_launcher import SlurmJobs
from sweep.launch.slurm_states import SlurmStates
from sweep.settings import SlurmLauncher

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes in /proc"),
]


def jobs(folder: Path, **changes: Any) -> SlurmJobs:
    """A launcher of jobs on the cluster that PATH leads to."""
    values: dict[str, Any] = {**CLUSTERS["slurm"], "cluster": "slurm", "workers": 1, "processes": 1, "threads": 1}
    settings = SlurmLauncher(kind="slurm", **{**values, **changes})
    launcher = make_launcher(settings, folder, "tests.contract.ranks:main")
    assert isinstance(launcher, SlurmJobs)
    return launcher


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cluster of this machine; none of its jobs outlives the test."""
    root = tmp_path / "cluster"
    for name, value in install(root).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(slurm_states, "EVERY_S", 0.2)
    monkeypatch.setitem(slurm_job.TRACES_S, "slurm", 0.1)
    monkeypatch.setattr(slurm_launcher, "RETRY_S", 0.2)
    yield root
    for job in all_jobs(root):
        job.set(state="CANCELLED")
        if session := job.get("session"):
            signal_all(int(session), signal.SIGKILL)


def seen(folder: Path, worker: str = "w") -> dict[str, Any]:
    """What the rank of a worker has left, once it is there."""
    file = folder / f"{worker}-0.json"
    until(file.exists)
    content: dict[str, Any] = json.loads(file.read_text())
    return content


def test_workers_that_start_together_are_one_array_and_end_with_their_own_status(slurm: Path, tmp_path: Path) -> None:
    launcher = jobs(tmp_path, workers=2, options={"account": "lab", "exclusive": True, "mail-type": False})
    workers = [launcher.start(order(tmp_path, "end", str(3 * slot), worker=f"w{slot}"), slot) for slot in (0, 1)]
    until(lambda: all(worker.poll() is not None for worker in workers))
    assert [worker.poll() for worker in workers] == [0, 3]
    assert [job.name for job in all_jobs(slurm)] == ["1000_0", "1000_1"]
    script = Job(slurm, "1000_0").get("script")
    assert {"#SBATCH --account=lab", "#SBATCH --exclusive", "#SBATCH --requeue"} <= set(script.splitlines())
    assert "mail-type" not in script
    assert "rank 0 prints" in (tmp_path / "worker-2.log").read_text()
    until(lambda: not list(launcher.folder.glob("driver-*")))
    assert not list(launcher.folder.glob("*.end"))
    assert not list((launcher.folder / "submitit").glob("*submitted.pkl"))  # an order may have a password
    assert (launcher.folder / "submitit").stat().st_mode & 0o077 == 0
    workers[0].ask_to_stop()
    assert not list(launcher.folder.glob("driver-*"))


def test_a_job_that_waits_says_for_what_and_leaves_the_queue_when_it_is_asked_to_stop(
    slurm: Path, tmp_path: Path
) -> None:
    (slurm / "full").touch()
    worker = jobs(tmp_path).start(order(tmp_path, "wait"), 0)
    until(lambda: worker.waits_for == "Slurm: job 1000 is PENDING (Resources)")
    assert worker.poll() is None
    worker.ask_to_stop()
    until(lambda: worker.poll() is not None)
    assert worker.poll() == 0
    assert worker.waits_for is None
    assert Job(slurm, "1000").get("state").startswith("CANCELLED")


def test_a_cluster_that_is_away_is_asked_again_and_one_that_refuses_is_believed(slurm: Path, tmp_path: Path) -> None:
    (slurm / "full").touch()
    (slurm / "refusing").write_text(
        "Batch job submission failed: Unable to contact slurm controller (connect failure)"
    )
    worker = jobs(tmp_path).start(order(tmp_path, "wait"), 0)
    until(lambda: worker.waits_for is not None and "Unable to contact slurm controller" in worker.waits_for)
    assert worker.poll() is None
    (slurm / "refusing").unlink()
    until(lambda: worker.waits_for == "Slurm: job 1000 is PENDING (Resources)")
    worker.end(patience_s=1.0)
    (slurm / "refusing").write_text("Batch job submission failed: Invalid account or account/partition combination")
    refused = jobs(tmp_path).start(order(tmp_path, "wait", worker="other"), 1)
    until(lambda: refused.poll() is not None)
    assert refused.poll() == 1
    assert "Invalid account or account/partition combination" in refused.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGTERM])
def test_a_preempted_job_stops_in_order_and_is_queued_again(slurm: Path, tmp_path: Path, number: int) -> None:
    worker = jobs(tmp_path).start(order(tmp_path, "wait"), 0)
    first = seen(tmp_path)
    (tmp_path / "w-0.json").unlink()
    signal_all(int(Job(slurm, "1000").get("session")), number)
    again = seen(tmp_path)
    assert again["pid"] != first["pid"]
    assert not lives(first["pid"])
    assert again["environment"]["SLURM_RESTART_COUNT"] == "1"
    assert worker.poll() is None
    worker.ask_to_stop()
    until(lambda: worker.poll() is not None)
    assert worker.poll() == 0
    until(lambda: Job(slurm, "1000").get("state") == "COMPLETED")  # and was not queued again


def test_a_job_that_somebody_cancels_is_lost_and_does_not_come_back(slurm: Path, tmp_path: Path) -> None:
    worker = jobs(tmp_path).start(order(tmp_path, "wait"), 0)
    pid = seen(tmp_path)["pid"]
    subprocess.run(["scancel", "1000"], check=True)
    until(lambda: worker.poll() is not None)
    assert worker.poll() == -signal.SIGTERM
    assert worker.loss == "job 1000 is over: CANCELLED"
    until(lambda: not lives(pid))  # Slurm says so before it has ended the processes
    assert Job(slurm, "1000").get("state").startswith("CANCELLED")


def test_the_next_driver_ends_the_jobs_of_one_that_is_gone(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_board, "BEAT_S", 3600.0)  # it gives no sign of life any more
    monkeypatch.setattr(slurm_launcher, "SHORTLY_S", SECONDS)
    jobs(tmp_path).start(order(tmp_path, "wait", worker="orphan"), 0)
    pid = seen(tmp_path, "orphan")["pid"]
    jobs(tmp_path).take_over()
    assert not lives(pid)
    assert [job.get("state") for job in named(slurm, "1000")] == ["COMPLETED"]  # in order: nobody had to cancel it


def test_ranks_on_two_nodes_meet_at_an_address_of_the_first(slurm: Path, tmp_path: Path) -> None:
    worker = jobs(tmp_path, processes=2, nodes=2).start(order(tmp_path, "gather"), 0)
    until(lambda: worker.poll() is not None)
    assert worker.poll() == 0, worker.log.read_text()
    for rank in (0, 1):
        file = tmp_path / f"w-{rank}.json"
        there = json.loads(file.read_text())
        assert there["gathered"] == ["w 0", "w 1"]
        wanted = {"RANK": str(rank), "LOCAL_RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1"}
        assert wanted.items() <= there["environment"].items()
        assert there["environment"]["MASTER_ADDR"] == "127.0.0.1"
        assert there["environment"]["GLOO_SOCKET_IFNAME"] == "lo"
    assert "rank 1 prints" in (tmp_path / "worker-1.node-1.log").read_text()
    assert not list(tmp_path.glob("slurm/*.meet"))


def test_a_cluster_that_does_not_answer_keeps_nobody(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_ending, "ANSWER_S", 0.3)
    worker = jobs(tmp_path).start(order(tmp_path, "wait"), 0)
    seen(tmp_path)
    (slurm / "hanging").touch()
    began = time.monotonic()
    worker.end(patience_s=0.1)
    assert time.monotonic() - began < SECONDS
    assert worker.poll() == 0
    (slurm / "hanging").unlink()


def test_no_worker_waits_for_ever_when_nobody_can_attend_to_jobs(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launcher = jobs(tmp_path)

    def refresh(names: Sequence[str]) -> None:
        raise OSError("no more processes")

    monkeypatch.setattr(launcher.states, "refresh", refresh)
    worker = launcher.start(order(tmp_path, "wait"), 0)
    until(lambda: worker.poll() is not None)
    assert worker.poll() == 1
    assert "nobody attends to the jobs of Slurm any more: OSError: no more processes" in worker.log.read_text()


def test_what_a_killed_command_has_left_is_ended_and_removed(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the next command has no work for a worker."""
    monkeypatch.setattr(slurm_board, "BEAT_S", 3600.0)  # it gives no sign of life any more
    monkeypatch.setattr(slurm_launcher, "SHORTLY_S", 0.5)
    (slurm / "full").touch()
    killed = jobs(tmp_path)
    worker = killed.start(order(tmp_path, "wait"), 0)
    until(lambda: worker.waits_for == "Slurm: job 1000 is PENDING (Resources)")
    (killed.folder / "driver-damaged.json").write_text("{")
    assert list((killed.folder / "submitit").glob("*submitted.pkl"))
    jobs(tmp_path).take_over()
    assert Job(slurm, "1000").get("state").startswith("CANCELLED")
    assert not list(killed.folder.glob("driver-*"))
    assert not list((killed.folder / "submitit").glob("*submitted.pkl"))


STATES = (
    ("COMPLETED", "0:0", 0), ("FAILED", "5:0", 5), ("FAILED", "137:0", -9), ("FAILED", "0:11", -11),
    ("TIMEOUT", "0:0", -15), ("CANCELLED by 1000", "0:15", -15), ("NODE_FAIL", "1:0", -9),
    ("OUT_OF_MEMORY", "0:125", -9), ("PREEMPTED", "0:0", -15),
)  # fmt: skip


def test_slurms_states_become_statuses(slurm: Path) -> None:
    (slurm / "unaccounted").touch()
    names = [str(number) for number in range(1, len(STATES) + 1)]
    for name, (state, code, _) in zip(names, STATES, strict=True):
        job = Job(slurm, name)
        job.folder.mkdir()
        job.set(state=state, code=code)
    states = SlurmStates()
    states.refresh(names)
    assert [states.of(name).status for name in names] == [None] * len(names)  # sacct is waited for
    (slurm / "unaccounted").unlink()
    time.sleep(0.25)
    states.refresh(names)
    assert [states.of(name).status for name in names] == [status for _, _, status in STATES]
    assert [states.of(name).name for name in names] == [state.partition(" ")[0] for state, _, _ in STATES]


def test_what_no_job_can_be_made_of_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"there is no sbatch here.*launcher\.cluster=local"):
        jobs(tmp_path)
    with pytest.raises(InputError, match=r"launcher.processes=3: must be a multiple of launcher.nodes \(2\)"):
        jobs(tmp_path, processes=3, nodes=2)
    with pytest.raises(InputError, match=r"'time' is decided by launcher\.minutes"):
        jobs(tmp_path, options={"time": 10})
    with pytest.raises(InputError, match=r"launcher\.cluster=local has this machine alone"):
        jobs(tmp_path, processes=2, nodes=2, cluster="local")
    with pytest.raises(InputError, match=r"launcher.processes=1: must be a multiple of launcher.nodes \(2\)"):
        jobs(tmp_path, nodes=2)
    with pytest.raises(InputError, match=r"'output' is the launcher's own affair"):
        jobs(tmp_path, options={"output": "/tmp/out"})
    with pytest.raises(InputError, match=r"launcher\.scratch=/scratch: .*sweeps folder"):
        jobs(tmp_path, scratch="/scratch")


def test_the_script_is_shown_where_there_is_no_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    text = jobs(tmp_path / "s" / "workers", dry_run=True, workers=4, processes=4, nodes=2, gpus_per_process=1).preview
    assert text is not None
    assert {
        "#SBATCH --array=0-3%4", "#SBATCH --nodes=2", "#SBATCH --ntasks-per-node=2", "#SBATCH --gpus-per-node=2",
        "#SBATCH --job-name=sweep-s", "#SBATCH --signal=USR2@90",
    } <= set(text.splitlines())  # fmt: skip
    assert "--kill-on-bad-exit=1 --cpus-per-task=1" in text
    assert not list(tmp_path.iterdir())
    many = jobs(tmp_path / "s" / "workers", dry_run=True, workers=1000).preview
    assert many is not None
    assert "#SBATCH --array=0-999%1000" in many.splitlines()  # submitit's own limit is 256 at the same time
