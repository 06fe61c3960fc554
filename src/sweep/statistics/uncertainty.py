"""How sure a figure of one evaluation is: cluster bootstrap over questions; and Holm's correction of several tests.

The unit that is drawn is the translation group, with its questions in all languages together, because parallel
questions are not independent. What two kinds of chance come to is in `sweep.statistics.crossed`. Shapes: c = cells,
g = translation groups, b = resamples.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95

Interval = tuple[float, float]
Values = NDArray[np.float64]


def weights(groups: int, seed: int, resamples: int = RESAMPLES) -> Values:
    """How often each group is drawn in each resample (b, g): as many draws as there are groups."""
    if groups == 0:
        return np.zeros((resamples, 0))
    rng = np.random.default_rng([seed, 0x5EED])
    return rng.multinomial(groups, np.full(groups, 1 / groups), size=resamples).astype(np.float64)


def cell_means(value_cg: Values) -> Values:
    """Mean over the groups that have a value (c)."""
    return np.asarray(np.nansum(value_cg, axis=1) / (~np.isnan(value_cg)).sum(1))


def resampled_cell_means(value_cg: Values, weight_bg: Values) -> Values:
    """Every cell's mean in every resample (b, c); NaN where a resample drew none of a cell's groups."""
    present_gc = (~np.isnan(value_cg)).T.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray((weight_bg @ np.nan_to_num(value_cg).T) / (weight_bg @ present_gc))


def _mean_over_cells(resampled_bc: Values) -> Values:
    """Mean over the cells that a resample has (b); NaN where it has none."""
    present_bc = ~np.isnan(resampled_bc)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(present_bc, resampled_bc, 0.0).sum(1) / present_bc.sum(1))


def percentile_intervals(resampled_bc: Values, cells: Sequence[NDArray[np.int64]]) -> list[Interval]:
    """The 95 % percentile interval of the mean over each of the sets of cells."""
    if not cells:
        return []
    gaps = np.isnan(resampled_bc).any()
    mean_bk = np.stack([_mean_over_cells(resampled_bc[:, places]) for places in cells], axis=1)
    ends = [100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2]
    low_k, high_k = (np.nanpercentile if gaps else np.percentile)(mean_bk, ends, axis=0)
    return list(zip(low_k.tolist(), high_k.tolist(), strict=True))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (Holm 1979): compare with the level as if there were one test."""
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    highest = 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = highest
    return [float(value) for value in adjusted]
