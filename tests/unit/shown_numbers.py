"""The numbers that each output of a study shows of its first objective.

As (figure, low, high) by ratio or baseline, and as (difference, low, high, p) by reference and system; of some
outputs only a part. Texts are read as a reader reads them.
"""

import io
import json
import re
from collections.abc import Iterator
from html import unescape

import pandas as pd
from markdown_it import MarkdownIt
from rich.console import Console

from sweep.answer.contents import StudyReport
from sweep.page.html import report_page
from sweep.report.figures_csv import figures_csv
from sweep.report.figures_json import figures_json
from sweep.report.latex import paper_latex
from sweep.report.markdown import answer_markdown, paper_markdown
from sweep.report.terminal import print_answer

Figures = dict[str, tuple[float, ...]]
Differences = dict[tuple[str, str], tuple[float, ...]]
REFERENCES = ("0", "0.5", "1")


def numbers(text: str) -> tuple[float, ...]:
    """All numbers of a text in order; what is less than a number is nothing."""
    text = re.sub(r"< ?0\.0001", "0", text.replace("−", "-"))
    return tuple(map(float, re.findall(r"[-+]?\d*\.?\d+", text)))


def of_terminal(report: StudyReport) -> tuple[Figures, Differences]:
    out = io.StringIO()
    print_answer(Console(file=out, width=200), report.answer, report.headline)
    _, figures, differences = re.split(r"How sure|Differences", out.getvalue())
    rows = re.findall(r"^ +(\S+) +(\S+) +(\S+ to \S+) *$", figures, re.M)
    pairs = re.findall(r"^ +(\S+) +(\S+) +([-+]\S+) +(\S+ to \S+) +(\S+) *$", differences, re.M)
    return (
        {name: numbers(f"{figure} {ends}") for name, figure, ends in rows},
        {(other, name): numbers(" ".join(cells)) for name, other, *cells in pairs},
    )


def of_page(report: StudyReport) -> tuple[Figures, Differences]:
    figures, differences = (_table(report_page(report), text) for text in ("figures, with", "differences between"))
    return (
        {_name(name): numbers(f"{re.sub('★.*', '', figure)} {ends}") for name, figure, ends, *_ in figures},
        {(_name(other), _name(name)): numbers(" ".join(cells)) for name, other, *cells, _ in differences},
    )


def of_short_answer(report: StudyReport) -> tuple[Figures, Differences]:
    """Of differences without intervals."""
    head, *rows = _rows(answer_markdown(report))
    others = [re.sub(r"^against (α = )?|, p$", "", title) for title in head[4:]]
    return (
        {row[0]: numbers(row[2]) for row in rows},
        {
            (other, row[0]): numbers(cell)
            for row in rows
            for other, cell in zip(others, row[4:], strict=True)
            if cell not in ("", "–")
        },
    )


def of_paper(report: StudyReport) -> Figures:
    return {row[0]: numbers(row[2]) for row in _rows(paper_markdown([report]))[1:]}


def of_latex(report: StudyReport) -> Figures:
    cell = r"^ +(\S+) & \S+ & (.*?) &.*\n +&  & \{\\scriptsize (.*?)\} &"
    rows = re.findall(cell, paper_latex([report]).replace("$-$", "-"), re.M)
    return {name: numbers(re.sub(r"\\rlap.*|\\textbf", "", figure) + ends) for name, figure, ends in rows}


def of_csv(report: StudyReport) -> tuple[Figures, Differences]:
    frame = pd.read_csv(io.StringIO(figures_csv([report])), keep_default_na=False)
    rows = [row for row in frame.to_dict("records") if str(row["is_objective"]) in ("True", "true")]
    figures, differences = {}, {}
    for row in rows:
        if row["low"] != "":
            name = row["baseline"] or f"{float(row['ratio']):g}"
            figures[name] = tuple(float(row[column]) for column in ("figure", "low", "high"))
            for other in (*REFERENCES, "rival"):
                cells = [row[f"{column}_{other}"] for column in ("difference", "low", "high", "p_holm")]
                if cells[0] != "":
                    differences[row["rival"] if other == "rival" else other, name] = tuple(map(float, cells))
    return figures, differences


def of_json(report: StudyReport) -> tuple[Figures, Differences]:
    (study,) = json.loads(figures_json([report]))["studies"]
    (table,) = study["answer"]["certainty"]["tables"]
    figures = {f"{row['ratio']:g}": (row["figure"]["value"], *row["figure"]["interval"]) for row in table["rows"]}
    figures |= {name: (one["value"], *one["interval"]) for name, one in table["baselines"].items()}
    compared = [one for row in table["rows"] for one in (*row["against"].values(), row["against_rival"]) if one]
    names = ("difference", "low", "high", "p_holm")
    return figures, {(one["reference"], one["system"]): tuple(one[name] for name in names) for one in compared}


def of_sentences(report: StudyReport) -> Iterator[tuple[float, ...]]:
    """The differences of the sentences."""
    for text in re.findall(r"[+−][.\d]+ \[[^]]*\], p [=<] [.\d]+", " ".join(report.headline.sentences)):
        yield numbers(text)


def _rows(markdown: str) -> list[list[str]]:
    cells: list[list[str]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(markdown):
        if token.type == "tr_open":
            cells.append([])
        elif token.type == "table_close":
            break
        elif token.type == "inline" and cells:
            cells[-1].append("".join(child.content for child in token.children or []))
    return cells


def _table(page: str, caption: str) -> list[list[str]]:
    table = next(one for one in page.split("<table>")[1:] if caption in one.partition("</caption>")[0])
    body = table.partition("<tbody>")[2].partition("</tbody>")[0]
    rows = [re.findall(r"<t[hd].*?</t[hd]>", row, re.S) for row in body.split("<tr>")[1:]]
    return [[unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in row] for row in rows]


def _name(text: str) -> str:
    return text.replace("\xa0", " ").removeprefix("α = ")
