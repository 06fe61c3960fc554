"""What the processes of each worker use of the machine, sampled while their trials run, in `system.csv` of the trial.

The columns have MLflow's names for such figures, so that its pages show them as system metrics. Of a worker are its
ranks and whatever they have started.
"""

import csv
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep.launch.crew import Member
from sweep.launch.devices import devices_of_workers, visible_devices
from sweep.records.folder import RESULT, StudyFolder, TrialFolder
from sweep.records.lines import append_lines, cut_torn_line
from sweep.run.devices_in_use import GpuReader
from sweep.settings import LocalWorkers, Settings

if TYPE_CHECKING:
    from psutil import Process

EVERY_S = 10.0
MEGA = 1e6
OF_ALL = (
    "cpu_utilization_percentage",
    "system_memory_usage_megabytes",
    "system_memory_usage_percentage",
    "disk_usage_percentage",
    "disk_usage_megabytes",
    "disk_available_megabytes",
)


@dataclass
class _Before:
    """CPU seconds of each process of a worker at the last sample, and when that was (monotonic seconds)."""

    at: float
    seconds: dict[tuple[int, float], float] = field(default_factory=dict)


class SystemSampler:
    """Samples workers now and then. Nothing that goes wrong with it is an error of the study: `say` gets one line,
    and it stops. `every_s`: between samples, in seconds; never if it is infinite."""

    def __init__(
        self, folder: StudyFolder, devices: Sequence[tuple[str, ...]], say: Callable[[str], None],
        every_s: float = EVERY_S,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._gpus = GpuReader(devices)
        self._say = say
        self._every_s = every_s
        self._due: dict[str, float] = {}  # when, in monotonic seconds, by the trial's key
        self._before: dict[str, _Before] = {}
        self._headers: dict[Path, list[str]] = {}
        self._works = math.isfinite(every_s)

    def look(self, members: Sequence[Member], statuses: Sequence[Mapping[str, Any]]) -> None:
        """Take a sample of each worker that has a trial, if it is time. `statuses`: what each worker says."""
        if not self._works:
            return
        try:
            for member, status in zip(members, statuses, strict=True):
                if "key" in status and "error" not in status:
                    self._sample_if_due(member, status)
            at_work = {member.order.worker for member in members}
            self._before = {worker: before for worker, before in self._before.items() if worker in at_work}
        except Exception as error:
            self._works = False
            self._say(f"system metrics are not sampled any more ({type(error).__name__}: {error})")

    def _sample_if_due(self, member: Member, status: Mapping[str, Any]) -> None:
        key, now = str(status["key"]), time.monotonic()
        if now >= self._due.get(key, 0.0):
            self._due[key] = now + self._every_s
            self._sample(member, status)

    def _sample(self, member: Member, status: Mapping[str, Any]) -> None:
        trial = self._folder.trial(str(status["key"]))
        if not trial.config.exists() or (trial.path / RESULT).exists():
            return
        import psutil  # late, as a study that is not sampled does without

        values = self._of_processes(member.order.worker, member.worker.pids)
        if not values:
            return  # they have ended
        disk = psutil.disk_usage(str(self._folder.path))
        values |= {
            "disk_usage_percentage": disk.percent,
            "disk_usage_megabytes": disk.used / MEGA,
            "disk_available_megabytes": disk.free / MEGA,
        }
        values |= self._gpus.read(member.slot)
        self._append(trial, int(status.get("step") or 0), values)

    def _of_processes(self, worker: str, pids: Sequence[int]) -> dict[str, float]:
        """CPU in percent of all cores since the last sample, and memory; empty if no process is there."""
        import psutil

        processes, seconds, resident = _trees(pids), {}, 0
        now = time.monotonic()  # after they were listed, as that may take a while
        for process in processes:
            try:
                with process.oneshot():
                    used = process.cpu_times()
                    seconds[process.pid, process.create_time()] = used.user + used.system
                    resident += process.memory_info().rss
            except psutil.Error:
                continue  # it has just ended
        if not seconds:
            return {}
        before, self._before[worker] = self._before.get(worker), _Before(now, seconds)
        values = {
            "system_memory_usage_megabytes": resident / MEGA,
            "system_memory_usage_percentage": 100 * resident / psutil.virtual_memory().total,
        }
        if before is not None and now > before.at:
            used_s = sum(max(0.0, value - before.seconds.get(one, 0.0)) for one, value in seconds.items())
            share = used_s / (now - before.at) / (psutil.cpu_count() or 1)
            values["cpu_utilization_percentage"] = 100 * share
        return values

    def _append(self, trial: TrialFolder, step: int, values: Mapping[str, float]) -> None:
        """One row. A file that is there keeps its columns: it may have been begun on another machine."""
        file = trial.system
        if file not in self._headers:
            cut_torn_line(file)
            self._headers[file] = self._header(file)
        cells = [f"{values[name]:.1f}" if name in values else "" for name in self._headers[file][2:]]
        append_lines(file, [",".join([str(step), str(int(time.time() * 1000)), *cells])])

    def _header(self, file: Path) -> list[str]:
        if file.exists():
            with file.open(newline="") as lines:
                if header := next(csv.reader(lines), None):
                    return header
        header = ["step", "timestamp_ms", *OF_ALL, *self._gpus.names]
        append_lines(file, [",".join(header)])
        return header


def sampler_of(settings: Settings, folder: StudyFolder, say: Callable[[str], None]) -> SystemSampler:
    """One for the workers of a study; it does nothing unless the settings want it."""
    if not settings.tracking.system_metrics or not isinstance(settings.launcher, LocalWorkers):
        return SystemSampler(folder, (), say, every_s=math.inf)
    return SystemSampler(folder, devices_of_workers(settings.launcher, visible_devices()), say)


def _trees(pids: Sequence[int]) -> "list[Process]":
    """Processes with all that they have started, each once."""
    import psutil

    there: dict[int, psutil.Process] = {}
    for pid in pids:
        try:
            process = psutil.Process(pid)
            there |= {one.pid: one for one in (process, *process.children(recursive=True))}
        except psutil.Error:
            continue  # it has just ended
    return list(there.values())
