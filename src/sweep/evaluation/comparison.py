"""Is one system better than another? Paired comparisons from the ranks of evaluations.

The statistics are in docs/metrics.md, "Uncertainty".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sweep.errors import InputError
from sweep.evaluation.cells import CellTable, rank_cells
from sweep.evaluation.columns import COMPARISON, columns_for
from sweep.evaluation.rank_file import read_ranking
from sweep.evaluation.summarise import last_parts
from sweep.settings.metric_key import MetricKey
from sweep.statistics.uncertainty import (
    Interval,
    group_shares,
    holm,
    percentile_interval,
    resampled_figures,
    sign_flip_p,
)


@dataclass(frozen=True, eq=False)
class System:
    """A system's evaluations on one benchmark: one for each seed that it was trained with."""

    name: str
    benchmark: str
    languages: tuple[str, ...]
    groups: tuple[str, ...]
    tiers: dict[str, frozenset[str]]
    tables: tuple[CellTable, ...]

    def values(self, metric: str) -> list[NDArray[np.float64]]:
        """The values by cell and group (c, g) that a metric's figure is the mean of, for each seed.

        Args:
            metric: a key, with or without the benchmark.

        Raises:
            InputError: it cannot be had from these ranks.
        """
        key = MetricKey.within(self.benchmark, metric)
        if key.family == "geometry":
            raise InputError(f"'{key.name}': metrics of geometry come from embeddings, not from ranks")
        known = set.intersection(*(set(table) for table in self.tables))  # seeds may be searched to different depths
        if (key.family, key.metric) not in known:
            raise InputError(f"'{key.name}': {self.name} has {', '.join(sorted(map('/'.join, known)))}")
        return [self._values_of(table, key) for table in self.tables]

    def _values_of(self, table: CellTable, key: MetricKey) -> NDArray[np.float64]:
        cells = table[key.family, key.metric]
        parts = last_parts(cells.names, self.tiers)
        if key.part not in parts:
            raise InputError(f"'{key.name}': {self.name} has no language, pair or tier '{key.part}'")
        value_cg = cells.value_cg[parts[key.part]]
        value_cg = value_cg[~np.isnan(value_cg).all(1)]
        if not len(value_cg):
            raise InputError(f"'{key.name}': no question of {self.name} has a value")
        return value_cg


def load_system(name: str, files: Sequence[Path]) -> System:
    """Read one system's files of ranks. Raises InputError if they are not of the same questions."""
    read = [read_ranking(file) for file in files]
    first, tiers = read[0]
    for file, (other, _) in zip(files[1:], read[1:], strict=True):
        if (other.benchmark, other.languages, other.groups) != (first.benchmark, first.languages, first.groups):
            raise InputError(
                f"{file} and {files[0]} are not of the same questions, so they are no seeds of one system"
            )
    tables = tuple(rank_cells(ranking)[0] for ranking, _ in read)
    return System(name, first.benchmark, first.languages, first.groups, tiers, tables)


def default_metrics(system: System) -> list[str]:
    """Those that are compared unless others are asked for, as far as the system's benchmark has them."""
    kept = []
    for column in columns_for(COMPARISON, parallel=("pooled", "map") in system.tables[0]):
        try:
            system.values(column.name)
        except InputError:
            continue
        kept.append(column.name)
    return kept


@dataclass(frozen=True)
class Figure:
    """A system's figure (mean over its seeds) and its 95 % interval."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class Comparison:
    """A system against the reference: how much larger its figure is, and how likely so large a difference arises at
    random. `metric` is a key without the benchmark; `p_holm` is corrected for all systems that are compared with the
    reference by it."""

    metric: str
    reference: str
    system: str
    difference: float
    interval: Interval
    p: float
    p_holm: float


def figure(system: System, metric: str) -> Figure:
    """A system's figure, with its interval."""
    value_scg = system.values(metric)
    value = float(np.mean([group_shares(value_cg).sum() for value_cg in value_scg]))
    return Figure(value, percentile_interval(resampled_figures(value_scg)))


def compare(reference: System, others: Sequence[System], metric: str) -> list[Comparison]:
    """Paired by translation group: bootstrap interval of the difference, and sign-flip test with Holm's correction.

    Raises InputError if the systems did not answer the same questions.
    """
    for other in others:
        _check_same_questions(reference, other)
    reference_scg = reference.values(metric)
    base_g = _mean_shares(reference_scg)
    base_b = resampled_figures(reference_scg)
    tests: list[tuple[System, float, Interval, float]] = []
    for other in others:
        value_scg = other.values(metric)
        difference_g = _mean_shares(value_scg) - base_g
        interval = percentile_interval(resampled_figures(value_scg) - base_b)
        tests.append((other, float(difference_g.sum()), interval, sign_flip_p(difference_g)))
    corrected = holm([p for *_, p in tests])
    name = MetricKey.within(reference.benchmark, metric).name
    return [
        Comparison(name, reference.name, other.name, difference, interval, p, p_holm)
        for (other, difference, interval, p), p_holm in zip(tests, corrected, strict=True)
    ]


def paired_test(reference: System, other: System, metric: str) -> tuple[float, float]:
    """How much larger the other's figure is than the reference's, and the two-sided p of the sign-flip test.

    Raises InputError if the systems did not answer the same questions.
    """
    _check_same_questions(reference, other)
    difference_g = _mean_shares(other.values(metric)) - _mean_shares(reference.values(metric))
    return float(difference_g.sum()), sign_flip_p(difference_g)


def _mean_shares(value_scg: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """What each group contributes to the figure (g), as the mean over seeds."""
    return np.asarray(np.mean([group_shares(value_cg) for value_cg in value_scg], axis=0))


def _check_same_questions(reference: System, other: System) -> None:
    same_languages = set(other.languages) == set(reference.languages)
    if not same_languages or (other.benchmark, other.groups) != (reference.benchmark, reference.groups):
        raise InputError(f"{other.name} and {reference.name} did not answer the same questions")
