"""A metric over α in several groups: tiers and kinds of pairs, or other searched values."""

from collections.abc import Sequence

from sweep.answer.contents import RatioCurve, RatioDot
from sweep.page.chart import Chart, DataTable
from sweep.page.charts.dots import dot_rows, ends_of, means_caption
from sweep.page.charts.figures import finite, listed, short, slug, spread_apart, text_of, thin, value_domain
from sweep.page.charts.layers import Row, Spec, end_label, layer, ratio_axis, tooltip, value_axis, view
from sweep.page.charts.ratio_curve import LABEL_PX, MOST_JOINED
from sweep.page.charts.wording import axis_title
from sweep.statistics.uncertainty import Interval

HEIGHT = 300
MOST_GROUPS = 6
_LEGEND = {"title": None, "columns": 1, "labelLimit": 300, "orient": "bottom", "symbolType": "stroke"}
APART = 0.007  # of α, from group to group, so that bars at one ratio stand side by side
_DASHES = ([1, 0], [6, 3], [2, 2], [9, 3, 2, 3], [4, 1], [12, 4])

Groups = Sequence[tuple[str, RatioCurve]]


def grouped_chart(groups: Groups, title: str, name: str, beside: bool, axis: str = "") -> Chart | None:
    """A line a group, at most `MOST_GROUPS` of them, the first ones; None with fewer than two of them, or of ratios.
    Labels stand `beside` the lines, or, for long ones, in a legend. `axis`: its title, if not the first curve's."""
    kept = [(label, curve) for label, curve in groups if any(finite([dot.mean]) for dot in curve.dots)]
    left_out = len(kept) - MOST_GROUPS
    kept = kept[:MOST_GROUPS]
    dots = [dot for _, curve in kept for dot in _shown(curve)]
    if len(kept) < 2 or len({dot.ratio for dot in dots}) < 2:
        return None
    first = kept[0][1]
    domain = value_domain(ends_of(dots), least=10.0 ** (1 - first.digits))
    y = value_axis(axis or axis_title(first), domain)
    caption = [means_caption(dots)]
    layers = _lines(kept, y, beside)
    if beside:
        layers.append(_labels(kept, domain, y))
    text = _description(kept, title, left_out)
    return Chart(f"groups-{slug(name)}", title, text, view(layers, caption, HEIGHT), _table(kept, title))


def _shown(curve: RatioCurve) -> list[RatioDot]:
    return [dot for dot in curve.dots if finite([dot.mean])]


def _lines(groups: Groups, y: Spec, beside: bool) -> list[Spec]:
    middle = (len(groups) - 1) / 2
    rows: list[Row] = []
    for place, (label, curve) in enumerate(groups):
        shown = dot_rows(_shown(curve), curve.digits)
        rows += [row | {"g": label, "x": thin(row["r"] + (place - middle) * APART)} for row in shown]
    labels = [label for label, _ in groups]
    legend = None if beside else _LEGEND
    colour = {"field": "g", "type": "nominal", "scale": {"domain": labels}, "sort": None, "legend": legend}
    dashes = {"scale": {"domain": labels, "range": list(_DASHES[: len(labels)])}, "legend": legend}
    tips = tooltip(g="group", r="α", t="mean", i="95 % interval", s="seeds")
    shared = {"x": ratio_axis("x"), "color": colour, "tooltip": tips}
    bars = [row for row in rows if row.get("l") is not None and row.get("h") is not None]
    ends = {"y": y | {"field": "l"}, "y2": {"field": "h"}}
    layers = [layer(bars, "rule", "bar-of-interval", shared | ends, clip=True)]
    if all(len(curve.dots) <= MOST_JOINED for _, curve in groups):
        line = shared | {"y": y, "strokeDash": {"field": "g", "type": "nominal", "sort": None, **dashes}}
        layers.append(layer(rows, "line", "line", {key: value for key, value in line.items() if key != "tooltip"}))
    return [*layers, layer(rows, "point", "dot", shared | {"y": y}, filled=True)]


def _labels(groups: Groups, domain: Interval, y: Spec) -> Spec:
    """At the height of each line's end, apart from each other."""
    ends = [_shown(curve)[-1].mean for _, curve in groups]
    gap = LABEL_PX / HEIGHT * (domain[1] - domain[0])
    places = spread_apart(ends, gap, *domain)
    rows = [{"y": thin(place), "g": label, "label": label} for (label, _), place in zip(groups, places, strict=True)]
    domain_of = {"domain": [label for label, _ in groups]}
    colour = {"field": "g", "type": "nominal", "scale": domain_of, "sort": None, "legend": None}
    return end_label(rows, {"y": y | {"field": "y"}, "color": colour})


def _description(groups: Groups, title: str, left_out: int) -> str:
    digits = groups[0][1].digits
    sentences = []
    for label, curve in groups:
        dots = _shown(curve)
        first, last = dots[0], dots[-1]
        start = f"{label} {short(first.mean, digits)} at α = {first.ratio:g}"
        sentences.append(start if len(dots) == 1 else f"{start}, {short(last.mean, digits)} at α = {last.ratio:g}")
    text = f"{title}: {'; '.join(sentences)}."
    return text if left_out <= 0 else f"{text} {left_out} more are not drawn."


def _table(groups: Groups, title: str) -> DataTable:
    ratios = sorted({dot.ratio for _, curve in groups for dot in _shown(curve)})
    by_ratio = [{dot.ratio: text_of(dot.mean, curve.digits) for dot in curve.dots} for _, curve in groups]
    rows = tuple((f"α = {ratio:g}", *(means.get(ratio, "–") for means in by_ratio)) for ratio in ratios)
    caption = f"{title}: means over seeds of {listed([label for label, _ in groups])}"
    return DataTable(caption, ("", *(label for label, _ in groups)), rows, {})
