"""From values by cell to figures by their keys: means over groups, then over languages or pairs, with intervals.

Shapes: c = cells, g = translation groups, b = bootstrap resamples.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sweep.evaluation.cells import Cells, CellTable, Counts, Plain
from sweep.evaluation.families import COUNTS
from sweep.evaluation.script_groups import SCRIPT_GROUPS, script_group
from sweep.settings.metric_key import MetricKey
from sweep.statistics.uncertainty import Interval, cell_means, percentile_intervals, resampled_cell_means, weights

Metrics = dict[str, float]
Intervals = dict[str, Interval]
Members = Mapping[str, frozenset[str]]  # tier -> its languages


@dataclass(frozen=True)
class Evaluated:
    """All metrics of one evaluation by key, and 95 % intervals of those that are means."""

    metrics: Metrics
    intervals: Intervals


def in_tier(cell: str, members: frozenset[str]) -> bool:
    """A pair belongs to a tier if at least one of its languages does."""
    return not members.isdisjoint(cell.split("-"))


def last_parts(names: tuple[str, ...], tiers: Members) -> Mapping[str, NDArray[np.int64]]:
    """The last parts that a metric's keys have, with their cells: "" (all), "low", "other_script", "en". What has no
    cells has no part."""
    return _last_parts(names, tuple(tiers.items()))


@lru_cache(maxsize=256)  # the same for every trial of a study
def _last_parts(
    names: tuple[str, ...], tiers: tuple[tuple[str, frozenset[str]], ...]
) -> Mapping[str, NDArray[np.int64]]:
    parts = {"": np.arange(len(names))}
    group_c = np.array([script_group(name) for name in names])
    grouped = {tier: [in_tier(name, members) for name in names] for tier, members in tiers}
    grouped |= {group: group_c == group for group in SCRIPT_GROUPS}
    for part, is_member in grouped.items():
        places = np.flatnonzero(is_member)
        if len(places):
            parts[part] = places
    return parts | {name: np.array([place]) for place, name in enumerate(names)}


def summarise(
    benchmark: str,
    table: CellTable,
    counts: Mapping[str, Counts],
    plain: Plain,
    tiers: Members,
    seed: int = 0,
) -> Evaluated:
    """Every figure of an evaluation. Cells without any value have no key, and are no part of a mean."""
    metrics: Metrics = {}
    intervals: Intervals = {}
    groups = next((cells.value_cg.shape[1] for cells in table.values()), 0)
    weight_bg = weights(groups, seed)
    for (family, metric), cells in table.items():
        kept = _with_values(cells)
        mean_c = cell_means(kept.value_cg)
        resampled_bc = resampled_cell_means(kept.value_cg, weight_bg)
        parts = last_parts(kept.names, tiers) if len(kept.names) else {}
        keys = [str(MetricKey(benchmark, family, metric, part)) for part in parts]
        metrics |= {key: float(mean_c[places].mean()) for key, places in zip(keys, parts.values(), strict=True)}
        intervals |= dict(zip(keys, percentile_intervals(resampled_bc, list(parts.values())), strict=True))
    for family, count in counts.items():
        for name, counted in zip(COUNTS, (count.questions, count.left_out), strict=True):
            metrics |= _combined(MetricKey(benchmark, family, name), counted, tiers, np.sum)
    for (family, metric), figures in plain.items():
        metrics |= _combined(MetricKey(benchmark, family, metric), figures, tiers, np.mean)
    return Evaluated(metrics, intervals)


def _with_values(cells: Cells) -> Cells:
    kept = np.flatnonzero(~np.isnan(cells.value_cg).all(1))
    return Cells(tuple(cells.names[place] for place in kept), cells.value_cg[kept])


def _combined(
    key: MetricKey, by_cell: Mapping[str, float], tiers: Members, combine: Callable[[NDArray[np.float64]], float]
) -> Metrics:
    value_c = np.array(list(by_cell.values()), float)
    parts = last_parts(tuple(by_cell), tiers) if len(value_c) else {}
    return {str(key.of(part)): float(combine(value_c[places])) for part, places in parts.items()}
