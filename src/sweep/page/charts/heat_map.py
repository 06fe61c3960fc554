"""Every question language with every passage language: one matrix, or the difference of two, chosen by select boxes.

A matrix is one row of the data, its figures in one list, which Vega takes apart: a study has many of them. Names of
languages and matrices are data and values of parameters; the expressions are constants.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sweep.page.charts.figures import finite, thin
from sweep.page.charts.layers import SCHEMA, SILENT, Spec

Steps = list[dict[str, Any]]
Matrix = tuple[str, tuple[tuple[float, ...], ...]]  # its name, and its figures (q, p)

_PLACES: Steps = [
    {"flatten": ["v"], "as": ["v"]},
    {"window": [{"op": "row_number", "as": "i"}], "groupby": ["n"]},
    {"filter": "isValid(datum.v)"},
    {"calculate": "languages[floor((datum.i - 1) / length(languages))]", "as": "q"},
    {"calculate": "languages[(datum.i - 1) % length(languages)]", "as": "p"},
]
_ONE: Steps = [{"filter": "datum.n === shown"}, *_PLACES, {"calculate": "datum.v", "as": "d"}]
_TWO: Steps = [
    {"filter": "datum.n === shown || datum.n === minus"},
    *_PLACES,
    {"calculate": "datum.n === shown ? datum.v : null", "as": "a"},
    {"calculate": "datum.n === minus ? datum.v : null", "as": "b"},
    {
        "aggregate": [{"op": "max", "field": "a", "as": "a"}, {"op": "max", "field": "b", "as": "b"}],
        "groupby": ["q", "p"],
    },
    {"filter": "isValid(datum.a) && isValid(datum.b)"},
    {"calculate": "datum.a - datum.b", "as": "d"},
]
# Text on a cell is dark or light, whichever can be read on it.
_INK = "luminance(scale('color', datum.d)) > 0.3 ? '#111418' : '#ffffff'"
_NARROW = "width < 30 * length(languages)"


@dataclass(frozen=True)
class HeatMap:
    """What a heat map shows. `shown` and `minus` are names of matrices, `minus` None for no difference. `better` is
    the end of a difference that is good. Digits are those of cells and of tooltips. `scaled_by` names the
    matrices whose figures set the colours; empty for all."""

    languages: Sequence[str]
    matrices: Sequence[Matrix]
    shown: str
    minus: str | None
    title: str
    cell_digits: int
    digits: int
    better: str = "higher"
    scaled_by: Collection[str] = ()

    @property
    def scaling(self) -> list[Matrix]:
        """The matrices whose figures set the colours."""
        return [one for one in self.matrices if one[0] in self.scaled_by] or list(self.matrices)


def heat_map(one: HeatMap, caption: Sequence[str]) -> Spec:
    """The chart; cells have figures where there is room, else only colours and tooltips."""
    size = len(one.languages)
    data = [{"n": name, "v": [thin(value) for row in rows for value in row]} for name, rows in one.matrices]
    wide = {"width": "container", "height": max(24 * size, 60)}
    return {
        "$schema": SCHEMA,
        **wide,
        "title": {"text": list(caption)},
        "params": _params(one),
        "data": {"values": data},
        "transform": [dict(step) for step in (_ONE if one.minus is None else _TWO)],
        "encoding": {"x": _axis(one, "p", "passages in (columns)"), "y": _axis(one, "q", "questions in (rows)")},
        "layer": [
            {
                "mark": {"type": "rect", "style": "cell", **SILENT},
                "encoding": {"color": _colour(one), "tooltip": _tips(one)},
            },
            {
                "transform": [{"filter": "datum.q === datum.p"}],
                "mark": {"type": "rect", "style": "diagonal", **SILENT, "filled": False, "tooltip": None},
            },
            {
                "mark": {
                    "type": "text",
                    "style": "cell-label",
                    **SILENT,
                    "color": {"expr": _INK},
                    "fontSize": {
                        "expr": f"min(11, max(7, width / length(languages) / {2.6 if one.minus is None else 2.9}))"
                    },
                    "text": {"expr": _text(one)},
                },
            },
        ],
    }


def _text(one: HeatMap) -> str:
    """The expression of a cell's text: without a leading zero where there is little room, and no minus before what is
    zero when rounded."""
    least = 0.5 * 10.0**-one.cell_digits
    sign = "" if one.minus is None else "+"
    text = f"abs(datum.d) < {least} ? '0' : format(datum.d, '{sign}.{one.cell_digits}f')"
    return f"{_NARROW} && abs(datum.d) < 0.99 ? replace({text}, '0.', '.') : ({text})"


def _params(one: HeatMap) -> list[dict[str, Any]]:
    names = [name for name, _ in one.matrices]
    params: list[dict[str, Any]] = [{"name": "languages", "value": list(one.languages)}]
    chosen = [("shown", one.shown, "show "), ("minus", one.minus, "minus ")]
    for name, value, label in chosen:
        if value is not None:
            bind = {"bind": {"input": "select", "options": names, "name": label}} if len(names) > 1 else {}
            params.append({"name": name, "value": value, **bind})
    return params


def _axis(one: HeatMap, field: str, title: str) -> Spec:
    along = {"orient": "top", "labelAngle": 0, "titleAnchor": "start"} if field == "p" else {}
    return {
        "field": field,
        "type": "ordinal",
        "title": title,
        "scale": {"domain": list(one.languages), "paddingInner": 0.04},
        "sort": None,
        "axis": {
            "ticks": False,
            "grid": False,
            "labelPadding": 4,
            "labelOverlap": False,
            "labelLimit": 60,
            "labelFontSize": {"expr": f"{_NARROW} ? 10 : 12"},
            **along,
        },
    }


def _colour(one: HeatMap) -> Spec:
    """The same colours for the same figures whatever is chosen; differences around zero, blue for better."""
    legend = {
        "title": one.title,
        "orient": "bottom",
        "gradientLength": 180,
        "labelExpr": "replace(format(datum.value, '~r'), '-', '−')",
        "tickCount": 3,
    }
    if one.minus is None:
        values = finite(value for _, rows in one.scaling for row in rows for value in row)
        scale: Spec = {"domain": [thin(min(values)), thin(max(values))], "range": "heatmap"}
    else:
        most = largest_difference(one.scaling)
        scale = {"domain": [-most, 0, most], "range": "diverging", "reverse": one.better == "lower"}
    scale |= {"nice": False, "clamp": True, "interpolate": "rgb"}
    return {"field": "d", "type": "quantitative", "scale": scale, "legend": legend}


def largest_difference(matrices: Sequence[Matrix]) -> float:
    """Of any two matrices, in any cell; never zero."""
    cells = zip(*([value for row in rows for value in row] for _, rows in matrices), strict=True)
    spans = [max(kept) - min(kept) for cell in cells if (kept := finite(cell))]
    return thin(max(spans, default=0.0)) or 1.0


def _tips(one: HeatMap) -> list[Spec]:
    tips: list[Spec] = [
        {"field": "q", "type": "nominal", "title": "questions in"},
        {"field": "p", "type": "nominal", "title": "passages in"},
    ]
    figure = {"type": "quantitative", "format": f".{one.digits}f"}
    if one.minus is None:
        return [*tips, {"field": "d", "title": "figure", **figure}]
    signed = figure | {"format": f"+.{one.digits}f"}
    return [
        *tips,
        {"field": "d", "title": "difference", **signed},
        {"field": "a", "title": "shown", **figure},
        {"field": "b", "title": "minus", **figure},
    ]
