"""The Pareto front of a study with several objectives: the points that no other point betters."""

from collections.abc import Sequence
from statistics import fmean

from rich import box
from rich.console import Console
from rich.table import Table

from sweep.records.trial_record import TrialRecord
from sweep.report.summary import Row, by_point, shown
from sweep.settings import Objective
from sweep.statistics.dominance import front


def pareto_front(records: Sequence[TrialRecord], objectives: Sequence[Objective]) -> list[tuple[Row, list[float]]]:
    """The points of the front with the means of their objectives over seeds, best by the first objective first. A
    point that breaks a constraint is not among them."""
    rows = [row for row in by_point(records) if all(record.violation <= 0 for record in row[1])]
    means = [
        [fmean(column) for column in zip(*(record.values for record in found), strict=True)] for _, found in rows
    ]
    kept = [(rows[index], means[index]) for index in front(means, objectives)]
    return sorted(kept, key=lambda pair: -objectives[0].sign * pair[1][0])


def print_pareto(console: Console, records: Sequence[TrialRecord], objectives: Sequence[Objective]) -> None:
    """Print the front as a table, and how many points it leaves out; nothing for a single objective."""
    if len(objectives) < 2 or not by_point(records):
        return
    kept = pareto_front(records, objectives)
    paths = sorted({path for (parameters, _), _ in kept for path in parameters})
    points = by_point(records)
    breaking = sum(any(record.violation > 0 for record in found) for _, found in points)
    title = f"Pareto front: {len(kept)} of {len(points)} points are not bettered by another"
    if breaking:
        title += f"; {breaking} break a constraint"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for path in paths:
        table.add_column(path, justify="right", no_wrap=True)
    table.add_column("seeds", justify="right")
    for objective in objectives:
        table.add_column(f"{objective.metric} ({objective.direction})", justify="right", overflow="fold")
    for (parameters, found), values in kept:
        cells = [shown(parameters[path]) if path in parameters else "–" for path in paths]
        table.add_row(*cells, str(len(found)), *(f"{value:.4f}" for value in values))
    console.print(table)
