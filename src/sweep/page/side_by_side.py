"""Several studies side by side: the figures of each at each ratio, as tables and charts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sweep.answer.contents import RatioCurve, RatioDot, StudyReport
from sweep.page.chart import Chart, DataTable
from sweep.page.charts.grouped_lines import grouped_chart
from sweep.page.charts.ratio_curve import ratio_chart
from sweep.page.charts.wording import named


@dataclass(frozen=True)
class Line:
    """A study's curve, named by the study and its other searched values; `best` are the ratios that may be best."""

    name: str
    curve: RatioCurve
    best: tuple[float, ...]


def charts_of_studies(reports: Sequence[StudyReport]) -> tuple[Chart, ...]:
    """A chart for each objective that several studies share, or one has, of all languages together."""
    lines: dict[str, list[Line]] = {}
    for report in reports:
        goal = report.answer.objectives[0].metric
        for curve in report.curves:
            if curve.key == goal and curve.dots:
                lines.setdefault(goal, []).append(_line(report, curve))
    charts = [_chart(place, key, drawn) for place, (key, drawn) in enumerate(lines.items())]
    return tuple(chart for chart in charts if chart is not None)


def _line(report: StudyReport, curve: RatioCurve) -> Line:
    best = next((table.best for table in report.answer.certainty.tables if table.others == curve.others), ())
    return Line(f"{report.name}, {curve.others}" if curve.others else report.name, curve, best)


def _chart(place: int, key: str, lines: Sequence[Line]) -> Chart | None:
    """The studies as groups of one chart, as far as it has room; its table has all of them."""
    title, name = lines[0].curve.title, f"studies {place}"
    if len(lines) == 1:
        chart = ratio_chart(lines[0].curve, f"{title}, {lines[0].name}")
    else:
        chart = grouped_chart([(line.name, line.curve) for line in lines], title, name, beside=False)
    if chart is None:
        return None
    return replace(chart, name=f"studies-{place}", table=_table(key, lines))


def _table(key: str, lines: Sequence[Line]) -> DataTable:
    ratios = sorted({dot.ratio for line in lines for dot in line.curve.dots})
    dots = [{dot.ratio: dot for dot in line.curve.dots} for line in lines]
    rows = tuple(
        (
            f"α = {ratio:g}",
            *(_cell(own.get(ratio), line.curve.digits - 1) for own, line in zip(dots, lines, strict=True)),
        )
        for ratio in ratios
    )
    marks = {
        (ratios.index(ratio), 1 + place): "best"
        for place, line in enumerate(lines)
        for ratio in line.best
        if ratio in ratios
    }
    caption = (
        f"{named(key)}: mean over seeds (95 % interval). Starred: may be the best ratio of its study at 95 %. "
        "No test compares one study with another."
    )
    return DataTable(caption, ("ratio", *(line.name for line in lines)), rows, marks)


def _cell(dot: RatioDot | None, digits: int) -> str:
    if dot is None:
        return "–"
    mean = f"{dot.mean:.{digits}f}"
    if dot.interval is None:
        return mean
    low, high = dot.interval
    return f"{mean} ({low:.{digits}f} to {high:.{digits}f})"
