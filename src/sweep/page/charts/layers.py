"""Parts that several charts are made of: axes, tooltips, marks of inline data."""

from collections.abc import Mapping, Sequence
from typing import Any

from sweep.statistics.uncertainty import Interval

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
# Marks are silent for screen readers, which have the description and the table. Vega-Lite would put titles, which may
# come from data, into the expressions of the marks' descriptions.
SILENT = {"aria": False}
# The title of a vertical axis, to be read without turning one's head.
TITLE_ABOVE = {
    "titleAnchor": "end",
    "titleAngle": 0,
    "titleAlign": "left",
    "titleY": -12,
    "titleX": 0,
    "titleLimit": 300,
}
Row = Mapping[str, Any]
Spec = dict[str, Any]

# What both ends mean stands under their ticks.
_RATIO_LABELS = (
    "datum.value === 0 ? ['0', 'all cross-lingual'] : datum.value === 1 ? ['1', 'all monolingual'] "
    ": format(datum.value, '.2~f')"
)


def view(layers: Sequence[Spec], caption: Sequence[str], height: int, **further: Any) -> Spec:
    """A chart as wide as what it stands in. `caption`: lines above it."""
    return {
        "$schema": SCHEMA,
        "width": "container",
        "height": height,
        "title": {"text": list(caption)},
        "layer": list(layers),
        **further,
    }


def layer(rows: Sequence[Row], mark: str, style: str, encoding: Mapping[str, Any], **further: Any) -> Spec:
    """Marks of one style with their own data; `further` are properties of the mark."""
    return {
        "data": {"values": [dict(row) for row in rows]},
        "mark": {"type": mark, "style": style, **SILENT, **further},
        "encoding": dict(encoding),
    }


def ratio_axis(field: str = "r") -> Spec:
    """α from 0 to 1, with what both ends mean."""
    return {
        "field": field,
        "type": "quantitative",
        "title": "α, share of monolingual batches",
        "scale": {"domain": [-0.02, 1.02], "nice": False, "zero": False},
        "axis": {
            "values": [0, 0.25, 0.5, 0.75, 1],
            "labelExpr": _RATIO_LABELS,
            "labelOverlap": False,
            "grid": False,
            "ticks": True,
        },
    }


def value_axis(title: str, domain: Interval, field: str = "m") -> Spec:
    """A metric's figures between fixed ends."""
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"domain": list(domain), "nice": False, "zero": False},
        "axis": {"tickCount": 6, **TITLE_ABOVE},
    }


def tooltip(**titles: str) -> list[Spec]:
    """Fields and their headings, each as it is in the data."""
    return [{"field": field, "title": title, "type": "nominal"} for field, title in titles.items()]


def end_label(rows: Sequence[Row], encoding: Mapping[str, Any], style: str = "label") -> Spec:
    """Texts (`label`) at the right of the plot, cut where they are too long."""
    place = {"x": {"value": {"expr": "width"}}, "text": {"field": "label", "type": "nominal"}}
    return layer(rows, "text", style, place | dict(encoding), align="left", dx=12, limit=130)
