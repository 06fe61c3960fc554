"""All charts of a report, by its sections."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sweep.answer.contents import LanguageTable, PairMatrix, RatioCurve, StudyReport
from sweep.answer.points import PointRow
from sweep.answer.ratios import RATIO
from sweep.evaluation.parts import label_of
from sweep.page.chart import Chart
from sweep.page.charts.exposure_chart import exposure_chart
from sweep.page.charts.grouped_lines import grouped_chart
from sweep.page.charts.importance_chart import importance_chart
from sweep.page.charts.language_chart import language_chart
from sweep.page.charts.learning_chart import learning_charts
from sweep.page.charts.objective_curve import all_points, with_objective
from sweep.page.charts.pair_charts import pair_charts
from sweep.page.charts.pareto_chart import pareto_charts
from sweep.page.charts.ratio_curve import ratio_chart
from sweep.page.charts.wording import heading, key_of, part_heading
from sweep.settings.metric_key import MetricKey

_POOLS = {"monolingual": "mono", "cross-lingual": "cross", "pooled": "pooled"}
SECTIONS = ("curves", "matrices", "languages", "pareto", "importance", "learning", "exposure")


def charts_of(report: StudyReport) -> Mapping[str, tuple[Chart, ...]]:
    """The charts of each section, empty where the report has nothing to draw. Names are unique in a report."""
    best = best_ratio(report)
    drawn: dict[str, list[Chart | None]] = {
        "curves": _curves(report),
        "matrices": _matrices(report.pairs, 0.5 if best is None else best),
        "languages": _languages(report.languages),
        "pareto": [*pareto_charts(report.answer)],
        "importance": [importance_chart(report.importance)],
        "learning": [*learning_charts(report.learning)],
        "exposure": [exposure_chart(report.exposure, 0.5 if best is None else best)],
    }
    names: Counter[str] = Counter()
    return {
        section: tuple(_named(chart, names) for chart in drawn[section] if chart is not None) for section in SECTIONS
    }


def _named(chart: Chart, names: Counter[str]) -> Chart:
    """With a number behind a name that an earlier chart has."""
    names[chart.name] += 1
    return chart if names[chart.name] == 1 else replace(chart, name=f"{chart.name}-{names[chart.name]}")


def best_ratio(report: StudyReport) -> float | None:
    """The ratio of the best point; of its curve where the ratio is one of a config group's values."""
    best = report.answer.best
    if best is None:
        return None
    ratio = best.parameters.get(RATIO)
    if isinstance(ratio, (int, float)):
        return float(ratio)
    keys = _keys(best)
    return next((dot.ratio for curve in report.curves for dot in curve.dots if dot.key in keys), None)


def _keys(point: PointRow | None) -> set[str]:
    """Of a point, as its dots in curves have it."""
    records = () if point is None else point.records
    return {record.key.removesuffix(f"seed={record.seed}").rstrip(",") for record in records}


def _curves(report: StudyReport) -> list[Chart | None]:
    """The objective's chart; and of each metric a chart of the best other values, one by tier, and one by other
    values where they are searched. Of a study with one ratio the first chart alone: the others would say no more than
    the table of all figures."""
    groups: dict[str, list[RatioCurve]] = {}
    for curve in with_objective(report):
        groups.setdefault(str(key_of(curve.key).whole), []).append(curve)
    several = len({key_of(key).benchmark for key in groups}) > 1
    objective = report.answer.objectives[0].metric
    own = groups.get(str(key_of(objective).whole), [])
    charts: list[Chart | None] = [_single([one for one in own if one.key == objective], report, several)]
    if len({dot.ratio for curves in groups.values() for curve in curves for dot in curve.dots}) > 1:
        charts += [
            _pools(groups, benchmark, several) for benchmark in dict.fromkeys(key_of(key).benchmark for key in groups)
        ]
    elif charts[0] is not None:
        return charts
    for key, curves in groups.items():
        if key != objective:
            charts.append(_single([curve for curve in curves if not curve.part], report, several))
        charts += _grouped(key, curves, report, several)
    return charts


def _single(curves: Sequence[RatioCurve], report: StudyReport, several: bool) -> Chart | None:
    """One metric and part: the combination of the best point, or all points where that has a single ratio."""
    if not curves:
        return None
    others = _others(curves, report)
    best = next(curve for curve in curves if curve.others == others[0])
    title = f"{part_heading(best)}{_where(key_of(best.key).benchmark, several)}"
    if len(others) > 1 and len(best.dots) < 2:
        return ratio_chart(all_points(curves), f"{title}, every point", scattered=True)
    return ratio_chart(best, f"{title}, {others[0]}" if len(others) > 1 else title)


def _grouped(key: str, curves: Sequence[RatioCurve], report: StudyReport, several: bool) -> list[Chart | None]:
    """By tier and group of pairs, and by other searched values."""
    others = _others(curves, report)
    kept = [curve for curve in curves if curve.others == others[0]]
    title = f"{heading(kept[0])}{_where(key_of(key).benchmark, several)}"
    beside = f", {others[0]}" if len(others) > 1 else ""
    parts = [(label_of(curve.part), curve) for curve in kept]
    whole = {curve.others: curve for curve in curves if not curve.part}
    rivals = [(one or "–", whole[one]) for one in others if one in whole and len(whole[one].dots) > 1]
    return [
        grouped_chart(parts, f"{title}{beside}, by tier", f"tiers {key}", beside=True),
        grouped_chart(rivals, f"{title}, by other searched values", f"others {key}", beside=False),
    ]


def _where(benchmark: str, several: bool) -> str:
    """The benchmark, where a report has several; that figures are of one half of it, the answer says."""
    return f" on {benchmark.partition('+')[0]}" if several else ""


def _pools(groups: Mapping[str, Sequence[RatioCurve]], benchmark: str, several: bool) -> Chart | None:
    """What a ratio trades: mAP within languages, across them, and in the pool of all, on one axis."""
    keys = {label: str(MetricKey(benchmark, pool, "map")) for label, pool in _POOLS.items()}
    lines = {
        label: curve
        for label, key in keys.items()
        for curve in [next((one for one in groups.get(key, ()) if not one.part), None)]
        if curve is not None
    }
    others = {curve.others for curve in lines.values()}
    if len(others) != 1:
        return None
    title = f"mAP within and across languages{_where(benchmark, several)}"
    return grouped_chart(list(lines.items()), title, f"pools {benchmark} map", True, "mAP (higher is better)")


def _others(curves: Sequence[RatioCurve], report: StudyReport) -> list[str]:
    """The other searched values of the curves; those of the best point first, then by their best mean."""
    best = _keys(report.answer.best)

    def place(curve: RatioCurve) -> tuple[bool, float]:
        has_best = any(dot.key in best for dot in curve.dots)
        means = [dot.mean for dot in curve.dots]
        good = -min(means, default=0.0) if curve.better == "lower" else max(means, default=0.0)
        return not has_best, -good

    ordered = sorted((curve for curve in curves if not curve.part), key=place) or list(curves)
    return list(dict.fromkeys(curve.others for curve in ordered))


def _matrices(pairs: Iterable[PairMatrix], best: float) -> list[Chart | None]:
    alike: dict[tuple[str, tuple[str, ...]], list[PairMatrix]] = {}
    for one in pairs:
        alike.setdefault((one.metric, one.languages), []).append(one)
    several = len({key_of(metric).benchmark for metric, _ in alike}) > 1
    charts: list[Chart | None] = []
    for place, ((metric, _), matrices) in enumerate(alike.items()):
        drawn = pair_charts(matrices, best, f"{metric} {place}" if place else metric)
        where = _where(key_of(metric).benchmark, several)
        charts += [replace(chart, title=f"{chart.title}{where}") for chart in drawn]
    return charts


def _languages(tables: Sequence[LanguageTable]) -> list[Chart | None]:
    return [language_chart(table, f"{table.metric} {place}") for place, table in enumerate(tables)]
