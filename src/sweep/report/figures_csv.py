"""The figures of studies as CSV: a row for every figure of every ratio, baseline or other point."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from statistics import stdev
from typing import Any

from sweep.answer.claims import may_be_best
from sweep.answer.contents import RatioCurve, RatioDot, StudyReport
from sweep.answer.points import value_text
from sweep.answer.ratios import REFERENCES, RatioRow, RatioTable
from sweep.evaluation.comparison import Comparison, Figure
from sweep.report.plain_console import shown
from sweep.report.ratio_points import objective_key, points_by_ratio, whole_benchmark
from sweep.settings.metric_key import MetricKey

_OF_A_FIGURE = (
    "study",
    "benchmark",
    "metric",  # with its family, such as pooled/map
    "part",  # a tier or a group of pairs; empty: all
    "kind",  # ratio, baseline, point (without a ratio)
    "ratio",
    "baseline",
    "others",  # the other searched values
    "seeds",
    "figure",  # the mean over seeds
    "low",  # of the 95 % interval
    "high",
    "deviation",  # between seeds
    "is_objective",
    "may_be_best",  # true, false; empty: nothing can be said
    "rival",  # the baseline of the columns ..._rival
)
_OF_A_COMPARISON = ("difference", "low", "high", "p", "p_holm", "over_seeds")
_REFERENCES = (*map(value_text, REFERENCES), "rival")
COLUMNS = (*_OF_A_FIGURE, *(f"{name}_{reference}" for reference in _REFERENCES for name in _OF_A_COMPARISON))


def figures_csv(reports: Sequence[StudyReport]) -> str:
    """All figures, long and tidy, in full precision. Differences (`difference_1` is that from α = 1) are of the
    study's first objective alone, and corrected for all comparisons of its table; an empty cell has no value."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    as_shown = lru_cache(shown)  # of the same few names in many thousands of rows
    for report in reports:
        for row in _rows(report):
            writer.writerow({name: _plain(value, as_shown) for name, value in row.items()})
    return text.getvalue()


def _plain(value: Any, as_shown: Callable[[str], str]) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return as_shown(value) if isinstance(value, str) else value


def _rows(report: StudyReport) -> Iterator[dict[str, Any]]:
    done = set()
    objective = objective_key(report)
    for table in report.answer.certainty.tables:
        own = [curve for curve in report.curves if curve.others == table.others]
        for row in _of_table(report, table, objective, own):
            if _identity(row) not in done:  # each table has the baselines
                done.add(_identity(row))
                yield row
    for curve in report.curves:
        for row in _of_curve(report, curve):
            if _identity(row) not in done:
                done.add(_identity(row))
                yield row
    for row in _of_points(report):
        if _identity(row) not in done:
            yield row


def _identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    others = "" if row["kind"] == "baseline" else row["others"]
    benchmark = whole_benchmark(row["benchmark"])
    return benchmark, row["metric"], row["part"], row["kind"], row.get("ratio"), row.get("baseline"), others


def _of_table(
    report: StudyReport, table: RatioTable, key: MetricKey, curves: Sequence[RatioCurve]
) -> Iterator[dict[str, Any]]:
    """The rows of the objective, with their comparisons."""
    common = _common(report, key) | {"others": table.others, "is_objective": True}
    dots = {dot.ratio: dot for curve in curves if MetricKey.parse(curve.key) == key for dot in curve.dots}
    points = points_by_ratio(report)
    for name, figure in table.baselines.items():
        yield common | {"kind": "baseline", "baseline": name, "others": "", "seeds": 0} | _interval(figure)
    for row in table.rows:
        point = points.get((table.others, row.ratio))
        spread = None if point is None else point.figures.get(str(key))
        deviation = _deviation(dots[row.ratio]) if row.ratio in dots else None if spread is None else spread.deviation
        yield (
            common
            | {"kind": "ratio", "ratio": row.ratio, "seeds": row.seeds, "deviation": deviation}
            | {"may_be_best": may_be_best(table, row), "rival": table.rival}
            | _interval(row.figure)
            | _compared(row)
        )


def _of_curve(report: StudyReport, curve: RatioCurve) -> Iterator[dict[str, Any]]:
    key = MetricKey.parse(curve.key)
    objectives = [objective.metric for objective in report.answer.objectives]
    common = _common(report, key) | {"others": curve.others, "is_objective": curve.key in objectives}
    for name, figure in curve.baselines.items():
        yield common | {"kind": "baseline", "baseline": name, "others": "", "seeds": 0} | _interval(figure)
    for dot in curve.dots:
        low, high = dot.interval or (None, None)
        yield common | {
            "kind": "ratio",
            "ratio": dot.ratio,
            "seeds": len(dot.seeds),
            "figure": dot.mean,
            "low": low,
            "high": high,
            "deviation": _deviation(dot),
        }


def _of_points(report: StudyReport) -> Iterator[dict[str, Any]]:
    """The figures of the table of results, which have no interval."""
    placed = {id(point): place for place, point in points_by_ratio(report).items()}
    objectives = [objective.metric for objective in report.answer.objectives]
    named: dict[str, dict[str, Any]] = {}
    for point in report.answer.points:
        others, ratio = placed.get(id(point), (point.text, None))
        kind = "point" if ratio is None else "ratio"
        for text, spread in point.figures.items():
            if text not in named:
                named[text] = _common(report, MetricKey.parse(text)) | {"is_objective": text in objectives}
            yield named[text] | {
                "kind": kind,
                "ratio": ratio,
                "others": others,
                "seeds": len(point.records),
                "figure": spread.mean,
                "deviation": spread.deviation,
            }
    for baseline in report.answer.baselines:
        for text, spread in baseline.figures.items():
            common = _common(report, MetricKey.parse(text)) | {"is_objective": text in objectives, "others": ""}
            yield common | {"kind": "baseline", "baseline": baseline.name, "seeds": 0, "figure": spread.mean}


def _common(report: StudyReport, key: MetricKey) -> dict[str, Any]:
    return {"study": report.name, "benchmark": key.benchmark, "metric": key.whole.name, "part": key.part}


def _interval(figure: Figure) -> dict[str, float]:
    return {"figure": figure.value, "low": figure.interval[0], "high": figure.interval[1]}


def _deviation(dot: RatioDot) -> float | None:
    values = list(dot.seeds.values())
    return stdev(values) if len(values) > 1 else None


def _compared(row: RatioRow) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for reference, one in {**row.against, "rival": row.against_rival}.items():
        if one is not None and reference in _REFERENCES:
            cells |= {f"{name}_{reference}": value for name, value in _comparison(one).items()}
    return cells


def _comparison(one: Comparison) -> dict[str, Any]:
    values = one.difference, *one.interval, one.p, one.p_holm, one.estimate.over_seeds
    return dict(zip(_OF_A_COMPARISON, values, strict=True))
