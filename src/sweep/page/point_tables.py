"""Tables of a study's points: the figures of each, and the Pareto front of several objectives."""

from collections.abc import Mapping, Sequence

from sweep.answer.points import Spread, best_first, cells_of, paths_of
from sweep.answer.ratios import RATIO
from sweep.answer.study_answer import StudyAnswer
from sweep.evaluation.columns import results_for
from sweep.evaluation.metrics import digits_of
from sweep.page.chart import DataTable
from sweep.page.charts.wording import capitalized, metric_label, named
from sweep.settings.metric_key import MetricKey

MOST_POINTS = 100  # rows of a table; trials.csv has all


def points_tables(answer: StudyAnswer) -> tuple[DataTable, ...]:
    """The figures of every point, or of the best ones of many: a table for each benchmark."""
    if not answer.points:
        return ()
    return tuple(_points(answer, benchmark) for benchmark in answer.benchmarks)


def front_table(answer: StudyAnswer) -> tuple[DataTable, ...]:
    """The points that no other one dominates."""
    front = answer.front
    if front is None:
        return ()
    paths = paths_of(front.points)
    digits = [digits_of(MetricKey.parse(goal.metric)) for goal in answer.objectives]
    rows = []
    for point in front.points:
        figures = [point.figures.get(goal.metric) for goal in answer.objectives]
        means = [value if one is None else one.mean for one, value in zip(figures, point.values, strict=True)]
        texts = [f"{mean:.{places}f}" for mean, places in zip(means, digits, strict=True)]
        rows.append((*cells_of(point, paths), str(len(point.records)), *texts))
    caption = f"Pareto front: {len(front.points)} of {front.among} points are not dominated"
    if front.breaking:
        caption += f"; {front.breaking} break a constraint"
    if front.lacking:
        caption += f"; {front.lacking} without all seeds"
    several = len({MetricKey.parse(goal.metric).benchmark for goal in answer.objectives}) > 1
    goals = (named(goal.metric) if several else capitalized(metric_label(goal.metric)) for goal in answer.objectives)
    hints = ("higher is better" if goal.sign > 0 else "lower is better" for goal in answer.objectives)
    titles = (f"{goal} ({hint})" for goal, hint in zip(goals, hints, strict=True))
    return (DataTable(caption, (*_titles(paths), "seeds", *titles), tuple(rows), {}),)


def _points(answer: StudyAnswer, benchmark: str) -> DataTable:
    ordered = best_first(answer.points, answer.objectives[0])[:MOST_POINTS]
    kept = {id(point) for point in ordered}
    points = [point for point in answer.points if id(point) in kept]
    paths = paths_of(points)
    goals = [goal.metric for goal in answer.objectives]
    known = {key for row in answer.baselines for key in row.figures} | {key for row in points for key in row.figures}
    columns = [column for column in results_for(goals) if str(column.key(benchmark)) in known]
    keys = [(str(column.key(benchmark)), column.digits) for column in columns]
    rows = []
    for baseline in answer.baselines:
        texts = _figures(baseline.figures, keys)
        rows.append((*[baseline.name, *["–"] * len(paths)][: max(len(paths), 1)], "–", *texts))
    for point in points:
        texts = _figures(point.figures, keys)
        seeds = f"{len(point.records)} of {len(point.records) + point.lacks}" if point.lacks else None
        rows.append((*(cells_of(point, paths) or ["the only point"]), seeds or str(len(point.records)), *texts))
    seeds_of_most = max(len(point.records) for point in points)
    spread = f"mean ± standard deviation over {seeds_of_most} seeds" if seeds_of_most > 1 else "one seed"
    name, _, half = benchmark.partition("+")
    caption = f"{name}{', the half of its questions that nothing was chosen by' if half else ''}: {spread}"
    if len(points) < len(answer.points):
        caption += f"; the best {len(points)} of {len(answer.points):,} points, trials.csv has all"
    header = (*(_titles(paths) or ["point"]), "seeds", *(column.title for column in columns))
    return DataTable(caption, header, tuple(rows), {})


def _titles(paths: Sequence[str]) -> list[str]:
    """The columns of searched values: α for the ratio, as everywhere on the page."""
    return ["α" if path == RATIO else path for path in paths]


def _figures(figures: Mapping[str, Spread], keys: Sequence[tuple[str, int]]) -> list[str]:
    return [figures[key].text(digits) if key in figures else "–" for key, digits in keys]
