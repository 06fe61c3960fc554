"""A metric over α: means with their intervals, every seed, what needs no training, and what others have published."""

from collections.abc import Mapping, Sequence
from typing import Any

from sweep.answer.contents import PublishedFigure, RatioCurve, RatioDot
from sweep.page.chart import Chart, DataTable
from sweep.page.charts.dots import dot_rows, ends_of, means_caption, seeds_text, several_seeds
from sweep.page.charts.figures import (
    finite,
    interval_text,
    listed,
    short,
    slug,
    spread_apart,
    text_of,
    thin,
    value_domain,
)
from sweep.page.charts.layers import Spec, end_label, layer, ratio_axis, tooltip, value_axis, view
from sweep.page.charts.wording import axis_title, part_heading
from sweep.statistics.smooth import Smooth
from sweep.statistics.uncertainty import Interval

HEIGHT = 300
LABEL_PX = 16  # from one label to the next
MOST_APART = 12  # whose seeds stand beside them; between more of them is no room
MOST_JOINED = 25  # dots that a line joins; more of them would be a tangle

_DOT_TIPS = tooltip(r="α", t="mean", i="95 % interval", s="seeds")


def ratio_chart(curve: RatioCurve, title: str, scattered: bool = False) -> Chart | None:
    """A curve; None without a dot. `scattered`: its dots differ in more than their ratio, so no line joins them."""
    dots = [dot for dot in curve.dots if finite([dot.mean])]
    if not dots:
        return None
    domain = _domain(curve, dots)
    published = [one for one in curve.published if one.ratio is not None and domain[0] <= one.value <= domain[1]]
    y = value_axis(axis_title(curve), domain)
    by_value = sorted(curve.baselines.items(), key=lambda item: item[1].value)
    baselines = {name: one.value for name, one in by_value if finite([one.value])}
    layers = [
        *_optimum(curve.smooth),
        *_smooth(curve.smooth, y),
        *_baselines(baselines, curve.digits, domain, y),
        *_line(dots, curve, y, scattered),
        *_dots(dots, curve.digits, y, scattered),
        *_published(published, curve.digits, y),
    ]
    spec = view(layers, _caption(dots, curve), HEIGHT)
    table = _table(curve, dots, scattered)
    return Chart(f"curve-{slug(curve.key)}", title, _description(curve, dots), spec, table)


def _domain(curve: RatioCurve, dots: Sequence[RatioDot]) -> Interval:
    shown = ends_of(dots)
    if curve.smooth is not None:
        shown += finite([*curve.smooth.low, *curve.smooth.high])
    wanted = finite([one.value for one in curve.baselines.values()])
    wanted += finite([one.value for one in curve.published if one.ratio is not None])
    return value_domain(shown, wanted, least=10.0 ** (1 - curve.digits))


def _optimum(smooth: Smooth | None) -> list[Spec]:
    if smooth is None:
        return []
    low, high = smooth.optimum_interval
    text = f"{smooth.optimum:.2f} (95 %: {low:.2f} to {high:.2f})"
    row = {"r": thin(low), "e": thin(high), "o": thin(smooth.optimum), "t": text}
    tips = tooltip(t="optimum of the Gaussian process, α")
    return [
        layer([row], "rect", "optimum", {"x": ratio_axis(), "x2": {"field": "e"}, "tooltip": tips}),
        layer([row], "rule", "optimum-rule", {"x": ratio_axis("o"), "tooltip": tips}),
    ]


def _smooth(smooth: Smooth | None, y: Spec) -> list[Spec]:
    if smooth is None:
        return []
    grid = zip(smooth.ratios, smooth.mean, smooth.low, smooth.high, strict=True)
    rows = [{"r": thin(r), "m": thin(m), "l": thin(low), "h": thin(high)} for r, m, low, high in grid]
    band = {"x": ratio_axis(), "y": y | {"field": "l"}, "y2": {"field": "h"}}
    return [
        layer(rows, "area", "smooth-band", band),
        layer(rows, "line", "smooth-line", {"x": ratio_axis(), "y": y}),
    ]


def _baselines(values: Mapping[str, float], digits: int, domain: Interval, y: Spec) -> list[Spec]:
    """Dashed lines with labels beside the plot, apart from each other; of what lies outside only the label, at that
    end."""
    if not values:
        return []
    low, high = domain
    gap = LABEL_PX / HEIGHT * (high - low)
    kept = {name: min(max(value, low), high) for name, value in values.items()}
    places = spread_apart(list(kept.values()), gap, low, high)
    rows: list[dict[str, Any]] = []
    for (name, value), place in zip(values.items(), places, strict=True):
        arrow = "↓ " if value < low else "↑ " if value > high else ""
        label = f"{arrow}{name} {short(value, digits)}"
        rows.append({"m": thin(value), "y": thin(place), "label": label, "n": name, "t": text_of(value, digits)})
    inside = [row for row, value in zip(rows, values.values(), strict=True) if low <= value <= high]
    tips = tooltip(n="without training", t="figure")
    leaders = [row | {"c": kept[row["n"]]} for row in inside]
    beside = {"x": {"value": {"expr": "width"}}, "y": y | {"field": "c"}, "y2": {"field": "y"}}
    return [
        layer(inside, "rule", "baseline", {"y": y, "tooltip": tips}),
        layer(leaders, "rule", "leader", beside | {"x2": {"value": {"expr": "width + 9"}}}),
        end_label(rows, {"y": y | {"field": "y"}, "tooltip": tips}, "muted-label"),
    ]


def _line(dots: Sequence[RatioDot], curve: RatioCurve, y: Spec, scattered: bool) -> list[Spec]:
    if scattered or curve.smooth is not None or not 1 < len(dots) <= MOST_JOINED:
        return []
    rows = [{"r": thin(dot.ratio), "m": thin(dot.mean)} for dot in dots]
    return [layer(rows, "line", "mean-line", {"x": ratio_axis(), "y": y})]


def _dots(dots: Sequence[RatioDot], digits: int, y: Spec, scattered: bool) -> list[Spec]:
    tips = [*_DOT_TIPS, *(tooltip(k="point") if scattered else [])]
    rows = dot_rows(dots, digits)
    seeds = [
        {"r": thin(dot.ratio), "m": thin(value), "s": str(seed), "t": text_of(value, digits)}
        for dot in dots
        if len(dot.seeds) > 1
        for seed, value in sorted(dot.seeds.items())
    ]
    bars = [row for row in rows if row.get("l") is not None and row.get("h") is not None]
    ends = {"x": ratio_axis(), "y": y | {"field": "l"}, "y2": {"field": "h"}, "tooltip": tips}
    beside = 8 if len(dots) <= MOST_APART else 0
    seed_tips = tooltip(r="α", s="seed", t="figure")
    return [
        layer(bars, "rule", "interval", ends, clip=True),
        layer(rows, "point", "mean-dot", {"x": ratio_axis(), "y": y, "tooltip": tips}, filled=True),
        layer(
            seeds, "point", "seed-dot", {"x": ratio_axis(), "y": y, "tooltip": seed_tips}, filled=True, xOffset=beside
        ),
    ]


def _published(published: Sequence[PublishedFigure], digits: int, y: Spec) -> list[Spec]:
    if not published:
        return []
    rows = [
        {"r": one.ratio, "m": thin(one.value), "n": one.system, "q": one.source, "t": text_of(one.value, digits)}
        for one in published
    ]
    tips = tooltip(n="published for", q="source", r="α", t="figure")
    encoding = {"x": ratio_axis(), "y": y, "tooltip": tips}
    return [layer(rows, "point", "published", encoding, shape="diamond", filled=False)]


def _caption(dots: Sequence[RatioDot], curve: RatioCurve) -> list[str]:
    lines = [f"{means_caption(dots)}{'; small dots: seeds' if several_seeds(dots) else ''}"]
    if curve.smooth is not None:
        lines.append("Curve: Gaussian process; strip: 95 % for its optimum")
    if any(one.ratio is not None for one in curve.published):
        lines.append("Diamonds: published figures, of other models")
    return lines


def _description(curve: RatioCurve, dots: Sequence[RatioDot]) -> str:
    seeds = "mean over seeds" if several_seeds(dots) else "of one seed"
    name, digits = part_heading(curve), curve.digits
    ends = [f"{short(dot.mean, digits)} at α = {dot.ratio:g}" for dot in dots]
    if len(dots) == 1:
        parts = [f"{name} is {ends[0]}."]
    elif len(dots) <= 6:
        parts = [f"{name} over α, {seeds}: {listed(ends)}."]
    else:
        low, high = (choose(dots, key=lambda dot: dot.mean) for choose in (min, max))
        parts = [
            f"{name} at {len(dots)} ratios, {seeds}: from {short(low.mean, digits)} at α = "
            f"{low.ratio:g} to {short(high.mean, digits)} at α = {high.ratio:g}."
        ]
    if curve.baselines:
        figures = [f"{name} {short(one.value, digits)}" for name, one in curve.baselines.items()]
        parts.append(f"Without training: {listed(figures)}.")
    if curve.smooth is not None:
        low_end, high_end = curve.smooth.optimum_interval
        parts.append(
            f"A Gaussian process has its optimum at α = {curve.smooth.optimum:.2f} "
            f"(95 %: {low_end:.2f} to {high_end:.2f})."
        )
    return " ".join(parts)


def _table(curve: RatioCurve, dots: Sequence[RatioDot], scattered: bool) -> DataTable:
    rows = [
        (
            dot.key if scattered else f"α = {dot.ratio:g}",
            text_of(dot.mean, curve.digits),
            interval_text(dot.interval, curve.digits),
            seeds_text(dot, curve.digits),
        )
        for dot in dots
    ]
    rows += [
        (name, text_of(one.value, curve.digits), interval_text(one.interval, curve.digits), "–")
        for name, one in curve.baselines.items()
    ]
    rows += [
        (
            f"{one.system}{'' if one.ratio is None else f', α = {one.ratio:g}'} ({one.source})",
            text_of(one.value, curve.digits),
            "–",
            "–",
        )
        for one in curve.published
    ]
    caption = f"{part_heading(curve)} by {'point' if scattered else 'ratio'}"
    return DataTable(caption, ("", "mean", "95 % interval", "seeds"), tuple(rows), {})
