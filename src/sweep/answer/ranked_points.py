"""The points whose ranks are looked at: for each combination of other searched values the ratios, and of the best
combination the ratio that is looked at closely and the one that it is compared with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sweep.answer.points import PointRow, best_first, value_text
from sweep.answer.ratios import MOST_TRIALS, combinations_of
from sweep.answer.study_answer import StudyAnswer
from sweep.answer.systems import Systems, has_ranks
from sweep.evaluation.comparison import System
from sweep.records.folder import StudyFolder
from sweep.settings import EvaluationSettings, Settings
from sweep.settings.metric_key import Half, MetricKey

MOST_COMBINATIONS = 6
REFERENCE_ORDER = (1.0, 0.0, 0.5)  # fixed before anybody looks: never "the better one"


@dataclass(frozen=True)
class Benchmarked:
    """A benchmark as a report shows it: its settings, its name in files of ranks, the half that counts, and its name
    in keys, which has the half in it."""

    evaluation: EvaluationSettings
    name: str
    half: Half | None
    shown: str

    def key(self, metric: str) -> str:
        """The full key of a figure for people, from a key without benchmark."""
        return f"{self.shown}/{metric}"

    def asked(self, metric: str) -> str:
        """The same key as ranks know it."""
        return str(MetricKey.parse(f"/{metric}").on(self.name))


def benchmarks_of(answer: StudyAnswer, settings: Settings) -> tuple[Benchmarked, ...]:
    """All benchmarks of the study, the first one first."""
    half: Half | None = "report" if settings.study.selects_on_half else None
    return tuple(
        Benchmarked(evaluation, evaluation.name, half, shown)
        for evaluation, shown in zip(settings.evaluations, answer.benchmarks, strict=True)
    )


@dataclass(frozen=True)
class Combination:
    """The points of every ratio with the same other searched values (`others`, as text)."""

    others: str
    ratios: Mapping[float, PointRow]

    def systems(
        self, folder: StudyFolder, benchmark: Benchmarked, systems: Systems, ratios: Iterable[float] | None = None
    ) -> dict[float, System]:
        """What has ranks on a benchmark, by ratio in ascending order; only some `ratios`, if they are given. Raises
        InputError for a damaged file of ranks."""
        wanted = self.ratios if ratios is None else set(ratios)
        read = {
            ratio: systems.of_point(folder, value_text(ratio), point, benchmark.name, benchmark.half)
            for ratio, point in sorted(self.ratios.items())
            if ratio in wanted and has_ranks(folder, point, benchmark.name)
        }
        return {ratio: system for ratio, system in read.items() if system.benchmark == benchmark.name}


def combinations_shown(folder: StudyFolder, answer: StudyAnswer, settings: Settings) -> tuple[Combination, ...]:
    """The best combinations, in order of the searched values: at most MOST_COMBINATIONS, and MOST_TRIALS trials.
    Where nothing is searched, the only point has the ratio of the study's settings."""
    combinations = combinations_of(folder, answer.points)
    if not settings.study.space and len(answer.points) == 1 and settings.ratio.schedule == "constant":
        combinations = {"": {settings.ratio.monolingual: answer.points[0]}}
    objective = answer.objectives[0]
    best = {
        others: max(objective.sign * point.value for point in ratios.values())
        for others, ratios in combinations.items()
    }
    kept: set[str] = set()
    trials = 0
    for others in sorted(combinations, key=lambda others: -best[others]):
        size = sum(len(point.records) for point in combinations[others].values())
        if len(kept) < MOST_COMBINATIONS and trials + size <= MOST_TRIALS:
            kept.add(others)
            trials += size
    return tuple(Combination(others, ratios) for others, ratios in combinations.items() if others in kept)


@dataclass(frozen=True)
class Contrast:
    """Two ratios of the best combination: the `best` one, and the `reference`, None if there is nothing to compare it
    with."""

    combination: Combination
    best: float
    reference: float | None


def ratio_name(ratio: float) -> str:
    """Such as "α = 0.5"."""
    return f"α = {value_text(ratio)}"


def contrast_of(answer: StudyAnswer, shown: Iterable[Combination]) -> Contrast | None:
    """The best ratio among the combinations that are shown: that of the answer's best point, else of the best mean,
    best of those that compete and have most seeds. Compared with it is α = 1 if there is one, else α = 0, else .5.
    None if no point has a ratio."""
    places = [(combination, ratio, point) for combination in shown for ratio, point in combination.ratios.items()]
    if not places:
        return None
    ordered = best_first([point for _, _, point in places], answer.objectives[0])
    chosen = next((point for point in ordered if answer.best is not None and point is answer.best), None)
    most = max((len(point.records) for point in ordered if point.competes), default=0)
    whole = (point for point in ordered if point.competes and len(point.records) == most)
    chosen = chosen or next(whole, ordered[0])
    combination, best, _ = next(place for place in places if place[2] is chosen)
    others = (ratio for ratio in REFERENCE_ORDER if ratio in combination.ratios and ratio != best)
    return Contrast(combination, best, next(others, None))
