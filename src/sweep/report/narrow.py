"""Tables that fit their console: at 80 columns fewer of a table's columns, the most important ones."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from sweep.report.plain_console import shown

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
        """The least width in characters."""
        widest = max(cell_len(line) for text in (self.title, *self.cells) for line in shown(text).split("\n"))
        return widest if self.least is None else min(widest, self.least)


def print_table(
    console: Console,
    columns: Sequence[Column],
    title: str | None = None,
    ends: Collection[int] = (),
    padding: int = 1,
    rest: str | None = None,
) -> None:
    """Print a table with as many of its columns as fit, and the headings of those that do not.

    `ends`: rows that a line follows. `rest`: where what is left out can be seen, such as "report.html".
    """
    kept = list(columns)
    padding = padding if fits(console, columns, padding) else 0  # before any column goes
    ranks = sorted({column.rank for column in columns} - {0}, reverse=True)
    for rank in ranks:
        for column in [column for column in reversed(columns) if column.rank == rank]:
            if not fits(console, kept, padding):
                kept.remove(column)
    if title is not None:
        print_line(console, title, style="italic")
    console.print(_table(kept, ends, padding, fits(console, kept, padding)))
    left_out = [" ".join(column.title.split()) for column in columns if column not in kept]
    if left_out:
        where = f"; {rest}" if rest else ""
        print_line(console, f"Not shown in {console.width} columns: {', '.join(left_out)}{where}", style="dim")


def print_line(console: Console, text: str, style: str | None = None) -> None:
    """Print a text, between words on several lines of a terminal; in a file or a pipe it stays one line."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=not console.is_terminal)


def fits(console: Console, columns: Sequence[Column], padding: int = 1) -> bool:
    """Whether a console is as wide as a table of these columns has to be at least."""
    table = _table([Column("", [], justify=column.justify) for column in columns], (), padding, keeps=False)
    for drawn, column in zip(table.columns, columns, strict=True):
        drawn.width = column.needed
    return Measurement.get(console, console.options.update(max_width=10_000), table).maximum <= console.width


def _table(columns: Sequence[Column], ends: Collection[int], padding: int, keeps: bool) -> Table:
    """`keeps`: whether every column has the width that it needs."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, padding, 0, padding and 1), show_edge=True)
    for column in columns:
        table.add_column(
            column.title,
            justify=column.justify,
            overflow="fold",
            min_width=column.needed if keeps else None,
        )
    for place, cells in enumerate(zip(*(column.cells for column in columns), strict=True)):
        table.add_row(*cells, end_section=place in ends)
    return table
