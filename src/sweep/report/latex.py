"""The figures of studies as a LaTeX table (booktabs), ready for \\input."""

import re
from collections.abc import Iterator, Sequence
from unicodedata import category

from sweep.answer.contents import StudyReport
from sweep.report.explanation import SET_MARK, block_title, explanation
from sweep.report.paper_table import MARKS, RIVAL, Cell, Line, PaperTable, column_digits, column_title, paper_table
from sweep.report.plain_console import shown
from sweep.report.rival_table import HEADER, rival_table
from sweep.settings.metric_key import MetricKey

HEAD = """% {title}, made by python -m sweep.report.
% Preamble: \\usepackage{{booktabs}}, and for pdfLaTeX \\usepackage[T1]{{fontenc}}.
% In two columns write table* for table.
"""
LONGEST = 16  # characters of a row's name that takes one line
_SIGNS = {"1": "\\dagger", RIVAL: "\\ddagger", "0": "\\S", "0.5": "\\P"}
_ESCAPED = {
    "\\": "\\textbackslash{}",
    "{": "\\{",
    "}": "\\}",
    "$": "\\$",
    "&": "\\&",
    "%": "\\%",
    "#": "\\#",
    "_": "\\_\\allowbreak{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    "[": "{[}",  # which would be an option of the line end before it
    "]": "{]}",
    "*": "{*}",
    '"': "\\textquotedbl{}",
    "`": "\\textasciigrave{}",
    "α": "$\\alpha$",
    "±": "$\\pm$",
    "–": "\\textendash{}",
    "−": "$-$",
    "λ": "$\\lambda$",
    "…": "\\ldots{}",
    SET_MARK: "$^{\\ast}$",
    **{mark: f"$^{{{_SIGNS[name]}}}$" for name, mark in MARKS.items()},
}
_SPECIAL = re.compile("|".join(map(re.escape, _ESCAPED)))
_LIGATURE = re.compile(r"([-',])(?=\1)")  # two hyphens would be a dash, two apostrophes a quotation mark


def escaped(text: str) -> str:
    """A text on one line that LaTeX prints as it is. Letters beyond Latin need XeLaTeX or LuaLaTeX, and a font that
    has them."""
    visible = "".join(sign for sign in shown(text) if category(sign) != "Cf")  # such as marks of direction
    apart = _SPECIAL.sub(lambda match: _ESCAPED[match[0]], " ".join(visible.split()))
    return _LIGATURE.sub(r"\1{}", apart)


def paper_latex(reports: Sequence[StudyReport]) -> str:
    """A table with a block of rows for every study and combination of other values; its caption explains the marks.
    Without any finished trial there is only a comment."""
    table = paper_table(reports)
    names = ", ".join(" ".join(shown(report.name).split()) for report in reports)
    head = HEAD.format(title=names)
    if not table.blocks:
        return f"{head}% No trial has finished: there are no figures yet.\n"
    lines = [*_lines(table, reports), *(line for report in reports for line in _rivals(report))]
    return head + "\n".join(lines) + "\n"


def _lines(table: PaperTable, reports: Sequence[StudyReport]) -> Iterator[str]:
    columns = len(table.columns) + 2
    yield from ("\\begin{table}[t]", "  \\centering", "  \\small", "  \\setlength{\\tabcolsep}{3pt}")
    longest = max(len(line.name) for block in table.blocks for line in block.lines)
    names = "l" if longest <= LONGEST else "p{.25\\linewidth}"
    yield f"  \\begin{{tabular}}{{{names}{'c' * (columns - 1)}}}"
    yield "    \\toprule"
    yield _row([escaped(table.rows), "seeds", *map(_heading, table.columns)])
    for block in table.blocks:
        yield "    \\midrule"
        if len(table.blocks) > 1:
            yield f"    \\multicolumn{{{columns}}}{{l}}{{\\textit{{{escaped(block_title(block))}}}}} \\\\"
        for place, line in enumerate(block.lines):
            if place and line.seeds and not block.lines[place - 1].seeds:
                yield "    \\addlinespace"
            yield from _line(table.columns, block.metric, line)
    yield from ("    \\bottomrule", "  \\end{tabular}")
    caption = " ".join(escaped(sentence) for sentence in explanation(table))
    label = "-".join(map(_label, reports))
    yield f"  \\caption[{{{', '.join(escaped(report.name) for report in reports)}}}]{{{caption}}}"
    yield f"  \\label{{tab:{label}}}"
    yield "\\end{table}"


def _rivals(report: StudyReport) -> Iterator[str]:
    """A table of its own of merges, other objectives and what else mixed batches have for rivals, if there is any."""
    if report.answer.rivals is None:
        return
    objective = report.answer.objectives[0]
    table = rival_table(report.answer.rivals, objective)
    title = column_title(MetricKey.parse(objective.metric).name)
    yield from ("", "\\begin{table}[t]", "  \\centering", "  \\small")
    yield f"  \\begin{{tabular}}{{l{'c' * (len(HEADER) - 1)}}}"
    yield from ("    \\toprule", _row([escaped(cell) for cell in HEADER]), "    \\midrule")
    yield from (_row([escaped(cell) for cell in row]) for row in table.rows)
    yield from ("    \\bottomrule", "  \\end{tabular}")
    yield f"  \\caption{{{escaped(f'{title}: {table.about}; {table.corrected}.')}}}"
    yield f"  \\label{{tab:{_label(report)}-rivals}}"
    yield "\\end{table}"


def _label(report: StudyReport) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", report.name)


def _heading(name: str) -> str:
    lines = [escaped(part) for part in column_title(name).split(", ")]
    return lines[0] if len(lines) == 1 else "\\shortstack{" + " \\\\ ".join(lines) + "}"


def _line(columns: Sequence[str], metric: str, line: Line) -> Iterator[str]:
    """A row of figures, and one of what is known of them: side by side they would not fit a page."""
    marks = [*(["\\ast"] if line.may_be_best else []), *(_SIGNS[name] for name in line.marks)]
    figures, below = [], []
    for name in columns:
        cell, digits = line.cells.get(name), column_digits(name)
        figures.append("--" if cell is None else _figure(cell, digits, marks if name == metric else []))
        below.append("" if cell is None else _interval(cell, digits))
    yield _row([escaped(line.name), str(line.seeds or "--"), *figures], "[-2pt]" if any(below) else "")
    if any(below):
        yield _row(["", "", *below])


def _figure(cell: Cell, digits: int, marks: Sequence[str]) -> str:
    text = _number(cell.figure, digits)
    text = f"\\textbf{{{text}}}" if cell.is_best else text
    # Beside the column, so that figures stand below one another.
    return text + (f"\\rlap{{$^{{{' '.join(marks)}}}$}}" if marks else "")


def _interval(cell: Cell, digits: int) -> str:
    if cell.interval is None:
        return "" if cell.deviation is None else f"{{\\scriptsize $\\pm$ {_number(cell.deviation, digits)}}}"
    low, high = (_number(end, digits) for end in cell.interval)
    return f"{{\\scriptsize [{low}, {high}]}}"


def _number(value: float, digits: int) -> str:
    """Without a zero before the point: a page is narrow."""
    text = f"{abs(value):.{digits}f}"
    text = text[1:] if text.startswith("0.") else text
    return f"$-${text}" if value < 0 and float(f"{value:.{digits}f}") else text


def _row(cells: Sequence[str], space: str = "") -> str:
    return f"    {' & '.join(cells)} \\\\{space}"
