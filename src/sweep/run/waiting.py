"""Workers that a cluster has no room for yet: shown, and not hung on in silence."""

import time
from collections.abc import Callable, Sequence

from sweep.launch.crew import Member

PATIENCE_S = 4.0  # a worker that gets its room within seconds has not waited


class WaitingWorkers:
    """Tells once of each worker that waits. `say` gets a line for each, and one for each that goes on."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._since: dict[str, float] = {}
        self._shown: set[str] = set()

    def look(self, members: Sequence[Member]) -> None:
        """Look at all workers."""
        now = time.monotonic()
        waiting = {member.order.worker: member for member in members if member.worker.waits_for is not None}
        self._since = {worker: self._since.get(worker, now) for worker in waiting}
        for worker, member in waiting.items():
            if worker not in self._shown and now - self._since[worker] >= PATIENCE_S:
                self._shown.add(worker)
                self._say(f"worker {member.slot + 1} waits for {member.worker.waits_for}")
        for member in members:
            if member.order.worker in self._shown - waiting.keys():
                self._shown.remove(member.order.worker)
                self._say(f"worker {member.slot + 1} has its room, and starts")
