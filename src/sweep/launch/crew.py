"""The workers of one run: as many as there is work for, and a new one for each that dies."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweep.launch.devices import devices_of_workers, visible_devices
from sweep.launch.liveness import read_status
from sweep.launch.local import LocalWorker
from sweep.launch.order import WorkOrder
from sweep.settings import LauncherSettings


@dataclass(frozen=True, eq=False)
class Member:
    """A worker at work. `slot` counts from 0 and decides about its devices and its log."""

    slot: int
    worker: LocalWorker
    order: WorkOrder

    def said(self, workers: Path) -> dict[str, Any]:
        """Its last status; empty before it has a trial."""
        return read_status(workers, self.order.worker)


class Crew:
    """Up to `launcher.workers` local workers. `folder` holds their locks, status files and logs.

    Raises InputError if there are not enough GPUs for them.
    """

    def __init__(self, launcher: LauncherSettings, folder: Path) -> None:
        self.folder = folder
        self._launcher = launcher
        self._devices = devices_of_workers(launcher, visible_devices())
        self._ready: list[tuple[int, LocalWorker]] = []  # started and without an order
        self._members: list[Member] = []
        self._stopping = False

    @property
    def members(self) -> list[Member]:
        """Those at work, by slot."""
        return sorted(self._members, key=lambda member: member.slot)

    def prepare(self, wanted: int) -> None:
        """Start up to `wanted` workers: they load their libraries, which takes seconds, and wait for an order."""
        taken = {member.slot for member in self._members} | {slot for slot, _ in self._ready}
        free = [slot for slot in range(self._launcher.workers) if slot not in taken]
        for slot in free[: max(0, wanted - len(taken))]:
            log = self.folder / f"worker-{slot + 1}.log"
            self._ready.append((slot, LocalWorker(self._launcher, log, self._devices[slot])))

    def staff(self, wanted: int, new_order: Callable[[], WorkOrder]) -> None:
        """Put workers to work until `wanted` are (or all that there may be)."""
        self.prepare(wanted)
        while self._ready and len(self._members) < wanted:
            slot, worker = self._ready.pop(0)
            member = Member(slot, worker, new_order())
            worker.send(member.order)
            self._members.append(member)

    def collect(self) -> list[tuple[Member, int]]:
        """The workers that have ended since the last call, with their exit status."""
        ended = [(member, status) for member in self._members if (status := member.worker.poll()) is not None]
        for member, _ in ended:
            self._members.remove(member)
            member.worker.stop()
        return ended

    def ask_to_stop(self) -> None:
        """Ask every worker, once, to save or finish its trial and to end; those without a trial yet end at once."""
        if not self._stopping:
            self._stopping = True
            for member in self._members:
                member.worker.ask_to_stop()
            self._dismiss_ready()

    def stop(self) -> None:
        """End all of them now; their trials go on from their checkpoints later."""
        workers = [worker for _, worker in self._ready] + [member.worker for member in self._members]
        for worker in workers:
            worker.release()
        for worker in workers:
            worker.stop()
        self._ready, self._members = [], []

    def _dismiss_ready(self) -> None:
        for _, worker in self._ready:
            worker.stop()
        self._ready = []
