"""A study's answer as Markdown: some lines for a description, and tables for a paper or a README."""

import re
from collections.abc import Iterator, Sequence

from sweep.answer.claims import main_table, may_be_best
from sweep.answer.contents import StudyReport
from sweep.answer.points import value_text
from sweep.answer.ratios import RatioRow, RatioTable
from sweep.evaluation.comparison import Comparison, Figure
from sweep.report.explanation import block_title, explanation, marks_of
from sweep.report.paper_table import Block, Cell, PaperTable, column_digits, column_title, paper_table
from sweep.report.plain_console import shown
from sweep.report.rival_table import HEADER, rival_table
from sweep.settings.metric_key import MetricKey

MOST_RATIOS = 12  # rows of the short answer
MOST_NOTES = 6
LONGEST = 500  # characters of a note in the short answer
_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~$!^])")
_STARTS = re.compile(r"^(\s*)([-+=]|\d+[.)])(?=\s|$|=|-)")  # of a list, a rule or a heading


def escaped(text: str) -> str:
    """A text on one line that Markdown, a cell of a table and HTML show as it is."""
    line = " ".join(shown(text).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _STARTS.sub(lambda start: f"{start[1]}{start[2][:-1]}\\{start[2][-1]}", _SPECIAL.sub(r"\\\1", line))


def answer_markdown(report: StudyReport) -> str:
    """The answer in some 20 lines: its sentences, a table of ratios, notes, and where to look further."""
    lines = [f"**{escaped(report.name)}**: {report.state}, {report.finished} of {report.target} trials finished", ""]
    lines += [" ".join(map(escaped, report.headline.sentences)), ""]
    tables = report.answer.certainty.tables
    table = main_table(report.answer.certainty, report.answer.objectives[0])
    if table is not None:
        lines += [*_short_table(report, table), ""]
    if len(tables) > 1:
        lines += [f"{len(tables) - 1} more tables, of other values, are in the report.", ""]
    if rivals := _rivals(report):
        lines += [*rivals, ""]
    notes = [*report.headline.notes, *report.notes]
    lines += [f"- {escaped(_cut(note))}" for note in notes[:MOST_NOTES]]
    if len(notes) > MOST_NOTES:
        lines.append(f"- {len(notes) - MOST_NOTES} more notes are in the report.")
    name = escaped(report.name)
    lines += [
        *([""] if notes else []),
        "All of it with charts: report.html in the study's folder; every figure: trials.csv. Tables for a paper: "
        f"python -m sweep.report study.name={name} format=latex (or markdown, csv, json)",
    ]
    return "\n".join(lines) + "\n"


def paper_markdown(reports: Sequence[StudyReport]) -> str:
    """The sentences of some studies, their figures in one table, and the sentences that explain its marks."""
    lines = []
    for report in reports:
        before = f"**{escaped(report.name)}**: " if len(reports) > 1 else ""
        lines += [before + " ".join(map(escaped, report.headline.sentences)), ""]
    table = paper_table(reports)
    if table.blocks:
        lines += [*_paper_rows(table), "", " ".join(map(escaped, explanation(table)))]
    else:
        lines.append("No trial has finished: there are no figures yet.")
    for rivals in filter(None, map(_rivals, reports)):
        lines += ["", *rivals]
    return "\n".join(lines) + "\n"


def _rivals(report: StudyReport) -> list[str]:
    """A table of merges, other objectives and what else mixed batches have for rivals, if there are any."""
    if report.answer.rivals is None:
        return []
    objective = report.answer.objectives[0]
    table = rival_table(report.answer.rivals, objective)
    rows = [_row([escaped(cell) for cell in row]) for row in table.rows]
    about = escaped(f"{report.name}, {objective.metric}: {table.about}; {table.corrected}.")
    return [*_head(HEADER), *rows, "", about]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _short_table(report: StudyReport, table: RatioTable) -> Iterator[str]:
    objective = report.answer.objectives[0]
    digits = column_digits(MetricKey.parse(objective.metric).name)
    references = [*table.rows[0].against]
    names = [*(f"α = {name}" for name in references), *([table.rival] if table.rival is not None else [])]
    against = [f"against {name}, p" for name in names]
    titles = ["α", "seeds", f"{objective.metric}, 95 %", "may be best", *against]
    yield from _head(titles)
    for name, figure in table.baselines.items():
        yield _row([escaped(name), "–", _figure(figure, digits), "", *[""] * len(against)])
    chosen = sorted(table.rows, key=lambda row: -objective.sign * row.figure.value)[:MOST_RATIOS]
    for row in table.rows:
        if row in chosen:
            member = {True: "yes", False: "no", None: "–"}[may_be_best(table, row)]
            compared = [_compared(one, digits) for one in _each(row, references, table.rival is not None)]
            yield _row([value_text(row.ratio), str(row.seeds), _figure(row.figure, digits), member, *compared])
    yield ""
    about = {
        (False, True): "over questions alone, with one seed",
        (True, True): "over questions and seeds, of ratios with one seed over questions alone",
    }.get((any(row.seeds > 1 for row in table.rows), any(row.seeds == 1 for row in table.rows)))
    about = about or "over questions and seeds"
    models = "" if all(row.over_seeds for row in table.rows) else "of these trained models; "
    rest = f" The best {MOST_RATIOS} of {len(table.rows)} ratios." if len(table.rows) > MOST_RATIOS else ""
    others = f" With {escaped(table.others)}." if table.others else ""
    yield (
        f"Intervals: 95 %, {about}. Differences: {models}p two-sided, after Holm's correction for all comparisons of "
        f"this table.{rest}{others}"
    )


def _each(row: RatioRow, references: Sequence[str], has_rival: bool) -> list[Comparison | None]:
    return [*(row.against[name] for name in references), *([row.against_rival] if has_rival else [])]


def _compared(one: Comparison | None, digits: int) -> str:
    if one is None:
        return "–"
    p = f"{one.p_holm:.4f}" if one.p_holm >= 0.0001 else "&lt;0.0001"
    return f"{one.difference:+.{digits}f}, {p}"


def _figure(figure: Figure, digits: int) -> str:
    low, high = figure.interval
    return f"{figure.value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _paper_rows(table: PaperTable) -> Iterator[str]:
    yield from _head([table.rows, "seeds", *map(column_title, table.columns)])
    several = len(table.blocks) > 1
    for block in table.blocks:
        if several:
            yield _row([f"*{escaped(block_title(block))}*", "", *[""] * len(table.columns)])
        for line in block.lines:
            cells = [
                _paper_cell(block, name, line.cells.get(name), marks_of(line.marks, line.may_be_best))
                for name in table.columns
            ]
            yield _row([escaped(line.name), str(line.seeds or "–"), *cells])


def _paper_cell(block: Block, name: str, cell: Cell | None, marks: str) -> str:
    if cell is None:
        return "–"
    digits = column_digits(name)
    text = f"{cell.figure:.{digits}f}"
    text = (f"**{text}**" if cell.is_best else text) + (marks if name == block.metric else "")
    if cell.interval is not None:
        low, high = cell.interval
        return f"{text} ({low:.{digits}f} to {high:.{digits}f})"
    return text if cell.deviation is None else f"{text} ± {cell.deviation:.{digits}f}"


def _head(titles: Sequence[str]) -> Iterator[str]:
    yield _row([escaped(title) for title in titles])
    yield _row(["---" if place == 0 else "---:" for place in range(len(titles))])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
