"""Mixed batches against their rivals in the same study: merged weights, other objectives, and what needs no training.

A rival is a point that lies on no curve of ratios: a merge, or the only point of its combination of searched values.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sweep.answer.points import PointRow, value_text
from sweep.answer.ratios import MOST_TRIALS, RATIO, RatioTable, combinations_of
from sweep.answer.systems import Systems, has_ranks
from sweep.evaluation.comparison import Comparison, Figure, System, compare, figure
from sweep.records.folder import StudyFolder
from sweep.settings import Objective, StudySettings
from sweep.settings.merging import MERGE, MIX, is_merged
from sweep.settings.metric_key import Half, MetricKey
from sweep.statistics.best import may_be_best

MIXED = 0.5  # the mix that rivals are compared with, fixed before anybody looks
LOSS = "loss"
UNTRAINED = ("untouched", "lir")


@dataclass(frozen=True)
class RivalRow:
    """One rival: its figure, how many seeds it has (0: it needs no training), and its difference from the mix."""

    name: str
    figure: Figure
    seeds: int
    against: Comparison


@dataclass(frozen=True)
class Rivals:
    """The rivals of a study's mixed batches, in the order of its points, what needs no training last.

    `mixed` is the point of α = .5, with its figure and seeds, which every row is compared with; p is corrected over
    all rows. `best` are the trained points, ratios and rivals alike, that may be the best at 95 %, of `among`; empty
    where that cannot be said.
    """

    mixed: str
    figure: Figure
    seeds: int
    rows: tuple[RivalRow, ...]
    best: tuple[str, ...]
    among: int

    @property
    def over_seeds(self) -> bool:
        """Whether the comparisons say anything about other seeds."""
        return all(row.against.estimate.over_seeds for row in self.rows)


def _has_rivals(study: StudySettings | None) -> bool:
    """Whether a study is a grid of several mixes or objectives. Points of a search are no rivals: the sampler chose
    them by what others had scored."""
    return study is not None and study.is_grid and (MIX in study.space or LOSS in study.space)


def rivals_of(
    folder: StudyFolder,
    points: Sequence[PointRow],
    tables: Sequence[RatioTable],
    objective: Objective,
    benchmark: str,
    half: Half | None,
    read: Systems,
    study: StudySettings | None,
) -> Rivals | None:
    """The comparison, from the trials' files of ranks; None without a single curve of ratios with α = .5 on it, and
    without a rival. Points are those that may win. Raises InputError if a file of ranks is damaged."""
    key = MetricKey.within(benchmark, objective.metric)
    if len(tables) != 1 or not _has_rivals(study):
        return None
    on_curve = combinations_of(folder, [point for point in points if not is_merged(point.parameters)])
    curve = on_curve[tables[0].others]
    there = [point for point in points if point.may_win and has_ranks(folder, point, key.benchmark)]
    kept = {id(point) for point in there}
    mixed = curve.get(MIXED)
    rivals = [point for point in there if not any(point is one for one in curve.values())]
    if mixed is None or id(mixed) not in kept or not rivals:
        return None
    if sum(len(point.records) for point in there) > MOST_TRIALS:
        return None
    systems = {id(point): read.of_point(folder, name_of(point, mixed), point, key.benchmark, half) for point in there}
    untrained = read.baselines(folder, key.benchmark, half)
    others = [systems[id(point)] for point in rivals]
    others += [untrained[name] for name in UNTRAINED if name in untrained and untrained[name].has(str(key))]
    reference, peers = systems[id(mixed)], list(systems.values())
    compared = compare(reference, others, str(key))
    rows = tuple(
        RivalRow(system.name, figure(system, str(key), peers), len(system.tables) if system.trained else 0, one)
        for system, one in zip(others, compared, strict=True)
    )
    best = _best_of(peers, str(key), objective)
    figure_of_mix = figure(reference, str(key), peers)
    return Rivals(reference.name, figure_of_mix, len(reference.tables), rows, best, len(peers))


def name_of(point: PointRow, mixed: PointRow) -> str:
    """What a point is called beside mixed batches, by what it does not share with them: "α = 0.25", "loss=clear",
    "merge with λ = 0.5", "ratio.cross_batch=mixed + ratio.language_sampling=size at α = 0.25". No name has a comma,
    since sentences list them."""
    values = {
        path: value
        for path, value in point.parameters.items()
        if path in (RATIO, MIX) or _differs(path, value, mixed)
    }
    share = values.pop(RATIO, None)
    mix = values.pop(MIX, None)
    others = " + ".join(f"{path}={value_text(value)}" for path, value in values.items())
    if share is None:
        return others
    if mix == MERGE:
        return f"merge with λ = {float(share):g}" + (f" of {others}" if others else "")
    if not others:
        return f"α = {float(share):g}"
    return others if float(share) == MIXED else f"{others} at α = {float(share):g}"


def _differs(path: str, value: object, mixed: PointRow) -> bool:
    return path not in mixed.parameters or mixed.parameters[path] != value


def _best_of(systems: Sequence[System], metric: str, objective: Objective) -> tuple[str, ...]:
    """Those that may be the best of all; nothing if they have different seeds, or a single one."""
    if len({system.seeds for system in systems}) > 1 or systems[0].seeds is None or len(systems[0].seeds) < 2:
        return ()
    value_rsg = [objective.sign * system.values_sg(metric) for system in systems]
    return tuple(systems[place].name for place in may_be_best(value_rsg))
