"""Telling the sampler what became of a point of a search."""

from collections.abc import Mapping, Sequence
from statistics import fmean

import optuna
from optuna.trial import FrozenTrial, TrialState

from sweep.settings import StudySettings
from sweep.study.confirmation import searched_trials
from sweep.study.constraints import Measured, means, violations
from sweep.study.goals import Goals
from sweep.study.point import Point
from sweep.study.samplers import sampler_of
from sweep.study.storage import SearchedPoints
from sweep.study.trials import StoredTrial


def settle_points(
    points: SearchedPoints, settings: StudySettings, goals: Goals, replicates: Mapping[str, StoredTrial]
) -> None:
    """Tell every running point whose trials (`replicates`, by key) have all ended."""
    for trial in points.trials():
        if trial.state != TrialState.RUNNING:
            continue
        if "repeats" in trial.user_attrs:  # its asker was killed before it could say so
            points.study(sampler_of(settings, trial.number)).tell(trial.number, state=TrialState.FAIL)
        elif is_point(trial):
            values = point_of(trial).values
            seeds = [replicates.get(Point(values, seed).key) for seed in settings.seeds]
            ended = [seed for seed in seeds if seed is not None and seed.has_ended]
            if len(ended) == len(seeds):
                _tell(points, settings, goals, trial, ended, replicates)


def _tell(
    points: SearchedPoints,
    settings: StudySettings,
    goals: Goals,
    trial: FrozenTrial,
    seeds: Sequence[StoredTrial],
    replicates: Mapping[str, StoredTrial],
) -> None:
    """Tell a point: the means over its seeds. One with a seed that was given up early, or not run for being worse, is
    told as PRUNED: the mean of the seeds that were good enough to go on would flatter it."""
    study = points.study(sampler_of(settings, trial.number))
    complete = [seed for seed in seeds if seed.state == "COMPLETE"]
    pruned = [seed.validated for seed in seeds if seed.state == "PRUNED" and seed.validated]
    if pruned:
        step = min(max(validated) for validated in pruned)
        reached = [validated[step] for validated in pruned if step in validated]
        points.resumed(study, trial).report(fmean(reached), step)
        study.tell(trial.number, state=TrialState.PRUNED)
    elif complete and any(seed.state == "PRUNED" for seed in seeds):
        points.resumed(study, trial).report(fmean(seed.values[0] for seed in complete), len(complete))
        study.tell(trial.number, state=TrialState.PRUNED)
    elif complete:
        if settings.constraints:
            metrics = means([goals.measured(seed) for seed in complete])
            point = Measured(point_of(trial).values, metrics)
            others = searched_trials(settings, replicates).values()
            broken = violations(settings, point, goals.measured_points(others))
            _set_constraints(points, study, trial, dict(zip(constraint_names(settings), broken, strict=True)))
        columns = zip(*(seed.values for seed in complete), strict=True)
        study.tell(trial.number, [fmean(column) for column in columns])
    else:
        study.tell(trial.number, state=TrialState.FAIL)


def _set_constraints(
    points: SearchedPoints, study: optuna.Study, trial: FrozenTrial, broken: Mapping[str, float]
) -> None:
    """Keep by how much a point breaks each constraint."""
    live = points.resumed(study, trial)
    for name, by in broken.items():
        if name not in live.constraints:  # else set by a worker that was killed right after
            live.set_constraint(name, by)


def constraint_names(settings: StudySettings) -> list[str]:
    """The constraints' names in Optuna."""
    return [f"{index}:{constraint.metric}" for index, constraint in enumerate(settings.constraints)]


def is_point(trial: FrozenTrial) -> bool:
    """Whether the trial has got its values, so that it is a point of the search."""
    return "point" in trial.user_attrs


def point_of(trial: FrozenTrial) -> Point:
    """The point, with seed 0."""
    return Point.from_json(trial.user_attrs["point"])
