"""Every question language with every passage language: mAP of a ratio, and of what needs no training."""

from collections.abc import Sequence
from itertools import permutations

import numpy as np

from sweep.answer.contents import PairMatrix
from sweep.answer.points import best_first
from sweep.answer.ranked_points import (
    REFERENCE_ORDER,
    Benchmarked,
    Contrast,
    benchmarks_of,
    combinations_shown,
    contrast_of,
    ratio_name,
)
from sweep.answer.study_answer import StudyAnswer
from sweep.answer.systems import Systems, has_ranks
from sweep.evaluation.comparison import System
from sweep.evaluation.parts import RESOURCES
from sweep.records.folder import StudyFolder
from sweep.settings import Settings

METRIC = "cross/map"
MOST_RATIOS = 11
BASELINES = ("untouched", "lir")


def pair_matrices(
    folder: StudyFolder, answer: StudyAnswer, settings: Settings, systems: Systems
) -> tuple[PairMatrix, ...]:
    """For each benchmark whose languages are ranked together a matrix of every ratio of the best combination, at most
    MOST_RATIOS of them (the best one and those that it is compared with among these), then of the baselines. Where no
    ratio is searched, of the best point. Figures are means over seeds; the diagonal is mono/map.

    Raises InputError for a damaged file of ranks.
    """
    contrast = contrast_of(answer, combinations_shown(folder, answer, settings))
    matrices: list[PairMatrix] = []
    for benchmark in benchmarks_of(answer, settings):
        trained = (
            _of_best_point(folder, answer, benchmark, systems)
            if contrast is None
            else _of_ratios(folder, contrast, benchmark, systems)
        )
        matrices += trained
        if trained:
            untrained = systems.baselines(folder, benchmark.name, benchmark.half)
            named = [(name, untrained[name]) for name in BASELINES if name in untrained]
            matrices += [
                _matrix(system, benchmark, None, "", name)
                for name, system in named
                if sorted(system.languages) == sorted(trained[0].languages)
            ]
    return tuple(matrices)


def _of_ratios(folder: StudyFolder, contrast: Contrast, benchmark: Benchmarked, systems: Systems) -> list[PairMatrix]:
    combination = contrast.combination
    chosen = _thinned(sorted(combination.ratios), [contrast.best, *REFERENCE_ORDER])
    read = combination.systems(folder, benchmark, systems, chosen)
    return [
        _matrix(system, benchmark, ratio, combination.others, ratio_name(ratio))
        for ratio, system in read.items()
        if _is_parallel(system)
    ]


def _of_best_point(
    folder: StudyFolder, answer: StudyAnswer, benchmark: Benchmarked, systems: Systems
) -> list[PairMatrix]:
    first = best_first(answer.points, answer.objectives[0])
    point = answer.best or next(iter(first), None)
    if point is None or not has_ranks(folder, point, benchmark.name):
        return []
    system = systems.of_point(folder, "trained", point, benchmark.name, benchmark.half)
    if system.benchmark != benchmark.name or not _is_parallel(system):
        return []
    return [_matrix(system, benchmark, None, point.text, point.text or "trained")]


def _thinned(ratios: Sequence[float], first: Sequence[float]) -> list[float]:
    """At most MOST_RATIOS of them, in ascending order: the first ones, and the rest evenly over what there is."""
    if len(ratios) <= MOST_RATIOS:
        return list(ratios)
    kept = {ratio for ratio in first if ratio in ratios}
    rest = [ratio for ratio in ratios if ratio not in kept]
    places = np.linspace(0, len(rest) - 1, MOST_RATIOS - len(kept)).round().astype(int).tolist()
    return sorted(kept | {rest[place] for place in places})


def _is_parallel(system: System) -> bool:
    return all(("cross", "map") in table for table in system.tables)


def _matrix(system: System, benchmark: Benchmarked, ratio: float | None, others: str, name: str) -> PairMatrix:
    languages = _ordered(system)
    means = [_means(system, seed) for seed in range(len(system.tables))]
    by_pair = {
        pair: float(np.mean([one[pair] for one in means])) for pair in means[0] if all(pair in m for m in means)
    }
    value_qp = tuple(
        tuple(by_pair.get((asked, answered), float("nan")) for answered in languages) for asked in languages
    )
    return PairMatrix(benchmark.key(METRIC), ratio, others, name, languages, value_qp)


def _means(system: System, seed: int) -> dict[tuple[str, str], float]:
    """The mean over groups of each pair that has a value, of one seed."""
    pair_of = {f"{one}-{other}": (one, other) for one, other in permutations(system.languages, 2)}
    pair_of |= {one: (one, one) for one in system.languages}
    means = {}
    for family in ("mono", "cross"):
        cells = system.tables[seed][family, "map"]
        for name, value_g in zip(cells.names, cells.value_cg, strict=True):
            if not np.isnan(value_g).all():
                means[pair_of[name]] = float(np.nanmean(value_g))
    return means


def _ordered(system: System) -> tuple[str, ...]:
    """By tier, high resources first, then by code."""

    def place(code: str) -> tuple[int, str]:
        tiers = (number for number, tier in enumerate(RESOURCES) if code in system.tiers.get(tier, ()))
        return next(tiers, len(RESOURCES)), code

    return tuple(sorted(system.languages, key=place))
