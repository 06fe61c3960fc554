"""How sure a study's answer is: a table of figures, a table of differences, and what they come to."""

from collections.abc import Sequence

from rich.console import Console

from sweep.answer.claims import against_rival, equal_pairs, judged, two_seeds
from sweep.answer.points import value_text
from sweep.answer.ratios import RATIO, Certainty, RatioTable
from sweep.evaluation.comparison import Comparison, Figure
from sweep.evaluation.metrics import digits_of
from sweep.report.narrow import Column, print_line, print_table
from sweep.settings import Objective
from sweep.settings.metric_key import MetricKey

LEAST = 12  # characters of what is compared, before an interval is left out for it
ELSEWHERE = "report.html has all of it"


def print_certainty(console: Console, certainty: Certainty, objective: Objective, is_summed_up: bool = False) -> None:
    """Print, for every combination of the other searched values, a table of the ratios and which may be the best.

    `is_summed_up`: whether a headline stands above that says of a single table what it comes to. What it does not
    say, which ratios beat what needs no training, is printed all the same.
    """
    is_summed_up = is_summed_up and len(certainty.tables) == 1
    for table in certainty.tables:
        over_seeds = all(row.over_seeds for row in table.rows)
        about = "Differences" if over_seeds else "Differences between these trained models"
        figures, ends = _figures(table, objective)
        print_table(console, figures, _heading(table, objective), ends, rest=ELSEWHERE)
        differences, ends = _differences(table, objective)
        title = f"{about}; p is corrected for all of this table"
        print_table(console, differences, title, ends, rest=ELSEWHERE)
        for line in _on_all_ratios(table, objective) if is_summed_up else verdicts(table, objective):
            print_line(console, line)
    if certainty.is_partial:
        print_line(
            console,
            f"Intervals and comparisons are for combinations of at most {certainty.most_trials} trials, the best "
            "ones first; python -m sweep.compare compares any others.",
        )


def verdicts(ratios: RatioTable, objective: Objective) -> list[str]:
    """What the table comes to, in sentences."""
    digits = _digits(objective)
    if not judged(ratios):
        return ["One seed: the p-values compare these trained models; nothing is said about the ratios themselves."]
    lines = []
    alone = [value_text(row.ratio) for row in ratios.rows if row.seeds == 1]
    if alone:
        lines.append(f"One seed, so that nothing is said about: {', '.join(alone)}")
    if ratios.best and ratios.cross_fitted is not None:
        members = ", ".join(value_text(ratio) for ratio in ratios.best)
        lines.append(f"May be best at 95 %: {RATIO} in {{{members}}}")
        lines.append(
            f"Figure of the best of {ratios.complete}, cross-fitted: {ratios.cross_fitted:.{digits}f} "
            "(its plain mean is too high, having been chosen)"
        )
    lines += _on_all_ratios(ratios, objective)
    equal = [f"{value_text(ratio)} and {reference}" for ratio, reference in equal_pairs(ratios)]
    if equal:
        lines.append(f"Equal within {ratios.margin:g} (two one-sided tests, p < 0.05): {', '.join(equal)}")
    if (line := two_seeds(ratios.rows)) is not None:
        lines.append(line)
    return lines


def _on_all_ratios(ratios: RatioTable, objective: Objective) -> list[str]:
    """Which ratios are shown to beat what needs no training, and which are not; nothing of one seed."""
    if ratios.rival is None or not judged(ratios):
        return []
    lines, rival = [], ratios.rival
    for beats, ratios_shown in zip((True, False), against_rival(ratios, objective), strict=True):
        names = ", ".join(map(value_text, ratios_shown))
        if names and beats:
            lines.append(f"Shown to beat {rival}, which needs no training (p < 0.05 after Holm): {names}")
        elif names:
            lines.append(f"Not shown to beat {rival}, which needs no training: {names}")
    return lines


def _heading(ratios: RatioTable, objective: Objective) -> str:
    fewest, most = (end(row.seeds for row in ratios.rows) for end in (min, max))
    seeds = f"{most} seeds" if fewest == most else f"{fewest} to {most} seeds"
    chance = f" and {seeds}" if most > 1 else ", one seed"
    title = f"How sure: {objective.metric}, 95 % intervals over questions{chance}"
    if ratios.others:
        title += f", {ratios.others}"
    return title


def _figures(ratios: RatioTable, objective: Objective) -> tuple[list[Column], set[int]]:
    """Every figure with its interval, and the row after which a line comes."""
    digits = _digits(objective)
    rows = [(name, *_figure(figure, digits)) for name, figure in ratios.baselines.items()]
    rows += [(value_text(row.ratio), *_figure(row.figure, digits)) for row in ratios.rows]
    ratio, figure, interval = map(list, zip(*rows, strict=True))
    columns = [Column(RATIO, ratio, least=LEAST), Column("figure", figure), Column("95 %", interval, 1)]
    return columns, {len(ratios.baselines) - 1}


def _differences(ratios: RatioTable, objective: Objective) -> tuple[list[Column], set[int]]:
    """Each comparison once, by what is compared with, and the rows after which a line comes."""
    digits = _digits(objective)
    rows: list[tuple[str, ...]] = []
    ends: set[int] = set()
    done: set[frozenset[str]] = set()
    for reference in ratios.rows[0].against:
        pairs = [(value_text(row.ratio), row.against[reference]) for row in ratios.rows]
        pairs = [(name, one) for name, one in pairs if one is not None and frozenset((name, reference)) not in done]
        rows += _compared(reference, pairs, digits)
        ends.add(len(rows) - 1)
        done |= {frozenset((name, reference)) for name, _ in pairs}
    if ratios.rival is not None:
        rows += _compared(ratios.rival, [(value_text(row.ratio), row.against_rival) for row in ratios.rows], digits)
        ends.add(len(rows) - 1)
    cells = [[row[place] for row in rows] for place in range(5)]
    ratio, against = (Column(title, cells[place], least=LEAST) for place, title in enumerate((RATIO, "against")))
    difference, p = Column("difference", cells[2]), Column("p (Holm)", cells[4])
    return [ratio, against, difference, Column("95 %", cells[3], 1), p], ends


def _compared(reference: str, pairs: Sequence[tuple[str, Comparison | None]], digits: int) -> list[tuple[str, ...]]:
    return [(name, reference, *difference_cells(one, digits)) for name, one in pairs if one is not None]


def difference_cells(one: Comparison, digits: int) -> tuple[str, str, str]:
    """A difference, its interval, and p."""
    low, high = one.interval
    p = f"{one.p_holm:.4f}" if one.p_holm >= 0.0001 else "<0.0001"
    return f"{one.difference:+.{digits}f}", f"{low:+.{digits}f} to {high:+.{digits}f}", p


def _figure(figure: Figure, digits: int) -> tuple[str, str]:
    low, high = figure.interval
    return f"{figure.value:.{digits}f}", f"{low:.{digits}f} to {high:.{digits}f}"


def _digits(objective: Objective) -> int:
    return digits_of(MetricKey.parse(objective.metric)) - 1
