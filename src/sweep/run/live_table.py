"""A running study on a terminal: a table of what its workers do, redrawn in place."""

import time
from collections.abc import Sequence
from itertools import pairwise
from types import TracebackType
from typing import Self

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.control import Control
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import ControlType
from rich.table import Table
from rich.text import Text

from sweep.report.narrow import print_line
from sweep.report.plain_console import shown
from sweep.report.short_names import short_point
from sweep.report.text import duration_text
from sweep.run.progress import Best, Progress, WorkerRow

MOST_LINES = 15
AROUND = 6  # lines that are no worker's: bar, counts, best, heading, what is left out, and a free one
SPARK = "▁▂▃▄▅▆▇█"
SPARKS = 12  # characters of the losses' curve
LEAST_NAME = 16  # characters of a trial's name, for which other columns go


class LiveTable:
    """How far the study is, its best point, and a line a worker. Goes when the study ends: the answer follows."""

    def __init__(self, console: Console, name: str) -> None:
        self._console = console
        self._name = name
        self._began = time.monotonic()
        self._live = self._new_live()
        self._drawn: Sequence[int] = ()  # how wide each line is that is there now
        self._width = console.width

    def _new_live(self) -> Live:
        return Live(console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._live.stop()

    def update(self, progress: Progress) -> None:
        """Redraw, as wide and as high as the terminal is now. A FAILED trial leaves a line above the table."""
        width, height = self._console.size
        if width < self._width:
            self._erase_folded(width)
        self._width = width
        for record in progress.ended:
            if record.state == "FAILED":
                print_line(self._console, f"FAILED {record.key}: {record.reason}", style="red")
        table = live_table(self._name, progress, time.monotonic() - self._began, width, height)
        self._live.update(table, refresh=True)
        lines = self._console.render_lines(table, pad=False)
        self._drawn = [sum(segment.cell_length for segment in line) for line in lines]

    def _erase_folded(self, width: int) -> None:
        """Erase the table of a terminal that is narrower now: it has folded lines that were wider, and the table has
        more of them than were printed."""
        folded = sum(max(0, size - 1) // width for size in self._drawn)
        self._live.stop()
        erase = ((ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2))
        self._console.control(Control(*erase * folded))
        self._live = self._new_live()
        self._live.start()


def live_table(name: str, progress: Progress, elapsed_s: float, width: int, height: int) -> Group:
    """All lines of the table: at most 15, no more than a terminal of `height` lines has room for, and none wider than
    `width` characters."""
    room = max(1, min(MOST_LINES, height - 1) - AROUND)
    workers = progress.workers if len(progress.workers) <= room else progress.workers[: max(1, room - 1)]
    lines: list[RenderableType] = [_bar(name, progress, elapsed_s, width), _cut(counts_text(progress), width)]
    if progress.best is not None:
        lines.append(_cut(best_text(progress.best), width))
    lines.append(_workers(workers, width))
    if more := len(progress.workers) - len(workers):
        lines.append(_cut(f"and {more} more workers", width))
    return Group(*lines)


def best_text(best: Best) -> str:
    """Such as "best so far: 0.7500 at α=0.5 (mean of 2 seeds), chosen among 4"."""
    point = short_point(best.parameters)
    seeds = f" (mean of {best.seeds} seeds)" if best.seeds > 1 else ""
    among = f", chosen among {best.among}" if best.among > 1 else ""
    return f"best so far: {best.value:.{best.digits}f}{f' at {point}' if point else ''}{seeds}{among}"


def counts_text(progress: Progress) -> str:
    """Such as "7 of 15 trials done, 1 pruned, 1 failed"."""
    others = [(progress.pruned, "pruned"), (progress.failed, "failed")]
    parts = [
        f"{progress.done} of {progress.target} trials done",
        *(f"{count} {name}" for count, name in others if count),
    ]
    return ", ".join(parts)


def left_text(progress: Progress) -> str:
    """Time left, or an ellipsis while nothing is known."""
    return "…" if progress.left_s is None else f"about {duration_text(progress.left_s)}"


def sparkline(values: Sequence[float], length: int = SPARKS) -> str:
    """The course of the last values in `length` characters at most, the lowest as the lowest bar; a space for what
    is no number."""
    if len(values) > length:  # means of equal parts: a curve of all of them, and no bar of a single batch
        ends = [round(place * len(values) / length) for place in range(length + 1)]
        values = [sum(values[one:other]) / (other - one) for one, other in pairwise(ends)]
    known = [value for value in values if abs(value) < float("inf")]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)
    heights = [round((value - low) / span * 7) if span and abs(value) < float("inf") else 0 for value in values]
    return "".join(
        SPARK[height] if abs(value) < float("inf") else " " for value, height in zip(values, heights, strict=True)
    )


def _bar(name: str, progress: Progress, elapsed_s: float, width: int) -> Table:
    """The study's name, a bar of its trials, and the time that is gone and left."""
    label = middle_cut(shown(name), max(8, width // 3))
    note = middle_cut(f"{duration_text(elapsed_s)}, left: {left_text(progress)}", width - cell_len(label) - 6)
    size = max(4, min(40, width - cell_len(label) - cell_len(note) - 2))
    bar = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
    for _ in range(3):
        bar.add_column(no_wrap=True)
    filled = ProgressBar(max(1, progress.target), progress.done, width=size)
    bar.add_row(Text(label, style="bold"), filled, Text(note))
    return bar


def _workers(workers: Sequence[WorkerRow], width: int) -> Table:
    """The columns that there is room for beside the trials' names: the curve of losses goes first."""
    columns = {
        "phase": [shown(row.phase) for row in workers],
        "step": [f"{row.step}/{row.steps}" if row.steps else "" for row in workers],
        "loss": ["" if row.loss is None else f"{row.loss:.4f}" for row in workers],
        "steps/s": ["" if row.steps_per_s is None else f"{row.steps_per_s:.3g}" for row in workers],
        " ": [sparkline(row.losses) for row in workers],
    }
    names = [shown(row.name) for row in workers]
    longest = max((cell_len(name) for name in names), default=0)
    sizes = {title: max(cell_len(cell) for cell in (title, *cells)) + 2 for title, cells in columns.items()}
    sizes[" "] = SPARKS + 2
    while len(columns) > 1 and width - sum(sizes[title] for title in columns) < min(longest, LEAST_NAME) + 1:
        columns.popitem()
    room = max(4, width - sum(sizes[title] for title in columns) - 1)
    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    order = [title for title in ("phase", "step", "steps/s", "loss", " ") if title in columns]
    for title in ("trial", *order):
        table.add_column(justify="right" if title in ("step", "steps/s", "loss") else "left", no_wrap=True)
    table.add_row(*(Text(title, style="dim") for title in ("trial", *order)))
    for place, name in enumerate(names):
        cells = [Text(columns[title][place], no_wrap=True, overflow="crop") for title in order]
        table.add_row(Text(middle_cut(name, room)), *cells)
    return table


def middle_cut(text: str, width: int) -> str:
    """A text of at most `width` cells, cut in the middle: names often differ at their ends."""
    if cell_len(text) <= width:
        return text
    head = tail = ""
    for place in range(len(text)):
        if cell_len(head) + cell_len(tail) + cell_len(text[place]) + 1 > width:
            break
        head += text[place]
        if cell_len(head) + cell_len(tail) + cell_len(text[-place - 1]) + 1 > width:
            break
        tail = text[-place - 1] + tail
    return f"{head}…{tail}"


def _cut(text: str, width: int) -> Text:
    return Text(middle_cut(shown(text), width), no_wrap=True, overflow="crop")
