"""The table of the Pareto front of a study with several objectives."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from sweep.answer.points import Front, PointRow, cells_of, paths_of
from sweep.evaluation.metrics import digits_of
from sweep.settings import Objective
from sweep.settings.metric_key import MetricKey


def print_front(console: Console, front: Front | None, objectives: Sequence[Objective]) -> None:
    """Print the front as a table, and how many points it leaves out; nothing without a front."""
    if front is None:
        return
    title = f"Pareto front: {len(front.points)} of {front.among} points are not dominated"
    if front.breaking:
        title += f"; {front.breaking} break a constraint"
    if front.lacking:
        title += f"; {front.lacking} without all seeds"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    paths = paths_of(front.points)
    for path in paths:
        table.add_column(path, justify="right", no_wrap=True)
    table.add_column("seeds", justify="right")
    for objective in objectives:
        table.add_column(f"{objective.metric} ({objective.direction})", justify="right", overflow="fold")
    digits = [digits_of(MetricKey.parse(objective.metric)) for objective in objectives]
    for point in front.points:
        means = zip(point.values, objectives, digits, strict=True)
        values = [f"{_reported(point, objective, value):.{places}f}" for value, objective, places in means]
        table.add_row(*cells_of(point, paths), str(len(point.records)), *values)
    console.print(table)


def _reported(point: PointRow, objective: Objective, value: float) -> float:
    """A point's figure, which is of other questions than the value that it was chosen by if the study has two halves
    of them."""
    figure = point.figures.get(objective.metric)
    return value if figure is None else figure.mean
