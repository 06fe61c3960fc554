"""Workers that do not answer any more: stopped, or stuck in the kernel. A study does not wait for them for ever."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from sweep.launch.crew import Member
from sweep.study.trials import StoredTrial, worker_of

IDLE_S = 10.0  # for a worker to end when nothing is left to do


class Silence:
    """How long each worker has been out of touch: without a sign of life, or without a trial of its own.

    A moment without either is nothing: a worker that has finished a trial claims the next. Time counts from when the
    driver first saw it, by a clock that stands still while the machine sleeps, so that workers which slept with it
    have time for a sign of life.
    """

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._since: dict[str, float] = {}

    def overdue(
        self,
        members: Sequence[Member],
        workers: Path,
        trials: Mapping[str, StoredTrial],
        silent: set[str],
        remaining: int,
    ) -> list[Member]:
        """Those that have been out of touch for the study's grace, or for seconds when nothing remains to be done.

        Args:
            workers: the folder of their status files.
            trials: the study's trials by key.
            silent: workers that have a trial and gave no sign of life for the grace.
            remaining: how many trials are still to be finished.
        """
        now = time.monotonic()
        out = [member for member in members if self._is_out_of_touch(member, workers, trials, silent, remaining)]
        self._since = {member.order.worker: self._since.get(member.order.worker, now) for member in out}
        patience_s = self._grace_s if remaining else min(IDLE_S, self._grace_s)
        return [member for member in out if now - self._since[member.order.worker] >= patience_s]

    def _is_out_of_touch(
        self, member: Member, workers: Path, trials: Mapping[str, StoredTrial], silent: set[str], remaining: int
    ) -> bool:
        if member.worker.waits_for is not None:  # in a queue, perhaps once more: nobody expects anything of it
            return False
        worker = member.order.worker
        if worker in silent:
            return True
        key = member.status(workers).get("key")
        if key is None:  # it is starting, and will find nothing if nothing remains
            return remaining == 0
        trial = trials.get(key)
        return trial is None or trial.state != "RUNNING" or worker_of(trial.holder) != worker
