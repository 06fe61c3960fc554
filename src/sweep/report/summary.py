"""The table at the end of a study: searched values against the metrics that answer its question."""

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from sweep.answer.points import PointRow, Spread, best_first, cells_of, paths_of
from sweep.answer.study_answer import StudyAnswer
from sweep.evaluation.columns import Column, results_for
from sweep.evaluation.metrics import digits_of
from sweep.settings.metric_key import MetricKey

MOST_POINTS = 40  # rows of the table
MOST_FAILURES = 20
WIDEST = 12  # characters of a column: long headings take two lines, and the table fits most terminals
WIDE = 120  # columns of a terminal from which on a figure and its spread stand side by side


def print_summary(console: Console, answer: StudyAnswer) -> None:
    """The table of results, the best point by the study's objective if there is a single one, and the trials that
    failed."""
    if answer.points:
        best = {id(point) for point in best_first(answer.points, answer.objectives[0])[:MOST_POINTS]}
        shown = [point for point in answer.points if id(point) in best]
        for benchmark in answer.benchmarks:
            console.print(_results_table(answer, benchmark, shown, is_narrow=console.width < WIDE))
    if len(answer.points) > MOST_POINTS:
        count = f"{len(answer.points):,}"
        console.print(f"The best {MOST_POINTS} of {count} points; trials.csv has all of them.", highlight=False)
    if answer.best is not None:
        console.print(_best_line(answer, answer.best), markup=False)
    if answer.chosen_by != answer.objectives[0].metric:
        console.print(
            "Points are chosen by one half of the questions; every figure here is of the other half.", highlight=False
        )
    lacking = sum(bool(point.lacks) for point in answer.points)
    if lacking:
        confirmed = f"{len(answer.points) - lacking} of {len(answer.points)}"
        console.print(f"Confirmed with further seeds: {confirmed} points; no other can be the best.", highlight=False)
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
    value = best.figures.get(objective.metric)
    if value is None:
        value = Spread.of([record.value for record in best.records if record.value is not None])
    text = "–" if value is None else value.text(digits_of(MetricKey.parse(objective.metric)) - 1)
    line = f"Best by {answer.chosen_by} ({objective.direction}): {best.text or 'the only point'} with {text}"
    among = sum(point.competes for point in answer.points)
    return f"{line}, chosen among {among}" if among > 1 else line


def _results_table(answer: StudyAnswer, benchmark: str, points: Sequence[PointRow], is_narrow: bool) -> Table:
    """What needs no training, and then searched values and figures of some points, on one benchmark."""
    paths = paths_of(points)
    seeds = max(len(point.records) for point in points)
    spread = f"mean ± standard deviation over {seeds} seeds" if seeds > 1 else "one seed"
    table = Table(
        title=f"{benchmark}: {spread}",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0 if is_narrow else 1),
    )
    for path in paths:
        table.add_column(path.replace(".", ".\n") if is_narrow else path, justify="right", no_wrap=True)
    table.add_column("seeds", justify="right")
    shown = {key for row in answer.baselines for key in row.figures} | {key for row in points for key in row.figures}
    objectives = [objective.metric for objective in answer.objectives]
    columns = [
        column
        for column in results_for(objectives)
        if {str(column.key(benchmark))} & {*shown, *objectives}  # no column for what the data cannot tell
    ]
    for column in columns:
        table.add_column(column.title, justify="right", overflow="fold", max_width=WIDEST)
    last = answer.baselines[-1] if answer.baselines else None
    for baseline in answer.baselines:
        name = [baseline.name, *["–"] * len(paths)][: len(paths) + 1]
        figures = _figures(baseline.figures, columns, benchmark, is_narrow)
        table.add_row(*name, *figures, end_section=baseline is last)
    for point in points:
        seeds_text = f"{len(point.records)} of {len(point.records) + point.lacks}" if point.lacks else None
        figures = _figures(point.figures, columns, benchmark, is_narrow)
        table.add_row(*cells_of(point, paths), seeds_text or str(len(point.records)), *figures)
    return table


def _figures(figures: Mapping[str, Spread], columns: Sequence[Column], benchmark: str, is_narrow: bool) -> list[str]:
    """The cells of a row; a dash where there is no figure. In a narrow table spreads stand below."""
    spreads = [figures.get(str(column.key(benchmark))) for column in columns]
    texts = [
        "–" if spread is None else spread.text(column.digits) for spread, column in zip(spreads, columns, strict=True)
    ]
    return [text.replace("±", "\n±") for text in texts] if is_narrow else texts
