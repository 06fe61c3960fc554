"""A running study in a file or a pipe: a line when trials begin or end, and fewer of them the longer it takes."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console

from sweep.report.text import status_text
from sweep.run.live_table import best_text, counts_text, left_text
from sweep.run.progress import Progress, WorkerRow

SHARE = 0.05  # of the time so far lies between two lines: some 20 for every time that it has become e times as long
QUIET_S = 30.0  # and a line in between only after so long, or twice that share of the time
MOST_WORKERS = 4  # in a line
MOST_FAILURES = 20  # lines of their own


class PlainLines:
    """Prints to a console; `clock` gives seconds."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._began = clock()
        self._printed: float | None = None  # when
        self._is_news = True
        self._failures = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        pass

    def update(self, progress: Progress) -> None:
        """Print if something has happened, or enough time has passed."""
        for record in progress.ended:
            if record.state == "FAILED":
                self._failures += 1
                if self._failures <= MOST_FAILURES:
                    self._say(f"FAILED {record.key}: {record.reason}")
        self._is_news = self._is_news or bool(progress.started or progress.ended)
        now = self._clock()
        gone_s = now - self._began
        pause_s = SHARE * gone_s if self._is_news else max(QUIET_S, 2 * SHARE * gone_s)
        if self._printed is not None and now - self._printed < pause_s:
            return
        self._printed, self._is_news = now, False
        at_work = [_row_text(row) for row in progress.workers if row.key]
        parts = [counts_text(progress), *at_work[:MOST_WORKERS]]
        if len(at_work) > MOST_WORKERS:
            parts.append(f"and {len(at_work) - MOST_WORKERS} more")
        if progress.best is not None and progress.ended:
            parts.append(best_text(progress.best))
        if at_work:
            parts.append(f"time left {left_text(progress)}")
        self._say(" | ".join(parts))

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _row_text(row: WorkerRow) -> str:
    status = {"key": row.key, "phase": row.phase, "step": row.step, "steps": row.steps, "loss": row.loss}
    return status_text(status)
