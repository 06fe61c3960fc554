"""The curve of what a study is to find the best of, where its report has none: of a group of pairs, say."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sweep.answer.contents import RatioCurve, RatioDot, StudyReport
from sweep.answer.points import PointRow, parameters_text
from sweep.answer.ratios import RATIO, RatioTable
from sweep.evaluation.metrics import digits_of
from sweep.page.charts.wording import better_of, key_of


def with_objective(report: StudyReport) -> tuple[RatioCurve, ...]:
    """The curves of a report, the first objective's among them: from the table of its ratios, as the answer is."""
    metric = report.answer.objectives[0].metric
    if any(curve.key == metric for curve in report.curves):
        return report.curves
    return (*report.curves, *(_curve(report, table) for table in report.answer.certainty.tables if table.rows))


def all_points(curves: Sequence[RatioCurve]) -> RatioCurve:
    """One curve of all dots, for combinations of which most have a single ratio."""
    dots = sorted((dot for curve in curves for dot in curve.dots), key=lambda dot: dot.ratio)
    return replace(curves[0], others="", dots=tuple(dots), smooth=None)


def _curve(report: StudyReport, table: RatioTable) -> RatioCurve:
    metric = report.answer.objectives[0].metric
    points = {point.parameters.get(RATIO): point for point in _with_others(report.answer.points, table.others)}
    # Where points were chosen on other questions, figures of single seeds are of those.
    has_seeds = report.answer.chosen_by == metric
    dots = []
    for row in table.rows:
        records = points[row.ratio].records if row.ratio in points else ()
        seeds = {record.seed: record.value for record in records if has_seeds and record.value is not None}
        key = records[0].key.removesuffix(f"seed={records[0].seed}").rstrip(",") if records else ""
        dots.append(RatioDot(row.ratio, row.figure.value, row.figure.interval, seeds, key))
    goal, better = key_of(metric), better_of(metric)
    return RatioCurve(metric, "", goal.part, better, digits_of(goal), table.others, tuple(dots), table.baselines)


def _with_others(points: Iterable[PointRow], others: str) -> list[PointRow]:
    def text(point: PointRow) -> str:
        return parameters_text({path: value for path, value in point.parameters.items() if path != RATIO})

    return [point for point in points if text(point) == others]
