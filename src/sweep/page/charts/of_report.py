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
from sweep.page.charts.pair_charts import pair_charts
from sweep.page.charts.pareto_chart import pareto_charts
from sweep.page.charts.ratio_curve import ratio_chart
from sweep.page.charts.wording import heading, key_of
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
    """A chart a metric, of the best other values; one by tier; one by other values where they are searched."""
    groups: dict[str, list[RatioCurve]] = {}
    for curve in report.curves:
        groups.setdefault(str(key_of(curve.key).whole), []).append(curve)
    several = len({key_of(key).benchmark for key in groups}) > 1
    charts = [
        _pools(groups, benchmark, several) for benchmark in dict.fromkeys(key_of(key).benchmark for key in groups)
    ]
    for key, curves in groups.items():
        where = f" on {key_of(key).benchmark}" if several else ""
        others = _others(curves, report)
        kept = [curve for curve in curves if curve.others == others[0]]
        title = heading(kept[0])
        beside = f", {others[0]}" if len(others) > 1 else ""
        charts += [ratio_chart(curve, f"{title}{where}{beside}") for curve in kept if not curve.part][:1]
        parts = [(label_of(curve.part), curve) for curve in kept]
        charts.append(grouped_chart(parts, f"{title}{where}{beside}, by tier", f"tiers {key}", beside=True))
        whole = {curve.others: curve for curve in curves if not curve.part}
        rivals = [(one or "–", whole[one]) for one in others if one in whole]
        charts.append(
            grouped_chart(rivals, f"{title}{where}, by other searched values", f"others {key}", beside=False)
        )
    return charts


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
    title = f"mAP within and across languages{f' on {benchmark}' if several else ''}"
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
    charts: list[Chart | None] = []
    for place, ((metric, _), matrices) in enumerate(alike.items()):
        charts += pair_charts(matrices, best, f"{metric} {place}" if place else metric)
    return charts


def _languages(tables: Sequence[LanguageTable]) -> list[Chart | None]:
    return [language_chart(table, f"{table.metric} {place}") for place, table in enumerate(tables)]
