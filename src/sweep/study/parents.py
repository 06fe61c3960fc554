"""The trials whose weights a merged trial averages, and for how long these weights are needed."""

from collections.abc import Iterable, Mapping

from sweep.settings import StudySettings
from sweep.settings.merging import MERGE, MIX, SHARE, is_merged, may_be_parent, merges, parent_values
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
    """Keys of the trials whose weights a merge will ask for: one among these wanted points that has not ended yet, or
    one that a search may still draw."""
    wanted = list(points)
    pending = [point for point in wanted if (trial := known.get(point.key)) is None or not trial.has_ended]
    if not settings.is_grid and len(wanted) < (settings.points or 0) * len(settings.seeds):
        pending += _any_merges(settings)
    return {key for point in pending for key in parent_keys(point, settings) or ()}


def _any_merges(settings: StudySettings) -> list[Point]:
    """One merge of a search with each seed, if it has any: all have the same parents but for the seed."""
    if not merges(settings):
        return []
    return [Point({MIX: MERGE, SHARE: 0.5}, seed) for seed in settings.seeds]
