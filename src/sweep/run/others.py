"""Workers of other commands that work on the same study: what they have, and what they leave to claim."""

import time
from collections.abc import Collection

from sweep.study.trials import UNFINISHED, StoredTrial, worker_of
from sweep.study.view import StudyView

Counts = tuple[int, int]  # finished and FAILED trials


class Others:
    """Looks at a study that several commands may work on.

    `may_be`: whether there can be other commands. `only`: whether this command has no workers of its own, so that
    whatever is left is theirs.
    """

    def __init__(self, view: StudyView, may_be: bool = True, only: bool = False) -> None:
        self._view = view
        self._may_be = may_be
        self._only = only
        self._waiting = 0

    def have_work(self, remaining: int) -> bool:
        """Whether one of them has a trial of the `remaining` ones, or may take one that waits."""
        if not self._may_be or not remaining:
            return False
        return self._only or any(trial.state in UNFINISHED for trial in self._wanted())

    def gave_back(self) -> bool:
        """Whether more trials wait than at the last look, so that a worker may find one."""
        if not self._may_be:
            return False
        before, self._waiting = self._waiting, self._count_waiting()
        return self._waiting > before

    @property
    def claimable(self) -> int:
        """How many trials of the target a new worker might find: those that wait, and of a search those that it
        lacks, which come to be when somebody asks."""
        settings = self._view.settings
        if settings.is_grid:
            return self._count_waiting()
        known = self._view.trials()
        wanted = self._view.wanted.among(known)
        free = sum(key not in known or known[key].state == "WAITING" for key in wanted)
        begun = len({point.without_seed for point in wanted.values()})
        return free + max(0, (settings.points or 0) - begun) * len(settings.seeds)

    def _count_waiting(self) -> int:
        return sum(trial.state == "WAITING" for trial in self._wanted())

    def _wanted(self) -> list[StoredTrial]:
        known = self._view.trials()
        wanted = self._view.wanted.among(known)
        return [trial for key, trial in known.items() if key in wanted]


class Lull:
    """A time in which a new worker would find nothing to claim, as the last one did.

    The next trial that ends is the end of it, and so are `longest_s` seconds: what others give back in the moment
    between a worker's question and the next look may be there in both of the looks around it.
    """

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._counts: Counts | None = None
        self._until = 0.0

    def begin(self, counts: Counts) -> None:
        """A worker has just found nothing."""
        self._counts, self._until = counts, time.monotonic() + self._longest_s

    def end(self) -> None:
        """There may be something now."""
        self._counts = None

    def lasts(self, counts: Counts) -> bool:
        """Whether nothing has happened since."""
        return self._counts == counts and time.monotonic() < self._until


def finished_by(workers: Collection[str], view: StudyView) -> int:
    """How many trials these workers have finished."""
    trials = view.trials().values()
    return sum(trial.state in ("COMPLETE", "PRUNED") and worker_of(trial.holder) in workers for trial in trials)
