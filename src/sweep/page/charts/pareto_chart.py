"""Several objectives: every point, and the front of those that no other one dominates."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from sweep.answer.points import PointRow
from sweep.answer.ratios import RATIO
from sweep.answer.study_answer import StudyAnswer
from sweep.page.chart import Chart, DataTable
from sweep.page.charts.figures import finite, slug, text_of, thin, value_domain
from sweep.page.charts.layers import Spec, layer, tooltip, value_axis, view
from sweep.page.charts.wording import capitalized, digits_for, metric_label
from sweep.settings import Objective
from sweep.settings.metric_key import MetricKey

HEIGHT = 340
MOST_POINTS = 500
_KINDS = ("on the front", "dominated", "breaks a constraint or lacks seeds")
_SHAPES = ("circle", "circle", "cross")


def pareto_charts(answer: StudyAnswer) -> list[Chart]:
    """A chart of every two objectives; none without a front."""
    if answer.front is None or not answer.points:
        return []
    pairs = combinations(range(len(answer.objectives)), 2)
    charts = [_chart(answer, one, other) for one, other in pairs]
    return [chart for chart in charts if chart is not None]


def _shown(answer: StudyAnswer) -> list[tuple[PointRow, str]]:
    """Points and their kinds: the front, then others, at most `MOST_POINTS`."""
    assert answer.front is not None
    front = list(answer.front.points)
    keys = {point.records[0].key for point in front}
    rest = [point for point in answer.points if point.records[0].key not in keys]
    others = [(point, _KINDS[1] if point.may_win else _KINDS[2]) for point in rest]
    return [*((point, _KINDS[0]) for point in front), *others][: max(MOST_POINTS, len(front))]


def _figure(point: PointRow, answer: StudyAnswer, objective: int) -> float:
    """Of the questions that are reported, where the study has chosen by others."""
    spread = point.figures.get(answer.objectives[objective].metric)
    return point.values[objective] if spread is None else spread.mean


def _chart(answer: StudyAnswer, one: int, other: int) -> Chart | None:
    shown = [
        (point, kind)
        for point, kind in _shown(answer)
        if len(finite([_figure(point, answer, one), _figure(point, answer, other)])) == 2
    ]
    if not shown:
        return None
    objectives = answer.objectives
    rows = [_datum(point, kind, answer, one, other) for point, kind in shown]
    axes = [
        value_axis(_title(objectives[place]), _domain([row[field] for row in rows], objectives[place]), field)
        for field, place in (("x", one), ("y", other))
    ]
    x, y = axes[0] | {"axis": {"tickCount": 5}}, axes[1]
    tips = tooltip(n="point", k="", a="across", b="up", s="seeds")
    tips = [tip if tip["title"] else tip | {"title": "kind"} for tip in tips]
    present = [kind for kind in _KINDS if any(row["k"] == kind for row in rows)]
    by_kind: Spec = {"field": "k", "type": "nominal", "sort": None}
    legend = {"title": None, "columns": 1, "orient": "bottom", "labelLimit": 300, "values": present}
    marks = {
        "color": by_kind | {"scale": {"domain": list(_KINDS), "range": "kind"}, "legend": legend},
        "shape": by_kind | {"scale": {"domain": list(_KINDS), "range": list(_SHAPES)}, "legend": legend},
    }
    on_front = [row for row in rows if row["k"] == _KINDS[0]]
    layers = [
        layer(on_front, "line", "front-line", {"x": x, "y": y, "order": {"field": "x", "type": "quantitative"}}),
        layer(rows, "point", "gain", {"x": x, "y": y, "tooltip": tips, **marks}, filled=True),
        *_labels(on_front, x, y, objectives[one].sign, objectives[other].sign),
    ]
    name = slug(f"{objectives[one].metric} {objectives[other].metric}")
    title = f"{_label(objectives[one])} and {_label(objectives[other])}"
    title = capitalized(title)
    table = _table(shown, answer)
    return Chart(f"pareto-{name}", title, _description(shown, answer), view(layers, _caption(answer), HEIGHT), table)


def _labels(front: Sequence[dict[str, Any]], x: Spec, y: Spec, right: int, up: int) -> list[Spec]:
    """The ratios of the front's points, at the side that nothing dominates; of points close together one label."""
    across, along = (axis["scale"]["domain"][1] - axis["scale"]["domain"][0] for axis in (x, y))
    kept: list[dict[str, Any]] = []
    for row in front:
        apart = (abs(row["x"] - one["x"]) > 0.16 * across or abs(row["y"] - one["y"]) > 0.05 * along for one in kept)
        if row["r"] and all(apart):
            kept.append(row)
    place = {"align": "left" if right > 0 else "right", "dx": 9 * right, "dy": -9 * up}
    return [layer(kept, "text", "label", {"x": x, "y": y, "text": {"field": "r", "type": "nominal"}}, **place)]


def _datum(point: PointRow, kind: str, answer: StudyAnswer, one: int, other: int) -> dict[str, Any]:
    x, y = (_figure(point, answer, objective) for objective in (one, other))
    ratio = point.parameters.get(RATIO)
    return {
        "x": thin(x),
        "y": thin(y),
        "n": point.text,
        "k": kind,
        "a": text_of(x, digits_for(answer.objectives[one].metric)),
        "b": text_of(y, digits_for(answer.objectives[other].metric)),
        "s": len(point.records),
        "r": f"α = {ratio:.3g}" if isinstance(ratio, (int, float)) and kind == _KINDS[0] else "",
    }


def _domain(values: Sequence[float], objective: Objective) -> tuple[float, float]:
    low, high = value_domain(values, least=10.0 ** (1 - digits_for(objective.metric)))
    margin = 0.08 * (high - low)  # for the labels above marks, and beside them
    return low - margin, high + margin


def _label(objective: Objective) -> str:
    return metric_label(objective.metric)


def _title(objective: Objective) -> str:
    return f"{_label(objective)} ({'higher' if objective.sign > 0 else 'lower'} is better)"


def _caption(answer: StudyAnswer) -> list[str]:
    lines = ["Means over seeds; the line joins the front"]
    if MetricKey.parse(answer.chosen_by).benchmark != MetricKey.parse(answer.objectives[0].metric).benchmark:
        lines.append("Chosen on one half of the questions, drawn on the other")
    return lines


def _description(shown: Sequence[tuple[PointRow, str]], answer: StudyAnswer) -> str:
    front = [point for point, kind in shown if kind == _KINDS[0]]
    text = f"{len(shown)} points, of which {len(front)} are on the Pareto front."
    if len(front) > 8:
        return text
    each = "; ".join(f"{point.text or 'the only point'}: {_figures(point, answer)}" for point in front)
    return f"{text} {each}."


def _figures(point: PointRow, answer: StudyAnswer) -> str:
    return ", ".join(
        f"{_label(objective)} {text_of(_figure(point, answer, place), digits_for(objective.metric))}"
        for place, objective in enumerate(answer.objectives)
    )


def _table(shown: Sequence[tuple[PointRow, str]], answer: StudyAnswer) -> DataTable:
    rows = tuple(
        (
            point.text or "–",
            *(
                text_of(_figure(point, answer, place), digits_for(objective.metric))
                for place, objective in enumerate(answer.objectives)
            ),
            str(len(point.records)),
            kind,
        )
        for point, kind in shown
    )
    header = ("point", *map(_label, answer.objectives), "seeds", "")
    return DataTable("Points by their objectives, the front first", header, rows, {})
