"""Shares of cores and GPUs, the crew of workers, its display, and Ctrl-C."""

import os
import signal
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from sweep.errors import InputError
from sweep.launch.crew import Crew
from sweep.launch.devices import devices_of_workers, visible_devices
from sweep.launch.interruption import Interruption
from sweep.launch.local import rank_environment
from sweep.launch.order import WorkOrder
from sweep.run.progress import Lines, TimeLeft, display
from sweep.settings import LauncherSettings

STATUS = {"phase": "training", "step": 3, "steps": 10, "loss": 1.5}


def launcher(
    workers: int = 1, processes: int = 1, threads: int | None = None, share: bool = False
) -> LauncherSettings:
    return LauncherSettings(kind="local", workers=workers, processes=processes, threads=threads, share_devices=share)


def test_all_ranks_of_all_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    for workers, processes, threads in ((1, 1, 12), (3, 1, 4), (3, 2, 2), (12, 2, 1)):
        assert rank_environment(0, launcher(workers, processes), 1)["OMP_NUM_THREADS"] == str(threads)
    assert rank_environment(0, launcher(3, threads=5), 1)["OMP_NUM_THREADS"] == "5"


def test_every_rank_has_a_gpu_of_its_own() -> None:
    devices = ("0", "2", "GPU-x", "MIG-y")
    assert devices_of_workers(launcher(2, 2), devices) == [("0", "2"), ("GPU-x", "MIG-y")]
    assert devices_of_workers(launcher(3, 1), devices) == [("0",), ("2",), ("GPU-x",)]
    assert devices_of_workers(launcher(3, 2), ()) == [(), (), ()]
    assert rank_environment(1, launcher(2, 2), 1, ("0", "2"))["CUDA_VISIBLE_DEVICES"] == "0,2"
    assert "CUDA_VISIBLE_DEVICES" not in rank_environment(1, launcher(2, 2), 1)


def test_too_few_gpus_are_refused_or_shared() -> None:
    with pytest.raises(InputError, match=r"launcher\.workers=3 with launcher\.processes=1: needs 3 GPUs, and .* 2;"):
        devices_of_workers(launcher(3), ("0", "1"))
    assert devices_of_workers(launcher(3, share=True), ("0", "1")) == [("0",), ("1",), ("0",)]
    assert devices_of_workers(launcher(2, 2, share=True), ("0", "1", "2")) == [("0", "1"), ("2", "0")]
    with pytest.raises(InputError, match=r"launcher\.processes=2: every process needs a GPU of its own.* 1"):
        devices_of_workers(launcher(1, 2, share=True), ("0",))


@pytest.mark.parametrize(("named", "devices"), [("1, 3", ("1", "3")), ("", ()), ("-1", ())])
def test_devices_that_the_user_hides_are_not_used(
    monkeypatch: pytest.MonkeyPatch, named: str, devices: tuple[str, ...]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_devices() == devices


class Scripted:
    """A worker's process whose end the test decides."""

    made: list["Scripted"]

    def __init__(self, _settings: LauncherSettings, log: Path, devices: tuple[str, ...]) -> None:
        self.log, self.devices, self.status, self.said = log, devices, None, list[str]()
        Scripted.made.append(self)

    def send(self, order: WorkOrder) -> None:
        self.said.append(order.worker)

    def ask_to_stop(self) -> None:
        self.said.append("stop")

    def poll(self) -> int | None:
        return self.status

    def release(self) -> None:
        self.said.append("release")

    def stop(self) -> None:
        self.said.append("ended")


@pytest.fixture
def crew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Crew:
    Scripted.made = []
    monkeypatch.setattr("sweep.launch.crew.LocalWorker", Scripted)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    return Crew(launcher(3), tmp_path)


def new_order() -> WorkOrder:
    return WorkOrder(f"w{sum('w' in ' '.join(made.said) for made in Scripted.made)}", "", (), None)


def test_a_crew_is_as_large_as_its_work(crew: Crew) -> None:
    crew.prepare(2)
    assert len(Scripted.made) == 2
    crew.staff(2, new_order)
    assert [member.order.worker for member in crew.members] == ["w0", "w1"]
    crew.staff(9, new_order)
    assert [member.slot for member in crew.members] == [0, 1, 2]
    crew.staff(9, new_order)
    assert len(Scripted.made) == 3


def test_a_dead_worker_is_replaced_in_its_place(crew: Crew) -> None:
    crew.staff(3, new_order)
    Scripted.made[1].status = -9
    ((member, status),) = crew.collect()
    assert (member.slot, status) == (1, -9)
    assert crew.collect() == []
    crew.staff(2, new_order)  # the two others are enough
    assert len(Scripted.made) == 3
    crew.staff(3, new_order)
    assert Scripted.made[3].devices == Scripted.made[1].devices == ("1",)
    assert Scripted.made[3].log == Scripted.made[1].log


def test_no_more_workers_get_orders_than_there_is_work_for(crew: Crew) -> None:
    crew.prepare(3)
    crew.staff(1, new_order)
    assert [made.said for made in Scripted.made] == [["w0"], [], []]


def test_a_crew_is_asked_to_stop_once(crew: Crew) -> None:
    crew.staff(2, new_order)
    crew.prepare(3)
    crew.ask_to_stop()
    crew.ask_to_stop()
    assert [made.said for made in Scripted.made] == [["w0", "stop"], ["w1", "stop"], ["ended"]]
    crew.stop()
    assert Scripted.made[0].said == ["w0", "stop", "release", "ended"]


def test_the_first_signal_asks_and_the_second_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interruption() as interruption:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        interruption.in_order = True
        signal.raise_signal(signal.SIGTERM)
        assert interruption.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_pipe_shows_a_line_for_every_change() -> None:
    console = Console(file=StringIO(), width=200)
    with display(console, "s", 0, 4) as shown:
        assert isinstance(shown, Lines)
        shown.update(0, 0, [{"key": "a", **STATUS}, {}])
        shown.update(0, 0, [{"key": "a", **STATUS, "step": 4}, {}])
        shown.update(0, 0, [{"key": "a", **STATUS}, {"key": "b", **STATUS, "loss": None, "steps": 0}])
        shown.update(1, 1, [{"key": "c", **STATUS}])
    assert isinstance(console.file, StringIO)
    assert console.file.getvalue().splitlines() == [
        "0 of 4 trials done | a: training, step 3 of 10, loss 1.5000 | time left …",
        "0 of 4 trials done | a: training, step 3 of 10, loss 1.5000 | b: training | time left …",
        "1 of 4 trials done | 1 failed | c: training, step 3 of 10, loss 1.5000 | time left …",
    ]


def test_a_terminal_shows_a_bar_for_every_worker() -> None:
    console = Console(file=StringIO(), width=120, height=20, force_terminal=True, _environ={"TERM": "xterm"})
    with display(console, "grid", 0, 4) as shown:
        shown.update(2, 0, [{"key": "a", **STATUS}, {}])
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    for part in ("grid: trials", "2/4", "a: training", "3/10", "loss 1.5000", "starting a worker"):
        assert part in text


def test_a_worker_that_is_gone_has_no_bar() -> None:
    console = Console(file=StringIO(), width=120, height=20, force_terminal=True, _environ={"TERM": "xterm"})
    with display(console, "grid", 0, 4) as shown:
        shown.update(2, 0, [{"key": "a", **STATUS}, {"key": "b", **STATUS}])
        shown.update(3, 0, [{"key": "b", **STATUS}])
    assert isinstance(console.file, StringIO)
    last = console.file.getvalue().rsplit("grid: trials", 1)[1]
    assert last.count(": training") == last.count("b: training") == 1


def test_time_left_counts_the_shares_of_all_running_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("sweep.run.progress.time.monotonic", lambda: clock[0])
    left = TimeLeft(done=2, target=10)
    clock[0] = 30.0
    assert left.text(done=2, part=0.05) == "…"
    assert left.text(done=4, part=1.0) == "50 s"
