"""`ratio.mix=merge`: points whose weights are an average of those of two other points of the study, their parents."""

from collections.abc import Mapping
from typing import Any, Protocol

from sweep.settings.space import Dimension, same
from sweep.settings.wording import listed, written

MIX, SHARE = "ratio.mix", "ratio.monolingual"
BATCHES, MERGE = "batches", "merge"
ENDS = (1.0, 0.0)  # shares of monolingual batches of the first parent, which λ weighs, and of the second

Values = Mapping[str, Any]


class Space(Protocol):
    """What of a study's settings says which points it has."""

    @property
    def space(self) -> dict[str, Dimension]: ...
    @property
    def first_points(self) -> tuple[dict[str, Any], ...]: ...
    @property
    def confirm(self) -> object: ...
    @property
    def is_grid(self) -> bool: ...
    def active(self, path: str, values: dict[str, Any]) -> bool: ...
    def combinations(self, values: Mapping[str, Any]) -> list[dict[str, Any]]: ...


def merges(study: Space) -> bool:
    """Whether a study has such points."""
    dimension = study.space.get(MIX)
    return dimension is not None and dimension.holds(MERGE)


def is_merged(values: Values) -> bool:
    """Whether a point with these values is one."""
    return values.get(MIX) == MERGE


def is_end(values: Values) -> bool:
    """Whether a merge with these values would be one of its parents."""
    return is_merged(values) and any(same(values.get(SHARE)) == same(end) for end in ENDS)


def may_be_parent(study: Space, values: Values) -> bool:
    """Whether the weights of a point with these values may be asked for."""
    is_one = not is_merged(values) and any(same(values.get(SHARE)) == same(end) for end in ENDS)
    return is_one and merges(study)


def parent_values(study: Space, values: Values) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values of both parents of a merge, that of α = 1 first: all others are its own, as far as they exist
    there."""
    first, second = (_of_parent(study, {**values, MIX: BATCHES, SHARE: end}) for end in ENDS)
    return first, second


def _of_parent(study: Space, values: Values) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for path in study.space:
        if path in values and study.active(path, kept):
            kept[path] = values[path]
    return kept


def merge_problem(study: Space) -> str | None:
    """What keeps a study from merging as its space asks for, or None: every merge needs its parents."""
    if not merges(study):
        return None
    if SHARE not in study.space:
        return f"space: {MIX}={MERGE} needs {SHARE} in the space: there it is the weight of the model of α = 1"
    if study.is_grid:
        return _grid_problem(study)
    others = [path for path in study.space if path not in (MIX, SHARE)]
    if others:
        return (
            f"space: a search with {MIX}={MERGE} can search {SHARE} besides and nothing else, since every merge "
            f"needs its two parents: leave out {listed(others)}, or make all dimensions grids"
        )
    if study.confirm is not None:
        return f"confirm: further seeds of a merge need its parents with them; with {MIX}={MERGE} set it to null"
    return _lacking(study, study.first_points, [{MIX: MERGE, SHARE: 0.5}], "add to study.first_points")


def _grid_problem(study: Space) -> str | None:
    points = study.combinations({path: dimension.grid or () for path, dimension in study.space.items()})
    merged = [values for values in points if is_merged(values)]
    if any(SHARE not in values for values in merged):
        return f"space: {SHARE} does not exist where {MIX}={MERGE}, and is the weight there: change its `when`"
    return _lacking(study, points, merged, "add to the grid")


def _lacking(study: Space, points: Any, merged: Any, fix: str) -> str | None:
    there = {_identity(values) for values in points}
    lacking = {
        _identity(parent): parent
        for values in merged
        for parent in parent_values(study, values)
        if _identity(parent) not in there
    }
    if not lacking:
        return None
    texts = ["{" + ", ".join(f"{path}: {written(value)}" for path, value in one.items()) + "}"
             for one in lacking.values()]  # fmt: skip
    more = f" and {len(texts) - 4} more" if len(texts) > 4 else ""
    return (
        f"space: {MIX}={MERGE} averages the models of {SHARE}=1 and 0 of the same study, which it lacks; {fix}: "
        f"{'; '.join(texts[:4])}{more}"
    )


def _identity(values: Values) -> frozenset[tuple[str, str]]:
    return frozenset((path, same(value)) for path, value in values.items())
