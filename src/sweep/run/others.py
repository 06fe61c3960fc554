"""Workers of other commands that work on the same study: what they have, and what they give back."""

from collections.abc import Collection

from sweep.study.trials import StoredTrial, worker_of
from sweep.study.view import StudyView


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
        """Whether one of them has a trial, or is to take it, of the `remaining` ones."""
        if not self._may_be or not remaining:
            return False
        return self._only or any(trial.state == "RUNNING" for trial in self._wanted())

    def gave_back(self) -> bool:
        """Whether more trials wait than at the last look, so that a worker may find one."""
        if not self._may_be:
            return False
        before, self._waiting = self._waiting, self.waiting
        return self._waiting > before

    @property
    def waiting(self) -> int:
        """How many trials of the target wait for a worker."""
        return sum(trial.state == "WAITING" for trial in self._wanted())

    def _wanted(self) -> list[StoredTrial]:
        known = self._view.trials()
        wanted = self._view.wanted.among(known)
        return [trial for key, trial in known.items() if key in wanted]


def finished_by(workers: Collection[str], view: StudyView) -> int:
    """How many trials these workers have finished."""
    trials = view.trials().values()
    return sum(trial.state in ("COMPLETE", "PRUNED") and worker_of(trial.holder) in workers for trial in trials)
