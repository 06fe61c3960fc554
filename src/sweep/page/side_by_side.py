"""Several studies side by side: the figures of each at each ratio, as tables and charts."""

from collections.abc import Sequence
from dataclasses import dataclass

from sweep.answer.contents import RatioCurve, RatioDot, StudyReport
from sweep.page.chart import Chart, DataTable

MOST_COLOURS = 7  # of lines in a chart: with more of them colours say nothing


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
    return tuple(_chart(place, key, drawn) for place, (key, drawn) in enumerate(lines.items()))


def _line(report: StudyReport, curve: RatioCurve) -> Line:
    best = next((table.best for table in report.answer.certainty.tables if table.others == curve.others), ())
    return Line(f"{report.name}, {curve.others}" if curve.others else report.name, curve, best)


def _chart(place: int, key: str, lines: Sequence[Line]) -> Chart:
    title = lines[0].curve.title
    better = {"higher": "Higher is better", "lower": "Lower is better", "target": "There is a best value between"}
    description = (
        f"{key} over the share of monolingual batches (α), a line for each study, with 95 % intervals. "
        f"{better[lines[0].curve.better]}. Studies are not compared with each other: intervals are of each alone."
    )
    return Chart(f"studies-{place}", title, description, _spec(lines), _table(key, lines))


def _spec(lines: Sequence[Line]) -> dict[str, object]:
    title = lines[0].curve.title
    values = [
        {"study": line.name, "ratio": dot.ratio, "mean": dot.mean}
        | ({} if dot.interval is None else {"low": dot.interval[0], "high": dot.interval[1]})
        for line in lines
        for dot in line.curve.dots
    ]
    names = [line.name for line in lines]
    shape = {"field": "study", "type": "nominal", "title": None, "scale": {"domain": names}}
    ratio = {"field": "ratio", "type": "quantitative", "title": "α, the share of monolingual batches"}
    digits = f".{lines[0].curve.digits}f"
    tooltip = [
        {"field": "study", "title": "study"},
        {"field": "ratio", "title": "α", "type": "quantitative"},
        *(
            {"field": name, "title": name, "format": digits, "type": "quantitative"}
            for name in ("mean", "low", "high")
        ),
    ]
    mean = {
        "field": "mean",
        "type": "quantitative",
        "title": title,
        "scale": {"zero": False},
        "axis": {"tickCount": 6},
    }
    low = mean | {"field": "low"}
    colour = shape | {"legend": {"columns": 2, "labelLimit": 320}} if len(names) <= MOST_COLOURS else None
    encoding = {"x": ratio | {"axis": {"tickCount": 6}}} | ({"color": colour} if colour else {"detail": shape})
    return {
        "data": {"values": values},
        "width": "container",
        "height": 320,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "encoding": encoding,
        "layer": [
            {
                "transform": [{"filter": "isValid(datum.low)"}],
                "mark": {"type": "rule", "strokeWidth": 1.6, "opacity": 0.75},
                "encoding": {"y": low, "y2": {"field": "high"}},
            },
            {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {"y": mean}},
            {
                "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
                "encoding": {"y": mean, "tooltip": tooltip} | ({"shape": shape} if colour else {}),
            },
        ],
    }


def _table(key: str, lines: Sequence[Line]) -> DataTable:
    ratios = sorted({dot.ratio for line in lines for dot in line.curve.dots})
    rows: list[tuple[str, ...]] = []
    marks: dict[tuple[int, int], str] = {}
    for place, line in enumerate(lines):
        dots = {dot.ratio: dot for dot in line.curve.dots}
        rows.append((line.name, *(_cell(dots.get(ratio), line.curve.digits - 1) for ratio in ratios)))
        marks |= {(place, 1 + ratios.index(ratio)): "best" for ratio in line.best if ratio in ratios}
    caption = (
        f"{key}: mean over seeds (95 % interval). Starred: may be the best ratio of its study at 95 %. No test "
        "compares one study with another."
    )
    return DataTable(caption, ("study", *(f"α = {ratio:g}" for ratio in ratios)), tuple(rows), marks)


def _cell(dot: RatioDot | None, digits: int) -> str:
    if dot is None:
        return "–"
    mean = f"{dot.mean:.{digits}f}"
    if dot.interval is None:
        return mean
    low, high = dot.interval
    return f"{mean} ({low:.{digits}f} to {high:.{digits}f})"
