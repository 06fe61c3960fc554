"""Mixed batches against their rivals, in the terminal."""

from rich.console import Console

from sweep.answer.rivals import Rivals
from sweep.evaluation.metrics import digits_of
from sweep.report.certainty import LEAST, difference_cells
from sweep.report.narrow import Column, print_table
from sweep.settings import Objective
from sweep.settings.metric_key import MetricKey


def print_rivals(console: Console, rivals: Rivals | None, objective: Objective) -> None:
    """A row a rival: its figure, and its difference from the mix."""
    if rivals is None:
        return
    digits = digits_of(MetricKey.parse(objective.metric)) - 1
    names = [rivals.mixed, *(row.name for row in rivals.rows)]
    figures = [f"{one.value:.{digits}f}" for one in (rivals.figure, *(row.figure for row in rivals.rows))]
    cells = [("–", "–", "–"), *(difference_cells(row.against, digits) for row in rivals.rows)]
    differences, intervals, p_values = map(list, zip(*cells, strict=True))
    columns = [
        Column("rival", names, least=LEAST), Column("figure", figures), Column("difference", differences),
        Column("95 %", intervals, 1), Column("p (Holm)", p_values),
    ]  # fmt: skip
    models = "" if rivals.over_seeds else ", of these trained models"
    title = f"Rivals of {rivals.mixed}: {objective.metric}{models}; p is corrected for all of this table"
    print_table(console, columns, title, {0}, rest="report.html has all of it")
