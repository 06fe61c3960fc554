"""Charts of a report: what is in them is what the report says, and whatever is in them is drawn."""

import itertools
import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from tests.sample_report import (
    LANGUAGES,
    NASTY,
    empty_report,
    failed_report,
    nasty_report,
    one_trial_report,
    sample_report,
)

from sweep.answer.contents import ExposureRow, Importance, LearningCurve, PairMatrix, RatioCurve, StudyReport
from sweep.evaluation.comparison import Figure
from sweep.page.chart import Chart
from sweep.page.charts import SECTIONS, charts_of
from sweep.page.charts.figures import spread_apart, thin, value_domain
from sweep.page.pictures import main_pictures, png, still
from sweep.page.theme import DARK, LIGHT, Colours, vega_config

# What Vega evaluates.
EXPRESSIONS = ("signal", "expr", "test", "update", "filter")
ALIGNMENT = "curve-xquad-r-pooled-alignment-consistency"


@pytest.fixture(scope="module")
def report() -> StudyReport:
    return sample_report(objectives=2)


@pytest.fixture(scope="module")
def charts(report: StudyReport) -> Mapping[str, tuple[Chart, ...]]:
    return charts_of(report)


def every(charts: Mapping[str, Sequence[Chart]]) -> list[Chart]:
    return [chart for section in charts.values() for chart in section]


def named(charts: Mapping[str, Sequence[Chart]], name: str) -> Chart:
    (chart,) = (chart for chart in every(charts) if chart.name == name)
    return chart


def rows_of(chart: Chart, style: str) -> list[dict[str, Any]]:
    """The data of the layers with marks of a style."""
    layers = [one for one in chart.spec["layer"] if one["mark"]["style"] == style]
    assert layers, f"{chart.name} has no {style}"
    return [row for one in layers for row in one["data"]["values"]]


def expressions(value: Any) -> Iterator[str]:
    """All that Vega would evaluate in a specification."""
    if isinstance(value, dict):
        for key, one in value.items():
            if key in EXPRESSIONS and isinstance(one, str):
                yield one
            else:
                yield from expressions(one)
    elif isinstance(value, list):
        for one in value:
            yield from expressions(one)


def compiled(chart: Chart) -> dict[str, Any]:
    import vl_convert

    vega: dict[str, Any] = vl_convert.vegalite_to_vega(still(chart), config=vega_config("light"), show_warnings=True)
    return vega


def svg(chart: Chart, theme: Literal["light", "dark"] = "light") -> str:
    import vl_convert

    return str(vl_convert.vegalite_to_svg(still(chart), config=vega_config(theme), show_warnings=True))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_chart_is_drawn_without_a_warning(
    charts: Mapping[str, tuple[Chart, ...]], theme: Literal["light", "dark"], capfd: pytest.CaptureFixture[str]
) -> None:
    assert set(charts) == set(SECTIONS)
    assert all(charts.values())
    for chart in every(charts) if theme == "light" else [section[0] for section in charts.values()]:
        drawn = svg(chart, theme)
        assert "NaN" not in drawn, chart.name
        assert "undefined" not in drawn, chart.name
        assert drawn.count("<path") > 3, chart.name
    out, err = capfd.readouterr()
    assert out == err == ""


def test_charts_have_all_that_a_page_needs(charts: Mapping[str, tuple[Chart, ...]]) -> None:
    names = [chart.name for chart in every(charts)]
    assert len(set(names)) == len(names)
    for chart in every(charts):
        assert set(chart.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert chart.title[:1].strip(), chart.name
        assert chart.description.endswith("."), chart.name
        assert chart.table.rows, chart.name
        assert all(len(row) == len(chart.table.header) for row in chart.table.rows), chart.name
        json.dumps(chart.spec, allow_nan=False)
        assert chart.spec["width"] == "container"


def test_a_curve_has_the_figures_of_the_report(report: StudyReport, charts: Mapping[str, tuple[Chart, ...]]) -> None:
    chart = named(charts, ALIGNMENT)
    curve = next(one for one in report.curves if one.key.endswith("alignment_consistency") and not one.part)
    rows = rows_of(chart, "mean-dot")
    assert [(row["r"], row["m"]) for row in rows] == [(dot.ratio, thin(dot.mean)) for dot in curve.dots]
    assert [(row["l"], row["h"]) for row in rows] == [
        tuple(map(thin, dot.interval)) for dot in curve.dots if dot.interval is not None
    ]
    seeds = [(dot.ratio, thin(value)) for dot in curve.dots for value in dot.seeds.values()]
    assert [(row["r"], row["m"]) for row in rows_of(chart, "seed-dot")] == seeds
    assert {row["n"]: row["m"] for row in rows_of(chart, "baseline")} == {
        name: thin(one.value) for name, one in curve.baselines.items()
    }
    assert curve.smooth is not None
    (strip,) = rows_of(chart, "optimum")
    assert (strip["r"], strip["e"]) == tuple(map(thin, curve.smooth.optimum_interval))
    assert strip["o"] == thin(curve.smooth.optimum)
    for row, dot in zip(chart.table.rows, curve.dots, strict=False):
        assert row[:2] == (f"α = {dot.ratio:g}", f"{dot.mean:.4f}")


def test_the_first_chart_is_of_what_the_answer_is_about(report: StudyReport) -> None:
    """Whatever part it has: the figures are those of the table of ratios."""
    metric = "xquad_r/cross/map/other_script"
    objectives = (report.answer.objectives[0].model_copy(update={"metric": metric}),)
    answer = replace(report.answer, objectives=objectives, chosen_by=metric)
    chart = charts_of(replace(report, answer=answer))["curves"][0]
    assert chart.name == "curve-xquad-r-cross-map-other-script"
    assert chart.title == "Cross-lingual mAP, other script"
    (table,) = answer.certainty.tables
    rows = rows_of(chart, "mean-dot")
    assert [(row["r"], row["m"]) for row in rows] == [(row.ratio, thin(row.figure.value)) for row in table.rows]
    assert {row["n"] for row in rows_of(chart, "muted-label")} == set(table.baselines)
    tiers = charts_of(replace(report, answer=answer))["curves"]
    (by_tier,) = (one for one in tiers if one.name == "groups-tiers-xquad-r-cross-map")
    assert {row["g"] for row in rows_of(by_tier, "dot")} >= {"all", "low", "other script"}


def searched(curve: RatioCurve) -> list[RatioCurve]:
    """As a search has it: each ratio with another learning rate."""
    return [
        replace(
            curve, dots=(replace(dot, key=f"rate={place}"),), others=f"train.learning_rate=0.00{place}", smooth=None
        )
        for place, dot in enumerate(curve.dots, 1)
    ]


def test_a_search_of_several_values_is_one_chart_of_all_points(report: StudyReport) -> None:
    curves = tuple(one for curve in report.curves for one in searched(curve))
    charts = charts_of(replace(report, curves=curves))["curves"]
    assert len(charts) == len({curve.title for curve in report.curves}), "no tier chart of a single dot, nor legends"
    chart = next(one for one in charts if one.name == ALIGNMENT)
    assert chart.title == "Alignment, every point"
    assert [row["k"] for row in rows_of(chart, "mean-dot")] == [f"rate={place}" for place in range(1, 6)]
    assert "mean-line" not in {one["mark"]["style"] for one in chart.spec["layer"]}, "nothing joins them"
    assert [row[0] for row in chart.table.rows[:2]] == ["rate=1", "rate=2"]


def test_one_ratio_is_one_chart() -> None:
    """A tier chart, say, would have one dot."""
    assert [chart.name for chart in charts_of(one_trial_report())["curves"]] == [ALIGNMENT]


@pytest.mark.parametrize("ends", [(-4e7, 4e7), (0.5, 8.6e20)])
def test_an_interval_without_bounds_does_not_flatten_the_rest(report: StudyReport, ends: tuple[float, float]) -> None:
    """Two seeds that are much alike can have one."""
    curves = []
    for curve in report.curves:
        first, *rest = curve.dots
        curves.append(replace(curve, dots=(replace(first, interval=ends), *rest), smooth=None))
    charts = charts_of(replace(report, curves=tuple(curves)))
    for name in (ALIGNMENT, "groups-tiers-xquad-r-pooled-alignment-consistency"):
        chart = named(charts, name)
        low, high = chart.spec["layer"][-1]["encoding"]["y"]["scale"]["domain"]
        assert 0 < low < high < 1, name
        assert "(some cut)" in chart.spec["title"]["text"][0]
        assert all(one["mark"]["clip"] for one in chart.spec["layer"] if "interval" in one["mark"]["style"])
        assert "NaN" not in svg(chart)


def test_published_figures_name_their_source(charts: Mapping[str, tuple[Chart, ...]]) -> None:
    rows = rows_of(named(charts, "curve-xquad-r-pooled-map"), "published")
    assert {(row["r"], row["m"], row["q"]) for row in rows} == {
        (0.0, 0.593, "arXiv 2408.10536"),
        (0.5, 0.593, "arXiv 2408.10536"),
        (1.0, 0.547, "arXiv 2408.10536"),
    }


def test_units_and_directions_are_on_the_axes(charts: Mapping[str, tuple[Chart, ...]]) -> None:
    assert "Rank distance (ranks, lower is better)" in svg(named(charts, "curve-xquad-r-pooled-rank-distance"))
    drawn = svg(named(charts, ALIGNMENT))
    assert "all cross-lingual" in drawn
    assert "all monolingual" in drawn
    assert "(higher is better)" in drawn


def test_a_far_baseline_does_not_flatten_the_curve(report: StudyReport) -> None:
    far = {"chance": Figure(0.0001, (0.0, 0.0002)), "lir": Figure(0.58, (0.57, 0.59))}
    curve = replace(report.curves[0], baselines=far)
    (chart, *_) = charts_of(replace(report, curves=(curve,)))["curves"]
    labels = [row["label"] for row in rows_of(chart, "muted-label")]
    assert labels == ["↓ chance 0.000", "lir 0.580"]
    assert [row["n"] for row in rows_of(chart, "baseline")] == ["lir"]
    assert any(row[0] == "chance" for row in chart.table.rows)


def test_tiers_are_lines_with_labels_beside_them(
    report: StudyReport, charts: Mapping[str, tuple[Chart, ...]]
) -> None:
    chart = named(charts, "groups-tiers-xquad-r-pooled-alignment-consistency")
    labels = rows_of(chart, "label")
    assert [row["label"] for row in labels] == ["all", "high", "low", "seen", "unseen"]
    heights = sorted(row["y"] for row in labels)
    (low, high) = chart.spec["layer"][0]["encoding"]["y"]["scale"]["domain"]
    gaps = [(after - before) / (high - low) * 300 for before, after in itertools.pairwise(heights)]
    assert min(gaps) > 15.5
    lines = {
        curve.part or "all": [thin(dot.mean) for dot in curve.dots]
        for curve in report.curves
        if "alignment" in curve.key
    }
    for label, means in lines.items():
        assert [row["m"] for row in rows_of(chart, "dot") if row["g"] == label] == means


def test_other_searched_values_are_lines_of_a_bounded_chart() -> None:
    searched = [f"loss.temperature={value / 100}" for value in range(1, 9)]
    charts = charts_of(sample_report(combinations=searched, ratios=(0.0, 0.5, 1.0)))
    chart = named(charts, "groups-others-xquad-r-pooled-alignment-consistency")
    groups = {row["g"] for row in rows_of(chart, "dot")}
    assert len(groups) == 6
    assert groups < set(searched)
    assert chart.description.endswith("2 more are not drawn.")


def test_the_other_values_of_the_best_point_are_drawn() -> None:
    """Their keys begin alike."""
    report = sample_report(combinations=["loss.temperature=0.02", "loss.temperature=0.025"])
    best = report.answer.points[-1]
    assert best.text.endswith("loss.temperature=0.025")
    charts = charts_of(replace(report, answer=replace(report.answer, best=best)))
    assert named(charts, ALIGNMENT).title == "Alignment, loss.temperature=0.025"


def test_heat_maps_have_the_cells_of_their_matrices(
    report: StudyReport, charts: Mapping[str, tuple[Chart, ...]]
) -> None:
    (figures, differences) = charts["matrices"]
    for row, matrix in zip(figures.spec["data"]["values"], report.pairs, strict=True):
        values = [value for cells in matrix.value_qp for value in cells]
        assert row["n"] == matrix.name
        assert row["v"] == [thin(value) for value in values]
        assert row["v"][1 * len(LANGUAGES) + 3] is None
        assert math.isnan(values[1 * len(LANGUAGES) + 3])
    params = {one["name"]: one for one in differences.spec["params"]}
    assert params["languages"]["value"] == list(LANGUAGES)
    assert (params["shown"]["value"], params["minus"]["value"]) == ("α = 0.5", "α = 1")
    assert params["shown"]["bind"]["options"] == [matrix.name for matrix in report.pairs]
    by_name = {matrix.name: matrix.value_qp for matrix in report.pairs}
    drawn = svg(differences)
    for question, passage in ((0, 5), (7, 7), (13, 0)):
        change = by_name["α = 0.5"][question][passage] - by_name["α = 1"][question][passage]
        assert differences.table.rows[question][passage + 1] == f"{change:+.4f}".replace("-", "−")
        assert abs(change) < 0.005 or f">{change:+.2f}<".replace("-", "−") in drawn
    assert differences.table.rows[1][4] == "–"


def test_colours_of_a_difference_say_what_is_better(report: StudyReport) -> None:
    lower = tuple(replace(one, metric="pooled/rank_distance") for one in report.pairs)
    for pairs, turned in ((report.pairs, False), (lower, True)):
        chart = charts_of(replace(report, pairs=pairs))["matrices"][1]
        assert chart.spec["layer"][0]["encoding"]["color"]["scale"]["reverse"] is turned


def test_languages_that_got_worse_differ_in_shape_and_are_named(
    report: StudyReport, charts: Mapping[str, tuple[Chart, ...]]
) -> None:
    (table, _), (chart, _) = report.languages, charts["languages"]
    assert [row["d"] for row in rows_of(chart, "gain")] == [thin(row.gain) for row in table.rows]
    assert [row["v"] for row in rows_of(chart, "gain")] == [row.verdict for row in table.rows]
    worse = [row.name for row in table.rows if row.verdict == "worse"]
    assert worse
    assert all("e" not in row[6] for row in chart.table.rows), "p is no power of ten"
    assert all(name in chart.description.split("Worse:")[1] for name in worse)
    marks = {chart.table.rows[place][0]: mark for (place, _), mark in chart.table.marks.items()}
    assert {name.split(" ")[0] for name, mark in marks.items() if mark == "worse"} == set(worse)
    (layer,) = (one for one in chart.spec["layer"] if one["mark"]["style"] == "gain")
    assert layer["encoding"]["shape"]["scale"]["range"] == ["triangle-up", "triangle-down", "circle"]


def test_one_seed_shows_no_language_to_differ() -> None:
    (chart, _) = charts_of(sample_report(seeds=(0,)))["languages"]
    assert chart.spec["title"]["text"] == ["One seed: no language is shown to differ"]
    assert not chart.table.marks
    curve = named(charts_of(one_trial_report()), ALIGNMENT)
    assert curve.spec["title"]["text"] == ["One seed, 95 % interval over questions alone"]


def test_points_on_the_front_are_joined(report: StudyReport, charts: Mapping[str, tuple[Chart, ...]]) -> None:
    (chart,) = charts["pareto"]
    assert report.answer.front is not None
    points = [point.text for point in report.answer.front.points]
    assert [row["n"] for row in rows_of(chart, "front-line")] == points
    assert len(rows_of(chart, "gain")) == len(report.answer.points)
    assert [row[0] for row in chart.table.rows][: len(points)] == points


def test_learning_curves_are_those_of_the_trials(
    report: StudyReport, charts: Mapping[str, tuple[Chart, ...]]
) -> None:
    losses = [curve for curve in report.learning if curve.metric == "loss"]
    data = charts["learning"][0].spec["data"]["values"]
    assert [(row["k"], row["s"], row["x"]) for row in data] == [
        (curve.key, curve.seed, list(curve.steps)) for curve in losses
    ]
    assert [row["v"] for row in data] == [[thin(value) for value in curve.values] for curve in losses]


def test_many_learning_curves_are_lines_alone() -> None:
    """A dot to point at for every step of every trial would take seconds to draw."""
    few, many = (charts_of(sample_report(seeds=range(seeds)))["learning"][0] for seeds in (3, 20))
    assert [one["mark"]["type"] for one in few.spec["layer"]] == ["line", "point"]
    (line,) = many.spec["layer"]
    assert [tip["title"] for tip in line["encoding"]["tooltip"]] == ["trial", "α", "seed"]


def test_exposure_is_in_percent_of_the_rows(report: StudyReport, charts: Mapping[str, tuple[Chart, ...]]) -> None:
    (chart,) = charts["exposure"]
    languages = chart.spec["params"][0]["value"]
    for row in chart.spec["data"]["values"]:
        assert sum(row["v"]) == pytest.approx(100, abs=0.01)
    first = next(one for one in report.exposure if one.ratio == 0.5)
    cells = next(row["v"] for row in chart.spec["data"]["values"] if row["n"] == "α = 0.5")
    place = languages.index(first.question_language) * len(languages) + languages.index(first.passage_language)
    assert cells[place] == pytest.approx(100 * first.share, rel=1e-4)


def test_without_figures_there_is_no_chart(report: StudyReport) -> None:
    for one in (empty_report(), failed_report()):
        assert not every(charts_of(one))
    nan = math.nan
    nothing = replace(
        empty_report(),
        curves=tuple(replace(one, dots=tuple(replace(dot, mean=nan) for dot in one.dots)) for one in report.curves),
        pairs=(PairMatrix("map", 0.5, "", "α = 0.5", ("en", "de"), ((nan, nan), (nan, nan))),),
        languages=tuple(replace(one, rows=()) for one in report.languages),
        importance=(Importance("ratio.monolingual", nan),),
        learning=(LearningCurve("a", 0.5, 0, "loss", (1, 2), (nan, math.inf)),),
        exposure=(ExposureRow("a", 0.5, "en", "de", 1.0, 1.0, nan, 0.0, 0.0),),
    )
    assert not every(charts_of(nothing))


def test_a_report_with_little_in_it_is_drawn() -> None:
    for chart in every(charts_of(one_trial_report())):
        assert "NaN" not in svg(chart), chart.name


def test_texts_from_data_are_shown_and_never_evaluated() -> None:
    charts = charts_of(nasty_report())
    shown = ""
    for section in charts.values():
        for chart in section:
            for expression in expressions(compiled(chart)):
                assert "alert" not in expression, chart.name
        shown += "".join(map(svg, section[:1]))
    assert "&lt;script&gt;alert(1)" in shown
    assert "<script" not in shown
    assert "\x1b" not in shown
    assert "\\x1b[31m" in shown


@pytest.mark.parametrize("text", ["\x1b[31m", "\x00", "\uffff", "\ud800", "quote ' and \" and \\", "</svg>", NASTY])
def test_no_text_ends_the_process_that_draws(text: str) -> None:
    charts = charts_of(replace(empty_report(), importance=(Importance(text, 0.5),)))
    assert png(named(charts, "importance")).startswith(b"\x89PNG")


def test_pictures_are_large_and_on_white(charts: Mapping[str, tuple[Chart, ...]], tmp_path: Path) -> None:
    from PIL import Image

    pictures = main_pictures(charts)
    four = ["alignment.png", "alignment-by-tier.png", "map-within-and-across.png", "languages.png"]
    assert list(pictures) == [*four, "pareto.png"]  # of several objectives; each takes time at the end of a run
    for file, chart in list(pictures.items())[:2]:
        (tmp_path / file).write_bytes(png(chart))
        with Image.open(tmp_path / file) as image:
            assert image.size[0] > 1280
            assert image.convert("RGB").getpixel((1, 1)) == (255, 255, 255)


def test_a_large_study_stays_small() -> None:
    """200 trials of 14 languages: the data of all charts together."""
    report = sample_report(ratios=[place / 39 for place in range(40)], seeds=range(5))
    sizes = {chart.name: len(json.dumps(chart.spec)) for chart in every(charts_of(report))}
    assert sum(sizes.values()) < 3_000_000, sizes


def _luminance(colour: str) -> float:
    channels = [value / 255 for value in struct.unpack("BBB", bytes.fromhex(colour[1:]))]
    linear: list[float] = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_can_be_seen(colours: Colours) -> None:
    """As WCAG 2.1 asks: 4.5 for text, 3 for marks."""
    for text in (colours.ink, colours.muted):
        assert _contrast(text, colours.paper) >= 4.5
    for mark in (*colours.category, *colours.verdict, *colours.ramp, colours.faint):
        assert _contrast(mark, colours.paper) >= 3, mark


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([0.5], [0.5]),
        ([0.2, 0.8], [0.2, 0.8]),
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.52, 0.5, 0.48], [0.6, 0.5, 0.4]),
        ([0.0, 0.01], [0.0, 0.1]),
        ([1.0, 0.99], [1.0, 0.9]),
    ],
)
def test_labels_keep_apart(values: list[float], places: list[float]) -> None:
    assert spread_apart(values, 0.1, 0.0, 1.0) == pytest.approx(places)


def test_an_axis_has_room_for_what_is_near() -> None:
    low, high = value_domain([0.5, 0.7], [0.45, 0.0])
    assert 0.4 < low < 0.45
    assert 0.7 < high < 0.75
    assert value_domain([0.5], least=0.01) == pytest.approx((0.4945, 0.5055))
