"""Is one system better than another? Paired comparisons from the ranks of evaluations (METRICS, section 6)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sweep.errors import InputError
from sweep.evaluation.cells import CellTable, rank_cells
from sweep.evaluation.rank_file import read_ranking
from sweep.evaluation.summarise import last_parts
from sweep.statistics.uncertainty import (
    Interval,
    group_shares,
    holm,
    percentile_interval,
    resampled_figures,
    sign_flip_p,
)

# Compared unless others are asked for, where a benchmark has them.
DEFAULT_METRICS = (
    "mono/map",
    "cross/map",
    "pooled/map",
    "pooled/alignment_consistency",
    "pooled/alignment_consistency/low",
    "pooled/rank_distance",
    "mono/ndcg@10",
    "mono/recall@100",
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
        """The values by cell and group (c, g) that a metric's figure is the mean of, for each seed; `metric` is a key
        without the benchmark. Raises InputError for a metric that cannot be had from ranks."""
        family, _, rest = metric.partition("/")
        name, _, last = rest.partition("/")
        if family == "geometry":
            raise InputError(f"'{metric}': metrics of geometry come from embeddings, not from ranks")
        known = set.intersection(*(set(table) for table in self.tables))  # seeds may be searched to different depths
        if (family, name) not in known:
            raise InputError(f"'{metric}': {self.name} has {', '.join(sorted(map('/'.join, known)))}")
        found = []
        for table in self.tables:
            cells = table[family, name]
            parts = last_parts(cells.names, self.tiers)
            if (f"/{last}" if last else "") not in parts:
                raise InputError(f"'{metric}': {self.name} has no language, pair or tier '{last}'")
            values = cells.value_cg[parts[f"/{last}" if last else ""]]
            found.append(values[~np.isnan(values).all(1)])
            if not len(found[-1]):
                raise InputError(f"'{metric}': no question of {self.name} has a value")
        return found


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
    """Those of the default metrics that the system's benchmark has."""
    kept = []
    for metric in DEFAULT_METRICS:
        try:
            system.values(metric)
        except InputError:
            continue
        if system.tables[0].get(("pooled", "map")) is None or metric not in ("mono/ndcg@10", "mono/recall@100"):
            kept.append(metric)
    return kept


@dataclass(frozen=True)
class Figure:
    """A system's figure (mean over its seeds) and its 95 % interval."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class Comparison:
    """A system against the reference: how much larger its figure is, and how likely so much is by chance. `p_holm` is
    corrected for all systems that are compared with the reference by this metric."""

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
    found: list[tuple[System, float, Interval, float]] = []
    for other in others:
        value_scg = other.values(metric)
        difference_g = _mean_shares(value_scg) - base_g
        interval = percentile_interval(resampled_figures(value_scg) - base_b)
        found.append((other, float(difference_g.sum()), interval, sign_flip_p(difference_g)))
    corrected = holm([p for *_, p in found])
    return [
        Comparison(metric, reference.name, other.name, difference, interval, p, p_holm)
        for (other, difference, interval, p), p_holm in zip(found, corrected, strict=True)
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
