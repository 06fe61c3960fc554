"""Heat maps of a metric by question and passage language: one ratio, and what another one changes."""

import math
from collections.abc import Sequence

from sweep.answer.contents import PairMatrix
from sweep.page.chart import Chart, DataTable
from sweep.page.charts.figures import finite, gain_text, slug, text_of
from sweep.page.charts.heat_map import HeatMap, heat_map
from sweep.page.charts.wording import better_of, capitalized, cell_label, digits_for

MOST_MATRICES = 60  # to choose from; their figures are in the page

_CAPTION = "Outlined: question and passage in one language"
Named = Sequence[tuple[str, PairMatrix]]


def pair_charts(matrices: Sequence[PairMatrix], best: float, name: str) -> list[Chart]:
    """A heat map of one matrix (that of the `best` ratio first), and of the difference of two (α = 1 subtracted),
    all of the same metric and languages."""
    languages = matrices[0].languages
    named = _named(matrices)[:MOST_MATRICES]
    named = [(text, one) for text, one in named if finite(value for row in one.value_qp for value in row)]
    if not named or not languages:
        return []
    shown = _chosen(named, best)
    minus = _reference(named, shown)
    charts = [_figures(named, shown, name)]
    if minus is not None:
        charts.append(_differences(named, shown, minus, name))
    return charts


def _named(matrices: Sequence[PairMatrix]) -> list[tuple[str, PairMatrix]]:
    """Each with a name of its own."""
    named: dict[str, PairMatrix] = {}
    for one in matrices:
        text = one.name if not one.others else f"{one.name}, {one.others}"
        while text in named:
            text = f"{text} (again)"
        named[text] = one
    return list(named.items())


def _chosen(named: Named, best: float) -> str:
    with_ratio = [(text, one) for text, one in named if one.ratio is not None]
    if with_ratio:
        return min(with_ratio, key=lambda item: abs((item[1].ratio or 0.0) - best))[0]
    return named[0][0]


def _reference(named: Named, shown: str) -> str | None:
    """α = 1, or the largest other ratio, or what else there is; of the same other values where it can be."""
    others = next(one.others for text, one in named if text == shown)
    rest = [(text, one) for text, one in named if text != shown]
    if not rest:
        return None
    return max(rest, key=lambda item: (item[1].others == others, -1.0 if item[1].ratio is None else item[1].ratio))[0]


def _digits(metric: str) -> tuple[int, int]:
    """Of tooltips and tables, and of cells, which have little room."""
    digits = digits_for(metric)
    return digits, 2 if digits > 1 else 0


def _figures(named: Named, shown: str, name: str) -> Chart:
    one = dict(named)[shown]
    digits, cells = _digits(one.metric)
    label = cell_label(one.metric)
    chosen = HeatMap(one.languages, _values(named), shown, None, label, cells, digits, scaled_by=_ratios(named))
    spec = heat_map(chosen, [_CAPTION])
    return Chart(
        f"pairs-{slug(name)}",
        f"{capitalized(label)} by question and passage language",
        f"Heat map of {label}, {shown}. {_extremes(one, one.value_qp, digits)}",
        spec,
        _table(one, one.value_qp, f"{label}, {shown}: rows are question languages", digits, signed=False),
    )


def _differences(named: Named, shown: str, minus: str, name: str) -> Chart:
    one, other = dict(named)[shown], dict(named)[minus]
    digits, cells = _digits(one.metric)
    label, better = cell_label(one.metric), better_of(one.metric)
    legend = f"difference in {label}" + ("" if better == "target" else ", blue: better")
    chosen = HeatMap(one.languages, _values(named), shown, minus, legend, cells, digits, better, _ratios(named))
    spec = heat_map(chosen, [_CAPTION])
    pairs = zip(one.value_qp, other.value_qp, strict=True)
    change_qp = tuple(tuple(a - b for a, b in zip(*rows, strict=True)) for rows in pairs)
    return Chart(
        f"pair-differences-{slug(name)}",
        f"{capitalized(label)} by language pair: one minus another",
        f"Heat map of {label}, {shown} minus {minus}. {_extremes(one, change_qp, digits, signed=True)}",
        spec,
        _table(one, change_qp, f"{label}, {shown} minus {minus}: rows are question languages", digits, signed=True),
    )


def _ratios(named: Named) -> set[str]:
    return {text for text, one in named if one.ratio is not None}


def _values(named: Named) -> list[tuple[str, tuple[tuple[float, ...], ...]]]:
    return [(text, one.value_qp) for text, one in named]


def _extremes(one: PairMatrix, value_qp: Sequence[Sequence[float]], digits: int, signed: bool = False) -> str:
    text = gain_text if signed else text_of
    cells = [
        (value, question, passage)
        for question, row in zip(one.languages, value_qp, strict=True)
        for passage, value in zip(one.languages, row, strict=True)
        if math.isfinite(value)
    ]
    if not cells:
        return "No pair of languages has both figures."
    parts = [
        f"{word} {text(value, digits)} for questions in {question} with passages in {passage}"
        for word, (value, question, passage) in (("Lowest", min(cells)), ("highest", max(cells)))
    ]
    return f"{', '.join(parts)}."


def _table(
    one: PairMatrix, value_qp: Sequence[Sequence[float]], caption: str, digits: int, signed: bool
) -> DataTable:
    text = gain_text if signed else text_of
    rows = tuple(
        (language, *(text(value, digits) for value in row))
        for language, row in zip(one.languages, value_qp, strict=True)
    )
    return DataTable(caption, ("question \\ passage", *one.languages), rows, {})
