"""The study's store: which trials there are, who runs them, and what became of them.

One key, one Optuna trial, however often its worker is killed: a trial whose worker is dead is taken over, not copied.
Only a FAILED trial that is to be retried gets a successor, since Optuna's finished trials are immutable.
Every change happens under the study's lock, and may be done twice: when the database goes away in the middle, the
whole change is repeated with a new lock.
"""

import uuid
from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from sweep.errors import Fenced, InputError, SweepError
from sweep.liveness import host_of, this_host
from sweep.pareto import dominates, front
from sweep.records import State, StudyFolder, TrialRecord, TrialResult
from sweep.settings import Settings, StudySettings
from sweep.study.constraints import Measured, worst
from sweep.study.database import Database, Found, StorageError
from sweep.study.identity import differences, result_settings
from sweep.study.point import Point, grid_points
from sweep.study.pruning import is_clearly_worse, pruner_of, write_values
from sweep.study.search import PointSearch, measured_points
from sweep.study.seeds import judge
from sweep.study.trials import (
    FINISHED,
    STATES,
    Claim,
    attempts,
    by_key,
    holder,
    point_of,
    record_of,
    waiting_trial,
    worker_of,
)

__all__ = ["Claim", "StorageError", "StudyStore", "objective_value", "result_settings"]


class StudyStore:
    """The trials of one study. `alive` tells whether a worker of this machine with a given id still lives."""

    def __init__(self, folder: StudyFolder, settings: StudySettings, alive: Callable[[str], bool]) -> None:
        self.folder = folder
        self.settings = settings
        self._alive = alive
        self.database = Database(folder.path, settings)
        self.storage = self.database.storage
        self.study, self._search = self._locked(self._open)

    def _open(self) -> tuple[optuna.Study, PointSearch | None]:
        study = optuna.create_study(
            study_name=self.settings.name,
            storage=self.storage,
            directions=[objective.direction for objective in self.settings.objectives],
            sampler=optuna.samplers.RandomSampler(seed=0),  # points come from the search's own study
            pruner=pruner_of(self.settings),
            load_if_exists=True,
        )
        if self.settings.is_grid:
            return study, None
        return study, PointSearch(self.database, self.settings, self._measured)

    def _locked(self, change: Callable[[], Found]) -> Found:
        """Make a change under the study's lock; again, as a whole, if the database was away meanwhile."""

        def attempt() -> Found:
            with self.database.locked:
                return change()

        return self.database.patiently(attempt)

    # Identity of the study ------------------------------------------------------------------------------------

    @property
    def uid(self) -> str:
        """A unique id of this study, told apart from a deleted study of the same name."""

        def change() -> str:
            if "uid" not in self.study.user_attrs:
                self.study.set_user_attr("uid", uuid.uuid4().hex)
            return str(self.study.user_attrs["uid"])

        return self._locked(change)

    def check_settings(self, settings: Settings) -> None:
        """Remember the settings that change results, or compare them with the remembered ones.

        Raises InputError showing what differs.
        """
        now = result_settings(settings)

        def change() -> list[str]:
            then = self.study.user_attrs.get("settings")
            if then is None:
                self.study.set_user_attr("settings", now)
            return differences(then or now, now)

        lines = self._locked(change)
        if lines:
            raise InputError(
                f"study '{self.settings.name}' was started with other settings that change its results:\n"
                + "\n".join(lines)
                + "\nrun with the old settings to resume it, or give the new study another name: study.name=NAME"
            )

    # What is to be done ---------------------------------------------------------------------------------------

    @property
    def target(self) -> int:
        """How many trials (points times seeds) are to be finished."""
        if self.settings.is_grid:
            return len(self._grid)
        return (self.settings.points or 0) * len(self.settings.seeds)

    @cached_property
    def _grid(self) -> dict[str, Point]:
        return {point.key: point for point in grid_points(self.settings)}

    def enqueue(self) -> None:
        """Enqueue what is known beforehand and not there yet: grid points, and FAILED trials to be retried."""

        def change() -> None:
            known = self._by_key()
            self._enqueue_missing(known)
            if self.settings.retry_failed:
                for trial in known.values():
                    if trial.state == TrialState.FAIL:
                        self.study.add_trial(waiting_trial(self.settings, point_of(trial), attempts(trial)))

        self._locked(change)

    def _enqueue_missing(self, known: Mapping[str, FrozenTrial]) -> None:
        """Enqueue what is wanted and not there: grid points, seeds of a searched point (new seeds, or a kill before
        all of them were enqueued)."""
        for key, point in self._wanted().items():
            if key not in known:
                self.study.add_trial(waiting_trial(self.settings, point))

    def _wanted(self) -> dict[str, Point]:
        """What counts towards the target, by key: the grid as it is now (values may have been removed since), or the
        first `points` points that the search found, with every seed."""
        if self._search is None:
            return self._grid
        found = [point_of(trial) for trial in self._search.points()[: self.settings.points]]
        points = [Point(point.values, seed) for point in found for seed in self.settings.seeds]
        return {point.key: point for point in points}

    # Taking it on ---------------------------------------------------------------------------------------------

    def claim(self, worker: str) -> Claim | None:
        """Take on the next trial, or None if nothing is left to do. Exactly one worker gets a trial."""
        entry = f"{worker}#{uuid.uuid4().hex[:8]}"
        return self._locked(lambda: self._claim(entry))

    def _claim(self, entry: str) -> Claim | None:
        known = self._by_key()
        for trial in known.values():  # the database went away before it could say that the trial is ours
            if trial.state == TrialState.RUNNING and holder(trial) == entry:
                return _claim_of(trial, attempts(trial), entry)
        if self._search is not None:
            self._search.settle(known)
            self._enqueue_missing(known)
            known = self._by_key()
        trial_next = self._abandoned(known) or self._next_waiting(known)
        if trial_next is None and self._search is not None:
            # Trials that were just stopped may have finished their points.
            self._search.settle(self._by_key())
            if len(self._search.points()) < (self.settings.points or 0):
                self._search.ask()
                self._enqueue_missing(known)
                trial_next = self._next_waiting(self._by_key())
        return None if trial_next is None else self._take(trial_next, entry)

    def _abandoned(self, known: Mapping[str, FrozenTrial]) -> FrozenTrial | None:
        """A RUNNING trial whose worker is dead."""
        running = [trial for trial in known.values() if trial.state == TrialState.RUNNING]
        wanted = self._wanted() if running else {}
        # Beats are compared with the database's clock.
        silent = set(self.storage._get_stale_trial_ids(self.study._study_id)) if running else set()
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
        wanted = self._wanted()
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
            verdict = judge(self.settings, point, known, self._is_feasible, lambda key: self.folder.trial(key).ranks)
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
        if trial.state == TrialState.WAITING:
            self.storage.set_trial_state_values(trial_id, TrialState.RUNNING)
        self.storage.record_heartbeat(trial_id)
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
        self.storage.record_heartbeat(claim.trial_id)
        return True

    def _fence(self, claim: Claim) -> None:
        if not _is_held(self.storage.get_trial(claim.trial_id), claim):
            raise Fenced(f"{claim.point.key}: another attempt has taken this trial over")

    def report(
        self, claim: Claim, step: int, value: float, values_q: NDArray[np.float64] | None = None
    ) -> bool:
        """Keep a validation's value (and those by question, q) of a step; whether the trial should be pruned.

        The value's better way is the objective's. A step that is reported again, after a kill, replaces the first.
        Raises Fenced.
        """
        if values_q is not None:
            write_values(self.folder.trial(claim.point.key).validation, step, values_q)

        def change() -> bool:
            self._fence(claim)
            self.storage.set_trial_intermediate_value(claim.trial_id, step, value)
            if self.settings.pruner.kind == "wilcoxon" and values_q is not None:
                finished = [trial for trial in self._by_key().values() if trial.state == TrialState.COMPLETE]
                pairs = [(trial, self.folder.trial(trial.user_attrs["key"])) for trial in finished]
                return is_clearly_worse(self.settings, values_q, step, pairs)
            return bool(self.study.pruner.prune(self.study, self.storage.get_trial(claim.trial_id)))

        return self._locked(change)

    def commit_result(self, claim: Claim, write: Callable[[], None]) -> None:
        """Let the claim's worker write its result: the first result stays. Raises Fenced."""

        def change() -> None:
            self._fence(claim)
            write()

        self._locked(change)

    # What became of it ----------------------------------------------------------------------------------------

    def finish(self, claim: Claim, result: TrialResult) -> None:
        """Record a trial's objective values. Raises SweepError if the result lacks a metric, and Fenced."""
        values = [objective_value(result, objective.metric) for objective in self.settings.objectives]
        measured = {metric: objective_value(result, metric) for metric in self._constrained}
        self._end(claim, TrialState.COMPLETE, values, duration_s=result.duration_s, measured=measured)

    def fail(self, claim: Claim, reason: str) -> None:
        """Record that a trial cannot give a result. Raises Fenced."""
        self._end(claim, TrialState.FAIL, reason=reason)

    def prune(self, claim: Claim, reason: str) -> None:
        """Record that a trial was given up early; it counts as finished. Raises Fenced."""
        self._end(claim, TrialState.PRUNED, reason=reason)

    def release(self, claim: Claim) -> None:
        """Give a trial back that is to go on later; whoever claims next may take it. Raises Fenced."""
        self._locked(lambda: (self._fence(claim), self._set_back(claim)))

    def _set_back(self, claim: Claim) -> None:
        self.storage.set_trial_state_values(claim.trial_id, TrialState.WAITING)

    def _end(self, claim: Claim, state: TrialState, values: list[float] | None = None, **attrs: object) -> None:
        def change() -> None:
            trial = self.storage.get_trial(claim.trial_id)
            if trial.state == state and holder(trial) == claim.entry:
                return  # done already: the database went away before it could say so
            self._fence(claim)
            self._set(trial, state, values, **attrs)

        self._locked(change)

    def _set(
        self, trial: FrozenTrial, state: TrialState, values: list[float] | None = None, **attrs: object
    ) -> None:
        for name, value in attrs.items():
            if value not in (None, {}):
                self.storage.set_trial_user_attr(trial._trial_id, name, value)
        self.storage.set_trial_state_values(trial._trial_id, state, values)

    def worker_died(self, worker: str, status: int) -> TrialRecord | None:
        """Charge a worker's death to its trial; after `max_attempts` deaths the trial is FAILED and returned.

        Only a launcher that saw the worker die calls this: workers that end with their driver cost a trial nothing.
        Another worker may have the trial by now; then that one is left to try.
        """

        def change() -> TrialRecord | None:
            for trial in self._by_key().values():
                if trial.state not in (TrialState.RUNNING, TrialState.WAITING):
                    continue
                if worker not in map(worker_of, trial.user_attrs.get("claims", [])):
                    continue
                deaths = {**trial.user_attrs.get("deaths", {}), worker: status}
                self.storage.set_trial_user_attr(trial._trial_id, "deaths", deaths)
                if len(deaths) >= self.settings.max_attempts and worker_of(holder(trial)) == worker:
                    self._give_up(self.storage.get_trial(trial._trial_id))
                    return self._record(self.storage.get_trial(trial._trial_id))
            return None

        return self._locked(change)

    def _give_up(self, trial: FrozenTrial) -> None:
        deaths = trial.user_attrs["deaths"]
        status = list(deaths.values())[-1]
        killed = " (killed: out of memory?)" if status in (-9, 137) else ""
        reason = f"its worker died {len(deaths)} times, last with status {status}{killed}"
        self._set(trial, TrialState.FAIL, reason=reason)

    # What there is --------------------------------------------------------------------------------------------

    def records(self) -> list[TrialRecord]:
        """The current trial of every key, in order of their numbers, with metrics where there are any."""
        known = self._by_key()
        points = self._measured_points(known)
        breaking = {Point(dict(point.values), 0).key: worst(self.settings, point, points) for point in points}
        return [self._record(trial, breaking) for trial in known.values()]

    def _record(self, trial: FrozenTrial, breaking: Mapping[str, float] | None = None) -> TrialRecord:
        point = point_of(trial)
        has_result = STATES[trial.state] in FINISHED
        result = self.folder.trial(point.key).read_result() if has_result else None
        violation = breaking.get(point.without_seed, 0.0) if breaking else 0.0
        return record_of(trial, result.metrics if result else {}, violation)

    def states(self) -> dict[str, State]:
        """State of every key, without reading results: cheap enough to poll."""
        return {key: STATES[trial.state] for key, trial in self._by_key().items()}

    def finished(self) -> int:
        """How many trials count towards the target."""
        wanted = self._wanted()
        return sum(state in FINISHED and key in wanted for key, state in self.states().items())

    def unfinished(self) -> bool:
        """Whether a worker would find something to do."""
        states, wanted = self.states(), self._wanted()
        return len(wanted) < self.target or any(
            states.get(key, "WAITING") in ("WAITING", "RUNNING") for key in wanted
        )

    def _by_key(self) -> dict[str, FrozenTrial]:
        def read() -> dict[str, FrozenTrial]:
            with self.database.reading():
                return by_key(self.storage.get_all_trials(self.study._study_id, deepcopy=False))

        return self.database.patiently(read)

    # Which models are the best --------------------------------------------------------------------------------

    def would_be_kept(self, point: Point, result: TrialResult) -> bool:
        """Whether no finished trial is as good or better: by the objective, or by all of several. A trial that breaks
        a constraint is never the best."""
        known = self._by_key()
        metrics = {metric: objective_value(result, metric) for metric in self._constrained}
        if worst(self.settings, Measured(point.values, metrics), self._measured_points(known)) > 0:
            return False
        objectives = self.settings.objectives
        own = [objective_value(result, objective.metric) for objective in objectives]
        others = [list(trial.values) for trial in known.values() if self._is_feasible(trial) and trial.values]
        return not any(other == own or dominates(other, own, objectives) for other in others)

    def best_keys(self) -> set[str]:
        """Keys of the COMPLETE trials that no other betters: one, or a Pareto front."""
        trials = [trial for trial in self._by_key().values() if self._is_feasible(trial)]
        kept = front([trial.values for trial in trials], self.settings.objectives)
        return {trials[index].user_attrs["key"] for index in kept}

    def _is_feasible(self, trial: FrozenTrial) -> bool:
        """Whether a trial is COMPLETE and keeps the constraints."""
        if trial.state != TrialState.COMPLETE:
            return False
        if not self.settings.constraints:
            return True
        own = Measured(point_of(trial).values, self._measured(trial))
        return worst(self.settings, own, self._measured_points(self._by_key())) <= 0

    @cached_property
    def _constrained(self) -> list[str]:
        return [constraint.metric for constraint in self.settings.constraints]

    def _measured(self, trial: FrozenTrial) -> Mapping[str, float]:
        """The constrained metrics of a COMPLETE trial; from its result, if the constraint is younger than it."""
        kept: dict[str, float] = trial.user_attrs.get("measured", {})
        if all(metric in kept for metric in self._constrained):
            return kept
        result = self.folder.trial(trial.user_attrs["key"]).read_result()
        return result.metrics if result else kept

    def _measured_points(self, known: Mapping[str, FrozenTrial]) -> list[Measured]:
        return measured_points(known.values(), self._measured) if self.settings.constraints else []


def _claim_of(trial: FrozenTrial, attempt: int, entry: str) -> Claim:
    return Claim(trial._trial_id, trial.number, point_of(trial), attempt, entry)


def _is_held(trial: FrozenTrial, claim: Claim) -> bool:
    return trial.state == TrialState.RUNNING and holder(trial) == claim.entry


def objective_value(result: TrialResult, metric: str) -> float:
    """The value of the study's objective. Raises SweepError naming near metrics if the trial has none."""
    if metric not in result.metrics:
        family = "/".join(metric.split("/")[:3])
        near = sorted(name for name in result.metrics if name.startswith(family))
        raise SweepError(f"the objective '{metric}' is not among the trial's metrics; there are: {', '.join(near)}")
    return result.metrics[metric]
