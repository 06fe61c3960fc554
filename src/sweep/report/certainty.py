"""The tables of how sure a study's answer is: a row a ratio."""

from rich import box
from rich.console import Console
from rich.table import Table

from sweep.evaluation.comparison import Comparison, Figure
from sweep.evaluation.metrics import digits_of
from sweep.report.points import value_text
from sweep.report.ratios import RATIO, Certainty, RatioTable
from sweep.settings import Objective
from sweep.settings.metric_key import MetricKey
from sweep.statistics.uncertainty import LEVEL


def print_certainty(console: Console, certainty: Certainty, objective: Objective) -> None:
    """Print, for every combination of the other searched values, a table of the ratios and which may be the best."""
    for table in certainty.tables:
        console.print(_table(table, objective))
        if table.rival is not None:
            console.print(_against_rival(table, objective, table.rival))
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
    digits = digits_of(MetricKey.parse(objective.metric)) - 1
    if not all(row.over_seeds for row in ratios.rows):
        return ["One seed: the p-values compare these trained models; nothing is said about the ratios themselves."]
    lines = []
    if ratios.best and ratios.cross_fitted is not None:
        members = ", ".join(value_text(ratio) for ratio in ratios.best)
        lines.append(f"May be best at 95 %: {RATIO} in {{{members}}}")
        lines.append(
            f"Figure of the best of {ratios.complete}, cross-fitted: {ratios.cross_fitted:.{digits}f} "
            "(its plain mean is too high, having been chosen)"
        )
    if ratios.rival is not None:
        lines += _rival_lines(ratios, objective, ratios.rival)
    equal = [
        f"{value_text(row.ratio)} and {reference}"
        for row in ratios.rows
        for reference, comparison in row.against.items()
        if comparison is not None and ratios.margin is not None and row.ratio > float(reference)
        if comparison.estimate.p_equivalent(ratios.margin) < 1 - LEVEL
    ]
    if equal:
        lines.append(f"Equal within {ratios.margin:g} (two one-sided tests, p < 0.05): {', '.join(equal)}")
    if any(row.is_approximate for row in ratios.rows):
        lines.append("Two seeds: approximate, the variance between seeds leans on that of all ratios.")
    return lines


def _rival_lines(ratios: RatioTable, objective: Objective, rival: str) -> list[str]:
    """Which ratios are shown to beat what needs no training, and which are not."""
    shown: dict[bool, list[str]] = {True: [], False: []}
    for row in ratios.rows:
        comparison = row.against_rival
        if comparison is not None:
            beats = objective.sign * comparison.difference > 0 and comparison.p_holm < 1 - LEVEL
            shown[beats].append(value_text(row.ratio))
    lines = []
    if shown[True]:
        lines.append(
            f"Shown to beat {rival}, which needs no training (p < 0.05 after Holm): {', '.join(shown[True])}"
        )
    if shown[False]:
        lines.append(f"Not shown to beat {rival}, which needs no training: {', '.join(shown[False])}")
    return lines


def _table(ratios: RatioTable, objective: Objective) -> Table:
    rows, digits = ratios.rows, digits_of(MetricKey.parse(objective.metric)) - 1
    seeds = max(row.seeds for row in rows)
    chance = f" and {seeds} seeds" if seeds > 1 else ", one seed"
    title = f"How sure: {objective.metric}, 95 % intervals over questions{chance}"
    if ratios.others:
        title += f", {ratios.others}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column(RATIO, justify="right", no_wrap=True)
    table.add_column("figure", justify="right", no_wrap=True)
    table.add_column("95 %", justify="right", no_wrap=True)
    p_title = "p (Holm)" if all(row.over_seeds for row in rows) else "these two\ntrained\nmodels:\np (Holm)"
    for reference in rows[0].against:
        table.add_column(f"against {reference}", justify="right", no_wrap=True)
        table.add_column(p_title, justify="right", no_wrap=True)
    for name, figure in ratios.baselines.items():
        table.add_row(name, *_figure(figure, digits), end_section=name == [*ratios.baselines][-1])
    for row in rows:
        cells = [value_text(row.ratio), *_figure(row.figure, digits)]
        for comparison in row.against.values():
            cells += ["–", ""] if comparison is None else _compared(comparison, digits)
        table.add_row(*cells)
    return table


def _against_rival(ratios: RatioTable, objective: Objective, rival: str) -> Table:
    """Every ratio against what needs no training; the p-values are corrected together with those of the other table."""
    digits = digits_of(MetricKey.parse(objective.metric)) - 1
    table = Table(title=f"Against {rival}, which needs no training", title_justify="left", box=box.SIMPLE_HEAD)
    for title in (RATIO, "difference", "95 %", "p (Holm)"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in ratios.rows:
        if row.against_rival is not None:
            text, p = _compared(row.against_rival, digits)
            table.add_row(value_text(row.ratio), *text.split("\n"), p)
    return table


def _figure(figure: Figure, digits: int) -> list[str]:
    low, high = figure.interval
    return [f"{figure.value:.{digits}f}", f"{low:.{digits}f} to {high:.{digits}f}"]


def _compared(comparison: Comparison, digits: int) -> list[str]:
    """The difference above its interval, since three references stand side by side; and the corrected p."""
    low, high = comparison.interval
    difference = f"{comparison.difference:+.{digits}f}\n{low:+.{digits}f} to {high:+.{digits}f}"
    return [difference, f"{comparison.p_holm:.4f}" if comparison.p_holm >= 0.0001 else "<0.0001"]
