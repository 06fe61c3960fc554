"""How sure the ratios' figures are, and each ratio against those that it should beat."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sweep.answer.points import PointRow, parameters_text, value_text
from sweep.answer.systems import Systems, has_ranks
from sweep.evaluation.comparison import Comparison, Figure, System, compare_each, figure
from sweep.evaluation.families import COUNTS
from sweep.records.folder import StudyFolder
from sweep.settings import Objective
from sweep.settings.merging import is_merged
from sweep.settings.metric_key import Half, MetricKey
from sweep.settings.reporting import WITH_MARGIN
from sweep.settings.saved_yaml import read_yaml
from sweep.statistics.best import cross_fitted, may_be_best

RATIO = "ratio.monolingual"
GROUP, NAME = RATIO.split(".")
RIVALS = ("lir", "untouched", "n-grams")  # the first that a study has; fixed before anybody looks, too
REFERENCES = (0.0, 0.5, 1.0)  # fixed before anybody looks: the two single kinds, and half of each
MOST_TRIALS = 200  # whose ranks are read and resampled; a large study has thousands


@dataclass(frozen=True)
class RatioRow:
    """One ratio: its figure, the number of its seeds, its comparison with each reference (None for the reference
    itself), and with the rival that needs no training. `barred`: why it cannot be among the best, if it cannot: it
    breaks a constraint, or lacks seeds that were pruned, dropped, FAILED or not confirmed."""

    ratio: float
    figure: Figure
    seeds: int
    against: Mapping[str, Comparison | None]
    against_rival: Comparison | None = None
    barred: Literal["constraint", "seeds"] | None = None

    @property
    def over_seeds(self) -> bool:
        """Whether its comparisons say anything about other seeds."""
        return all(one.estimate.over_seeds for one in self.against.values() if one is not None) and self.seeds > 1

    @property
    def is_approximate(self) -> bool:
        """Whether all that is said of it is, with two seeds."""
        return self.seeds == 2


@dataclass(frozen=True)
class RatioTable:
    """The ratios in ascending order, all with the same other searched values (`others`, as text).

    `best` are the ratios that may be the best at 95 %, and `cross_fitted` is the figure of the best one without the
    flattery of choosing it; both of the `complete` ratios, those with all of the study's seeds. `margin`: differences
    within it count as none, None if the metric has no margin. `baselines` are the figures of what needs no training,
    by name; one of them, the `rival`, every ratio is compared with.
    """

    others: str
    rows: tuple[RatioRow, ...]
    best: tuple[float, ...] = ()
    complete: int = 0
    cross_fitted: float | None = None
    margin: float | None = None
    baselines: Mapping[str, Figure] = field(default_factory=dict)
    rival: str | None = None


@dataclass(frozen=True)
class Certainty:
    """A table for every combination of the other searched values. Of more than `most_trials` trials only the best
    combinations are compared; then `is_partial`."""

    tables: tuple[RatioTable, ...]
    is_partial: bool
    most_trials: int


def certainty_of(
    folder: StudyFolder,
    points: Sequence[PointRow],
    objective: Objective,
    benchmark: str,
    margin: float | None = None,
    half: Half | None = None,
    systems: Systems | None = None,
) -> Certainty:
    """Intervals and comparisons by the first objective, from the trials' files of ranks.

    References are 0 (only cross-lingual batches), 0.5 and 1 (only monolingual ones), as far as the study has them. An
    objective that does not come from ranks has no tables. `margin` is for mAP and alignment_consistency alone.
    `half`: only the questions of this half count. `systems`: what has been read of the study's ranks.
    """
    key = MetricKey.within(benchmark, objective.metric)
    # The weight of a merge is no ratio of batches: it is in no table of these.
    placed = list(_placed(folder, [point for point in points if not is_merged(point.parameters)]))
    is_partial = sum(len(point.records) for _, _, point in placed) > MOST_TRIALS
    if key.family == "geometry" or key.metric in COUNTS:
        return Certainty((), is_partial, MOST_TRIALS)
    read = Systems() if systems is None else systems
    read.wants([str(key)])
    tables = [
        _table(folder, others, ratios, key, objective, margin if key.metric in WITH_MARGIN else None, half, read)
        for others, ratios in _within_budget(folder, _combined(placed), objective, key.benchmark).items()
    ]
    return Certainty(tuple(tables), is_partial, MOST_TRIALS)


def combinations_of(folder: StudyFolder, points: Sequence[PointRow]) -> dict[str, dict[float, PointRow]]:
    """The point of each ratio, for every combination of the other searched values (as text)."""
    return _combined(_placed(folder, points))


def _combined(placed: Iterable[tuple[str, float, PointRow]]) -> dict[str, dict[float, PointRow]]:
    combinations: dict[str, dict[float, PointRow]] = {}
    for others, ratio, point in placed:
        combinations.setdefault(others, {}).setdefault(ratio, point)
    return combinations


def _placed(folder: StudyFolder, points: Sequence[PointRow]) -> Iterator[tuple[str, float, PointRow]]:
    """The other searched values (as text) and the ratio of every point that has one.

    Where the config group is searched, the ratio is that of the trial's configuration; what else its choices differ
    in counts among the other values.
    """
    sections = {
        index: section
        for index, point in enumerate(points)
        if GROUP in point.parameters and RATIO not in point.parameters
        for section in [_section(folder, point)]
        if section is not None
    }
    seen: dict[str, set[str]] = {}
    for section in sections.values():
        for name, value in section.items():
            seen.setdefault(name, set()).add(repr(value))
    differing = [name for name, values in seen.items() if name != NAME and len(values) > 1]
    for index, point in enumerate(points):
        others = dict(point.parameters)
        if RATIO in others:
            yield (
                parameters_text({path: others[path] for path in others if path != RATIO}),
                float(others[RATIO]),
                point,
            )
        elif index in sections:
            del others[GROUP]
            others |= {f"{GROUP}.{name}": sections[index].get(name) for name in differing}
            yield parameters_text(others), float(sections[index][NAME]), point


def _section(folder: StudyFolder, point: PointRow) -> dict[str, Any] | None:
    """The ratio's settings in a point's configuration; None if an earlier version did not keep it."""
    file = folder.trial(point.records[0].key).config
    if not file.exists():
        return None
    section: dict[str, Any] = read_yaml(file)[GROUP]
    return section


def _within_budget(
    folder: StudyFolder,
    combinations: Mapping[str, Mapping[float, PointRow]],
    objective: Objective,
    benchmark: str,
) -> dict[str, dict[float, PointRow]]:
    """Those that compare ratios, whose ranks are there: all, or in a large study the best ones."""
    best = {
        others: max(objective.sign * point.value for point in ratios.values())
        for others, ratios in combinations.items()
    }
    kept, trials = set(), 0
    for others in sorted(combinations, key=lambda others: -best[others]):
        ratios = combinations[others]
        size = sum(len(point.records) for point in ratios.values())
        if len(ratios) < 2 or trials + size > MOST_TRIALS:
            continue
        trials += size
        kept.add(others)
    return {
        others: with_ranks
        for others, ratios in combinations.items()
        if others in kept
        for with_ranks in [{ratio: point for ratio, point in ratios.items() if has_ranks(folder, point, benchmark)}]
        if len(with_ranks) > 1
    }


def _table(
    folder: StudyFolder,
    others_text: str,
    ratios: Mapping[float, PointRow],
    key: MetricKey,
    objective: Objective,
    margin: float | None,
    half: Half | None,
    read: Systems,
) -> RatioTable:
    metric = str(key)
    systems = {
        ratio: read.of_point(folder, value_text(ratio), ratios[ratio], key.benchmark, half)
        for ratio in sorted(ratios)
    }
    untrained = read.baselines(folder, key.benchmark, half)
    baselines = {name: system for name, system in untrained.items() if system.has(metric)}
    rival = next((name for name in RIVALS if name in baselines), None)
    references = [systems[ratio] for ratio in REFERENCES if ratio in systems]
    others = [baselines[rival]] if rival is not None else []
    compared = compare_each([*references, *others], list(systems.values()), metric)
    rows = tuple(
        RatioRow(
            ratio,
            figure(system, metric, list(systems.values())),
            len(system.tables),
            {reference.name: compared.get((reference.name, system.name)) for reference in references},
            None if rival is None else compared[rival, system.name],
            _barred(ratios[ratio]),
        )
        for ratio, system in systems.items()
    )
    best, complete, fitted = _best_of(systems, ratios, metric, objective)
    figures = {name: figure(system, metric) for name, system in baselines.items()}
    return RatioTable(others_text, rows, best, complete, fitted, margin, figures, rival)


def _barred(point: PointRow) -> Literal["constraint", "seeds"] | None:
    if point.may_win:
        return None
    return "seeds" if point.keeps_constraints else "constraint"


def _best_of(
    systems: Mapping[float, System], ratios: Mapping[float, PointRow], metric: str, objective: Objective
) -> tuple[tuple[float, ...], int, float | None]:
    """The ratios that may be the best, of how many, and the cross-fitted figure. Only ratios that may win compete:
    with all seeds, and within the constraints. With one seed nothing is said about ratios."""
    complete = [ratio for ratio in systems if ratios[ratio].may_win]
    if len(complete) < 2 or len({systems[ratio].seeds for ratio in complete}) > 1:
        return (), len(complete), None
    value_rsg = [objective.sign * systems[ratio].values_sg(metric) for ratio in complete]
    if len(value_rsg[0]) < 2:
        return (), len(complete), None
    best = tuple(complete[place] for place in may_be_best(value_rsg))
    return best, len(complete), objective.sign * cross_fitted(value_rsg)
