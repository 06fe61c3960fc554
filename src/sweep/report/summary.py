"""The table at the end of a study: searched values against the metrics that answer its question."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from sweep.evaluation.columns import Column, results_for
from sweep.evaluation.metrics import digits_of
from sweep.report.answer import StudyAnswer
from sweep.report.points import PointRow, Spread, best_first, cells_of, paths_of
from sweep.settings.metric_key import MetricKey

MOST_POINTS = 40  # rows of the table
MOST_FAILURES = 20
WIDEST = 12  # characters of a column: long headings take two lines, and the table fits most terminals


def print_summary(console: Console, answer: StudyAnswer) -> None:
    """The table of results, the best point by the study's objective if there is a single one, and the trials that
    failed."""
    if answer.points:
        best = {id(point) for point in best_first(answer.points, answer.objectives[0])[:MOST_POINTS]}
        console.print(_results_table(answer, [point for point in answer.points if id(point) in best]))
    if len(answer.points) > MOST_POINTS:
        count = f"{len(answer.points):,}"
        console.print(f"The best {MOST_POINTS} of {count} points; trials.csv has all of them.", highlight=False)
    if answer.best is not None:
        console.print(_best_line(answer, answer.best), markup=False)
    dropped = sum(bool(point.dropped) for point in answer.points)
    if dropped:
        console.print(f"Points without all seeds, which cannot be the best: {dropped}.", highlight=False)
    lines = [f"FAILED {record.key}: {record.reason}" for record in answer.failed[:MOST_FAILURES]]
    if len(answer.failed) > MOST_FAILURES:
        lines.append(f"FAILED: {len(answer.failed) - MOST_FAILURES:,} more; trials.csv has their reasons")
    for line in lines:
        console.print(line, style="red", markup=False, highlight=False)


def _best_line(answer: StudyAnswer, best: PointRow) -> str:
    (objective,) = answer.objectives
    value = Spread.of([record.value for record in best.records if record.value is not None])
    text = "–" if value is None else value.text(digits_of(MetricKey.parse(objective.metric)) - 1)
    line = f"Best by {objective.metric} ({objective.direction}): {best.text or 'the only point'} with {text}"
    among = sum(point.may_win for point in answer.points)
    return f"{line}, chosen among {among}" if among > 1 else line


def _results_table(answer: StudyAnswer, points: Sequence[PointRow]) -> Table:
    """Searched values and figures of some points, and the figures of the models before any training."""
    paths = paths_of(points)
    seeds = max(len(point.records) for point in points)
    spread = f"mean ± standard deviation over {seeds} seeds" if seeds > 1 else "one seed"
    table = Table(title=f"{answer.benchmark}: {spread}", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1))
    for path in paths:
        table.add_column(path, justify="right", no_wrap=True)
    table.add_column("seeds", justify="right")
    columns = results_for(objective.metric for objective in answer.objectives)
    for column in columns:
        table.add_column(column.title, justify="right", overflow="fold", max_width=WIDEST)
    for baseline in answer.baselines:
        untrained = ["untrained", *["–"] * len(paths)][: len(paths) + 1]
        table.add_row(*untrained, *_figures(baseline, columns, answer.benchmark))
    for point in points:
        table.add_row(
            *cells_of(point, paths), str(len(point.records)), *_figures(point.figures, columns, answer.benchmark)
        )
    return table


def _figures(figures: Mapping[str, Spread], columns: Sequence[Column], benchmark: str) -> list[str]:
    """The cells of a row; a dash where there is no figure."""
    spreads = [figures.get(str(column.key(benchmark))) for column in columns]
    return [
        "–" if spread is None else spread.text(column.digits) for spread, column in zip(spreads, columns, strict=True)
    ]
