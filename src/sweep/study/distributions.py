"""How a dimension of the space is stored in Optuna, and how a trial gets its value."""

import json
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from sweep.settings import Dimension, StudySettings
from sweep.study.point import Point


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def stored(value: Any) -> Any:
    """A value as Optuna can hold it: lists and dicts as JSON."""
    return json.dumps(value) if isinstance(value, (list, tuple, dict)) else value


def distribution_of(settings: StudySettings, path: str) -> BaseDistribution | None:
    """Optuna's distribution of a path, or None if it should not know the path.

    A pure grid is never sampled; its numbers are stored as ranges, which may grow when values are added to the grid.
    Its other values stay out of Optuna, whose categories may not: the point itself is kept as a user attribute.
    """
    dimension = settings.space.get(path)
    if dimension is None:  # a seed's replicate of a search whose space has shrunk since
        return None
    if settings.is_grid:
        numbers = dimension.grid or ()
        if not all(map(_is_number, numbers)):
            return None
        return FloatDistribution(float(min(numbers)), float(max(numbers)))
    return search_distribution(dimension)


def search_distribution(dimension: Dimension) -> BaseDistribution:
    """The distribution that a sampler draws a dimension from; in a search a grid is one more choice."""
    listed = dimension.grid or dimension.choice
    if listed:
        return CategoricalDistribution([stored(value) for value in listed])
    if dimension.float_range:
        return FloatDistribution(*dimension.float_range, log=dimension.log, step=dimension.step)
    assert dimension.int_range is not None
    return IntDistribution(*dimension.int_range, log=dimension.log, step=int(dimension.step or 1))


def suggest(trial: Trial, path: str, distribution: BaseDistribution) -> Any:
    """The trial's value of a path: the stored, the enqueued or a newly sampled one."""
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(
            path, distribution.low, distribution.high, log=distribution.log, step=distribution.step
        )
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(
            path, distribution.low, distribution.high, log=distribution.log, step=distribution.step
        )
    assert isinstance(distribution, CategoricalDistribution)
    return trial.suggest_categorical(path, distribution.choices)


def parameters(settings: StudySettings, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """Values as Optuna's parameters, and their distributions."""
    known = {path: distribution_of(settings, path) for path in values}
    kept = {path: distribution for path, distribution in known.items() if distribution is not None}
    return {path: stored(values[path]) for path in kept}, kept


def waiting_trial(settings: StudySettings, point: Point, earlier_attempts: int = 0) -> FrozenTrial:
    """A new trial of a point."""
    params, distributions = parameters(settings, point.values)
    return create_trial(
        state=TrialState.WAITING,
        user_attrs={"key": point.key, "point": point.to_json(), "attempts": earlier_attempts},
        params=params,
        distributions=distributions,
    )
