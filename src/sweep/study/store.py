"""The study's store: which trials there are, who runs them, and what became of them.

One key, one Optuna trial, however often its worker is killed: a trial whose worker is dead is taken over, not copied.
Only a FAILED trial that is to be retried gets a successor, since Optuna's finished trials are immutable.
Every change happens under the study's lock, and may be done twice: when the database goes away in the middle, the
whole change is repeated with a new lock.
"""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from sweep.errors import Fenced, InputError
from sweep.launch.liveness import host_of, this_host
from sweep.records.folder import StudyFolder
from sweep.records.values import TrialRecord, TrialResult
from sweep.settings import Settings, StudySettings
from sweep.settings.identity import differences, result_settings
from sweep.study.constraints import means
from sweep.study.database import StorageError
from sweep.study.point import Point
from sweep.study.pruning import is_clearly_worse, write_values
from sweep.study.search import PointSearch
from sweep.study.seeds import judge
from sweep.study.trials import Claim, attempts, holder, last_taken_by, point_of, waiting_trial, worker_of
from sweep.study.view import StudyView, objective_value

__all__ = ["Claim", "StorageError", "StudyStore", "objective_value", "result_settings"]


class StudyStore(StudyView):
    """The trials of one study, with what changes them. `alive` tells whether a worker of this machine with a given id
    still lives."""

    def __init__(self, folder: StudyFolder, settings: StudySettings, alive: Callable[[str], bool]) -> None:
        super().__init__(folder, settings)
        self._alive = alive

    # Identity of the study ------------------------------------------------------------------------------------

    @property
    def uid(self) -> str:
        """A unique id of this study, told apart from a deleted study of the same name."""

        def change() -> str:
            if "uid" not in self.study.user_attrs:
                self.study.set_user_attr("uid", uuid.uuid4().hex)
            return str(self.study.user_attrs["uid"])

        return self.database.change(change)

    def check_settings(self, settings: Settings) -> None:
        """Remember the settings that change results, or compare them with the remembered ones.

        Raises InputError showing what differs.
        """
        now = result_settings(settings)

        def change() -> list[str]:
            then = self.study.user_attrs.get("settings")
            if then is None:
                self.study.set_metric_names([objective.metric for objective in self.settings.objectives])
                self.study.set_user_attr("settings", now)
            return differences(then or now, now)

        lines = self.database.change(change)
        if lines:
            raise InputError(
                f"study '{self.settings.name}' was started with other settings that change its results:\n"
                + "\n".join(lines)
                + "\nrun with the old settings to resume it, or give the new study another name: study.name=NAME"
            )

    # What is to be done ---------------------------------------------------------------------------------------

    def enqueue(self) -> None:
        """Enqueue what is known beforehand and not there yet: grid points, and FAILED trials to be retried."""

        def change() -> None:
            known = self._by_key()
            self._enqueue_missing(known)
            if self.settings.retry_failed:
                for trial in known.values():
                    if trial.state == TrialState.FAIL:
                        self.study.add_trial(waiting_trial(self.settings, point_of(trial), attempts(trial)))

        self.database.change(change)

    def _enqueue_missing(self, known: Mapping[str, FrozenTrial]) -> None:
        """Enqueue what is wanted and not there: grid points, new seeds of a search."""
        for key, point in self._wanted(known).items():
            if key not in known:
                self.study.add_trial(waiting_trial(self.settings, point))

    def _enqueue_seeds(self, search: PointSearch, known: Mapping[str, FrozenTrial]) -> None:
        """Enqueue the seeds of points that lack some: a new one, or one whose asker was killed."""
        points = [point_of(trial) for trial in search.points()[: self.settings.points]]
        for key, point in self._with_seeds(points).items():
            if key not in known:
                self.study.add_trial(waiting_trial(self.settings, point))

    def is_wanted(self, point: Point) -> bool:
        """Whether a trial of this point counts towards the target."""
        return point.key in self._wanted(self._by_key())

    def adopt(self, trials: Sequence[tuple[Point, TrialResult]], origin: str) -> int:
        """Add finished trials of one point that another study ran, once: to a grid as its own, to a search as a
        point for its sampler. How many were added."""
        return self.database.change(lambda: self._adopt(trials, origin))

    def _adopt(self, trials: Sequence[tuple[Point, TrialResult]], origin: str) -> int:
        if self._search is not None:
            values = trials[0][0].values
            if trials[0][0].without_seed in self._search.known():
                return 0
            metrics = [self._bounded(result) for _, result in trials]
            columns = zip(*(self._objectives(result) for _, result in trials), strict=True)
            self._search.add_known(values, [fmean(column) for column in columns], means(metrics), origin)
            return 1
        added, known = 0, self._by_key()
        for point, result in trials:
            trial = known.get(point.key)
            if self.is_wanted(point) and (trial is None or trial.state == TrialState.WAITING):
                attrs = {"duration_s": result.duration_s, "warm_start": origin, "measured": self._bounded(result)}
                if trial is None:
                    self.study.add_trial(waiting_trial(self.settings, point))
                    trial = self._by_key()[point.key]
                self._set(trial, TrialState.COMPLETE, self._objectives(result), **attrs)
                added += 1
        return added

    # Taking it on ---------------------------------------------------------------------------------------------

    def claim(self, worker: str) -> Claim | None:
        """Take on the next trial, or None if nothing is left to do. Exactly one worker gets a trial."""
        entry = f"{worker}#{time.time_ns()}"
        return self.database.change(lambda: self._claim(entry))

    def _claim(self, entry: str) -> Claim | None:
        known = self._by_key()
        for trial in known.values():  # the database went away before it could say that the trial is ours
            if trial.state == TrialState.RUNNING and holder(trial) == entry:
                return _claim_of(trial, attempts(trial), entry)
        if self._search is not None:
            self._search.settle(known)
            self._enqueue_seeds(self._search, known)
            known = self._by_key()
        trial_next = self._abandoned(known) or self._next_waiting(known)
        if trial_next is None and self._search is not None:
            self._search.settle(self._by_key())  # points whose last seeds have just been stopped
            if len(self._search.points()) < (self.settings.points or 0):
                self._search.ask()
                self._enqueue_seeds(self._search, known)
                trial_next = self._next_waiting(self._by_key())
        return None if trial_next is None else self._take(trial_next, entry)

    def _abandoned(self, known: Mapping[str, FrozenTrial]) -> FrozenTrial | None:
        """A RUNNING trial whose worker is dead."""
        running = [trial for trial in known.values() if trial.state == TrialState.RUNNING]
        wanted = self._wanted(known) if running else {}
        # Beats are compared with the database's clock.
        silent = self.database.silent(self.study._study_id) if running else set()
        for trial in running:
            if not self._is_dead(trial, silent):
                continue
            if len(trial.user_attrs.get("deaths", {})) >= self.settings.max_attempts:
                self._give_up(trial)
            elif trial.user_attrs["key"] not in wanted:  # its value was removed from the grid
                self.storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
            else:
                return trial
        return None

    def _is_dead(self, trial: FrozenTrial, silent: set[int]) -> bool:
        """Whether a trial's worker is gone: never written down, its lock free, or silent for too long."""
        worker = worker_of(holder(trial))
        if not worker or (host_of(worker) == this_host() and not self._alive(worker)):
            return True
        return trial._trial_id in silent and not self.database.just_recovered

    def _next_waiting(self, known: Mapping[str, FrozenTrial]) -> FrozenTrial | None:
        """The first enqueued trial that is wanted and worth running."""
        wanted = self._wanted(known)
        waiting = [trial for trial in known.values() if trial.state == TrialState.WAITING]
        stopped: set[str] = set()
        for trial in sorted(waiting, key=lambda trial: trial.number):
            if trial.user_attrs["key"] not in wanted:
                continue
            if self.settings.seed_policy == "all":
                return trial
            point = point_of(trial)
            if point.without_seed in stopped:
                continue  # its trials were ended together with the first
            verdict = judge(self.settings, point, known, self._feasible(known), self.folder)
            if verdict.go:
                return trial
            if verdict.reason:
                stopped.add(point.without_seed)
                for other in waiting:
                    if point_of(other).without_seed == point.without_seed:
                        self._set(other, TrialState.PRUNED, reason=verdict.reason)
        return None

    def _take(self, trial: FrozenTrial, entry: str) -> Claim:
        """Mark a trial as this worker's. A kill in between leaves it RUNNING with a dead worker, or none."""
        trial_id = trial._trial_id
        trial = self.storage.get_trial(trial_id)  # with the claims of one that was taken on and given back
        if trial.state == TrialState.WAITING:
            self.storage.set_trial_state_values(trial_id, TrialState.RUNNING)
        self.database.beat(trial_id)
        self.storage.set_trial_user_attr(trial_id, "claims", [*trial.user_attrs.get("claims", []), entry])
        return _claim_of(trial, attempts(trial) + 1, entry)

    # Keeping it -----------------------------------------------------------------------------------------------

    def still_mine(self, claim: Claim) -> bool:
        """Whether no other attempt has taken the trial over."""
        return self.database.patiently(lambda: _is_held(self.storage.get_trial(claim.trial_id), claim))

    def beat(self, claim: Claim) -> bool:
        """Say that the claim's worker lives; False if the trial is no longer its own. Raises StorageError at once
        while the database is away."""
        if not _is_held(self.storage.get_trial(claim.trial_id), claim):
            return False
        self.database.beat(claim.trial_id)
        return True

    def _fence(self, claim: Claim) -> None:
        if not _is_held(self.storage.get_trial(claim.trial_id), claim):
            raise Fenced(f"{claim.point.key}: another attempt has taken this trial over")

    def report(self, claim: Claim, step: int, value: float, values_q: NDArray[np.float64] | None = None) -> bool:
        """Keep a validation's value (and those by question, q) of a step; whether the trial should be pruned.

        The value's better way is the objective's. A step that is reported again, after a kill, replaces the first.
        Raises Fenced.
        """
        if values_q is not None:
            write_values(self.folder.trial(claim.point.key).validation, step, values_q)

        def change() -> bool:
            self._fence(claim)
            if self.storage.get_trial(claim.trial_id).user_attrs.get("hopeless_at") == step:
                return True  # said before, to an attempt that was killed before it could act
            self.storage.set_trial_intermediate_value(claim.trial_id, step, value)
            hopeless = self._is_hopeless(claim, step, values_q)
            if hopeless:
                self.storage.set_trial_user_attr(claim.trial_id, "hopeless_at", step)
            return hopeless

        return self.database.change(change)

    def _is_hopeless(self, claim: Claim, step: int, values_q: NDArray[np.float64] | None) -> bool:
        if self.settings.pruner.kind == "wilcoxon" and values_q is not None:
            finished = [trial for trial in self._by_key().values() if trial.state == TrialState.COMPLETE]
            pairs = [(trial, self.folder.trial(trial.user_attrs["key"])) for trial in finished]
            return is_clearly_worse(self.settings, values_q, step, pairs)
        return bool(self.study.pruner.prune(self.study, self.storage.get_trial(claim.trial_id)))

    def commit_result(self, claim: Claim, write: Callable[[], None]) -> None:
        """Let the claim's worker write its result: the first result stays. Raises Fenced."""

        def change() -> None:
            self._fence(claim)
            write()

        self.database.change(change)

    # What became of it ----------------------------------------------------------------------------------------

    def finish(self, claim: Claim, result: TrialResult) -> None:
        """Record a trial's objective values. Raises SweepError if the result lacks a metric, and Fenced."""
        values, measured = self._objectives(result), self._bounded(result)
        self._end(claim, TrialState.COMPLETE, values, duration_s=result.duration_s, measured=measured)

    def fail(self, claim: Claim, reason: str) -> None:
        """Record that a trial cannot give a result. Raises Fenced."""
        self._end(claim, TrialState.FAIL, reason=reason)

    def prune(self, claim: Claim, reason: str) -> None:
        """Record that a trial was given up early; it counts as finished. Raises Fenced."""
        self._end(claim, TrialState.PRUNED, reason=reason)

    def release(self, claim: Claim) -> None:
        """Give a trial back that is to go on later; whoever claims next may take it. Raises Fenced."""

        def change() -> None:
            trial = self.storage.get_trial(claim.trial_id)
            if trial.state == TrialState.WAITING and holder(trial) == claim.entry:
                return
            self._fence(claim)
            self.storage.set_trial_state_values(claim.trial_id, TrialState.WAITING)

        self.database.change(change)

    def _end(self, claim: Claim, state: TrialState, values: list[float] | None = None, **attrs: object) -> None:
        def change() -> None:
            trial = self.storage.get_trial(claim.trial_id)
            if trial.state == state and holder(trial) == claim.entry:
                return  # done already: the database went away before it could say so
            self._fence(claim)
            self._set(trial, state, values, **attrs)

        self.database.change(change)

    def _set(self, trial: FrozenTrial, state: TrialState, values: list[float] | None = None, **attrs: object) -> None:
        for name, value in attrs.items():
            if value not in (None, {}):
                self.storage.set_trial_user_attr(trial._trial_id, name, value)
        self.storage.set_trial_state_values(trial._trial_id, state, values)

    def worker_died(self, worker: str, status: int) -> TrialRecord | None:
        """Charge a worker's death to its trial; after `max_attempts` deaths the trial is FAILED and returned.

        Only a launcher that saw the worker die calls this: workers that end with their driver cost a trial nothing.
        Another worker may have the trial by now; then that one is left to try. A worker that ended because it lost
        its trial died of nothing.
        """
        if status == Fenced.exit_status:
            return None

        def change() -> TrialRecord | None:
            for trial in last_taken_by(worker, self._by_key().values()):
                deaths = {**trial.user_attrs.get("deaths", {}), worker: status}
                self.storage.set_trial_user_attr(trial._trial_id, "deaths", deaths)
                if len(deaths) >= self.settings.max_attempts and worker_of(holder(trial)) == worker:
                    self._give_up(self.storage.get_trial(trial._trial_id))
                    return self._record(self.storage.get_trial(trial._trial_id))
            return None

        return self.database.change(change)

    def _give_up(self, trial: FrozenTrial) -> None:
        deaths = trial.user_attrs["deaths"]
        status = list(deaths.values())[-1]
        killed = " (killed: out of memory?)" if status in (-9, 137) else ""
        reason = f"its worker died {len(deaths)} times, last with status {status}{killed}"
        self._set(trial, TrialState.FAIL, reason=reason)


def _claim_of(trial: FrozenTrial, attempt: int, entry: str) -> Claim:
    return Claim(trial._trial_id, trial.number, point_of(trial), attempt, entry)


def _is_held(trial: FrozenTrial, claim: Claim) -> bool:
    return trial.state == TrialState.RUNNING and holder(trial) == claim.entry
