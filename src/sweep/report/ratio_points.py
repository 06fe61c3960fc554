"""Which point of a study a ratio of its tables is, and which benchmark a figure is of."""

from collections.abc import Mapping

from sweep.answer.contents import StudyReport
from sweep.answer.points import PointRow, parameters_text
from sweep.answer.ratios import RATIO
from sweep.settings.metric_key import MetricKey


def points_by_ratio(report: StudyReport) -> Mapping[tuple[str, float], PointRow]:
    """The points by the text of their other values and their ratio. Where the config group `ratio` was searched, the
    dots of curves say which point is which."""
    points: dict[tuple[str, float], PointRow] = {}
    for point in report.answer.points:
        if RATIO in point.parameters:
            others = {path: value for path, value in point.parameters.items() if path != RATIO}
            points.setdefault((parameters_text(others), float(point.parameters[RATIO])), point)
    by_key = {_without_seed(point): point for point in report.answer.points}
    for curve in report.curves:
        for dot in curve.dots:
            if dot.key in by_key:
                points.setdefault((curve.others, dot.ratio), by_key[dot.key])
    return points


def objective_key(report: StudyReport) -> MetricKey:
    """The figure that ratios are compared by; of the first benchmark if it names none."""
    answer = report.answer
    named = MetricKey.parse(answer.objectives[0].metric).benchmark
    benchmark = named if named in answer.benchmarks else answer.benchmark
    return MetricKey.within(benchmark, answer.objectives[0].metric)


def whole_benchmark(name: str) -> str:
    """The benchmark of a name that may be that of its half: a report has figures of one half alone."""
    return name.removesuffix("+report").removesuffix("+select")


def _without_seed(point: PointRow) -> str:
    record = point.records[0]
    return record.key.removesuffix(f"seed={record.seed}").removesuffix(",")
