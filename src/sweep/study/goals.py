"""What a study wants of its trials: values of the objectives, and points that keep the constraints."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from sweep.errors import SweepError
from sweep.records.folder import StudyFolder, TrialFolder
from sweep.records.values import TrialResult
from sweep.settings import StudySettings
from sweep.settings.metric_key import MetricKey
from sweep.study.constraints import Measured, means, worst
from sweep.study.point import Point
from sweep.study.trials import StoredTrial


class Goals:
    """Objectives and constraints of a study, as its trials meet them."""

    def __init__(self, folder: StudyFolder, settings: StudySettings) -> None:
        self._folder = folder
        self._settings = settings

    def objectives(self, result: TrialResult) -> list[float]:
        """The objectives' values, in their order, on the questions that the study chooses by. Raises SweepError if
        one is missing."""
        return [self._value(result, objective.metric) for objective in self._settings.objectives]

    def bounded(self, result: TrialResult) -> dict[str, float]:
        """The metrics that constraints ask for, by their names in the settings, on the same questions. Raises
        SweepError if one is missing."""
        return {metric: self._value(result, metric) for metric in self._constrained}

    def _value(self, result: TrialResult, metric: str) -> float:
        if self._settings.selected(metric) not in result.metrics:  # a constraint that is younger than the trial, say
            result = with_halves(result, self._folder.trial(result.key), self._settings)
        return objective_value(result, self._settings.selected(metric))

    @cached_property
    def _constrained(self) -> list[str]:
        return [constraint.metric for constraint in self._settings.constraints]

    def measured(self, trial: StoredTrial) -> Mapping[str, float]:
        """The constrained metrics of a COMPLETE trial; from its result, if the constraint is younger than it."""
        kept: dict[str, float] = trial.attributes.get("measured", {})
        if all(metric in kept for metric in self._constrained):
            return kept
        result = self._folder.trial(trial.key).read_result()
        if result is not None and self._settings.selects_on_half:
            return self.bounded(result)
        return result.metrics if result else kept

    def measured_points(self, trials: Iterable[StoredTrial]) -> list[Measured]:
        """The points with a COMPLETE trial, in the order they were begun, with the means over their seeds; none if
        there are no constraints."""
        if not self._settings.constraints:
            return []
        rows: dict[str, tuple[dict[str, Any], list[Mapping[str, float]]]] = {}
        for trial in trials:
            if trial.state == "COMPLETE":
                point = trial.point
                rows.setdefault(point.without_seed, (point.values, []))[1].append(self.measured(trial))
        return [Measured(values, means(metrics)) for values, metrics in rows.values()]

    def violations(self, known: Mapping[str, StoredTrial]) -> dict[str, float]:
        """By how much each measured point breaks the constraints, by its key without seed."""
        points = self.measured_points(known.values())
        return {Point(dict(point.values), 0).key: worst(self._settings, point, points) for point in points}

    def breaks(self, point: Point, result: TrialResult, known: Mapping[str, StoredTrial]) -> bool:
        """Whether a result breaks a constraint, given the trials so far."""
        own = Measured(point.values, self.bounded(result))
        return worst(self._settings, own, self.measured_points(known.values())) > 0

    def feasible(self, known: Mapping[str, StoredTrial]) -> Sequence[StoredTrial]:
        """The COMPLETE trials that keep the constraints."""
        complete = [trial for trial in known.values() if trial.state == "COMPLETE"]
        if not self._settings.constraints:
            return complete
        points = self.measured_points(known.values())
        own = [Measured(trial.point.values, self.measured(trial)) for trial in complete]
        return [
            trial
            for trial, measured in zip(complete, own, strict=True)
            if worst(self._settings, measured, points) <= 0
        ]


def with_halves(result: TrialResult, folder: TrialFolder, settings: StudySettings) -> TrialResult:
    """A result with the figures of halves of the questions, from the trial's file of ranks; the same one if the study
    has no use for them, if it has them, or if there is no such file."""
    if not settings.selects_on_half:
        return result
    lacking = [metric for metric in settings.goals if settings.selected(metric) not in result.metrics]
    benchmarks = dict.fromkeys(MetricKey.parse(metric).benchmark for metric in lacking)
    files = {benchmark: folder.ranks_of(benchmark) for benchmark in benchmarks}
    if not any(file.exists() for file in files.values()):
        return result
    from sweep.evaluation.halves import figures_from_ranks, wanted_of  # imports the evaluation: seconds

    metrics = dict(result.metrics)
    for benchmark, file in files.items():
        if file.exists():
            metrics |= figures_from_ranks(file, wanted_of(settings, benchmark))
    return replace(result, metrics=metrics)


def objective_value(result: TrialResult, metric: str) -> float:
    """The value of a metric. Raises SweepError naming near metrics if the trial has none."""
    if metric not in result.metrics:
        whole = MetricKey.parse(metric).whole
        near = sorted(name for name in result.metrics if name.startswith(str(whole)))
        raise SweepError(f"the objective '{metric}' is not among the trial's metrics; there are: {', '.join(near)}")
    return result.metrics[metric]
