"""Charts as PNG, for pages and papers that run no script."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sweep.page.chart import Chart
from sweep.page.theme import LIGHT, vega_config
from sweep.report.plain_console import shown

WIDTH = 640  # pixels, of the plot; twice as many in the picture
SCALE = 2.0
_NO_XML = re.compile("[\ufffe\uffff]")  # beside control characters


def png(chart: Chart) -> bytes:
    """The picture in the light theme on white, with its title inside.

    Raises:
        ValueError: the specification is not one of Vega-Lite.
    """
    import vl_convert

    config = vega_config("light") | {"background": LIGHT.paper, "padding": 16}
    # No data is ever fetched: a specification that names an address is a fault.
    return bytes(vl_convert.vegalite_to_png(still(chart), scale=SCALE, config=config, allowed_base_urls=[]))


def still(chart: Chart) -> dict[str, Any]:
    """The specification of a chart that stands alone: of a fixed width, with its title, and with what is chosen in
    words, since nobody can choose."""
    spec = cast(dict[str, Any], _printable(chart.spec))
    caption = list(spec.get("title", {}).get("text", ()))
    spec["title"] = {
        "text": _printable(chart.title),
        "subtitle": [*_choice(spec), *caption],
        "color": LIGHT.ink,
        "fontSize": 17,
        "fontWeight": "bold",
        "limit": WIDTH + 120,
    }
    return spec | {"width": WIDTH}


def _printable(value: Any) -> Any:
    """The same with all its texts as they may be shown: vl_convert ends the process at what XML cannot have."""
    if isinstance(value, str):
        return _NO_XML.sub("\ufffd", shown(value))
    if isinstance(value, Mapping):
        return {_printable(key): _printable(one) for key, one in value.items()}
    return [_printable(one) for one in value] if isinstance(value, (list, tuple)) else value


def _choice(spec: Mapping[str, Any]) -> list[str]:
    chosen = {one["name"]: str(one["value"]) for one in spec.get("params", ()) if one["name"] in ("shown", "minus")}
    return [" minus ".join(chosen[name] for name in ("shown", "minus") if name in chosen)] if chosen else []


# The pictures that a study's folder holds: file, section, and how the name of the chart begins and ends. They are
# few, since each takes .1 to .4 s at the end of a run; the page has every chart.
_MAIN = (
    ("alignment.png", "curves", "curve-", "pooled-alignment-consistency"),
    ("alignment-by-tier.png", "curves", "groups-tiers-", "pooled-alignment-consistency"),
    ("map-within-and-across.png", "curves", "groups-pools-", "map"),
    ("languages.png", "languages", "languages-", ""),
    ("pareto.png", "pareto", "pareto-", ""),
)


def main_pictures(charts: Mapping[str, Sequence[Chart]]) -> dict[str, Chart]:
    """The charts to keep as pictures, by file name, of those of a report by section: as far as there are any, and of
    the first benchmark."""
    kept = {}
    for file, section, begin, end in _MAIN:
        fitting = (one for one in charts.get(section, ()) if one.name.startswith(begin) and one.name.endswith(end))
        chart = next(fitting, None)
        if chart is not None:
            kept[file] = chart
    return kept
