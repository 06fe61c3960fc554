"""The figures of studies as a LaTeX table (booktabs), ready for \\input."""

import re
from collections.abc import Iterator, Sequence

from sweep.answer.contents import StudyReport
from sweep.report.explanation import SET_MARK, block_title, explanation
from sweep.report.paper_table import MARKS, RIVAL, Block, Cell, PaperTable, column_digits, column_title, paper_table
from sweep.report.plain_console import shown

HEAD = """% {title}, made by python -m sweep.report.
% Preamble: \\usepackage{{booktabs}}, and for pdfLaTeX \\usepackage[T1]{{fontenc}} and \\usepackage[utf8]{{inputenc}}.
% In two columns write table* for table.
"""
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
    '"': "\\textquotedbl{}",
    "`": "\\textasciigrave{}",
    "α": "$\\alpha$",
    "±": "$\\pm$",
    "–": "\\textendash{}",
    "…": "\\ldots{}",
    SET_MARK: "$^{\\ast}$",
    **{mark: f"$^{{{_SIGNS[name]}}}$" for name, mark in MARKS.items()},
}
_SPECIAL = re.compile("|".join(map(re.escape, _ESCAPED)))
_LIGATURE = re.compile(r"([-',])(?=\1)")  # two hyphens would be a dash, two apostrophes a quotation mark


def escaped(text: str) -> str:
    """A text on one line that LaTeX prints as it is. Letters beyond Latin need a font that has them."""
    apart = _SPECIAL.sub(lambda match: _ESCAPED[match[0]], " ".join(shown(text).split()))
    return _LIGATURE.sub(r"\1{}", apart)


def paper_latex(reports: Sequence[StudyReport]) -> str:
    """A table with a block of rows for every study and combination of other values; its caption explains the marks.
    Without any finished trial there is only a comment."""
    table = paper_table(reports)
    names = ", ".join(" ".join(shown(report.name).split()) for report in reports)
    head = HEAD.format(title=names)
    if not table.blocks:
        return f"{head}% No trial has finished: there are no figures yet.\n"
    return head + "\n".join(_lines(table, reports)) + "\n"


def _lines(table: PaperTable, reports: Sequence[StudyReport]) -> Iterator[str]:
    columns = len(table.columns) + 2
    yield from ("\\begin{table}[t]", "  \\centering", "  \\small", "  \\setlength{\\tabcolsep}{4pt}")
    yield f"  \\begin{{tabular}}{{l{'r' * (columns - 1)}}}"
    yield "    \\toprule"
    yield _row(["$\\alpha$", "seeds", *(escaped(column_title(name)) for name in table.columns)])
    for block in table.blocks:
        yield "    \\midrule"
        if len(table.blocks) > 1:
            yield f"    \\multicolumn{{{columns}}}{{l}}{{\\textit{{{escaped(block_title(block))}}}}} \\\\"
        for place, line in enumerate(block.lines):
            if place and line.seeds and not block.lines[place - 1].seeds:
                yield "    \\addlinespace"
            marks = [*(["\\ast"] if line.may_be_best else []), *(_SIGNS[name] for name in line.marks)]
            cells = [_cell(block, name, line.cells.get(name), marks) for name in table.columns]
            yield _row([escaped(line.name), str(line.seeds or "--"), *cells])
    yield from ("    \\bottomrule", "  \\end{tabular}")
    caption = " ".join(escaped(sentence) for sentence in explanation(table))
    names = "-".join(re.sub(r"[^A-Za-z0-9.-]", "-", report.name) for report in reports)
    yield f"  \\caption{{{caption}}}"
    yield f"  \\label{{tab:{names}}}"
    yield "\\end{table}"


def _cell(block: Block, name: str, cell: Cell | None, marks: Sequence[str]) -> str:
    if cell is None:
        return "--"
    digits = column_digits(name)
    text = f"{cell.figure:.{digits}f}".replace("-", "$-$")
    text = f"\\textbf{{{text}}}" if cell.is_best else text
    if marks and name == block.metric:
        text += f"$^{{{''.join(f'{mark} ' for mark in marks).strip()}}}$"
    if cell.interval is not None:
        low, high = (f"{end:.{digits}f}".replace("-", "$-$") for end in cell.interval)
        return f"{text} {{\\scriptsize [{low}, {high}]}}"
    return text if cell.deviation is None else f"{text} {{\\scriptsize $\\pm$ {cell.deviation:.{digits}f}}}"


def _row(cells: Sequence[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"
