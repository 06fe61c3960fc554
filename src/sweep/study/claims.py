"""Which trial a worker takes on next."""

from collections.abc import Callable, Iterator, Mapping

from sweep.launch.liveness import host_of, this_host
from sweep.study.outcomes import end_trial, give_up
from sweep.study.queue import TrialQueue
from sweep.study.search import PointSearch
from sweep.study.seeds import judge
from sweep.study.storage import TrialStorage
from sweep.study.trials import Claim, StoredTrial, worker_of
from sweep.study.view import StudyView


class Claims:
    """Hands out the trials of a study, abandoned ones first. `alive` tells whether a worker of this machine lives.

    Everything here happens inside a change of the storage.
    """

    def __init__(
        self,
        storage: TrialStorage,
        view: StudyView,
        search: PointSearch | None,
        queue: TrialQueue,
        alive: Callable[[str], bool],
    ) -> None:
        self._storage = storage
        self._view = view
        self._settings = view.settings
        self._search = search
        self._queue = queue
        self._alive = alive

    def claim(self, entry: str) -> Claim | None:
        """Take on the next trial under this entry, or None if nothing is left to do."""
        known = self._view.trials()  # one look: of a large study it is what a claim costs
        for trial in known.values():
            if trial.is_held_by(entry):  # the database went away before it could say that the trial is ours
                return Claim(trial.id, trial.number, trial.point, trial.attempts, entry)
        if self._search is not None:
            self._search.settle(known)
            self._queue.add_seeds(self._search, known)
            known = self._view.trials()
        claim = self._storage.take(self._candidates(known), entry)
        if claim is None and self._search is not None:
            known = self._view.trials()
            self._search.settle(known)  # points whose last seeds have just been stopped
            if len(self._search.begun()) < (self._settings.points or 0):
                self._search.ask()
            self._queue.add_seeds(self._search, known)
            claim = self._storage.take(self._waiting(self._view.trials()), entry)
        return claim

    def _candidates(self, known: Mapping[str, StoredTrial]) -> Iterator[StoredTrial]:
        yield from self._abandoned(known)
        yield from self._waiting(known)

    def _abandoned(self, known: Mapping[str, StoredTrial]) -> Iterator[StoredTrial]:
        """RUNNING trials whose workers are dead."""
        running = [trial for trial in known.values() if trial.state == "RUNNING"]
        if not running:
            return
        wanted, silent = self._view.wanted.among(known), self._storage.silent()
        for trial in running:
            if not self._is_dead(trial, silent):
                continue
            if len(trial.deaths) >= self._settings.max_attempts:
                give_up(self._storage, trial)
            elif trial.key not in wanted:  # its value was removed from the grid
                self._storage.set_state(trial.id, "WAITING")
            else:
                yield trial

    def abandoned(self) -> int:
        """How many RUNNING trials of the target a worker could take over now. Changes nothing."""
        known = self._view.trials()
        running = [trial for trial in known.values() if trial.state == "RUNNING"]
        if not running:
            return 0
        wanted, silent = self._view.wanted.among(known), self._storage.silent()
        return sum(trial.key in wanted and self._is_dead(trial, silent) for trial in running)

    def silent_workers(self) -> set[str]:
        """Workers that gave no sign of life for the study's grace, although they have a trial."""
        silent = self._storage.silent()
        if not silent or self._storage.just_recovered:
            return set()
        return {worker_of(trial.holder) for trial in self._view.trials().values() if trial.id in silent}

    def _is_dead(self, trial: StoredTrial, silent: set[int]) -> bool:
        """Whether a trial's worker is gone: never known, seen to die, its lock free, or silent for too long."""
        worker = worker_of(trial.holder)
        if not worker or worker in trial.deaths or (host_of(worker) == this_host() and not self._alive(worker)):
            return True
        return trial.id in silent and not self._storage.just_recovered

    def _waiting(self, known: Mapping[str, StoredTrial]) -> Iterator[StoredTrial]:
        """The enqueued trials that are wanted and worth running, in order of their numbers."""
        wanted = self._view.wanted.among(known)
        waiting = [trial for trial in known.values() if trial.state == "WAITING"]
        stopped: set[str] = set()
        for trial in sorted(waiting, key=lambda trial: trial.number):
            if trial.key not in wanted or trial.point.without_seed in stopped:
                continue
            if self._settings.seed_policy == "all" or trial.point.seed in self._settings.further_seeds:
                yield trial
                continue
            verdict = judge(self._settings, trial.point, known, self._view.goals.feasible(known), self._view.folder)
            if verdict.go:
                yield trial
            elif verdict.reason:
                stopped.add(trial.point.without_seed)  # its trials end together
                for other in waiting:
                    if other.point.without_seed == trial.point.without_seed:
                        end_trial(self._storage, other.id, "PRUNED", reason=verdict.reason)
