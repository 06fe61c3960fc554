"""What workers use of the machine: real processes, sampled into the folder of their trial and sent from there."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.test_mirror import folder, lines, mirror, trial

from sweep.launch.crew import Member
from sweep.launch.order import WorkOrder
from sweep.launch.protocol import WorkerHandle
from sweep.records.folder import StudyFolder
from sweep.records.series import read_series
from sweep.run.devices_in_use import GpuReader
from sweep.run.sampling import OF_ALL, SystemSampler, sampler_of
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.tracking.mirror import Snapshot

__all__ = ["folder"]  # a fixture

STATUS = {"key": "a", "phase": "training", "step": 2, "steps": 3}
CHILD_MB = 80
# A worker whose child has some memory, while it counts.
WORKER = f"""
import subprocess, sys
code = "import sys; data = bytearray({CHILD_MB} * 10**6); print('ready', flush=True); sys.stdin.read()"
child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
while True:
    sum(range(10_000))
"""


class Group(WorkerHandle):
    """A worker that is one process."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    @property
    def pids(self) -> tuple[int, ...]:
        return (self._pid,)

    def ask_to_stop(self) -> None: ...

    def poll(self) -> int | None:
        return None

    def end(self, patience_s: float = 10.0) -> None: ...


@pytest.fixture
def worker() -> Iterator[Member]:
    process = subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield member_of(process.pid)
    process.kill()
    process.communicate()


def member_of(pid: int) -> Member:
    return Member(0, Group(pid), WorkOrder("w", "", (), None))


def sampler(folder: StudyFolder, said: list[str] | None = None, every_s: float = 0.0) -> SystemSampler:
    return SystemSampler(folder, [()], ([] if said is None else said).append, every_s)


def test_a_sample_has_all_processes_of_a_worker(folder: StudyFolder, worker: Member) -> None:
    made, said = trial(folder).folder, []
    assert made is not None
    samples = sampler(folder, said)
    samples.look([worker], [STATUS])
    time.sleep(0.5)
    samples.look([worker], [{**STATUS, "step": 3}])
    assert said == []
    series = read_series(made.system)
    assert list(series) == ["step", "timestamp_ms", *OF_ALL]
    assert series["step"].tolist() == [2, 3]
    assert abs(series["timestamp_ms"][-1] / 1000 - time.time()) < 60
    assert series["system_memory_usage_megabytes"].min() > CHILD_MB
    cpu = series["cpu_utilization_percentage"]
    assert math.isnan(cpu[0])  # since when?
    assert 0 < cpu[1] < 150 / (os.cpu_count() or 1)  # one of its two processes counts, and clocks are not exact
    assert 0 < series["disk_usage_percentage"][0] < 100


def test_a_sample_is_taken_only_now_and_then(folder: StudyFolder, worker: Member) -> None:
    made = trial(folder).folder
    assert made is not None
    samples = sampler(folder, every_s=60)
    samples.look([worker], [{}])  # it has no trial yet
    for _ in range(3):
        samples.look([worker], [STATUS])
    assert len(read_series(made.system)["step"]) == 1


def test_the_next_driver_goes_on_with_the_file(folder: StudyFolder, worker: Member) -> None:
    made = trial(folder).folder
    assert made is not None
    sampler(folder).look([worker], [STATUS])
    first = made.system.read_text()
    with made.system.open("a") as torn:
        torn.write("3,17")
    sampler(folder).look([worker], [STATUS])
    assert made.system.read_text().startswith(first)
    assert len(made.system.read_text().splitlines()) == 3
    assert len(read_series(made.system)["step"]) == 2


def test_a_file_of_another_machine_keeps_its_columns(folder: StudyFolder, worker: Member) -> None:
    made = trial(folder).folder
    assert made is not None
    made.system.write_text("step,timestamp_ms,gpu_0_utilization_percentage,system_memory_usage_megabytes\n")
    sampler(folder).look([worker], [STATUS])
    (row,) = made.system.read_text().splitlines()[1:]
    step, _, gpu, memory = row.split(",")
    assert (step, gpu) == ("2", "")
    assert float(memory) > CHILD_MB


def test_what_is_not_sampled(folder: StudyFolder, worker: Member) -> None:
    """A trial that is finished, or has no folder; a worker that has ended; and anything if nobody asked for it."""
    said: list[str] = []
    done = trial(folder, "done", state="COMPLETE").folder
    running = trial(folder).folder
    assert done is not None
    assert running is not None
    samples = sampler(folder, said)
    samples.look([worker, worker], [{**STATUS, "key": "done"}, {**STATUS, "key": "nowhere"}])
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    samples.look([member_of(ended.pid)], [STATUS])
    settings = load_settings(Composer("sweep", ["+experiment=smoke"]))
    sampler_of(settings, folder, said.append).look([worker], [STATUS])
    assert (said, done.system.exists(), running.system.exists()) == ([], False, False)
    assert not folder.trial("nowhere").path.exists()
    asked = load_settings(
        Composer("sweep", ["+experiment=smoke", "launcher.workers=1", "tracking.system_metrics=true"])
    )
    sampler_of(asked, folder, said.append).look([worker], [STATUS])
    assert running.system.exists()


def test_what_goes_wrong_is_one_line(folder: StudyFolder, worker: Member) -> None:
    made, said = trial(folder).folder, []
    assert made is not None
    made.system.mkdir()
    samples = sampler(folder, said)
    for _ in range(2):
        samples.look([worker], [STATUS])
    (line,) = said
    assert line.startswith("system metrics are not sampled any more (IsADirectoryError: ")


def test_samples_are_sent_once_and_as_mlflow_names_them(folder: StudyFolder, worker: Member) -> None:
    record = trial(folder)
    samples = sampler(folder)
    samples.look([worker], [STATUS])
    mirror(folder).send(Snapshot([record]))
    again = mirror(folder)
    assert not again.has_work(Snapshot([record]))
    samples.look([worker], [STATUS])
    assert again.has_work(Snapshot([record]))
    again.send(Snapshot([record]))
    mirror(folder).send(Snapshot([record], "FINISHED"))
    name = "system/system_memory_usage_megabytes"
    sent = [line for line in lines(folder) if line.get("metric") == name]
    assert record.folder is not None
    series = read_series(record.folder.system)
    assert [line["timestamp_ms"] for line in sent] == series["timestamp_ms"].tolist()
    assert [line["value"] for line in sent] == series["system_memory_usage_megabytes"].tolist()
    cpu = [line for line in lines(folder) if line.get("metric") == "system/cpu_utilization_percentage"]
    assert len(cpu) == 1


class NvmlError(Exception):
    pass


def no_power(handle: Any) -> int:
    raise NvmlError


def test_gpus_are_counted_from_the_first_of_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    library = SimpleNamespace(
        NVMLError=NvmlError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetHandleByUUID=lambda uuid: 7,
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=10 * handle),
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(used=handle * 10**6, total=10**7),
        nvmlDeviceGetPowerUsage=no_power,
    )
    monkeypatch.setitem(sys.modules, "pynvml", library)
    reader = GpuReader([("2", "3"), ("GPU-x", "5")])
    assert len(reader.names) == 8
    assert reader.read(0) == {
        "gpu_0_utilization_percentage": 20,
        "gpu_0_memory_usage_megabytes": 2,
        "gpu_0_memory_usage_percentage": 20,
        "gpu_1_utilization_percentage": 30,
        "gpu_1_memory_usage_megabytes": 3,
        "gpu_1_memory_usage_percentage": 30,
    }
    assert reader.read(1)["gpu_0_utilization_percentage"] == 70
    assert GpuReader([()]).names == []


def test_without_the_library_of_gpus_there_are_no_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    reader = GpuReader([("0",)])
    assert (reader.names, reader.read(0)) == ([], {})
