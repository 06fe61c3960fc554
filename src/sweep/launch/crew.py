"""The workers of one run: as many as there is work for, and a new one for each that dies."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweep.launch.liveness import new_worker, read_status
from sweep.launch.order import WorkOrder
from sweep.launch.protocol import Launcher, WorkerHandle

PATIENCE_S = 10.0  # for all workers together, until they are ended by force
UNANSWERED_S = 0.5  # for one that has not answered for much longer


@dataclass(frozen=True, eq=False)
class Member:
    """A worker at work. `slot` counts from 0 and decides about its devices and its log."""

    slot: int
    worker: WorkerHandle
    order: WorkOrder

    def status(self, workers: Path) -> dict[str, Any]:
        """Its last status; empty before it has a trial."""
        return read_status(workers, self.order.worker)


class Crew:
    """Up to `size` workers of one launcher, each in a slot of its own."""

    def __init__(self, launcher: Launcher, size: int) -> None:
        self._launcher = launcher
        self._size = size
        self._members: list[Member] = []
        self._stopping = False

    @property
    def members(self) -> list[Member]:
        """Those at work, by slot."""
        return sorted(self._members, key=lambda member: member.slot)

    @property
    def has_room(self) -> bool:
        """Whether some are at work, and more could be."""
        return 0 < len(self._members) < self._size

    def new_worker(self, workers: Path, joins: bool = False) -> str:
        """An id for a worker that its launcher starts; `new_worker` has the arguments."""
        return new_worker(workers, self._launcher.host, joins)

    def release(self, wanted: int) -> None:
        """End workers that still wait for room, as far as there are more than `wanted`."""
        waiting = [member for member in reversed(self.members) if member.worker.waits_for is not None]
        for member in waiting[: max(0, len(self._members) - wanted)]:
            self.dismiss(member)

    def take_over(self) -> None:
        """End what earlier workers have left; before the first of these starts."""
        self._launcher.take_over()

    def staff(self, wanted: int, new_order: Callable[[], WorkOrder]) -> None:
        """Start workers until `wanted` are at work (or all that there may be)."""
        taken = {member.slot for member in self._members}
        free = [slot for slot in range(self._size) if slot not in taken]
        for slot in free[: max(0, wanted - len(taken))]:
            order = new_order()
            self._members.append(Member(slot, self._launcher.start(order, slot), order))

    def collect(self) -> list[tuple[Member, int]]:
        """The workers that have ended since the last call, with their exit status."""
        ended = [(member, status) for member in self._members if (status := member.worker.poll()) is not None]
        for member, _ in ended:
            self._members.remove(member)
        return ended

    def ask_to_stop(self) -> None:
        """Ask every worker, once, to save or finish its trial and to end."""
        if not self._stopping:
            self._stopping = True
            for member in self._members:
                member.worker.ask_to_stop()

    def dismiss(self, member: Member) -> None:
        """End one that does not answer; `collect` does not report it."""
        member.worker.end(UNANSWERED_S)
        self._members.remove(member)

    def stop(self, patience_s: float = PATIENCE_S) -> None:
        """End all of them now; their trials go on from their checkpoints later."""
        deadline = time.monotonic() + patience_s
        for member in self._members:
            member.worker.end(max(0.0, deadline - time.monotonic()))
        self._members = []
