"""Mixed batches against their rivals, in the terminal."""

from rich.console import Console

from sweep.answer.rivals import Rivals
from sweep.evaluation.metrics import digits_of
from sweep.report.narrow import Column, print_table
from sweep.settings import Objective
from sweep.settings.metric_key import MetricKey

LEAST = 12  # characters of a name, before an interval is left out for it


def print_rivals(console: Console, rivals: Rivals | None, objective: Objective) -> None:
    """A row a rival: its figure, and its difference from the mix."""
    if rivals is None:
        return
    digits = digits_of(MetricKey.parse(objective.metric)) - 1
    names = [rivals.mixed, *(row.name for row in rivals.rows)]
    figures = [f"{one.value:.{digits}f}" for one in (rivals.figure, *(row.figure for row in rivals.rows))]
    differences = ["–", *(f"{row.against.difference:+.{digits}f}" for row in rivals.rows)]
    intervals = ["–"]
    p_values = ["–"]
    for row in rivals.rows:
        low, high = row.against.interval
        intervals.append(f"{low:+.{digits}f} to {high:+.{digits}f}")
        p_values.append(f"{row.against.p_holm:.4f}" if row.against.p_holm >= 0.0001 else "<0.0001")
    columns = [
        Column("rival", names, least=LEAST), Column("figure", figures), Column("difference", differences),
        Column("95 %", intervals, 1), Column("p (Holm)", p_values),
    ]  # fmt: skip
    models = "" if rivals.over_seeds else ", of these trained models"
    title = f"Rivals of {rivals.mixed}: {objective.metric}{models}; p is corrected for all of this table"
    print_table(console, columns, title, {0}, rest="report.html has all of it")
