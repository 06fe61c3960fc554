"""The table at the end of a study: searched values against the metrics that answer its question."""

from collections.abc import Sequence
from textwrap import wrap

from rich.console import Console

from sweep.answer.points import PointRow, Spread, best_first, cells_of, paths_of
from sweep.answer.study_answer import StudyAnswer
from sweep.evaluation.columns import Column as Figures
from sweep.evaluation.columns import results_for
from sweep.evaluation.metrics import digits_of
from sweep.report.narrow import Column, fits, print_line, print_table
from sweep.settings.metric_key import MetricKey

MOST_POINTS = 40  # rows of the table
MOST_FAILURES = 20
WIDEST = 12  # characters of a heading: long ones take two lines, and the table fits most terminals
NARROWEST = 12  # characters of a searched value, before figures are left out for it
ELSEWHERE = "trials.csv and report.html have all figures"


def print_summary(console: Console, answer: StudyAnswer) -> None:
    """The table of results, the best point by the study's objective if there is a single one, and the trials that
    failed."""
    if answer.points:
        best = {id(point) for point in best_first(answer.points, answer.objectives[0])[:MOST_POINTS]}
        shown = [point for point in answer.points if id(point) in best]
        for benchmark in answer.benchmarks:
            _print_results(console, answer, benchmark, shown)
    if len(answer.points) > MOST_POINTS:
        count = f"{len(answer.points):,}"
        print_line(console, f"The best {MOST_POINTS} of {count} points; trials.csv has all of them.")
    if answer.best is not None:
        print_line(console, _best_line(answer, answer.best))
    if answer.chosen_by != answer.objectives[0].metric:
        print_line(console, "Points are chosen by one half of the questions; every figure here is of the other half.")
    lacking = sum(bool(point.lacks) for point in answer.points)
    if lacking:
        confirmed = f"{len(answer.points) - lacking} of {len(answer.points)}"
        print_line(console, f"Confirmed with further seeds: {confirmed} points; no other can be the best.")
    dropped = sum(bool(point.dropped) for point in answer.points)
    if dropped:
        print_line(console, f"Points without all seeds, which cannot be the best: {dropped}.")
    lines = [f"FAILED {record.key}: {record.reason}" for record in answer.failed[:MOST_FAILURES]]
    if len(answer.failed) > MOST_FAILURES:
        lines.append(f"FAILED: {len(answer.failed) - MOST_FAILURES:,} more; trials.csv has their reasons")
    for line in lines:
        print_line(console, line, style="red")


def _best_line(answer: StudyAnswer, best: PointRow) -> str:
    (objective,) = answer.objectives
    value = best.figures.get(objective.metric)
    if value is None:
        value = Spread.of([record.value for record in best.records if record.value is not None])
    text = "–" if value is None else value.text(digits_of(MetricKey.parse(objective.metric)) - 1)
    line = f"Best by {answer.chosen_by} ({objective.direction}): {best.text or 'the only point'} with {text}"
    among = sum(point.competes for point in answer.points)
    return f"{line}, chosen among {among}" if among > 1 else line


def _print_results(console: Console, answer: StudyAnswer, benchmark: str, points: Sequence[PointRow]) -> None:
    """What needs no training, and then searched values and figures of some points, on one benchmark."""
    wide = _columns(answer, benchmark, points, is_narrow=False)
    is_narrow = not fits(console, wide)
    columns = _columns(answer, benchmark, points, is_narrow=True) if is_narrow else wide
    seeds = max(len(point.records) for point in points)
    spread = f"mean ± standard deviation over {seeds} seeds" if seeds > 1 else "one seed"
    ends = {len(answer.baselines) - 1}
    print_table(console, columns, f"{benchmark}: {spread}", ends, padding=0 if is_narrow else 1, rest=ELSEWHERE)


def _columns(answer: StudyAnswer, benchmark: str, points: Sequence[PointRow], is_narrow: bool) -> list[Column]:
    """Searched values, seeds and figures, the objectives first. In a narrow table spreads stand below the means."""
    paths = paths_of(points)
    shown = {key for row in answer.baselines for key in row.figures} | {key for row in points for key in row.figures}
    objectives = [objective.metric for objective in answer.objectives]
    figures = [
        column
        for column in results_for(objectives)
        if {str(column.key(benchmark))} & {*shown, *objectives}  # no column for what the data cannot tell
    ]
    rows = [
        *([row.name, *["–"] * len(paths)][: len(paths) + 1] for row in answer.baselines),
        *([*cells_of(point, paths), _seeds_text(point)] for point in points),
    ]
    spreads = [*(row.figures for row in answer.baselines), *(point.figures for point in points)]
    cells = [[*row, *[""] * (len(paths) + 1 - len(row))] for row in rows]
    columns = [Column(path, [row[place] for row in cells], least=NARROWEST) for place, path in enumerate(paths)]
    columns.append(Column("seeds", [row[-1] for row in cells], rank=1 if paths else 0))
    for rank, column in enumerate(figures):
        texts = [_figure(row.get(str(column.key(benchmark))), column, is_narrow) for row in spreads]
        columns.append(Column("\n".join(wrap(column.title, WIDEST)), texts, rank))
    return columns


def _seeds_text(point: PointRow) -> str:
    count = len(point.records)
    return f"{count} of {count + point.lacks}" if point.lacks else str(count)


def _figure(spread: Spread | None, column: Figures, is_narrow: bool) -> str:
    """A cell; a dash where there is no figure. In a narrow table its spread stands below."""
    if spread is None:
        return "–"
    text = spread.text(column.digits)
    return text.replace("±", "\n±") if is_narrow else text
