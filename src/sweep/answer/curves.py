"""Curves over the ratios: figures with intervals and each seed's value, what needs no training, published figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sweep.answer.contents import RatioCurve, RatioDot
from sweep.answer.points import PointRow
from sweep.answer.published import published_figures
from sweep.answer.ranked_points import Benchmarked, Combination, benchmarks_of, combinations_shown
from sweep.answer.study_answer import StudyAnswer
from sweep.answer.systems import Systems
from sweep.evaluation.comparison import Figure, System
from sweep.evaluation.figures import seeded_figures, values_or_none
from sweep.evaluation.metrics import metric_of
from sweep.evaluation.parts import BY_MODEL, RESOURCES
from sweep.records.folder import StudyFolder
from sweep.settings import Settings
from sweep.settings.metric_key import MetricKey
from sweep.statistics.smooth import FEWEST_RATIOS, Smooth, by_questions, smooth_curve

PARALLEL = (
    "mono/map",
    "cross/map",
    "pooled/map",
    "pooled/alignment_consistency",
    "pooled/rank_distance",
    "pooled/language_bias",
)
MONOLINGUAL = ("mono/map", "mono/ndcg@10", "mono/recall@100")
PARTS = ("", *RESOURCES, "seen", "unseen", *BY_MODEL)
TARGET = 0.0  # of language_bias, the only one of these that is best in the middle

Values = NDArray[np.float64]


def ratio_curves(
    folder: StudyFolder, answer: StudyAnswer, settings: Settings, systems: Systems
) -> tuple[RatioCurve, ...]:
    """A curve for every benchmark, combination of other searched values, metric and part that has figures: all, the
    tiers by resources, seen and unseen in training and by the model. Empty if no ratio was trained.

    Intervals of several seeds are over questions and seeds, with the other ratios as peers, as in the tables; those
    of one seed are over questions alone. Of a large study only the best combinations are read.

    Raises InputError for a damaged file of ranks.
    """
    curves: list[RatioCurve] = []
    objectives = [MetricKey.parse(objective.metric).whole.name for objective in answer.objectives]
    systems.wants(objective.metric for objective in answer.objectives)
    shown = combinations_shown(folder, answer, settings)
    for benchmark in benchmarks_of(answer, settings):
        for combination in shown:
            read = combination.systems(folder, benchmark, systems)
            if read:
                drawn = _Drawn(folder, benchmark, combination, read, systems)
                curves += drawn.curves(objectives)
    return tuple(curves)


@dataclass(frozen=True)
class _Drawn:
    """The systems of one benchmark and combination, by ratio."""

    folder: StudyFolder
    benchmark: Benchmarked
    combination: Combination
    read: Mapping[float, System]
    systems: Systems

    def curves(self, objectives: Sequence[str]) -> list[RatioCurve]:
        """One for each metric and part that any ratio has."""
        is_parallel = any(("pooled", "map") in table for system in self.read.values() for table in system.tables)
        metrics = list(PARALLEL if is_parallel else MONOLINGUAL)
        metrics += [metric for metric in dict.fromkeys(objectives) if metric not in metrics and self._has(metric)]
        tiers = set().union(*(system.tiers for system in self.read.values()))
        parts = [part for part in PARTS if not part or part in tiers]
        names = [f"{metric}/{part}" if part else metric for metric in metrics for part in parts]
        asked = [self.benchmark.asked(name) for name in names]
        by_questions = self._of_one_seed(asked)
        baselines = self._baselines(asked)
        curves = (self._curve(name, by_questions, baselines) for name in names)
        return [curve for curve in curves if curve is not None]

    def _has(self, metric: str) -> bool:
        return any(system.has(self.benchmark.asked(metric)) for system in self.read.values())

    def _of_one_seed(self, asked: Sequence[str]) -> dict[float, Mapping[str, Figure]]:
        """Figures of the ratios with a single seed, by their keys."""
        name, half = self.benchmark.name, self.benchmark.half
        return {
            ratio: self.systems.figures(self._files(self.combination.ratios[ratio])[0], name, asked, half)
            for ratio, system in self.read.items()
            if len(system.tables) == 1
        }

    def _files(self, point: PointRow) -> list[Path]:
        return [self.folder.trial(record.key).ranks_of(self.benchmark.name) for record in point.records]

    def _baselines(self, asked: Sequence[str]) -> dict[str, Mapping[str, Figure]]:
        """What answered the same questions."""
        name, half = self.benchmark.name, self.benchmark.half
        first = next(iter(self.read.values()))
        alike = {
            baseline
            for baseline, system in self.systems.baselines(self.folder, name, half).items()
            if set(system.languages) == set(first.languages) and system.groups == first.groups
        }
        figures = self.systems.baseline_figures(self.folder, name, asked, half)
        return {baseline: of_baseline for baseline, of_baseline in figures.items() if baseline in alike}

    def _curve(
        self,
        name: str,
        by_questions: Mapping[float, Mapping[str, Figure]],
        baselines: Mapping[str, Mapping[str, Figure]],
    ) -> RatioCurve | None:
        asked, parsed = self.benchmark.asked(name), MetricKey.parse(f"/{name}")
        systems = list(self.read.values())
        values = [values_or_none(system, asked) for system in systems]
        dots = []
        for ratio, own_sg, seeded in zip(self.read, values, seeded_figures(systems, values), strict=True):
            figure = seeded or by_questions.get(ratio, {}).get(asked)
            if own_sg is not None and figure is not None:
                dots.append(_dot(ratio, self.combination.ratios[ratio], self.read[ratio], own_sg, figure))
        if not dots:
            return None
        metric = metric_of(parsed)
        whole = not parsed.part
        languages = systems[0].languages
        return RatioCurve(
            key=self.benchmark.key(name),
            title=f"{parsed.family} {metric.label}" if len(metric.families) > 1 else metric.label,
            part=parsed.part,
            better=metric.better,
            digits=metric.digits,
            others=self.combination.others,
            dots=tuple(dots),
            baselines={baseline: figures[asked] for baseline, figures in baselines.items() if asked in figures},
            published=published_figures(self.benchmark.evaluation, languages, name) if whole else (),
            smooth=_smooth(self.read, values, metric.better) if whole else None,
        )


def _dot(ratio: float, point: PointRow, system: System, own_sg: Values, figure: Figure) -> RatioDot:
    first = point.records[0]
    seeds = system.seeds if system.seeds is not None else range(len(own_sg))
    by_seed = dict(zip(seeds, own_sg.mean(1).tolist(), strict=True))
    key = first.key.removesuffix(f"seed={first.seed}").rstrip(",")
    return RatioDot(ratio, figure.value, figure.interval, by_seed, key)


def _smooth(read: Mapping[float, System], values: Sequence[Values | None], better: str) -> Smooth | None:
    """The curve through the ratios with several seeds, if there are enough of them."""
    present = {ratio: own_sg for ratio, own_sg in zip(read, values, strict=True) if own_sg is not None}
    seeded = {ratio: own_sg for ratio, own_sg in present.items() if len(own_sg) > 1}
    if len(seeded) < FEWEST_RATIOS or len({own_sg.shape[1] for own_sg in present.values()}) > 1:
        return None
    dots = [(ratio, value) for ratio, own_sg in present.items() for value in own_sg.mean(1).tolist()]
    return _through(tuple(dots), better, by_questions(list(present.values())))


@lru_cache(maxsize=256)  # a report is written again each minute, and most of its curves are as they were
def _through(dots: tuple[tuple[float, float], ...], better: str, question_variance: float) -> Smooth | None:
    ratios, values = zip(*dots, strict=True)
    target = TARGET if better == "target" else None
    return smooth_curve(ratios, values, better, target=target, question_variance=question_variance)  # type: ignore[arg-type]
