"""Figures with intervals of several systems and metrics together: the same as `comparison.figure` gives one by one.

Shapes: s = seeds, g = translation groups, c = cells, b = bootstrap resamples, k = metrics.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sweep.errors import InputError
from sweep.evaluation.comparison import Figure, System
from sweep.statistics.crossed import contributions, figure_of
from sweep.statistics.uncertainty import Interval, percentile_intervals, resampled_cell_means, weights

Values = NDArray[np.float64]


def values_or_none(system: System, metric: str) -> Values | None:
    """What every group contributes with each seed (s, g); None if the system does not have the metric."""
    try:
        return system.values_sg(metric)
    except InputError:
        return None


def seeded_figures(systems: Sequence[System], values: Sequence[Values | None]) -> list[Figure | None]:
    """Each system's figure from its values (s, g), with an interval over questions and seeds, the others as its
    peers; None for a system without the metric, or with one seed."""
    figures: list[Figure | None] = []
    for system, own_sg in zip(systems, values, strict=True):
        if own_sg is None or len(own_sg) < 2:
            figures.append(None)
            continue
        alike = [
            peer_sg
            for peer, peer_sg in zip(systems, values, strict=True)
            if peer_sg is not None and system.seeds is not None and peer.seeds == system.seeds
        ]
        own = figure_of(own_sg, alike)
        figures.append(Figure(own.value, own.interval()))
    return figures


def question_figures(system: System, metrics: Iterable[str]) -> dict[str, Figure]:
    """Figures of a system with one evaluation, with intervals over its questions, as far as it has the metrics."""
    value_cg = {}
    for metric in metrics:
        try:
            (value_cg[metric],) = system.values(metric)
        except InputError:
            continue
    if not value_cg:
        return {}
    weight_bg = weights(next(iter(value_cg.values())).shape[1], 0)
    return {
        metric: Figure(float(contributions(of_metric).mean()), interval)
        for (metric, of_metric), interval in zip(value_cg.items(), _intervals(value_cg, weight_bg), strict=True)
    }


def _intervals(value_cg: dict[str, Values], weight_bg: Values) -> list[Interval]:
    """Where every cell has a value of every group, the mean over cells can be drawn instead of each cell: it is the
    same, and a hundred pairs of languages are one row."""
    rows = [[value.mean(0, keepdims=True)] if not np.isnan(value).any() else [value] for value in value_cg.values()]
    sizes = [len(row) for (row,) in rows]
    resampled_bc = resampled_cell_means(np.concatenate([row for (row,) in rows]), weight_bg)
    starts = np.r_[0, np.cumsum(sizes)]
    return [
        interval
        for start, size in zip(starts, sizes, strict=False)
        for interval in percentile_intervals(resampled_bc[:, start : start + size], [np.arange(size)])
    ]
