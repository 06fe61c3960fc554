"""The table of the Pareto front of a study with several objectives."""

from collections.abc import Sequence

from rich.console import Console

from sweep.answer.points import Front, PointRow, cells_of, paths_of
from sweep.evaluation.metrics import digits_of
from sweep.report.narrow import Column, fits, print_table
from sweep.settings import Objective
from sweep.settings.metric_key import MetricKey

LEAST = 12  # characters of a searched value, before figures are left out for it


def print_front(console: Console, front: Front | None, objectives: Sequence[Objective]) -> None:
    """Print the front as a table, and how many points it leaves out; nothing without a front."""
    if front is None:
        return
    title = f"Pareto front: {len(front.points)} of {front.among} points are not dominated"
    if front.breaking:
        title += f"; {front.breaking} break a constraint"
    if front.lacking:
        title += f"; {front.lacking} without all seeds"
    wide = _columns(front, objectives, is_narrow=False)
    columns = wide if fits(console, wide) else _columns(front, objectives, is_narrow=True)
    print_table(console, columns, title, rest="trials.csv and report.html have all figures")


def _columns(front: Front, objectives: Sequence[Objective], is_narrow: bool) -> list[Column]:
    """Searched values, seeds and objectives; in a narrow table long headings take several lines."""
    paths = paths_of(front.points)
    cells = [cells_of(point, paths) for point in front.points]
    columns = [Column(path, [row[place] for row in cells], least=LEAST) for place, path in enumerate(paths)]
    columns.append(Column("seeds", [str(len(point.records)) for point in front.points], rank=len(objectives)))
    for place, objective in enumerate(objectives):
        digits = digits_of(MetricKey.parse(objective.metric))
        values = [f"{_reported(point, objective, point.values[place]):.{digits}f}" for point in front.points]
        heading = f"{objective.metric} ({objective.direction})"
        if is_narrow:
            heading = heading.replace("/", "/\n").replace(" (", "\n(")
        columns.append(Column(heading, values, rank=place))
    return columns


def _reported(point: PointRow, objective: Objective, value: float) -> float:
    """A point's figure, which is of other questions than the value that it was chosen by if the study has two halves
    of them."""
    figure = point.figures.get(objective.metric)
    return value if figure is None else figure.mean
