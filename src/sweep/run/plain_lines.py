"""A running study in a file or a pipe: a line a finished trial, and fewer of them the longer it takes."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console

from sweep.records.trial_record import TrialRecord
from sweep.report.text import duration_text, status_text
from sweep.run.live_table import best_text, counts_text, left_text
from sweep.run.progress import Best, Display, Progress, WorkerRow

MOST_TRIALS = 200  # lines of their own; of later ones how many have finished
SHARE = 0.05  # of the time so far lies between two such lines
QUIET_S = 30.0  # after which, or after twice that share of the time, a line says what the workers do
MOST_WORKERS = 4  # in a line
MOST_FAILURES = 20  # lines of their own
DIGITS = 4  # of a figure while no point has one


class PlainLines(Display):
    """Prints to a console; `clock` gives seconds."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._began = clock()
        self._printed: float | None = None  # when
        self._best: tuple[float, Mapping[str, Any]] | None = None  # that was printed: its figure and its values
        self._trials = self._uncounted = self._failures = 0

    def update(self, progress: Progress) -> None:
        """Print trials that have ended, or what the workers do if none has for long."""
        now = self._clock()
        gone_s = now - self._began
        quiet_s = gone_s if self._printed is None else now - self._printed
        for record in progress.ended:
            if record.state == "FAILED":
                self._failures += 1
                if self._failures <= MOST_FAILURES:
                    self._say([f"FAILED {record.key}: {record.reason}"])
        ended = [record for record in progress.ended if record.state != "FAILED"]
        self._trials += len(ended)
        if self._printed is None:
            self._say([counts_text(progress)])
        if self._trials <= MOST_TRIALS:
            self._say_each(progress, ended)
            is_due = quiet_s >= max(QUIET_S, 2 * SHARE * gone_s) and not ended
        else:
            self._uncounted += len(ended)
            is_due = quiet_s >= SHARE * gone_s if self._uncounted else quiet_s >= max(QUIET_S, 2 * SHARE * gone_s)
        if is_due:
            self._uncounted = 0
            self._say([counts_text(progress), *_at_work(progress.workers), *self._outlook(progress)])

    def _say_each(self, progress: Progress, ended: Sequence[TrialRecord]) -> None:
        """A line a trial; the last one has what all of them come to."""
        before = progress.done - len(ended)
        for place, record in enumerate(ended, 1):
            line = f"{before + place} of {progress.target}: {record.key}{_figure(record, progress.best)}"
            self._say([line, *(self._outlook(progress) if place == len(ended) else [])])

    def _outlook(self, progress: Progress) -> list[str]:
        """The best point, if it is another one or has another figure than when it was printed last, and the time."""
        parts = []
        best = progress.best
        if best is not None and (best.value, best.parameters) != self._best:
            self._best = best.value, best.parameters
            parts.append(best_text(best))
        if progress.left_s is not None and progress.done < progress.target:
            parts.append(f"time left {left_text(progress)}")
        return parts

    def _say(self, parts: Sequence[str]) -> None:
        self._printed = self._clock()
        self._console.print(" | ".join(parts), markup=False, highlight=False, soft_wrap=True)


def _figure(record: TrialRecord, best: Best | None) -> str:
    """Such as ": 0.4642 in 5 s"."""
    digits = DIGITS if best is None else best.digits
    figure = "" if record.value is None else f" {record.value:.{digits}f}"
    state = " pruned at" if record.state == "PRUNED" and figure else " pruned" if record.state == "PRUNED" else ""
    lasted = "" if record.duration_s is None else f" in {duration_text(record.duration_s)}"
    return f":{state}{figure}{lasted}" if state or figure or lasted else ""


def _at_work(workers: Sequence[WorkerRow]) -> list[str]:
    """What a few of the workers do."""
    rows = [row for row in workers if row.key]
    texts = [
        status_text({"key": row.key, "phase": row.phase, "step": row.step, "steps": row.steps, "loss": row.loss})
        for row in rows[:MOST_WORKERS]
    ]
    return [*texts, f"and {len(rows) - MOST_WORKERS} more"] if len(rows) > MOST_WORKERS else texts
