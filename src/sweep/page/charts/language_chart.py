"""What each language gains from one ratio against another."""

from typing import Any

from sweep.answer.contents import LanguageRow, LanguageTable
from sweep.evaluation.parts import label_of
from sweep.page.chart import Chart, DataTable
from sweep.page.charts.figures import finite, gain_text, interval_text, listed, slug, text_of, thin
from sweep.page.charts.layers import Spec, layer, tooltip, view
from sweep.page.charts.wording import better_of, capitalized, metric_label, spelled_out
from sweep.report.rival_table import p_text

ROW_PX = 24
_VERDICTS = ("better", "worse", "not shown")
_SIGNED = "datum.value === 0 ? '0' : format(datum.value, '+~g')"
_SHAPES = ("triangle-up", "triangle-down", "circle")


def language_chart(table: LanguageTable, name: str) -> Chart | None:
    """Gains with their intervals, in the order of the table; None without any."""
    rows = [row for row in table.rows if finite([row.gain])]
    if not rows:
        return None
    data = [_datum(row, table.digits) for row in rows]
    labels = [datum["n"] for datum in data]
    y = {
        "field": "n",
        "type": "nominal",
        "title": None,
        "sort": None,
        "scale": {"domain": labels},
        "axis": {"ticks": False, "labelLimit": 190, "labelOverlap": False, "grid": False, "labelPadding": 8},
    }
    bars = [datum for datum in data if "l" in datum and "h" in datum]
    tips = tooltip(n="language", g="gain", i="95 % interval", p="p (Holm)", b="before", a="after", v="verdict")
    shared = {"y": y, "tooltip": tips}
    colour = _by_verdict("range", "verdict")
    interval = {"x": _gains(table, "l"), "x2": {"field": "h"}, "color": colour}
    marks = {"x": _gains(table, "d"), "color": colour, "shape": _by_verdict("range", list(_SHAPES))}
    layers = [
        layer([{"z": 0}], "rule", "zero", {"x": _gains(table, "z")}),
        layer(bars, "rule", "gain-interval", shared | interval),
        layer(data, "point", "gain", shared | marks, filled=True),
    ]
    spec = view(layers, _caption(table, bool(bars)), ROW_PX * len(labels))
    title = f"{_title(table)}: what {table.name} changes against {table.reference_name}"
    return Chart(f"languages-{slug(name)}", title, _description(table, rows), spec, _table(table, rows))


def _datum(row: LanguageRow, digits: int) -> dict[str, Any]:
    interval = None if row.compared is None else row.compared.interval
    ends = {} if interval is None or len(finite(interval)) < 2 else dict(zip("lh", map(thin, interval), strict=True))
    return {
        "n": _label(row),
        "d": thin(row.gain),
        **ends,
        "g": gain_text(row.gain, digits),
        "i": interval_text(interval, digits, signed=True),
        "p": _p_text(row),
        "b": text_of(row.reference, digits),
        "a": text_of(row.figure, digits),
        "v": row.verdict,
    }


def _title(table: LanguageTable) -> str:
    return capitalized(spelled_out(table.title or metric_label(table.metric)))


def _label(row: LanguageRow) -> str:
    """The name, its code, which is its own, and the tier."""
    name = f"{row.name} ({row.language})" if row.name and row.name != row.language else row.language
    return f"{name}, {label_of(row.tiers[0])}" if row.tiers else name


def _p_text(row: LanguageRow) -> str:
    return "–" if row.compared is None else p_text(row.compared.p_holm)


def _gains(table: LanguageTable, field: str) -> Spec:
    hint = {"higher": " (right of 0: better)", "lower": " (left of 0: better)"}.get(better_of(table.metric), "")
    return {
        "field": field,
        "type": "quantitative",
        "title": f"{_title(table)}, difference{hint}",
        "scale": {"zero": True, "nice": True},
        "axis": {
            "labelExpr": _SIGNED,
            "tickCount": 5,
            "labelOverlap": "greedy",
            "labelSeparation": 8,
            "titleAnchor": "end",
        },
    }


def _by_verdict(key: str, value: Any) -> Spec:
    scale = {"domain": list(_VERDICTS), key: value}
    return {"field": "v", "type": "nominal", "sort": None, "scale": scale, "legend": None}  # the caption has it


def _caption(table: LanguageTable, bars: bool) -> list[str]:
    if not bars:
        return ["One seed: no language is shown to differ"]
    return [
        "With 95 % intervals. ▲ better, ▼ worse, ● not shown:",
        f"p < 0.05 after Holm over all {len(table.rows)} languages",
    ]


def _description(table: LanguageTable, rows: list[LanguageRow]) -> str:
    first, last = rows[0], rows[-1]
    parts = [
        f"{_title(table)} of {len(rows)} language{'s' if len(rows) > 1 else ''}, {table.name} against "
        f"{table.reference_name}: from {gain_text(first.gain, table.digits)} ({first.name or first.language}) to "
        f"{gain_text(last.gain, table.digits)} ({last.name or last.language})."
    ]
    for verdict in _VERDICTS:
        names = [row.name or row.language for row in rows if row.verdict == verdict]
        if names:
            parts.append(f"{verdict.capitalize()}: {listed(names) if len(names) <= 15 else len(names)}.")
    return " ".join(parts)


def _table(table: LanguageTable, rows: list[LanguageRow]) -> DataTable:
    header = ("language", "tiers", table.reference_name, table.name, "gain", "95 % interval", "p (Holm)", "verdict")
    cells = tuple(
        (
            f"{row.name} ({row.language})" if row.name and row.name != row.language else row.language,
            ", ".join(map(label_of, row.tiers)) or "–",
            text_of(row.reference, table.digits),
            text_of(row.figure, table.digits),
            gain_text(row.gain, table.digits),
            interval_text(None if row.compared is None else row.compared.interval, table.digits, signed=True),
            _p_text(row),
            row.verdict,
        )
        for row in rows
    )
    marks = {
        (place, column): row.verdict
        for place, row in enumerate(rows)
        if row.verdict != "not shown"
        for column in (4, 7)
    }
    caption = f"{_title(table)} by language, sorted by gain: {table.name} minus {table.reference_name}"
    return DataTable(caption, header, cells, marks)
