"""Is one system better than another? Comparisons from the ranks of evaluations.

The statistics are those of `sweep.statistics.crossed`: both the questions and the seeds are counted. They are
explained in docs/statistics.md. Shapes: s = seeds, g = translation groups, c = cells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sweep.errors import InputError
from sweep.evaluation.cells import CellTable
from sweep.evaluation.columns import COMPARISON, columns_for
from sweep.evaluation.rank_table import RankTable, check_seeds, differing_tiers, read_rank_table
from sweep.evaluation.summarise import last_parts
from sweep.settings.metric_key import Half, MetricKey
from sweep.statistics.crossed import (
    Estimate,
    contributions,
    crossed_difference,
    estimate,
    figure_of,
    paired_difference,
)
from sweep.statistics.uncertainty import Interval, holm, percentile_intervals, resampled_cell_means, weights


@dataclass(frozen=True, eq=False)
class System:
    """A system's evaluations on one benchmark: one for each seed that it was trained with. `seeds` are these in the
    order of the tables, or None where nobody says which they were. A system that was not trained has one evaluation,
    and no seed."""

    name: str
    benchmark: str
    languages: tuple[str, ...]
    groups: tuple[str, ...]
    tiers: dict[str, frozenset[str]]
    tables: tuple[CellTable, ...]
    seeds: tuple[int, ...] | None = None
    trained: bool = True
    drawn: dict[str, "Figure"] = field(default_factory=dict, repr=False)  # of one evaluation, once they are asked for

    def values_sg(self, metric: str) -> NDArray[np.float64]:
        """What every translation group contributes to a metric's figure with each seed (s, g): the mean over groups
        is the seed's figure. Raises InputError as `values` does."""
        return np.stack([contributions(value_cg) for value_cg in self.values(metric)])

    def has(self, metric: str) -> bool:
        """Whether `values` has something for it."""
        try:
            self.values(metric)
        except InputError:
            return False
        return True

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


def load_system(
    name: str,
    files: Sequence[Path],
    seeds: Sequence[int] | None = None,
    half: Half | None = None,
    trained: bool = True,
) -> System:
    """Read one system's files of ranks. `half`: only the questions of this half of the benchmark count
    (`sweep.evaluation.halves`). The rest is as in `system_of`, and so is what is raised."""
    return system_of(name, files, [read_rank_table(file, half) for file in files], seeds, trained)


def system_of(
    name: str,
    files: Sequence[Path],
    tables: Sequence[RankTable],
    seeds: Sequence[int] | None = None,
    trained: bool = True,
) -> System:
    """One system from what its files of ranks have. `seeds`: those of the files, if known. `trained`: whether
    another seed could have made it another one.

    Raises InputError if the files are not of the same questions, or do not have the same tiers.
    """
    if seeds is not None and len(set(seeds)) == len(seeds):  # in order, so that pairs of systems fit together
        order = sorted(range(len(seeds)), key=lambda place: seeds[place])
        files, tables = [files[place] for place in order], [tables[place] for place in order]
    check_seeds(files, tables)
    first = tables[0]
    known = None if seeds is None or len(set(seeds)) < len(seeds) else tuple(sorted(seeds))
    cells = tuple(table.cells for table in tables)
    return System(name, first.benchmark, first.languages, first.groups, first.tiers, cells, known, trained)


def default_metrics(system: System) -> list[str]:
    """Those that are compared unless others are asked for, as far as the system's benchmark has them."""
    columns = columns_for(COMPARISON, parallel=("pooled", "map") in system.tables[0])
    return [column.name for column in columns if system.has(column.name)]


@dataclass(frozen=True)
class Figure:
    """A system's figure (mean over its seeds) and its 95 % interval, over questions alone if it has one seed."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class Comparison:
    """A system against a reference: how much larger its figure is, and how likely so large a difference is if there
    is none. `metric` is a key without the benchmark; `p_holm` is corrected for all comparisons that were made
    together."""

    metric: str
    reference: str
    system: str
    estimate: Estimate
    p_holm: float

    @property
    def difference(self) -> float:
        """System minus reference."""
        return self.estimate.value

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the difference, from the same error as `p`."""
        return self.estimate.interval()

    @property
    def p(self) -> float:
        """Two-sided, of this comparison alone."""
        return self.estimate.p


def figure(system: System, metric: str, peers: Sequence[System] = ()) -> Figure:
    """A system's figure, with its interval. `peers` are all systems of its study: of two seeds the variance leans on
    that of those with the same seeds."""
    value_scg = system.values(metric)
    if len(value_scg) > 1:
        alike = [peer.values_sg(metric) for peer in peers if system.seeds is not None and peer.seeds == system.seeds]
        own = figure_of(system.values_sg(metric), alike)
        return Figure(own.value, own.interval())
    if metric not in system.drawn:
        (value_cg,) = value_scg
        resampled_bc = resampled_cell_means(value_cg, weights(value_cg.shape[1], 0))
        (interval,) = percentile_intervals(resampled_bc, [np.arange(len(value_cg))])
        system.drawn[metric] = Figure(float(contributions(value_cg).mean()), interval)
    return system.drawn[metric]


def compare(reference: System, others: Sequence[System], metric: str) -> list[Comparison]:
    """Systems with one reference; Holm's correction over them. Raises InputError as `compare_each` does."""
    pairs = compare_each([reference], others, metric)
    return [pairs[reference.name, other.name] for other in others]


def compare_each(
    references: Sequence[System], others: Sequence[System], metric: str
) -> dict[tuple[str, str], Comparison]:
    """Every reference with every other system, by their names; Holm's correction over all these comparisons, each
    pair of systems counted once.

    Raises InputError if systems did not answer the same questions, or have other tiers.
    """
    systems = list({system.name: system for system in (*references, *others)}.values())
    for system in systems[1:]:
        _check_comparable(systems[0], system)
    value_sg = {system.name: system.values_sg(metric) for system in systems}
    estimates: dict[tuple[str, str], Estimate] = {}
    for reference in references:
        for other in others:
            known = (other.name, reference.name) in estimates
            if other.name != reference.name and not known:
                estimates[reference.name, other.name] = _difference(reference, other, systems, value_sg)
    corrected = holm([one.p for one in estimates.values()])
    name = MetricKey.within(systems[0].benchmark, metric).name
    compared = {
        pair: Comparison(name, *pair, one, p_holm)
        for (pair, one), p_holm in zip(estimates.items(), corrected, strict=True)
    }
    turned = {
        (other, reference): Comparison(name, other, reference, _negated(one.estimate), one.p_holm)
        for (reference, other), one in compared.items()
    }
    return turned | compared


def difference(reference: System, other: System, value_sg: Mapping[System, NDArray[np.float64]]) -> Estimate:
    """One comparison, as `compare_each` makes it among all systems of a study that have the metric. `value_sg`: what
    the groups of each of these contribute to it, from `values_sg`. Raises InputError as `compare_each` does."""
    _check_comparable(reference, other)
    return _difference(reference, other, list(value_sg), {system.name: own for system, own in value_sg.items()})


def _difference(
    reference: System, other: System, systems: Sequence[System], value_sg: Mapping[str, NDArray[np.float64]]
) -> Estimate:
    """Paired by seed if both have the same ones; all systems with these seeds are its peers. What was not trained is
    the same for every seed of the other."""
    if not (reference.trained and other.trained):
        return estimate(value_sg[other.name] - value_sg[reference.name])
    if reference.seeds is None or reference.seeds != other.seeds:
        if len(value_sg[reference.name]) == len(value_sg[other.name]) == 1:  # nothing is said about seeds
            return paired_difference(value_sg[reference.name], value_sg[other.name])
        return crossed_difference(value_sg[reference.name], value_sg[other.name])
    peers = [value_sg[system.name] for system in systems if system.seeds == other.seeds]
    return paired_difference(value_sg[reference.name], value_sg[other.name], peers)


def _negated(one: Estimate) -> Estimate:
    return replace(one, value=-one.value)


def _check_comparable(reference: System, other: System) -> None:
    same_languages = set(other.languages) == set(reference.languages)
    if not same_languages or (other.benchmark, other.groups) != (reference.benchmark, reference.groups):
        raise InputError(f"{other.name} and {reference.name} did not answer the same questions")
    if other.tiers != reference.tiers:
        differing = differing_tiers(reference.tiers, other.tiers)
        raise InputError(f"{other.name} and {reference.name} differ in their tiers: {differing}")
