"""Which trial a worker takes on next.

There are two ways. Where every enqueued trial is to be run, a worker takes the first one that waits, and looks at no
other (`_next`). Where it takes a look at what there is, at a search that has nothing waiting or seeds that may not be
worth running, it has the study's lock meanwhile (`_chosen`). On either way a trial changes hands under its own lock,
after a second look at it.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from random import Random

from sweep.launch.liveness import host_of, this_host
from sweep.study.outcomes import end_trial, give_up
from sweep.study.parents import is_parent
from sweep.study.point import Point
from sweep.study.queue import TrialQueue
from sweep.study.search import PointSearch
from sweep.study.seeds import judge
from sweep.study.storage import TrialStorage
from sweep.study.trials import KEPT_BACK, Claim, StoredTrial, worker_of
from sweep.study.view import StudyView

SHORTEST_REST_S = 1.0  # between two looks at a server for trials without a worker; else an eighth of the grace
FEW = 50  # trials that run: of so many all are looked at that often, of more as many in all


class Claims:
    """Hands out the trials of a study, abandoned ones first. `alive` tells whether a worker of this machine lives."""

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
        self._looked_at = -float("inf")  # when nothing was abandoned
        self._rest_s = 0.0
        self._takes_any = self._settings.seed_policy == "all" and not self._settings.further_seeds

    def claim(self, entry: str) -> Claim | None:
        """Take on the next trial under this entry, patiently; None if nothing is left to do."""
        attempts = count()

        def attempt() -> Claim | None:
            if next(attempts) and (claim := self._storage.held_under(entry)) is not None:
                return claim  # the database went away before it could say that the trial is ours
            claim = self._next(entry) if self._takes_any else None
            if claim is None and not (self._takes_any and self._search is None):
                claim = self._storage.change(lambda: self._chosen(entry))
            return claim

        return self._storage.patiently(attempt)

    def _next(self, entry: str) -> Claim | None:
        """An abandoned trial, if it is time to look for one, or the first that waits."""
        looks = time.monotonic() - self._looked_at >= self._rest_s
        claim = self._take_abandoned(entry) if looks else None
        claim = claim or self._storage.take_next(entry)
        return claim or (None if looks else self._take_abandoned(entry))

    def _chosen(self, entry: str) -> Claim | None:
        """An abandoned trial, or the first that waits and is worth running, or one of a new point of a search."""
        claim = self._take_abandoned(entry)
        if claim is not None:
            return claim
        known = self._view.trials()
        if self._search is not None:
            self._search.settle(known)
            self._queue.add_seeds(self._search, known)
            known = self._view.trials()
        claim = self._take_waiting(known, entry)
        if claim is None and self._search is not None:
            known = self._view.trials()
            self._search.settle(known)  # points whose last seeds have just been stopped
            if len(self._search.begun()) < (self._settings.points or 0):
                self._search.ask()
            self._queue.add_seeds(self._search, known)
            claim = self._take_waiting(self._view.trials(), entry)
        return claim

    # Trials whose workers are gone ----------------------------------------------------------------------------

    def _take_abandoned(self, entry: str) -> Claim | None:
        doubtful = self._storage.doubtful(this_host())
        rest = doubtful[1:]
        Random().shuffle(rest)  # where many were abandoned at once, let not every worker try them in one order
        for trial_id in doubtful[:1] + rest:
            # Who has locked it is taking it over now, or still changes it.
            claim = self._storage.change_free_trial(trial_id, partial(self._take_over, trial_id, entry))
            if claim is not None:
                return claim
        self._looked_at, self._rest_s = time.monotonic(), self._rest()
        return None

    def _rest(self) -> float:
        """How many seconds are between this look and the next. A server may have thousands of workers, and a look
        takes the longer the more there are: let all together look as often as a few."""
        if self._settings.storage is None:
            return 0.0
        crowd = max(1.0, self._storage.running() / FEW)
        return max(SHORTEST_REST_S, self._settings.grace_s / 8) * crowd * Random().uniform(0.5, 1.5)

    def _take_over(self, trial_id: int, entry: str) -> Claim | None:
        """Within the trial's change: take it on if its worker is gone, and it is still to be run."""
        trial = self._storage.outline(trial_id)
        if not self._is_dead(trial):
            return None
        if len(trial.deaths) >= self._settings.max_attempts:
            give_up(self._storage, trial)
        elif not self._is_wanted(trial):  # its value was removed from the grid
            self._storage.set_state(trial.id, "WAITING")
        else:
            return self._storage.hold(trial, entry)
        return None

    def _is_dead(self, trial: StoredTrial) -> bool:
        """Whether a trial runs and its worker is gone: never written down, seen dying, its lock free, or silent for
        too long."""
        if trial.state != "RUNNING":
            return False
        worker = worker_of(trial.holder)
        if not worker or worker in trial.deaths or (host_of(worker) == this_host() and not self._alive(worker)):
            return True
        return self._storage.is_silent(trial.id) and not self._storage.just_recovered

    def _is_wanted(self, trial: StoredTrial) -> bool:
        return KEPT_BACK not in trial.attributes

    def abandoned(self) -> int:
        """How many RUNNING trials of the target a worker could take over now. Changes nothing."""
        doubtful = self._storage.outlines(self._storage.doubtful(this_host()))
        return sum(self._is_wanted(trial) and self._is_dead(trial) for trial in doubtful)

    def silent_workers(self) -> set[str]:
        """Workers that gave no sign of life for the study's grace, although they have a trial."""
        silent = self._storage.silent()
        if not silent or self._storage.just_recovered:
            return set()
        return {
            worker_of(trial.holder) for trial in self._storage.outlines(sorted(silent)) if trial.state == "RUNNING"
        }

    def could_take(self, trial: StoredTrial) -> bool:
        """Whether somebody could take this trial on now: it waits, or its worker is gone. Changes nothing."""
        return self._is_wanted(trial) and (trial.state == "WAITING" or self._is_dead(trial))

    def take(self, trial_id: int, entry: str) -> Claim | None:
        """Take this trial on if that can be done now; None if somebody else has it, or is about to."""

        def change() -> Claim | None:
            trial = self._storage.outline(trial_id)
            if trial.state == "WAITING" and self._is_wanted(trial):
                return self._storage.hold(trial, entry)
            return self._take_over(trial_id, entry)

        return self._storage.patiently(
            lambda: self._storage.held_under(entry) or self._storage.change_free_trial(trial_id, change)
        )

    # Trials that wait -----------------------------------------------------------------------------------------

    def _take_waiting(self, known: Mapping[str, StoredTrial], entry: str) -> Claim | None:
        """The first of the enqueued trials that are wanted and worth running, in order of their numbers."""
        wanted = self._view.wanted.among(known)
        waiting = [trial for trial in known.values() if trial.state == "WAITING"]
        stopped: set[str] = set()
        for trial in sorted(waiting, key=lambda trial: trial.number):
            if trial.key not in wanted or trial.point.without_seed in stopped:
                continue
            if self._runs_anyway(trial.point):
                go, reason = True, None
            else:
                feasible = self._view.goals.feasible(known)
                verdict = judge(self._settings, trial.point, known, feasible, self._view.folder)
                go, reason = verdict.go, verdict.reason
            if go and (claim := self._take(trial, entry)) is not None:
                return claim
            if reason:
                stopped.add(trial.point.without_seed)  # its trials end together
                for other in waiting:
                    if other.point.without_seed == trial.point.without_seed:
                        self._stop(other, reason)
        return None

    def _runs_anyway(self, point: Point) -> bool:
        """Whether a trial is run however bad its point is: all are, it confirms one of the best, or merges are to
        average its weights."""
        of_all = self._settings.seed_policy == "all" or point.seed in self._settings.further_seeds
        return of_all or is_parent(point, self._settings)

    def _take(self, trial: StoredTrial, entry: str) -> Claim | None:
        def change() -> Claim | None:
            now = self._storage.outline(trial.id)
            return self._storage.hold(now, entry) if now.state == "WAITING" else None

        return self._storage.change_trial(trial.id, change)

    def _stop(self, trial: StoredTrial, reason: str) -> None:
        def change() -> None:
            if self._storage.outline(trial.id).state == "WAITING":
                end_trial(self._storage, trial.id, "PRUNED", reason=reason)

        self._storage.change_trial(trial.id, change)
