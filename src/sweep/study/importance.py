"""How much each searched path matters: functional ANOVA (Hutter et al. 2014) as Optuna has it."""

import json
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from optuna import create_study, logging
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from sweep.records.trial_record import TrialRecord
from sweep.settings import Dimension

FEWEST_POINTS = 8  # of fewer nothing can be told
MOST_POINTS = 200  # of more every second one, or third: the time grows with the square, and 1,000 take 10 s
TREES = 32


def variance_shares(records: Sequence[TrialRecord], space: Mapping[str, Dimension]) -> dict[str, float]:
    """What share of the variance of the first objective between points (means over seeds) each searched path
    explains by itself and with others, in [0, 1], largest first; they sum to 1. The same for the same records.

    Only paths that all points have, and with several values, are judged. Nothing is said of fewer than two such
    paths, of fewer than FEWEST_POINTS points, or where all points are equally good.
    """
    points = _points(records)
    if len(points) < FEWEST_POINTS or len({value for _, value in points}) < 2:
        return {}
    shared = set.intersection(*(set(parameters) for parameters, _ in points))
    columns = {path: [parameters[path] for parameters, _ in points] for path in sorted(shared)}
    varied = {path: values for path, values in columns.items() if len({_text(value) for value in values}) > 1}
    if len(varied) < 2:
        return {}
    distributions = {path: _distribution(values, space.get(path)) for path, values in varied.items()}
    study = _quiet_study()
    for place, (_, value) in enumerate(points):
        params = {path: _stored(values[place], distributions[path]) for path, values in varied.items()}
        study.add_trial(create_trial(params=params, distributions=distributions, value=value))
    shares = get_param_importances(study, evaluator=FanovaImportanceEvaluator(n_trees=TREES, seed=0))
    return {path: float(share) for path, share in shares.items()}


def _quiet_study() -> Any:
    """A study in memory, of which nobody hears."""
    level = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        return create_study()
    finally:
        logging.set_verbosity(level)


def _points(records: Sequence[TrialRecord]) -> list[tuple[dict[str, Any], float]]:
    """Searched values and the mean of the objective of every point with a COMPLETE trial."""
    parameters: dict[str, dict[str, Any]] = {}
    values: dict[str, list[float]] = {}
    for record in records:
        if record.state == "COMPLETE" and record.value is not None:
            text = _text(record.parameters)
            parameters.setdefault(text, record.parameters)
            values.setdefault(text, []).append(record.value)
    points = [(parameters[text], fmean(of_seeds)) for text, of_seeds in values.items()]
    return points[:: -(-len(points) // MOST_POINTS)] if points else []


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _distribution(values: Sequence[Any], dimension: Dimension | None) -> BaseDistribution:
    """What the values of a path span; several kinds of them are so many names."""
    if not all(map(_is_number, values)):
        return CategoricalDistribution(sorted({_text(value) for value in values}))
    low, high = float(min(values)), float(max(values))
    return FloatDistribution(low, high, log=dimension is not None and dimension.log and low > 0)


def _stored(value: Any, distribution: BaseDistribution) -> Any:
    return _text(value) if isinstance(distribution, CategoricalDistribution) else float(value)
