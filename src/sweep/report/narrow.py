"""Tables that fit their console: at 80 columns fewer of a table's columns, the most important ones."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from sweep.report.plain_console import shown

_PATH = re.compile(r"\w+(\.\w+)+")
WIDE = 120  # columns of a terminal from which on cells have their whole text


@dataclass(frozen=True)
class Column:
    """A column: its heading, a text for each row, and its rank among the others: of a narrow table those of the
    highest numbers go first, and those of rank 0 stay. `least`: to how many characters its cells may be folded before
    any column goes; None if they stay whole."""

    title: str
    cells: Sequence[str]
    rank: int = 0
    justify: Literal["left", "right"] = "right"
    least: int | None = None

    @property
    def needed(self) -> int:
        """The least width in characters. A heading is never broken within a name: only at dots and line ends."""
        heading, widest = _longest_line(self.folded_title), max(map(_longest_line, self.cells), default=0)
        return max(heading, widest if self.least is None else min(widest, self.least))

    @property
    def folded_title(self) -> str:
        """The heading with a line for every part of a config path, such as "ratio." and "monolingual"."""
        return self.title.replace(".", ".\n") if _PATH.fullmatch(self.title) else self.title


def print_table(
    console: Console,
    columns: Sequence[Column],
    title: str | None = None,
    ends: Collection[int] = (),
    padding: int = 1,
    rest: str | None = None,
) -> list[str]:
    """Print a table with as many of its columns as fit, and the headings of those that do not.

    `ends`: rows that a line follows. `rest`: where what is left out can be seen, such as "report.html". Returns the
    headings of the columns that are there.
    """
    kept = list(columns)
    whole = [replace(column, least=None) for column in columns]
    padding = padding if fits(console, whole, padding) else 0  # before any cell is folded or any column goes
    ranks = sorted({column.rank for column in columns} - {0}, reverse=True)
    for rank in ranks:
        for column in [column for column in reversed(columns) if column.rank == rank]:
            if not fits(console, kept, padding):
                kept.remove(column)
    if title is not None:
        print_line(console, title, style="italic")
    unbroken = [max(column.needed, _longest_line(column.title)) for column in kept]
    if _has_room(console, kept, unbroken, padding):
        console.print(_table(kept, ends, padding, unbroken))
    else:
        broken = [replace(column, title=column.folded_title) for column in kept]
        console.print(_table(broken, ends, padding, _needed(console, kept, padding)))
    left_out = [" ".join(column.title.split()) for column in columns if column not in kept]
    if left_out:
        where = f"; {rest}" if rest else ""
        print_line(console, f"Not shown in {console.width} columns: {', '.join(left_out)}{where}", style="dim")
    return [column.title for column in kept]


def print_line(console: Console, text: str, style: str | None = None) -> None:
    """Print a text, between words on several lines of a terminal; in a file or a pipe it stays one line."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=not console.is_terminal)


def print_lines(console: Console, text: str) -> None:
    """Print prose as `print_line` does, and indented lines, which are commands to copy, as they are."""
    for line in text.split("\n"):
        if line.startswith("  "):
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print_line(console, line)


def fits(console: Console, columns: Sequence[Column], padding: int = 1) -> bool:
    """Whether a console is as wide as a table of these columns has to be at least."""
    return _has_room(console, columns, [column.needed for column in columns], padding)


def _has_room(console: Console, columns: Sequence[Column], widths: Sequence[int], padding: int) -> bool:
    """Whether a console is as wide as a table whose columns have these widths."""
    table = _table([Column("", [], justify=column.justify) for column in columns], (), padding)
    for drawn, width in zip(table.columns, widths, strict=True):
        drawn.width = width
    return Measurement.get(console, console.options.update(max_width=10_000), table).maximum <= console.width


def _needed(console: Console, columns: Sequence[Column], padding: int) -> Sequence[int] | None:
    """The width that each column needs; None if there is no room for all of them."""
    widths = [column.needed for column in columns]
    return widths if _has_room(console, columns, widths, padding) else None


def _longest_line(text: str) -> int:
    return max(cell_len(line) for line in shown(text).split("\n"))


def _table(
    columns: Sequence[Column], ends: Collection[int], padding: int, widths: Sequence[int] | None = None
) -> Table:
    """`widths`: the least width of each column, if there is room for them."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, padding, 0, padding and 1), show_edge=True)
    for place, column in enumerate(columns):
        least = None if widths is None else widths[place]
        table.add_column(column.title, justify=column.justify, overflow="fold", min_width=least)
    for place, cells in enumerate(zip(*(column.cells for column in columns), strict=True)):
        table.add_row(*cells, end_section=place in ends)
    return table
