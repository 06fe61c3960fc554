"""Confirming the best points of a search: they get further seeds when all points are done (`study.confirm`).

Which points these are follows from the trials of the search alone, never from those that confirm: a study that is
interrupted at any moment finds the same ones again.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean

from sweep.settings import Objective, StudySettings
from sweep.statistics.dominance import front
from sweep.study.goals import Goals
from sweep.study.point import Point
from sweep.study.trials import StoredTrial


def points_to_confirm(settings: StudySettings, goals: Goals, searched: Mapping[str, StoredTrial]) -> list[Point]:
    """The best points of a search that has ended, best first: as many as are to be confirmed, of those that keep the
    constraints and have a COMPLETE trial with every seed of the search. With several objectives the Pareto front
    comes first, and then the front of the others. `searched` are the trials that the search itself ran."""
    assert settings.confirm is not None
    whole = whole_points(goals.feasible(searched), settings.seeds)
    ordered = _best_first([mean for mean, _ in whole], settings.objectives, settings.confirm.points)
    return [Point(whole[place][1][0].point.values, 0) for place in ordered]


def searched_trials(settings: StudySettings, known: Mapping[str, StoredTrial]) -> Mapping[str, StoredTrial]:
    """The trials but those that confirm points: all that the sampler may know of."""
    further = settings.further_seeds
    return {key: trial for key, trial in known.items() if trial.point.seed not in further} if further else known


def whole_points(trials: Sequence[StoredTrial], seeds: Sequence[int]) -> list[tuple[list[float], list[StoredTrial]]]:
    """The points that have a trial with each of the seeds: the means of the objectives over these, and the trials."""
    points: dict[str, list[StoredTrial]] = {}
    for trial in trials:
        if trial.point.seed in seeds:
            points.setdefault(trial.point.without_seed, []).append(trial)
    return [
        ([fmean(column) for column in zip(*(trial.values for trial in replicates), strict=True)], replicates)
        for replicates in points.values()
        if len(replicates) == len(seeds)
    ]


def _best_first(means: Sequence[list[float]], objectives: Sequence[Objective], wanted: int) -> list[int]:
    """Places of the best points, front after front; within a front by the first objective."""
    left = list(range(len(means)))
    ordered: list[int] = []
    while left and len(ordered) < wanted:
        undominated = {left[place] for place in front([means[place] for place in left], objectives)}
        ordered += sorted(undominated, key=lambda place: (-objectives[0].sign * means[place][0], place))
        left = [place for place in left if place not in undominated]
    return ordered[:wanted]
