"""The trials whose weights a merged trial averages, and for how long these weights are needed."""

from collections.abc import Iterable, Mapping

from sweep.settings import StudySettings
from sweep.settings.merging import is_merged, may_be_parent, parent_values
from sweep.study.point import Point
from sweep.study.trials import StoredTrial


def parents_of(point: Point, settings: StudySettings) -> tuple[Point, Point] | None:
    """The points of α = 1 and α = 0 with a merged point's other values and its seed; None for a trained one."""
    if not is_merged(point.values):
        return None
    first, second = parent_values(settings, point.values)
    return Point(first, point.seed), Point(second, point.seed)


def parent_keys(point: Point, settings: StudySettings) -> tuple[str, str] | None:
    """Their keys."""
    parents = parents_of(point, settings)
    return None if parents is None else (parents[0].key, parents[1].key)


def is_parent(point: Point, settings: StudySettings) -> bool:
    """Whether a merged point may ask for its weights."""
    return may_be_parent(settings, point.values)


def needed_weights(points: Iterable[Point], known: Mapping[str, StoredTrial], settings: StudySettings) -> set[str]:
    """Keys of the trials whose weights a merge among these wanted points will ask for: it has not ended yet."""
    needed: set[str] = set()
    for point in points:
        parents = parents_of(point, settings)
        trial = known.get(point.key)
        if parents is not None and (trial is None or not trial.has_ended):
            needed.update(parent.key for parent in parents)
    return needed
