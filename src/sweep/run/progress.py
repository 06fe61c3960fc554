"""Progress of a running study: bars on a terminal, plain lines elsewhere."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeElapsedColumn

from sweep.report.plain_console import PlainColumn
from sweep.report.text import Status, duration_text, status_text

PLAIN_EVERY_S = 15.0


class TimeLeft:
    """Extrapolates from what was done since this run of the command began, parts of trials included."""

    def __init__(self, done: int, target: int) -> None:
        self._started = time.monotonic()
        self._done_before = done
        self._target = target

    def text(self, done: int, part: float) -> str:
        """Time left, or an ellipsis while too little is known. `part`: finished shares of the running trials."""
        progress = done + part - self._done_before
        elapsed = time.monotonic() - self._started
        if progress < 0.1 or elapsed < 5:
            return "…"
        return duration_text(elapsed / progress * max(0.0, self._target - done - part))


class Display(Protocol):
    """Shows how far a study is."""

    def __enter__(self) -> Self:
        """Begin showing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """End showing."""

    def update(self, done: int, failed: int, statuses: Sequence[Status]) -> None:
        """`statuses`: what each worker says (key, phase, step, steps, loss), empty before its first trial."""


def display(console: Console, name: str, done: int, target: int) -> Display:
    """Bars if the console is a terminal, else plain lines."""
    left = TimeLeft(done, target)
    return Bars(console, name, done, target, left) if console.is_terminal else Lines(console, target, left)


def _part(statuses: Sequence[Status]) -> float:
    """How many trials' work is done in the running ones."""
    return sum(float(status["step"] / status["steps"]) for status in statuses if status.get("steps"))


class Bars:
    """One bar for the trials of the study, and one a worker for the steps of its trial."""

    def __init__(self, console: Console, name: str, done: int, target: int, left: TimeLeft) -> None:
        self._left = left
        self._progress = Progress(
            PlainColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            PlainColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._trials = self._progress.add_task(f"{name}: trials", completed=done, total=target, note="")
        self._workers: list[TaskID] = []
        self._keys: list[str] = []

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, done: int, failed: int, statuses: Sequence[Status]) -> None:
        """Move all bars."""
        note = f"left {self._left.text(done, _part(statuses))}" + (f", {failed} failed" if failed else "")
        self._progress.update(self._trials, completed=done, note=note)
        while len(self._workers) < len(statuses):
            self._workers.append(self._progress.add_task("starting a worker", total=None, note=""))
            self._keys.append("")
        for place, bar in enumerate(self._workers):
            at_work = place < len(statuses)
            self._progress.update(bar, visible=at_work)
            if at_work:
                self._show(place, bar, statuses[place])

    def _show(self, place: int, bar: TaskID, status: Status) -> None:
        key = status.get("key", "")
        if key != self._keys[place]:
            self._keys[place] = key
            self._progress.reset(bar)
        if not status:
            self._progress.update(bar, description="starting a worker", completed=0, total=None, note="")
            return
        self._progress.update(
            bar,
            description=f"{key}: {status['phase']}",
            completed=status["step"],
            total=status["steps"] or None,
            note="" if status["loss"] is None else f"loss {status['loss']:.4f}",
        )


class Lines:
    """A line when a trial starts, finishes or fails, and one every 15 seconds in between."""

    def __init__(self, console: Console, target: int, left: TimeLeft) -> None:
        self._console = console
        self._target = target
        self._left = left
        self._shown_at = 0.0
        self._last: tuple[int, int, frozenset[str]] = (-1, -1, frozenset())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        pass

    def update(self, done: int, failed: int, statuses: Sequence[Status]) -> None:
        """Print if something changed or enough time passed."""
        now = time.monotonic()
        state = done, failed, frozenset(str(status["key"]) for status in statuses if status)
        if state == self._last and now - self._shown_at < PLAIN_EVERY_S:
            return
        self._last, self._shown_at = state, now
        parts = [f"{done} of {self._target} trials done"]
        if failed:
            parts.append(f"{failed} failed")
        parts += [status_text(status) for status in statuses if status]
        if len(parts) > 1:
            parts.append(f"time left {self._left.text(done, _part(statuses))}")
        self._console.print(" | ".join(parts), markup=False, highlight=False, soft_wrap=True)
