"""How charts look in a light and in a dark page: Vega's configuration, without which a chart has no colours.

Colours tell groups apart for readers with any colour vision (no pair of red and green; lightness differs too), and
never stand alone: lines are labelled, marks differ in shape. Charts name what a mark is (`style`), and themes say how
that looks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"


@dataclass(frozen=True)
class Colours:
    """Colours of a theme. `category` are those of groups, `verdict` those of better, worse and not shown; `ramp`,
    `heat` and `diverging` run from low to high."""

    paper: str
    ink: str
    muted: str
    grid: str
    accent: str
    rival: str
    faint: str
    category: tuple[str, ...]
    verdict: tuple[str, str, str]
    ramp: tuple[str, ...]
    heat: tuple[str, ...]
    diverging: tuple[str, ...]


LIGHT = Colours(
    paper="#ffffff",
    ink="#1f2328",
    muted="#59636e",
    grid="#e4e7ea",
    accent="#0b66ad",
    rival="#6e7781",
    faint="#8c959f",
    category=("#0b66ad", "#cc5200", "#14806a", "#92398c", "#9a7200", "#4a97d2", "#6e7781"),
    verdict=("#0b66ad", "#cc5200", "#6e7781"),
    ramp=("#cc5200", "#c2447a", "#7b4bb3", "#2f6fc0", "#0b9aa8"),
    heat=("#f1f6fa", "#cfe2f0", "#98c3df", "#5299c7", "#236da5", "#0c3f70"),
    diverging=("#a63f00", "#d97b45", "#f3cbb3", "#f5f5f5", "#bdd8ec", "#5b9ccf", "#0a5390"),
)
DARK = Colours(
    paper="#15181d",
    ink="#e6edf3",
    muted="#9aa4af",
    grid="#2b3138",
    accent="#5fb0f5",
    rival="#9aa4af",
    faint="#6e7781",
    category=("#5fb0f5", "#f58f4f", "#41c2a0", "#d891d6", "#dcb53f", "#a5d8ff", "#9aa4af"),
    verdict=("#5fb0f5", "#f58f4f", "#9aa4af"),
    ramp=("#f58f4f", "#ec79a8", "#b18cf0", "#6aa6f5", "#4fd0d8"),
    heat=("#1b242e", "#1e405d", "#296892", "#4795c6", "#8ac4e8", "#d8effc"),
    diverging=("#ff9d63", "#c4652f", "#643a25", "#23282f", "#1e4565", "#3583c0", "#84c5ff"),
)


def vega_config(theme: Literal["light", "dark"]) -> dict[str, Any]:
    """Vega-Lite's `config` of a theme; the background is left to the page."""
    colours = LIGHT if theme == "light" else DARK
    return {
        "background": None,
        "aria": False,  # a chart has a description and a table; its marks need none, see `sweep.page.charts.layers`
        "font": FONT,
        "padding": 4,
        "view": {"stroke": None},
        "axis": _axes(colours),
        "legend": _legends(colours),
        "title": {
            "color": colours.muted,
            "fontSize": 12,
            "fontWeight": "normal",
            "subtitleColor": colours.muted,
            "subtitleFontSize": 12,
            "anchor": "start",
            "frame": "bounds",
            "offset": 14,
            "lineHeight": 16,
            "subtitleLineHeight": 16,
            "subtitlePadding": 6,
        },
        "range": {
            "category": list(colours.category),
            "verdict": list(colours.verdict),
            "kind": [colours.accent, colours.faint, colours.category[1]],
            "ordinal": list(colours.ramp),
            "ramp": list(colours.ramp),
            "heatmap": list(colours.heat),
            "diverging": list(colours.diverging),
        },
        "style": _styles(colours),
    }


def _axes(colours: Colours) -> Mapping[str, Any]:
    return {
        "labelColor": colours.muted,
        "labelFontSize": 12,
        "titleColor": colours.ink,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
        "gridColor": colours.grid,
        "domain": False,
        "tickColor": colours.grid,
        "labelLineHeight": 15,
    }


def _legends(colours: Colours) -> Mapping[str, Any]:
    return {
        "labelColor": colours.ink,
        "labelFontSize": 12,
        "titleColor": colours.muted,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titleLimit": 320,
        "orient": "top",
        "direction": "horizontal",
        "gradientThickness": 10,
        "symbolStrokeColor": colours.muted,
        "symbolBaseStrokeColor": colours.muted,
        "symbolSize": 70,
        "offset": 10,
    }


def _styles(colours: Colours) -> Mapping[str, Any]:
    label = {"fontSize": 12, "color": colours.ink, "baseline": "middle"}
    return {
        "mean-line": {"color": colours.accent, "strokeWidth": 2},
        "mean-dot": {"color": colours.accent, "stroke": colours.paper, "strokeWidth": 1.5, "size": 90, "opacity": 1},
        "interval": {"color": colours.accent, "strokeWidth": 2},
        "seed-dot": {"color": colours.accent, "opacity": 0.45, "size": 26},
        "smooth-line": {"color": colours.accent, "strokeWidth": 2, "opacity": 0.8},
        "smooth-band": {"color": colours.accent, "opacity": 0.14},
        "optimum": {"color": colours.category[4], "opacity": 0.16},
        "optimum-rule": {"color": colours.category[4], "strokeWidth": 1.5},
        "optimum-label": label | {"color": colours.category[4]},
        "baseline": {"color": colours.rival, "strokeWidth": 1.3, "strokeDash": [5, 4]},
        "leader": {"color": colours.rival, "strokeWidth": 0.8, "opacity": 0.7},
        "published": {"color": colours.category[1], "strokeWidth": 1.7, "size": 80, "opacity": 1},
        "line": {"strokeWidth": 2},
        "gain-interval": {"strokeWidth": 2, "opacity": 0.55},
        "gain": {"filled": True, "size": 85, "opacity": 1},
        "thin-line": {"color": colours.accent, "strokeWidth": 1.4, "opacity": 0.75},
        "hover-dot": {"filled": True, "size": 40, "opacity": 0},
        "dot": {"filled": True, "size": 60, "opacity": 1, "stroke": colours.paper, "strokeWidth": 1},
        "bar-of-interval": {"strokeWidth": 1.6, "opacity": 0.75},
        "bar": {"color": colours.accent},
        "zero": {"color": colours.ink, "strokeWidth": 1, "opacity": 0.7},
        "front-line": {"color": colours.accent, "strokeWidth": 1.5, "opacity": 0.55},
        "cell": {"stroke": colours.paper, "strokeWidth": 1},
        "diagonal": {"color": colours.ink, "strokeWidth": 1.4},
        "label": label,
        "muted-label": label | {"color": colours.muted},
        "cell-label": {"fontSize": 11, "baseline": "middle", "align": "center"},
    }
