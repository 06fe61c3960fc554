"""What there is of a study: its trials, how far it is, and which are the best. Changes nothing."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import optuna
from optuna.trial import FrozenTrial, TrialState

from sweep.errors import SweepError
from sweep.records.folder import StudyFolder
from sweep.records.trial_record import TrialRecord
from sweep.records.values import State, TrialResult
from sweep.settings import StudySettings
from sweep.settings.metric_key import MetricKey
from sweep.statistics.dominance import dominates, front
from sweep.study.constraints import Measured, worst
from sweep.study.database import Database
from sweep.study.point import Point, grid_points
from sweep.study.pruning import pruner_of
from sweep.study.search import PointSearch, measured_points
from sweep.study.trials import FINISHED, STATES, UNFINISHED, point_of, record_of


class StudyView:
    """The trials of one study, opened or created."""

    def __init__(self, folder: StudyFolder, settings: StudySettings) -> None:
        self.folder = folder
        self.settings = settings
        self.database = Database(folder.path, settings)
        self.storage = self.database.storage
        self._seeded: tuple[int, dict[str, Point]] = 0, {}
        self.study, self._search = self.database.change(self._open)
        self._by_key = self.database.reader(self.study._study_id)
        self._recorded: tuple[Mapping[str, FrozenTrial], list[TrialRecord]] = {}, []

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

    @property
    def target(self) -> int:
        """How many trials (points times seeds) are to be finished."""
        if self.settings.is_grid:
            return len(self._grid)
        return (self.settings.points or 0) * len(self.settings.seeds)

    @cached_property
    def _grid(self) -> dict[str, Point]:
        return {point.key: point for point in grid_points(self.settings)}

    def _wanted(self, known: Mapping[str, FrozenTrial]) -> Mapping[str, Point]:
        """What counts towards the target, by key: the grid as it is now (values may have been removed since), or the
        first `points` points that the search found, with every seed."""
        if self.settings.is_grid:
            return self._grid
        found: dict[str, Point] = {}
        for trial in known.values():
            found.setdefault(point_of(trial).without_seed, point_of(trial))
        return self._with_seeds(list(found.values())[: self.settings.points])

    def _with_seeds(self, points: Sequence[Point]) -> Mapping[str, Point]:
        """The trials of points, by key; points are only ever added, so the same number of them are the same."""
        if len(points) != self._seeded[0]:
            replicates = [Point(point.values, seed) for point in points for seed in self.settings.seeds]
            self._seeded = len(points), {point.key: point for point in replicates}
        return self._seeded[1]

    def records(self) -> list[TrialRecord]:
        """The current trial of every key, in order of their numbers, without reading their results."""
        known = self._by_key()
        if known is not self._recorded[0]:
            points = self._measured_points(known)
            breaking = {Point(dict(point.values), 0).key: worst(self.settings, point, points) for point in points}
            self._recorded = known, [self._record(trial, breaking) for trial in known.values()]
        return self._recorded[1]

    def _record(self, trial: FrozenTrial, breaking: Mapping[str, float] | None = None) -> TrialRecord:
        point = point_of(trial)
        violation = breaking.get(point.without_seed, 0.0) if breaking else 0.0
        return record_of(trial, self.folder, violation)

    def states(self) -> dict[str, State]:
        """State of every key, without reading results: cheap enough to poll."""
        return {key: STATES[trial.state] for key, trial in self._by_key().items()}

    def finished(self) -> int:
        """How many trials count towards the target."""
        known = self._by_key()
        trials = (known.get(key) for key in self._wanted(known))
        return sum(trial is not None and STATES[trial.state] in FINISHED for trial in trials)

    def remaining(self) -> int:
        """How many trials of the target are neither finished nor FAILED; some of them may be running."""
        known = self._by_key()
        trials = [known.get(key) for key in self._wanted(known)]
        ended = sum(trial is not None and trial.state not in UNFINISHED for trial in trials)
        return self.target - ended

    def unfinished(self) -> bool:
        """Whether a worker would find something to do."""
        return self.remaining() > 0

    # Which are the best ---------------------------------------------------------------------------------------

    def would_be_kept(self, point: Point, result: TrialResult) -> bool:
        """Whether no finished trial is as good or better: by the objective, or by all of several. A trial that breaks
        a constraint is never the best."""
        known = self._by_key()
        if worst(self.settings, Measured(point.values, self._bounded(result)), self._measured_points(known)) > 0:
            return False
        objectives = self.settings.objectives
        own = self._objectives(result)
        others = [list(trial.values or ()) for trial in self._feasible(known)]
        return not any(other == own or dominates(other, own, objectives) for other in others)

    def best_keys(self) -> set[str]:
        """Keys of the COMPLETE trials that no other dominates: one and its equals, or a Pareto front."""
        trials = self._feasible(self._by_key())
        kept = front([trial.values or () for trial in trials], self.settings.objectives)
        return {trials[index].user_attrs["key"] for index in kept}

    def _feasible(self, known: Mapping[str, FrozenTrial]) -> list[FrozenTrial]:
        """The COMPLETE trials that keep the constraints."""
        complete = [trial for trial in known.values() if trial.state == TrialState.COMPLETE]
        if not self.settings.constraints:
            return complete
        points = self._measured_points(known)
        own = [Measured(point_of(trial).values, self._measured(trial)) for trial in complete]
        return [trial for trial, found in zip(complete, own, strict=True) if worst(self.settings, found, points) <= 0]

    def _objectives(self, result: TrialResult) -> list[float]:
        return [objective_value(result, objective.metric) for objective in self.settings.objectives]

    def _bounded(self, result: TrialResult) -> dict[str, float]:
        return {metric: objective_value(result, metric) for metric in self._constrained}

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


def objective_value(result: TrialResult, metric: str) -> float:
    """The value of the study's objective. Raises SweepError naming near metrics if the trial has none."""
    if metric not in result.metrics:
        whole = MetricKey.parse(metric).whole
        near = sorted(name for name in result.metrics if name.startswith(str(whole)))
        raise SweepError(f"the objective '{metric}' is not among the trial's metrics; there are: {', '.join(near)}")
    return result.metrics[metric]
