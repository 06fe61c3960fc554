"""What is known of training data, as tables and lines that fit 80 columns."""

from collections.abc import Iterator, Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweep.data.census import Repeats
from sweep.data.detection import LanguageCheck
from sweep.data.inspection import DataReport, Lengths, RoleReport
from sweep.data.overlap import Overlap
from sweep.errors import shortened
from sweep.report.plain_console import shown

WIDTH = 80
LONGEST_NAME = 18
MOST_SHADED = 64  # languages
MOST_SIZES = 6  # numbers of languages
NOUNS = ("questions", "passages")


def print_report(report: DataReport, out: Console) -> None:
    """Print everything, the tables first."""
    for line in _size(report):
        out.print(line)
    for heading, table in (("Languages", _languages_table(report)), _lengths_table(report), *_pairs(report)):
        out.print("", heading, table, sep="\n")
    for heading, lines in (
        ("Groups", list(_groups(report))),
        ("Texts that are there again", list(_repeats(report))),
        ("Suspicious texts", [_suspect(one.text, one.rows, one.first) for one in report.suspects]),
        ("Suspicious languages", list(_languages(report.checks))),
        ("Benchmark", list(_overlap(report.overlap)) if report.overlap is not None else []),
        ("Remarks", list(report.remarks)),
    ):
        if lines:
            listed = Table.grid(padding=(0, 1, 0, 0))
            for line in lines:
                listed.add_row("-", line)
            out.print("", heading, listed, sep="\n")


def _size(report: DataReport) -> Iterator[str]:
    files = f", {report.files:,} files, {_bytes(report.bytes)}" if report.files else ""
    yield f"{report.title}: {report.rows:,} rows in {report.groups:,} groups{files}"
    if report.negatives:
        yield f"{report.negatives:,} negatives, in {report.rows_with_negatives:,} of the rows"


def _bytes(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"


def _table(*columns: str, left: int = 1) -> Table:
    """Columns of a table, the first of them to the left."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False, header_style="")
    for place, column in enumerate(columns):
        justify: Literal["left", "right"] = "left" if place < left else "right"
        table.add_column(column, justify=justify, no_wrap=True, overflow="ellipsis")
    return table


def _languages_table(report: DataReport) -> Table:
    table = _table("", "", "tier", *NOUNS, "other language", left=3)
    checks = {check.language: check for check in report.checks}
    for one in report.languages:
        items = f"{one.questions.items:,}", f"{one.passages.items:,}"
        name = one.name if len(one.name) <= LONGEST_NAME else f"{one.name[: LONGEST_NAME - 1]}…"
        table.add_row(one.code, name, one.tier or "–", *items, _check(checks.get(one.code)))
    return table


def _check(check: LanguageCheck | None) -> str:
    if check is None or not check.known:
        return "unchecked"
    if not check.others:
        return f"0 of {check.decided}"
    return f"{'! ' if check.suspicious else ''}{check.others} of {check.decided}: {check.commonest[0][0]}"


def _lengths_table(report: DataReport) -> tuple[str, Table]:
    heads = ("half", "95 %", "longest", *(("cut",) if report.limits else ()))
    table = _table("", *heads, "", *heads)
    for one in report.languages:
        table.add_row(one.code, *_lengths(one.questions, report), "|", *_lengths(one.passages, report))
    heading = "Lengths in characters: questions | passages"
    if report.model is not None and report.limits is not None:
        heading = "Lengths in tokens of {}: questions | passages; cut: longer than {:,} | {:,}".format(
            shortened(report.model, 40), *report.limits
        )
    return heading, table


def _lengths(role: RoleReport, report: DataReport) -> list[str]:
    lengths: Lengths | None = role.characters if report.limits is None else role.tokens
    figures = ["–"] * 3 if lengths is None else [f"{lengths.median:,}", f"{lengths.q95:,}", f"{lengths.longest:,}"]
    if report.limits:
        figures.append("–" if role.cut is None else _share(role.cut))
    return figures


def _share(share: float) -> str:
    """A share in per cent; what is there at all is not shown as nothing."""
    return "<0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %"


def _pairs(report: DataReport) -> Iterator[tuple[str, Table | Text]]:
    """The matrix of pairs: its numbers, or a shade for each if there are too many."""
    codes = [one.code for one in report.languages]
    heading = "Pairs: groups with a question (row) and a passage (column) in these languages"
    widths = [len(code) + 2 for code in codes]
    widths = [max(width, len(f"{report.pairs_ll.max(initial=0):,}") + 2) for width in widths]
    if max(map(len, codes), default=0) + 2 + sum(widths) <= WIDTH:
        table = _table("", *codes)
        for code, row in zip(codes, report.pairs_ll, strict=True):
            table.add_row(code, *(f"{groups:,}" if groups else "·" for groups in row))
        yield heading, table
    elif len(codes) <= MOST_SHADED:
        yield f"{heading},\nin tenths of the most, {report.pairs_ll.max():,} (·: none, █: the most)", _shaded(report)
    else:
        table = _table("", "pairs", "fewest", "median", "most")
        for code, row in zip(codes, report.pairs_ll, strict=True):
            some = sorted(int(groups) for groups in row if groups) or [0]
            pairs = sum(groups > 0 for groups in row)
            table.add_row(code, *(f"{figure:,}" for figure in (pairs, some[0], some[len(some) // 2], some[-1])))
        yield f"{heading}\n(format=json and picture=FILE.svg have each pair)", table


def _shaded(report: DataReport) -> Text:
    """A character for each pair; the codes stand above, letter under letter."""
    codes = [one.code for one in report.languages]
    left, most = max(map(len, codes)), report.pairs_ll.max()
    lines = [" " * (left + 1) + "".join(code.rjust(left)[place] for code in codes).rstrip() for place in range(left)]
    for code, row in zip(codes, report.pairs_ll, strict=True):
        shades = (
            "·" if not groups else "█" if groups == most else f"{max(1, 10 * groups // most)}" for groups in row
        )
        lines.append(f"{code.ljust(left)} {''.join(shades)}")
    return Text("\n".join(lines))


def _groups(report: DataReport) -> Iterator[str]:
    sizes = report.languages_of_groups
    if len(sizes) > MOST_SIZES:
        usual = max(sizes, key=lambda size: sizes[size])
        yield f"questions in {min(sizes)} to {max(sizes)} languages, most often in {usual} ({sizes[usual]:,} groups)"
    elif sizes:
        of_sizes = (f"{size} (in {sizes[size]:,} groups)" for size in sorted(sizes))
        yield f"languages of a group's questions: {', '.join(of_sizes)}"
    for noun in NOUNS:
        roles: list[RoleReport] = [getattr(one, noun) for one in report.languages]
        cells, most = sum(role.groups for role in roles), max((role.most_in_a_group for role in roles), default=0)
        if most == 1:
            yield f"{noun}: one in a group and language, if any"
        elif cells:
            mean = sum(role.items for role in roles) / cells
            yield f"{noun}: {mean:.2f} in a group and language, if any; at most {most:,}"


def _repeats(report: DataReport) -> Iterator[str]:
    if report.equal_rows:
        yield f"{report.equal_rows:,} rows are equal to an earlier one; each counts once"
    for noun, repeats in zip(NOUNS, (report.repeated_questions, report.repeated_passages), strict=True):
        yield from _repeats_of(noun, repeats)


def _repeats_of(noun: str, repeats: Repeats) -> Iterator[str]:
    if repeats.commonest is not None:
        one, other, often = repeats.commonest
        yield (
            f"{repeats.in_languages:,} {noun} are the same in two languages of their group, as if not translated; "
            f"most often in {one} and {other}: {often:,}"
        )
    if repeats.in_groups:
        yield f"{repeats.in_groups:,} distinct {noun} are in several groups, one of them in {repeats.most_groups:,}"


def _suspect(text: str, rows: int, first: str) -> str:
    return f"{text}: {rows:,} row{'s' * (rows != 1)}, the first: {first}"


def _languages(checks: Sequence[LanguageCheck]) -> Iterator[str]:
    for check in checks:
        if check.suspicious and check.example is not None:
            others = ", ".join(f"{code} {texts}" for code, texts in check.commonest)
            text = shortened(shown(" ".join(check.example.text.split())), 60)
            yield (
                f"{check.language}: {check.others} of {check.decided} texts are in another language ({others}), such "
                f"as, in {check.example.detected}, {check.example.place}: '{text}'"
            )
    unknown = [check.language for check in checks if not check.known]
    if unknown:
        yield f"unchecked, as the detector does not know them: {', '.join(unknown)}"


def _overlap(overlap: Overlap) -> Iterator[str]:
    name = overlap.benchmark
    if overlap.groups:
        yield f"{overlap.groups:,} groups have the name of a group of '{name}'"
    for exact in overlap.exact:
        line = f"{exact.copies:,} of {exact.texts:,} {exact.noun} of '{name}' are in the training data"
        yield line + (f", the first: '{shortened(exact.example)}', {exact.place}" if exact.copies else "")
    if overlap.near is None or overlap.threshold is None:
        return
    for near in overlap.near:
        yield near.sentence(name, overlap.threshold) or f"no near copies of its {near.noun}"
