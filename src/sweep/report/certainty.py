"""How sure a study's answer is: a table of figures, a table of differences, and what they come to."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from sweep.answer.claims import against_rival, equal_pairs, judged
from sweep.answer.points import value_text
from sweep.answer.ratios import RATIO, Certainty, RatioTable
from sweep.evaluation.comparison import Comparison, Figure
from sweep.evaluation.metrics import digits_of
from sweep.settings import Objective
from sweep.settings.metric_key import MetricKey


def print_certainty(console: Console, certainty: Certainty, objective: Objective) -> None:
    """Print, for every combination of the other searched values, a table of the ratios and which may be the best."""
    for table in certainty.tables:
        over_seeds = all(row.over_seeds for row in table.rows)
        about = "Differences" if over_seeds else "Differences between these trained models"
        for heading, shown in (
            (_heading(table, objective), _table(table, objective)),
            (f"{about}; p is corrected for all of this table", _differences(table, objective)),
        ):
            console.print(heading, style="italic", markup=False, highlight=False)
            console.print(shown)
        for line in verdicts(table, objective):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    if certainty.is_partial:
        console.print(
            f"Intervals and comparisons are for combinations of at most {certainty.most_trials} trials, the best "
            "ones first; python -m sweep.compare compares any others.",
            highlight=False,
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
    if ratios.rival is not None:
        lines += _rival_lines(ratios, objective, ratios.rival)
    equal = [f"{value_text(ratio)} and {reference}" for ratio, reference in equal_pairs(ratios)]
    if equal:
        lines.append(f"Equal within {ratios.margin:g} (two one-sided tests, p < 0.05): {', '.join(equal)}")
    if any(row.is_approximate for row in ratios.rows):
        lines.append("Two seeds: approximate, the variance between seeds leans on that of all ratios.")
    return lines


def _rival_lines(ratios: RatioTable, objective: Objective, rival: str) -> list[str]:
    """Which ratios are shown to beat what needs no training, and which are not."""
    lines = []
    for beats, ratios_shown in zip((True, False), against_rival(ratios, objective), strict=True):
        names = ", ".join(map(value_text, ratios_shown))
        if names and beats:
            lines.append(f"Shown to beat {rival}, which needs no training (p < 0.05 after Holm): {names}")
        elif names:
            lines.append(f"Not shown to beat {rival}, which needs no training: {names}")
    return lines


def _heading(ratios: RatioTable, objective: Objective) -> str:
    seeds = max(row.seeds for row in ratios.rows)
    chance = f" and {seeds} seeds" if seeds > 1 else ", one seed"
    title = f"How sure: {objective.metric}, 95 % intervals over questions{chance}"
    if ratios.others:
        title += f", {ratios.others}"
    return title


def _table(ratios: RatioTable, objective: Objective) -> Table:
    """Every figure with its interval."""
    digits = _digits(objective)
    table = _new_table(RATIO, "figure", "95 %")
    for name, figure in ratios.baselines.items():
        table.add_row(name, *_figure(figure, digits), end_section=name == [*ratios.baselines][-1])
    for row in ratios.rows:
        table.add_row(value_text(row.ratio), *_figure(row.figure, digits))
    return table


def _differences(ratios: RatioTable, objective: Objective) -> Table:
    """Each comparison once, by what is compared with."""
    digits = _digits(objective)
    table = _new_table(RATIO, "against", "difference", "95 %", "p (Holm)")
    done: set[frozenset[str]] = set()
    for reference in ratios.rows[0].against:
        rows = [(value_text(row.ratio), row.against[reference]) for row in ratios.rows]
        rows = [(name, one) for name, one in rows if one is not None and frozenset((name, reference)) not in done]
        _add(table, reference, rows, digits)
        done |= {frozenset((name, reference)) for name, _ in rows}
    if ratios.rival is not None:
        _add(table, ratios.rival, [(value_text(row.ratio), row.against_rival) for row in ratios.rows], digits)
    return table


def _new_table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _add(table: Table, reference: str, rows: Sequence[tuple[str, Comparison | None]], digits: int) -> None:
    for place, (name, one) in enumerate(rows):
        if one is not None:
            low, high = one.interval
            table.add_row(
                name,
                reference,
                f"{one.difference:+.{digits}f}",
                f"{low:+.{digits}f} to {high:+.{digits}f}",
                f"{one.p_holm:.4f}" if one.p_holm >= 0.0001 else "<0.0001",
                end_section=place == len(rows) - 1,
            )


def _figure(figure: Figure, digits: int) -> list[str]:
    low, high = figure.interval
    return [f"{figure.value:.{digits}f}", f"{low:.{digits}f} to {high:.{digits}f}"]


def _digits(objective: Objective) -> int:
    return digits_of(MetricKey.parse(objective.metric)) - 1
