"""Constraints of a study: by how much a point breaks them, from the means over its seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sweep.settings import Constraint, StudySettings
from sweep.settings.space import same


@dataclass(frozen=True)
class Measured:
    """A point's values and the means of its constrained metrics over its finished seeds."""

    values: Mapping[str, Any]
    metrics: Mapping[str, float]


def means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of every metric that all rows have."""
    common = set.intersection(*(set(row) for row in rows)) if rows else set()
    return {metric: fmean(row[metric] for row in rows) for metric in sorted(common)}


def violations(settings: StudySettings, point: Measured, finished: list[Measured]) -> list[float]:
    """For each constraint by how much the point breaks it: at most 0 if it does not.

    `finished` are the points in the order they were begun, for constraints relative to one of them. While that one
    is not finished, its constraint counts as kept.
    """
    return [_violation(constraint, point, finished) for constraint in settings.constraints]


def worst(settings: StudySettings, point: Measured, finished: list[Measured]) -> float:
    """The largest violation, 0 if there is none."""
    return max([0.0, *violations(settings, point, finished)])


def _violation(constraint: Constraint, point: Measured, finished: list[Measured]) -> float:
    value = point.metrics.get(constraint.metric)
    if value is None:
        return 0.0
    if constraint.at_least is not None:
        return constraint.at_least - value
    if constraint.at_most is not None:
        return value - constraint.at_most
    assert constraint.not_below is not None
    reference = _reference(constraint.not_below.of, point, finished)
    if reference is None or constraint.metric not in reference.metrics:
        return 0.0
    return reference.metrics[constraint.metric] - constraint.not_below.by - value


def _reference(of: Mapping[str, Any], point: Measured, finished: list[Measured]) -> Measured | None:
    """Of the finished points with the values `of` the one that is like this point elsewhere, else the first."""
    having = [other for other in finished if matches(other.values, of)]
    alike = [other for other in having if matches(other.values, {**point.values, **of})]
    return next(iter(alike or having), None)


def matches(values: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a point has the wanted values."""
    return all(path in values and same(values[path]) == same(value) for path, value in wanted.items())
