"""The points of a study: its COMPLETE trials with all their seeds together, and which of the points are best."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev
from typing import Any

from sweep.records.trial_record import TrialRecord
from sweep.settings import Objective
from sweep.statistics.dominance import front


@dataclass(frozen=True)
class Spread:
    """A figure's mean over seeds, and the standard deviation between seeds where there are several."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """None without any value."""
        if not values:
            return None
        return cls(fmean(values), stdev(values) if len(values) > 1 else None)

    def text(self, digits: int) -> str:
        """Such as "0.512±0.013"."""
        mean = f"{self.mean:.{digits}f}"
        return mean if self.deviation is None else f"{mean}±{self.deviation:.{digits}f}"


@dataclass(frozen=True)
class PointRow:
    """One point: its searched values by config path, its COMPLETE trials, and figures by their keys. `dropped`: how
    many of its seeds were pruned, not run for being worse, or FAILED. `lacks`: how many seeds it has fewer than the
    points that the study has confirmed."""

    parameters: Mapping[str, Any]
    records: tuple[TrialRecord, ...]
    figures: Mapping[str, Spread] = field(default_factory=dict)
    dropped: int = 0
    lacks: int = 0

    @property
    def value(self) -> float:
        """The first objective's mean over the seeds."""
        values = [record.value for record in self.records if record.value is not None]
        return fmean(values) if values else 0.0

    @property
    def values(self) -> list[float]:
        """Every objective's mean over the seeds."""
        return [fmean(column) for column in zip(*(record.values for record in self.records), strict=True)]

    @property
    def keeps_constraints(self) -> bool:
        """Whether it keeps the study's constraints."""
        return all(record.violation <= 0 for record in self.records)

    @property
    def competes(self) -> bool:
        """Whether the best was chosen among others and this one: within the constraints, and judged by all of the
        seeds that every point gets. The mean of the seeds that were good enough to go on would flatter it."""
        return self.keeps_constraints and not self.dropped

    @property
    def may_win(self) -> bool:
        """Whether it may be the best: it competes, and is confirmed if others are."""
        return self.competes and not self.lacks

    @property
    def text(self) -> str:
        """Such as "ratio.monolingual=0.5, train.steps=100"; empty for the only point of a study."""
        return parameters_text(self.parameters)


@dataclass(frozen=True)
class Front:
    """The points that no other one dominates, best by the first objective first; of how many points, how many of
    these break a constraint, and how many others lack a seed: pruned, dropped, FAILED, or of the confirmation."""

    points: tuple[PointRow, ...]
    among: int
    breaking: int
    lacking: int = 0


def points_of(records: Iterable[TrialRecord], confirmed_seeds: Collection[int] = ()) -> tuple[PointRow, ...]:
    """All points with a COMPLETE trial, in order of the searched values. `confirmed_seeds`: all that a confirmed
    point has, if the study confirms any."""
    points: dict[str, list[TrialRecord]] = {}
    for record in records:
        if record.state in ("COMPLETE", "PRUNED", "FAILED"):
            points.setdefault(repr(sorted(record.parameters.items())), []).append(record)
    rows = []
    for ended in points.values():
        complete = tuple(record for record in ended if record.state == "COMPLETE")
        if complete:
            rows.append(PointRow(complete[0].parameters, complete, dropped=len(ended) - len(complete)))
    if confirmed_seeds:
        rows = _with_lacks(rows, confirmed_seeds)
    return tuple(sorted(rows, key=lambda row: [_sortable(value) for value in row.parameters.values()]))


def _with_lacks(rows: list[PointRow], seeds: Collection[int]) -> list[PointRow]:
    """How many seeds each point lacks to be confirmed; none while no point is."""
    lacks = [len(set(seeds) - {record.seed for record in row.records}) for row in rows]
    return [replace(row, lacks=lack) for row, lack in zip(rows, lacks, strict=True)] if 0 in lacks else rows


def _sortable(value: Any) -> tuple[bool, Any]:
    return (False, value) if isinstance(value, (int, float)) else (True, str(value))


def best_first(points: Iterable[PointRow], objective: Objective) -> list[PointRow]:
    """By the mean objective over seeds."""
    return sorted(points, key=lambda point: -objective.sign * point.value)


def best_of(points: Iterable[PointRow], objective: Objective, seeds: int = 0) -> PointRow | None:
    """The best point of those that may win and have as many seeds: that of a point with one is too good too often."""
    kept = (point for point in points if point.may_win and len(point.records) >= seeds)
    return next(iter(best_first(kept, objective)), None)


def front_of(points: Sequence[PointRow], objectives: Sequence[Objective], seeds: int = 0) -> Front | None:
    """The Pareto front by the means over seeds; None with a single objective, and without points. A point that breaks
    a constraint, lacks a seed, or has fewer than `seeds` so far is not on it."""
    if len(objectives) < 2 or not points:
        return None
    kept = [point for point in points if point.may_win and len(point.records) >= seeds]
    undominated = [kept[index] for index in front([point.values for point in kept], objectives)]
    ordered = sorted(undominated, key=lambda point: -objectives[0].sign * point.values[0])
    breaking = sum(not point.keeps_constraints for point in points)
    return Front(tuple(ordered), len(points), breaking, len(points) - len(kept) - breaking)


def value_text(value: Any) -> str:
    """A searched value as text."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def parameters_text(parameters: Mapping[str, Any]) -> str:
    """Searched values as text."""
    return ", ".join(f"{path}={value_text(value)}" for path, value in parameters.items())


def paths_of(points: Iterable[PointRow]) -> list[str]:
    """The config paths that any of the points has a value of."""
    return sorted({path for point in points for path in point.parameters})


def cells_of(point: PointRow, paths: Iterable[str]) -> list[str]:
    """A point's searched values in the columns of a table, a dash where it has none."""
    return [value_text(point.parameters[path]) if path in point.parameters else "–" for path in paths]
