"""Losses and validation figures over steps, a line a trial, coloured by its ratio."""

from collections.abc import Sequence
from statistics import fmean

from sweep.answer.contents import LearningCurve
from sweep.page.chart import Chart, DataTable
from sweep.page.charts.figures import finite, slug, text_of, thin
from sweep.page.charts.layers import SCHEMA, SILENT, TITLE_ABOVE, Spec, tooltip
from sweep.page.charts.wording import capitalized, digits_for, metric_label

HEIGHT = 240
MOST_LINES = 200
MANY_LINES = 40  # fainter, so that one sees where most run
_ENDS = "datum.value === 0 ? 'α = 0, cross-lingual' : datum.value === 1 ? '1, monolingual' : '' + datum.value"


def learning_charts(curves: Sequence[LearningCurve]) -> list[Chart]:
    """A chart of each metric, the loss first."""
    metrics = sorted(dict.fromkeys(curve.metric for curve in curves), key=lambda metric: metric != "loss")
    charts = [_chart([curve for curve in curves if curve.metric == metric], metric) for metric in metrics]
    return [chart for chart in charts if chart is not None]


def _chart(curves: Sequence[LearningCurve], metric: str) -> Chart | None:
    kept = [curve for curve in curves if finite(curve.values)]
    shown = kept[:MOST_LINES]
    if not shown:
        return None
    label = "training loss" if metric == "loss" else metric_label(metric)
    spec = _spec(shown, label, digits_for(metric))
    ends = [finite(curve.values) for curve in shown]
    digits = digits_for(metric)
    text = (
        f"{capitalized(label)} over steps of {len(shown)} trial{'s: on average' if len(shown) > 1 else ':'} "
        f"from {text_of(fmean(values[0] for values in ends), digits)} to "
        f"{text_of(fmean(values[-1] for values in ends), digits)}."
    )
    if len(kept) > len(shown):
        text += f" {len(kept) - len(shown)} more trials are not drawn."
    title = "Training loss" if metric == "loss" else f"Validation: {label}"
    return Chart(f"learning-{slug(metric)}", title, text, spec, _table(shown, label, digits))


def _spec(curves: Sequence[LearningCurve], label: str, digits: int) -> Spec:
    data = [
        {
            "k": curve.key,
            "r": None if curve.ratio is None else thin(curve.ratio),
            "s": curve.seed,
            "x": list(curve.steps),
            "v": [thin(value) for value in curve.values],
        }
        for curve in curves
    ]
    title = {"text": ["One trial" if len(curves) == 1 else "A line a trial (each ratio with each seed)"]}
    return {
        "$schema": SCHEMA,
        "width": "container",
        "height": HEIGHT,
        "title": title,
        "data": {"values": data},
        "transform": [{"flatten": ["x", "v"]}, {"filter": "isValid(datum.v)"}],
        "encoding": {
            "x": {
                "field": "x",
                "type": "quantitative",
                "title": "step",
                "axis": {"grid": False, "tickCount": 6, "tickMinStep": 1, "labelSeparation": 6, "ticks": True},
                "scale": {"nice": False},
            },
            "y": {
                "field": "v",
                "type": "quantitative",
                "title": label,
                "scale": {"zero": False},
                "axis": {"tickCount": 5, **TITLE_ABOVE},
            },
            "detail": {"field": "k", "type": "nominal"},
            **_colour(curves),
        },
        "layer": _marks(curves, digits),
    }


def _marks(curves: Sequence[LearningCurve], digits: int) -> list[Spec]:
    """Lines, and dots to point at, which only show where a line has nothing else. Of many lines the dots would take
    seconds to draw: one points at the lines, and sees whose they are."""
    faint = {"opacity": 0.3} if len(curves) > MANY_LINES else {}
    single = max(len(curve.steps) for curve in curves) == 1
    tips = [
        *tooltip(k="trial", r="α", s="seed", x="step"),
        {"field": "v", "type": "quantitative", "title": "value", "format": f".{digits}f"},
    ]
    dots: Spec = {
        "mark": {"type": "point", "style": "dot" if single else "hover-dot", **SILENT, "filled": True},
        "encoding": {"tooltip": tips},
    }
    lines: Spec = {"mark": {"type": "line", "style": "thin-line", **SILENT, **faint}}
    if single:
        return [dots]
    if faint:
        return [lines | {"encoding": {"tooltip": tooltip(k="trial", r="α", s="seed")}}]
    return [lines, dots]


def _colour(curves: Sequence[LearningCurve]) -> Spec:
    """From all cross-lingual to all monolingual; none for trials without a ratio."""
    if all(curve.ratio is None for curve in curves):
        return {}
    legend = {"title": None, "values": [0, 0.5, 1], "labelExpr": _ENDS, "orient": "bottom"}
    scale = {"domain": [0, 1], "range": "ramp", "interpolate": "rgb"}
    return {"color": {"field": "r", "type": "quantitative", "scale": scale, "legend": legend}}


def _table(curves: Sequence[LearningCurve], label: str, digits: int) -> DataTable:
    rows = []
    for curve in curves:
        points = [(step, value) for step, value in zip(curve.steps, curve.values, strict=True) if finite([value])]
        (first, start), (last, end) = points[0], points[-1]
        low, high = min(value for _, value in points), max(value for _, value in points)
        rows.append(
            (
                curve.key,
                f"{text_of(start, digits)} (step {first})",
                f"{text_of(end, digits)} (step {last})",
                text_of(low, digits),
                text_of(high, digits),
            )
        )
    header = ("trial", "first", "last", "lowest", "highest")
    return DataTable(f"{capitalized(label)} by trial", header, tuple(rows), {})
