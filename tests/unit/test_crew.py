"""Shares of cores and GPUs, the crew of workers, why ranks failed, and Ctrl-C."""

import os
import signal
from pathlib import Path
from typing import Any, Literal

import pytest

from sweep.errors import InputError, SweepError
from sweep.launch.capacity import with_workers
from sweep.launch.crew import Crew
from sweep.launch.devices import devices_of_workers, visible_devices
from sweep.launch.environment import Seat, rank_environment, threads_of_rank
from sweep.launch.failures import first_reason, take_failures, write_failure
from sweep.launch.interruption import Interruption
from sweep.launch.liveness import LockFiles
from sweep.launch.order import WorkOrder
from sweep.launch.protocol import Launcher, WorkerHandle
from sweep.records.folder import StudyFolder
from sweep.run.locks import Locks
from sweep.settings import LocalLauncher
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings


def launcher(
    workers: int | Literal["auto"] = 1, processes: int = 1, threads: int | None = None, share: bool = False
) -> LocalLauncher:
    return LocalLauncher(
        kind="local",
        workers=workers,
        processes=processes,
        threads=threads,
        share_devices=share,
        accelerate_config=None,
    )


def test_all_ranks_of_all_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    for workers, processes, threads in ((1, 1, 12), (3, 1, 4), (3, 2, 2), (12, 2, 1)):
        assert threads_of_rank(launcher(workers, processes)) == threads
    assert threads_of_rank(launcher(3, threads=5)) == 5
    assert rank_environment(5, (), None, {})["OMP_NUM_THREADS"] == "5"


@pytest.mark.parametrize(
    ("given", "devices", "trials", "expected"),
    [
        ({}, (), 99, (6, 1)),  # a worker a core
        ({}, (), 4, (4, 1)),  # no more than there are trials; the threads stay as they are
        ({"threads": 2}, (), 99, (3, 2)),
        ({"threads": 4}, (), 99, (1, 4)),
        ({"threads": 64}, (), 99, (1, 64)),
        ({"processes": 2}, (), 99, (3, 1)),
        ({"processes": 8}, (), 99, (1, 1)),
        ({}, ("0", "1"), 99, (2, 3)),  # a worker a GPU; their ranks share the cores
        ({}, ("0", "1"), 1, (1, 3)),
        ({"processes": 2}, ("0", "1", "2", "3", "4"), 99, (2, 1)),
        ({"processes": 2, "threads": 7}, ("0", "1"), 99, (1, 7)),
        ({"share": True}, ("0",), 99, (1, 6)),
    ],
)
def test_automatic_workers_fill_the_machine(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], devices: tuple[str, ...], trials: int, expected: object
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)  # most of which are not for this process
    counted = with_workers(launcher("auto", **given), devices, trials)
    assert (counted.workers, counted.threads) == expected
    assert len(devices_of_workers(counted, devices)) == counted.slots == counted.workers


def test_numbers_of_workers_and_threads_that_are_given_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    for settings in (launcher(3), launcher(40, 2), launcher(1, threads=5)):
        assert with_workers(settings, (), 1) is settings
    assert threads_of_rank(with_workers(launcher(3), (), 1)) == 4
    with pytest.raises(InputError, match=r"launcher\.processes=2: every process needs a GPU of its own"):
        devices_of_workers(with_workers(launcher("auto", 2), ("0",), 9), ("0",))


def test_workers_are_a_number_or_auto() -> None:
    assert load_settings(Composer("sweep", [])).launcher.workers == "auto"
    assert load_settings(Composer("sweep", ["launcher.workers=7"])).launcher.slots == 7
    for wrong in ("-1", "1.5", "true", "many", "null"):
        with pytest.raises(
            InputError, match=r"^launcher\.workers: must be auto, or a whole number of at least 0, not "
        ):
            load_settings(Composer("sweep", [f"launcher.workers={wrong}"]))


def test_a_study_may_be_left_to_others_where_others_reach_it() -> None:
    server = "study.storage=postgresql+psycopg://host/database"
    assert load_settings(Composer("sweep", ["launcher.workers=0", server])).launcher.slots == 0
    with pytest.raises(InputError, match=r"launcher\.workers=0 leaves the study to commands .* needs PostgreSQL"):
        load_settings(Composer("sweep", ["launcher.workers=0"]))
    with pytest.raises(InputError, match=r"launcher\.workers=0: with launcher=join there have to be workers"):
        load_settings(Composer("sweep", ["launcher.workers=0", "launcher=join", server]))


def test_every_rank_has_a_gpu_of_its_own() -> None:
    devices = ("0", "2", "GPU-x", "MIG-y")
    assert devices_of_workers(launcher(2, 2), devices) == [("0", "2"), ("GPU-x", "MIG-y")]
    assert devices_of_workers(launcher(3, 1), devices) == [("0",), ("2",), ("GPU-x",)]
    assert devices_of_workers(launcher(3, 2), ()) == [(), (), ()]
    assert rank_environment(1, ("0", "2"), None, {})["CUDA_VISIBLE_DEVICES"] == "0,2"
    assert "CUDA_VISIBLE_DEVICES" not in rank_environment(1, (), None, {})


def test_a_rank_knows_its_place_on_its_node_apart_from_that_in_its_group() -> None:
    environment = rank_environment(1, (), Seat(3, 4, 1, 2, "192.0.2.7", 29500), {})
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    assert [environment[name] for name in names] == ["3", "4", "1", "2", "192.0.2.7", "29500"]
    assert "GLOO_SOCKET_IFNAME" not in environment  # that of its node, which only its node knows


def test_too_few_gpus_are_refused_or_shared() -> None:
    with pytest.raises(InputError, match=r"launcher\.workers=3 with launcher\.processes=1: needs 3 GPUs, and .* 2;"):
        devices_of_workers(launcher(3), ("0", "1"))
    assert devices_of_workers(launcher(3, share=True), ("0", "1")) == [("0",), ("1",), ("0",)]
    assert devices_of_workers(launcher(2, 2, share=True), ("0", "1", "2")) == [("0", "1"), ("2", "0")]
    with pytest.raises(InputError, match=r"launcher\.processes=2: every process needs a GPU of its own.* 1"):
        devices_of_workers(launcher(1, 2, share=True), ("0",))


@pytest.mark.parametrize(
    ("named", "devices"),
    [
        ("1, 3", ("1", "3")),
        ("", ()),
        ("-1", ()),
        ("0,-1,1", ("0",)),  # as CUDA does: what follows an invalid entry is hidden
        ("2,,1", ("2",)),
        ("0,gpu,1", ("0",)),
        ("3,1.5", ("3",)),
        ("1,1", ()),
        ("GPU-8932f937-d72c, GPU-77", ("GPU-8932f937-d72c", "GPU-77")),
        ("MIG-GPU-8932/1/2,MIG-7", ("MIG-GPU-8932/1/2", "MIG-7")),
        ("GPU-8932f937-d72c,0", ("GPU-8932f937-d72c",)),
        ("MIG-3b6c8c1e-0f4e", ("MIG-3b6c8c1e-0f4e",)),
        ("GPU-", ()),
    ],
)
def test_devices_that_the_user_hides_are_not_used(
    monkeypatch: pytest.MonkeyPatch, named: str, devices: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_devices() == devices


class Scripted(WorkerHandle):
    """A worker whose end the test decides."""

    def __init__(self, order: WorkOrder, slot: int) -> None:
        self.log = Path(f"worker-{slot + 1}.log")
        self.order, self.slot, self.status, self.calls = order, slot, None, list[str]()

    def ask_to_stop(self) -> None:
        self.calls.append("ask_to_stop")

    def poll(self) -> int | None:
        return self.status

    def end(self, patience_s: float = 10.0) -> None:
        self.calls.append("end")


class ScriptedLauncher(Launcher):
    """Remembers the workers that it started."""

    def __init__(self) -> None:
        self.started: list[Scripted] = []

    @classmethod
    def warm_up(cls) -> None:
        pass

    def start(self, order: WorkOrder, slot: int) -> Scripted:
        self.started.append(Scripted(order, slot))
        return self.started[-1]

    def new_order(self) -> WorkOrder:
        return WorkOrder(f"w{len(self.started)}", "", (), None)


@pytest.fixture
def scripted() -> ScriptedLauncher:
    return ScriptedLauncher()


def test_a_crew_is_as_large_as_its_work(scripted: ScriptedLauncher) -> None:
    crew = Crew(scripted, 3)
    crew.staff(2, scripted.new_order)
    assert [member.order.worker for member in crew.members] == ["w0", "w1"]
    crew.staff(9, scripted.new_order)
    assert [member.slot for member in crew.members] == [0, 1, 2]
    crew.staff(9, scripted.new_order)
    assert [worker.order.worker for worker in scripted.started] == ["w0", "w1", "w2"]


def test_a_dead_worker_is_replaced_in_its_place(scripted: ScriptedLauncher) -> None:
    crew = Crew(scripted, 3)
    crew.staff(3, scripted.new_order)
    scripted.started[1].status = -9
    ((member, status),) = crew.collect()
    assert (member.slot, status) == (1, -9)
    assert crew.collect() == []
    crew.staff(2, scripted.new_order)  # the two others are enough
    assert len(scripted.started) == 3
    crew.staff(3, scripted.new_order)
    assert scripted.started[3].slot == 1


def test_a_crew_is_asked_to_stop_once(scripted: ScriptedLauncher) -> None:
    crew = Crew(scripted, 3)
    crew.staff(2, scripted.new_order)
    crew.ask_to_stop()
    crew.ask_to_stop()
    assert [worker.calls for worker in scripted.started] == [["ask_to_stop"]] * 2
    crew.stop()
    assert [worker.calls for worker in scripted.started] == [["ask_to_stop", "end"]] * 2
    assert crew.members == []


def test_the_first_failure_of_a_group_is_its_reason(tmp_path: Path) -> None:
    workers = tmp_path / "workers"  # nobody has made it yet
    write_failure(workers, "w-1", 1, "no space left", of_trial=False)
    write_failure(workers, "w-1", 0, "connection closed by peer", of_trial=True)
    write_failure(workers, "w-10", 0, "another worker's", of_trial=True)
    failures = take_failures(workers, "w-1")
    assert [(failure.rank, failure.of_trial) for failure in failures] == [(1, False), (0, True)]
    assert first_reason(failures) == "rank 1: no space left"
    assert take_failures(workers, "w-1") == []


def test_a_failure_that_all_ranks_share_is_told_once(tmp_path: Path) -> None:
    for rank in (0, 1):
        write_failure(tmp_path, "w-1", rank, "the corpus is broken", of_trial=True)
    assert first_reason(take_failures(tmp_path, "w-1")) == "the corpus is broken"


def test_the_first_signal_asks_and_the_second_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interruption() as interruption:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert interruption.at_once  # there is nothing to save yet
        interruption.in_order = True
        signal.raise_signal(signal.SIGTERM)
        assert interruption.asked
        interruption.at_once = False
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert interruption.at_once
    assert signal.getsignal(signal.SIGINT) is before


def test_a_lock_file_that_somebody_deleted_is_noticed(tmp_path: Path) -> None:
    locks, files = LockFiles(), [tmp_path / "driver.lock", tmp_path / "w.lock"]
    assert locks.deleted(files) == []  # not there yet
    for file in files:
        file.touch()
    assert locks.deleted(files) == []
    files[0].unlink()
    assert locks.deleted(files) == files[:1]
    (tmp_path / "other").touch()  # keeps the number of the file's node
    files[0].touch()
    assert locks.deleted(files) == files[:1]
    files[1].unlink()
    assert locks.deleted(files) == files


def test_only_a_living_worker_needs_its_lock(tmp_path: Path, scripted: ScriptedLauncher) -> None:
    """Another may have died, and its lock been tidied away, since the driver last looked for the dead."""
    folder, crew = StudyFolder(tmp_path), Crew(scripted, 2)
    crew.staff(2, scripted.new_order)
    folder.workers.mkdir()
    of_workers = [folder.workers / f"{worker.order.worker}.lock" for worker in scripted.started]
    for file in (folder.driver_lock, *of_workers):
        file.touch()
    locks = Locks(folder)
    locks.check(crew.members)
    of_workers[0].unlink()
    scripted.started[0].status = -9
    locks.check(crew.members)
    of_workers[1].unlink()
    with pytest.raises(SweepError, match=r"w1\.lock was deleted while the study ran"):
        locks.check(crew.members)
