"""How much of the objective's variance each searched value explains."""

from collections.abc import Sequence

from sweep.answer.contents import Importance
from sweep.page.chart import Chart, DataTable
from sweep.page.charts.figures import finite, thin
from sweep.page.charts.layers import layer, tooltip, view

ROW_PX = 30
MOST_BARS = 20


def importance_chart(importance: Sequence[Importance]) -> Chart | None:
    """Bars, the most important on top; None where nothing is known."""
    ordered = sorted((one for one in importance if finite([one.share])), key=lambda one: -one.share)
    if not ordered:
        return None
    rows = [{"n": one.path, "s": thin(one.share), "t": f"{one.share:.0%}"} for one in ordered[:MOST_BARS]]
    y = {
        "field": "n",
        "type": "nominal",
        "title": None,
        "sort": None,
        "axis": {"ticks": False, "labelLimit": 200, "grid": False, "labelOverlap": False, "labelPadding": 8},
    }
    x = {
        "field": "s",
        "type": "quantitative",
        "title": "share of the variance explained",
        "scale": {"domain": [0, 1]},
        "axis": {"format": ".0%", "tickCount": 5},
    }
    tips = tooltip(n="searched", t="share")
    layers = [
        layer(rows, "bar", "bar", {"x": x, "y": y, "tooltip": tips}, height={"band": 0.6}),
        layer(rows, "text", "label", {"x": x, "y": y, "text": {"field": "t"}}, align="left", dx=6),
    ]
    text = ", ".join(f"{one.path} {one.share:.0%}" for one in ordered[:MOST_BARS])
    return Chart(
        "importance",
        "What the objective depends on",
        f"How much of the objective's variance each searched value explains: {text}.",
        view(layers, ["As estimated from this study's trials"], ROW_PX * len({row["n"] for row in rows})),
        DataTable(
            "Importance of searched values",
            ("searched", "share of variance"),
            tuple((one.path, f"{one.share:.3f}") for one in ordered),
            {},
        ),
    )
