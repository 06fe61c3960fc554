"""A study's figures as Markdown, LaTeX, CSV and JSON: the same numbers, marks as the tests have it, all escaped."""

import io
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt
from rich.console import Console
from tests.sample_report import (
    NASTY,
    empty_report,
    failed_report,
    nasty_report,
    one_trial_report,
    sample_report,
)

from sweep.answer.contents import StudyReport
from sweep.answer.headline import headline_of
from sweep.answer.ratios import RatioRow, RatioTable
from sweep.evaluation.comparison import Comparison, Figure
from sweep.report import latex, markdown
from sweep.report.certainty import print_certainty
from sweep.report.explanation import SET_MARK, explanation
from sweep.report.figures_csv import COLUMNS, figures_csv
from sweep.report.figures_json import figures_json
from sweep.report.latex import paper_latex
from sweep.report.markdown import answer_markdown, paper_markdown
from sweep.report.paper_table import paper_table
from sweep.statistics.crossed import Estimate

ALIGNMENT, DISTANCE = "pooled/alignment_consistency", "pooled/rank_distance"
EVERY = [
    sample_report(),
    sample_report(seeds=(0, 1)),
    sample_report(seeds=(0,)),
    sample_report(combinations=("x=1", "x=2")),
    sample_report(objectives=2),
    one_trial_report(),
    empty_report(),
    failed_report(),
    nasty_report(),
]


def rows(text: str) -> list[list[str]]:
    """The cells of all tables of a Markdown document as a reader sees them."""
    cells: list[list[str]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "tr_open":
            cells.append([])
        elif token.type == "inline" and token.level >= 3:
            cells[-1].append("".join(child.content for child in token.children or []))
    return cells


def with_comparison(report: StudyReport, error: float, over_seeds: bool = True) -> StudyReport:
    """Two ratios, of which the second is .1 better with this standard error."""
    estimate = Estimate(0.1, error, 1e6, over_seeds)
    one = Comparison(ALIGNMENT, "0", "1", estimate, estimate.p)
    turned = Comparison(ALIGNMENT, "1", "0", replace(estimate, value=-0.1), estimate.p)
    seeds = 3 if over_seeds else 1
    table = RatioTable(
        "",
        (
            RatioRow(0.0, Figure(0.4, (0.3, 0.5)), seeds, {"0": None, "1": turned}),
            RatioRow(1.0, Figure(0.5, (0.4, 0.6)), seeds, {"0": one, "1": None}),
        ),
    )
    certainty = replace(report.answer.certainty, tables=(table,))
    return replace(report, curves=(), answer=replace(report.answer, certainty=certainty))


def test_figures_are_those_of_the_terminal() -> None:
    report = sample_report()
    console = Console(file=io.StringIO(), width=200)
    print_certainty(console, report.answer.certainty, report.answer.objectives[0])
    assert isinstance(console.file, io.StringIO)
    printed = [line.split() for line in console.file.getvalue().splitlines() if line.count(" to ") == 1]
    figures = {line[0]: (line[1], line[2], line[4]) for line in printed if len(line) == 5}
    assert len(figures) == 7
    table = {row[0]: row for row in rows(paper_markdown([report]))}
    for name, (figure, low, high) in figures.items():
        assert re.sub(rf"[{SET_MARK}†‡§¶]", "", table[name][2]) == f"{figure} ({low} to {high})"
        assert f"{figure} ({low} to {high})" in answer_markdown(report)
        assert f"[{low.removeprefix('0')}, {high.removeprefix('0')}]" in paper_latex([report])
    differences = {(line[0], line[1]): (line[2], line[-1]) for line in printed if len(line) == 7}
    short = {row[0]: row for row in rows(answer_markdown(report))}
    for (ratio, reference), (difference, p) in differences.items():
        place = {"0": 4, "0.5": 5, "1": 6, "lir": 7}[reference]
        assert short[ratio][place] == f"{difference}, {p}"
    assert len(differences) == 14


def test_members_of_the_confidence_set_are_marked_and_no_others() -> None:
    report = sample_report()
    (block,) = paper_table([report]).blocks
    assert {line.ratio for line in block.lines if line.may_be_best} == set(report.answer.certainty.tables[0].best)
    marked = {row[0] for row in rows(paper_markdown([report]))[1:] if SET_MARK in row[2]}
    assert marked == {"0.25", "0.5"}
    assert paper_latex([report]).count("\\ast") == 1 + len(marked)  # and once in the caption


def test_only_the_best_of_a_column_is_bold() -> None:
    (block,) = paper_table([sample_report()]).blocks
    for name, best in ((ALIGNMENT, max), (DISTANCE, min)):
        figures = {line.ratio: line.cells[name].figure for line in block.lines if line.ratio is not None}
        bold = [line.ratio for line in block.lines if line.cells[name].is_best]
        assert bold == [best(figures, key=lambda ratio: figures[ratio])]


def test_a_ratio_that_lacks_a_seed_is_not_bold() -> None:
    report = sample_report()
    points = [replace(point, dropped=1) if point.parameters["ratio.monolingual"] == 0.25 else point
              for point in report.answer.points]  # fmt: skip
    report = replace(report, answer=replace(report.answer, points=tuple(points)))
    (block,) = paper_table([report]).blocks
    assert [line.ratio for line in block.lines if line.cells[ALIGNMENT].is_best] == [0.5]


def test_a_ratio_of_which_one_seed_has_come_is_not_bold() -> None:
    report = sample_report()
    (table,) = report.answer.certainty.tables
    points = [replace(point, records=point.records[:1]) if point.parameters["ratio.monolingual"] == 0.25 else point
              for point in report.answer.points]  # fmt: skip
    rows = tuple(replace(row, seeds=1) if row.ratio == 0.25 else row for row in table.rows)
    for tables in ((replace(table, rows=rows),), ()):
        certainty = replace(report.answer.certainty, tables=tables)
        running = replace(report, answer=replace(report.answer, points=tuple(points), certainty=certainty))
        (block,) = paper_table([running]).blocks
        assert [line.ratio for line in block.lines if line.cells[ALIGNMENT].is_best] == [0.5]


def test_nothing_is_said_of_a_ratio_that_could_not_be_best() -> None:
    """ "no" would say that it is shown to be worse."""
    report = sample_report()
    (table,) = report.answer.certainty.tables
    members = tuple(replace(row, barred="seeds") if row.ratio == 1.0 else row for row in table.rows)
    certainty = replace(report.answer.certainty, tables=(replace(table, rows=members),))
    report = replace(report, answer=replace(report.answer, certainty=certainty))
    said = {row[0]: row[3] for row in rows(answer_markdown(report))}
    assert (said["0"], said["0.5"], said["1"]) == ("no", "yes", "–")
    frame = pd.read_csv(io.StringIO(figures_csv([report])))
    lines = frame[frame.is_objective & frame.may_be_best.notna()]
    assert set(lines.ratio) == {0, 0.25, 0.5, 0.75}
    text = " ".join(explanation(paper_table([report])))
    assert "Not judged by it, for lacking seeds or breaking a constraint: α = 1." in text


def test_the_table_of_the_short_answer_is_the_one_that_its_sentences_are_about() -> None:
    """The best mean of the other table is of a ratio that breaks a constraint."""
    report = sample_report(combinations=("x=1", "x=2"))
    first, second = report.answer.certainty.tables
    row = second.rows[1]
    high = replace(row, barred="constraint", figure=replace(row.figure, value=0.99))
    second = replace(second, rows=(second.rows[0], high, *second.rows[2:]))
    certainty = replace(report.answer.certainty, tables=(first, second))
    answer = replace(report.answer, certainty=certainty)
    headline = headline_of(answer, 30, 30, 3)
    text = answer_markdown(replace(report, answer=answer, headline=headline))
    (others,) = re.findall("with (x=[12])", headline.sentences[0])
    assert f"With {others}." in text


def test_means_of_some_seeds_are_not_shown_as_those_of_all() -> None:
    report = sample_report()
    (table,) = report.answer.certainty.tables
    rows = tuple(replace(row, seeds=2 if row.ratio == 1.0 else row.seeds) for row in table.rows)
    certainty = replace(report.answer.certainty, tables=(replace(table, rows=rows),))
    out = io.StringIO()
    print_certainty(Console(file=out, width=200), certainty, report.answer.objectives[0])
    assert "over questions and 2 to 3 seeds" in out.getvalue()
    one = tuple(replace(row, seeds=1 if row.ratio == 1.0 else row.seeds) for row in table.rows)
    certainty = replace(report.answer.certainty, tables=(replace(table, rows=one),))
    text = answer_markdown(replace(report, answer=replace(report.answer, certainty=certainty)))
    assert "over questions and seeds, of ratios with one seed over questions alone" in text


def test_means_that_print_the_same_are_equally_bold() -> None:
    report = with_comparison(sample_report(), 0.03)
    (table,) = report.answer.certainty.tables
    alike = replace(table.rows[0], figure=Figure(0.4999, (0.3, 0.6)))
    certainty = replace(report.answer.certainty, tables=(replace(table, rows=(alike, table.rows[1])),))
    (block,) = paper_table([replace(report, answer=replace(report.answer, certainty=certainty))]).blocks
    assert [line.cells[ALIGNMENT].is_best for line in block.lines] == [True, True]


def test_marks_are_corrected_over_all_studies_of_a_table() -> None:
    clear, doubtful = with_comparison(sample_report(name="a"), 0.045), with_comparison(sample_report(name="b"), 1.0)
    table = paper_table([clear])
    assert (table.comparisons, [line.marks for line in table.blocks[0].lines]) == (1, [(), ("0",)])
    table = paper_table([clear, doubtful])
    assert table.comparisons == 2
    assert [line.marks for block in table.blocks for line in block.lines] == [()] * 4
    assert "all 2 comparisons of this table" in paper_markdown([clear, doubtful])


def test_figures_of_two_benchmarks_are_not_in_one_row() -> None:
    report = sample_report()
    objective = report.answer.objectives[0].model_copy(update={"metric": f"mlqa_r/{ALIGNMENT}"})
    answer = replace(report.answer, objectives=(objective,), further=("mlqa_r",))
    for tables in (report.answer.certainty.tables, ()):
        certainty = replace(report.answer.certainty, tables=tables)
        table = paper_table([replace(report, answer=replace(answer, certainty=certainty))])
        assert {block.benchmark for block in table.blocks} == {"mlqa_r"}
        assert table.columns == ((ALIGNMENT,) if tables else ())


def test_one_seed_marks_nothing() -> None:
    for report in (sample_report(seeds=(0,)), with_comparison(sample_report(), 0.001, over_seeds=False)):
        table = paper_table([report])
        assert not any(line.marks or line.may_be_best for block in table.blocks for line in block.lines)
        text = " ".join(explanation(table))
        assert "nothing is said about the ratios themselves" in text
        assert "Shown to be better" not in text
        assert SET_MARK not in text


def test_a_lower_figure_is_marked_as_better_where_the_study_minimises() -> None:
    report = with_comparison(sample_report(), 0.01)
    objective = report.answer.objectives[0].model_copy(update={"direction": "minimize"})
    report = replace(report, answer=replace(report.answer, objectives=(objective,)))
    (block,) = paper_table([report]).blocks
    assert [line.marks for line in block.lines] == [("1",), ()]
    assert [line.cells[ALIGNMENT].is_best for line in block.lines] == [True, False]


@pytest.mark.parametrize(
    ("report", "wanted"),
    [
        (sample_report(seeds=(0, 1)), "approximate"),
        (replace(sample_report(), finished=9, target=15, state="running"), "9 of 15 trials are finished"),
        (replace(sample_report(), finished=9, target=15, state="stopped"), "was stopped: 9 of 15"),
        (sample_report(combinations=("x=1", "x=2")), "compared with those of the same other values only"),
        (sample_report(combinations=("x=1",)), "with x=1"),
        (one_trial_report(), "no differences are tested"),
        (sample_report(), "This set is the answer"),
    ],
)  # fmt: skip
def test_explanations_say_what_a_reader_must_know(report: StudyReport, wanted: str) -> None:
    assert wanted in " ".join(explanation(paper_table([report])))


def test_several_studies_are_blocks_that_are_not_compared() -> None:
    reports = [sample_report(name="mbert"), sample_report(name="xlmr", seeds=(0, 1, 2, 3))]
    text = paper_markdown(reports)
    names = [row[0] for row in rows(text)]
    assert names.index("mbert, xquad_r") < names.index("xlmr, xquad_r")
    assert "Comparisons are within a study" in text
    assert "sweep.compare" in text
    assert paper_latex(reports).count("\\midrule") == 2
    assert {row["study"] for row in map(dict, pd.read_csv(io.StringIO(figures_csv(reports))).to_dict("records"))} == {
        "mbert",
        "xlmr",
    }


def test_the_short_answer_is_short() -> None:
    for report in EVERY:
        assert len(answer_markdown(report).splitlines()) <= 25
    many = sample_report(ratios=[place / 40 for place in range(41)])
    assert len(answer_markdown(many).splitlines()) <= 30
    assert "The best 12 of 41 ratios" in answer_markdown(many)


@pytest.mark.parametrize(
    "text",
    [
        *(NASTY, "a|b", "`x`\n# y", "<script>alert(1)</script>", "*a* _b_ [c](d) ![e](f)", "- a", "1. a", "+ b"),
        *("---", "==", "&amp; &lt;", "a\\|b", "| - |", "~~x~~", "\\"),
    ],
)
def test_any_text_is_text_in_markdown(text: str) -> None:
    escaped = markdown.escaped(text)
    shown = " ".join(re.sub("[\x1b\u202e]", lambda sign: sign[0].encode("unicode_escape").decode(), text).split())
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for document, cells in ((f"{escaped}\n", 1), (f"| x | y |\n| --- | --- |\n| {escaped} | z |\n", 4)):
        inline = [token for token in parser.parse(document) if token.type == "inline"]
        assert len(inline) == cells
        children = inline[cells - 2 if cells > 1 else 0].children or []
        assert {child.type for child in children} <= {"text", "text_special"}
        assert "".join(child.content for child in children) == shown


@pytest.mark.parametrize("report", EVERY, ids=lambda report: report.name[:12])
def test_latex_is_balanced_and_its_rows_are_whole(report: StudyReport) -> None:
    text = "\n".join(line for line in paper_latex([report]).splitlines() if not line.startswith("%"))
    bare = re.sub(r"\\[\\{}$&%#_]", "", text)
    depth = 0
    for sign in bare:
        depth += (sign == "{") - (sign == "}")
        assert depth >= 0
    assert depth == 0
    assert bare.count("$") % 2 == 0
    assert "#" not in bare
    assert "%" not in bare
    assert "^" not in re.sub(r"\$\^\{[^$]*\}\$", "", bare)
    assert text.count("\\begin{") == text.count("\\end{")
    lines = [line for line in bare.splitlines() if " & " in line]
    columns = len(paper_table([report]).columns) + 2
    assert {line.count("&") for line in lines} <= {columns - 1}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a_b & 5 % # $x$", r"a\_\allowbreak{}b \& 5 \% \# \$x\$"),
        ("{~^\\}", r"\{\textasciitilde{}\textasciicircum{}\textbackslash{}\}"),
        ("[x]*", "{[}x{]}{*}"),  # options of the line end before them
        ("a--b", "a-{}-b"),
        ("a\n\n\\end{document}", r"a \textbackslash{}end\{document\}"),
        ("\u200fright to left", "right to left"),
    ],
)
def test_any_text_is_text_in_latex(text: str, wanted: str) -> None:
    assert latex.escaped(text) == wanted


@pytest.mark.skipif(shutil.which("pdflatex") is None and shutil.which("tectonic") is None, reason="needs LaTeX")
@pytest.mark.parametrize("reports", [[report] for report in EVERY] + [EVERY[:3]], ids=range(len(EVERY) + 1))
def test_latex_compiles(reports: Sequence[StudyReport], tmp_path: Path) -> None:
    (tmp_path / "table.tex").write_text(paper_latex(reports), encoding="utf-8")
    head = "\\documentclass{article}\\usepackage{booktabs}\\usepackage[T1]{fontenc}\n\\begin{document}\nx\n"
    (tmp_path / "paper.tex").write_text(f"{head}\\input{{table}}\n\\end{{document}}\n")
    options = ["-draftmode", "-interaction=nonstopmode", "-halt-on-error"]
    command = ["pdflatex", *options] if shutil.which("pdflatex") else ["tectonic"]
    done = subprocess.run([*command, "paper.tex"], cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull \\hbox" not in done.stdout


@pytest.mark.parametrize("report", EVERY, ids=lambda report: report.name[:12])
def test_csv_has_every_figure_once(report: StudyReport) -> None:
    table = pd.read_csv(io.StringIO(figures_csv([report])), keep_default_na=False)
    assert tuple(table.columns) == COLUMNS
    where = ["benchmark", "metric", "part", "kind", "ratio", "baseline", "others"]
    ratios = table[table["kind"] == "ratio"]
    assert not ratios.duplicated(where).any()
    assert not table[table["kind"] == "baseline"].duplicated([*where]).any()
    for curve in report.curves if report.name != nasty_report().name else ():
        _, metric = curve.key.split("/", 1)
        metric = metric.removesuffix(f"/{curve.part}") if curve.part else metric
        own = ratios[
            (ratios["metric"] == metric) & (ratios["part"] == curve.part) & (ratios["others"] == curve.others)
        ]
        assert [float(value) for value in own["figure"]] == pytest.approx([dot.mean for dot in curve.dots], abs=1e-9)


def test_what_was_not_trained_has_no_other_values_in_csv() -> None:
    """It is one for all combinations, and no figure of the first one."""
    text = figures_csv([sample_report(combinations=("x=1", "x=2"))])
    frame = pd.read_csv(io.StringIO(text), keep_default_na=False)
    assert set(frame[frame.kind == "baseline"].others) == {""}
    assert set(frame[frame.kind == "ratio"].others) == {"x=1", "x=2"}


def test_csv_has_the_comparisons() -> None:
    report = sample_report()
    table = pd.read_csv(io.StringIO(figures_csv([report])), dtype={"may_be_best": str})
    own = table[(table["metric"] == ALIGNMENT) & table["part"].isna() & (table["kind"] == "ratio")].set_index("ratio")
    for row in report.answer.certainty.tables[0].rows:
        line = own.loc[row.ratio]
        assert (line["figure"], line["low"], line["high"]) == pytest.approx((row.figure.value, *row.figure.interval))
        assert line["seeds"] == 3
        assert line["deviation"] > 0
        assert bool(line["is_objective"])
        assert line["may_be_best"] == str(row.ratio in report.answer.certainty.tables[0].best).lower()
        for reference, one in {**row.against, "rival": row.against_rival}.items():
            if one is None:
                assert pd.isna(line[f"p_{reference}"])
            else:
                values = line[f"difference_{reference}"], line[f"p_{reference}"], line[f"p_holm_{reference}"]
                assert values == pytest.approx((one.difference, one.p, one.p_holm))


@pytest.mark.parametrize("report", EVERY, ids=lambda report: report.name[:12])
def test_json_has_everything(report: StudyReport) -> None:
    document = json.loads(figures_json([report]), parse_constant=pytest.fail)
    assert (document["format"], document["version"]) == ("sweep.report", 1)
    (study,) = document["studies"]
    assert set(study) == {field.name for field in fields(StudyReport)}
    assert study["name"] == report.name
    assert len(study["curves"]) == len(report.curves)
    assert len(study["answer"]["points"]) == len(report.answer.points)
    for table, own in zip(study["answer"]["certainty"]["tables"], report.answer.certainty.tables, strict=True):
        for row, wanted in zip(table["rows"], own.rows, strict=True):
            assert row["figure"]["interval"] == list(wanted.figure.interval)
            for reference, one in wanted.against.items():
                assert (row["against"][reference] is None) == (one is None)
                if one is not None:
                    assert row["against"][reference]["p_holm"] == one.p_holm
                    assert row["against"][reference]["low"] == one.interval[0]


def test_json_has_null_for_what_is_no_number() -> None:
    report = sample_report()
    matrix = replace(report.pairs[0], value_qp=((float("nan"), float("inf")), (0.5, 1.0)))
    document = json.loads(figures_json([replace(report, pairs=(matrix,))]), parse_constant=pytest.fail)
    assert document["studies"][0]["pairs"][0]["value_qp"] == [[None, None], [0.5, 1.0]]
