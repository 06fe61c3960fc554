"""How sure a figure is: cluster bootstrap, and the paired sign-flip test of two systems (docs/metrics.md,
"Uncertainty").

The unit that is drawn is the translation group, with its questions in all languages together, because parallel
questions are not independent. Shapes: c = cells, g = translation groups, b = resamples, s = seeds.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
PERMUTATIONS = 10_000
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


def percentile_interval(figure_b: Values) -> Interval:
    """The 95 % percentile interval of a resampled figure."""
    low, high = np.nanpercentile(figure_b, [100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2])
    return float(low), float(high)


def resampled_figures(value_scg: Sequence[Values], seed: int = 0, resamples: int = RESAMPLES) -> Values:
    """A figure (mean over seeds of the mean over cells) in every resample (b): seeds are drawn, and groups are drawn.

    All drawn seeds of a resample share its draw of translation groups, since they answer the same questions: with a
    draw of groups for each seed, the chance in the choice of questions would seem to shrink with the number of seeds.
    With one seed this is the plain cluster bootstrap. Two or three seeds say little about the chance between seeds:
    then the interval is too narrow. Two figures of one benchmark with the same `seed` have the same draws, so that
    their difference is a paired one.
    """
    seeds = len(value_scg)
    weight_bg = weights(value_scg[0].shape[1], seed, resamples)
    figure_bs = np.stack([_mean_over_cells(resampled_cell_means(value_cg, weight_bg)) for value_cg in value_scg], 1)
    drawn_bs = np.random.default_rng([seed, 0xD2A4]).integers(0, seeds, (resamples, seeds))
    return np.asarray(np.take_along_axis(figure_bs, drawn_bs, axis=1).mean(1))


def group_shares(value_cg: Values) -> Values:
    """What each group contributes to the figure (g): they sum to the mean over cells of the cells' means."""
    count_c1 = (~np.isnan(value_cg)).sum(1, keepdims=True)
    share_cg = np.nan_to_num(value_cg) / np.maximum(count_c1, 1)
    return np.asarray(share_cg.sum(0) / (count_c1 > 0).sum())


def sign_flip_p(difference_g: Values, seed: int = 0, permutations: int = PERMUTATIONS) -> float:
    """Two-sided p of the paired permutation test: if the systems were alike, each group's difference could as well
    have the other sign. In [1 / (permutations + 1), 1]."""
    difference_g = difference_g[difference_g != 0]
    observed = abs(difference_g.sum())
    rounding = 1e-12 * np.abs(difference_g).sum()
    rng = np.random.default_rng([seed, 0xF11B])
    extreme = 0
    for low in range(0, permutations, 1000):
        size = min(1000, permutations - low)
        signs_pg = rng.integers(0, 2, (size, len(difference_g)), dtype=np.int8) * 2.0 - 1.0
        # Sums that are equal must count as equal, however their order rounds them.
        extreme += int(np.count_nonzero(np.abs(signs_pg @ difference_g) >= observed - rounding))
    return (1 + extreme) / (1 + permutations)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (Holm 1979): compare with the level as if there were one test."""
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    highest = 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = highest
    return [float(value) for value in adjusted]
