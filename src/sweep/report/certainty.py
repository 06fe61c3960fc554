"""The tables of how sure a study's answer is: a row a ratio."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from sweep.evaluation.comparison import Comparison
from sweep.evaluation.metrics import digits_of
from sweep.report.points import value_text
from sweep.report.ratios import RATIO, Certainty, RatioTable
from sweep.settings import Objective
from sweep.settings.metric_key import MetricKey


def print_certainty(console: Console, certainty: Certainty, objective: Objective) -> None:
    """Print, for every combination of the other searched values, a table of the ratios."""
    for table in certainty.tables:
        console.print(_table(table, objective))
    if certainty.is_partial:
        console.print(
            f"Intervals and comparisons are for combinations of at most {certainty.most_trials} trials, the best "
            "ones first; python -m sweep.compare compares any others.",
            highlight=False,
        )


def _table(ratios: RatioTable, objective: Objective) -> Table:
    rows, digits = ratios.rows, digits_of(MetricKey.parse(objective.metric)) - 1
    seeds = max(row.seeds for row in rows)
    chance = f" and {seeds} seeds" if seeds > 1 else ", one seed"
    title = f"How sure: {objective.metric}, 95 % intervals over questions{chance}"
    if ratios.others:
        title += f", {ratios.others}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column(RATIO, justify="right", no_wrap=True)
    table.add_column("figure", justify="right")
    table.add_column("95 %", justify="right", no_wrap=True)
    for reference in rows[0].against:
        table.add_column(f"against {reference}", justify="right", no_wrap=True)
        table.add_column("p (Holm)", justify="right")
    for row in rows:
        low, high = row.figure.interval
        cells: list[Any] = [value_text(row.ratio), f"{row.figure.value:.{digits}f}"]
        cells.append(f"{low:.{digits}f} to {high:.{digits}f}")
        for comparison in row.against.values():
            cells += ["–", ""] if comparison is None else _compared(comparison, digits)
        table.add_row(*cells)
    return table


def _compared(comparison: Comparison, digits: int) -> list[str]:
    """The difference with its interval, and the corrected p."""
    low, high = comparison.interval
    difference = f"{comparison.difference:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"
    return [difference, f"{comparison.p_holm:.4f}" if comparison.p_holm >= 0.0001 else "<0.0001"]
