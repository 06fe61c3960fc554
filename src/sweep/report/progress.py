"""Progress of a running study: bars on a terminal, plain lines elsewhere."""

import time
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

PLAIN_EVERY_S = 15.0


def duration_text(seconds: float) -> str:
    """Such as "45 s", "3 min 20 s", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class TimeLeft:
    """Extrapolates from what was done since this run of the command began, parts of a trial included."""

    def __init__(self, done: int, target: int) -> None:
        self._started = time.monotonic()
        self._done_before = done
        self._target = target

    def text(self, done: int, part: float) -> str:
        """Time left, or an ellipsis while too little is known. `part`: finished share of the running trial."""
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

    def update(self, done: int, failed: int, status: dict[str, Any]) -> None:
        """`status` is what the worker says: key, phase, step, steps, loss."""


def display(console: Console, name: str, done: int, target: int) -> Display:
    """Bars if the console is a terminal, else plain lines."""
    left = TimeLeft(done, target)
    return Bars(console, name, target, left) if console.is_terminal else Lines(console, target, left)


def _part(status: dict[str, Any]) -> float:
    return float(status["step"] / status["steps"]) if status.get("steps") else 0.0


class Bars:
    """Two bars: trials of the study, steps of the running trial."""

    def __init__(self, console: Console, name: str, target: int, left: TimeLeft) -> None:
        self._left = left
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._trials = self._progress.add_task(f"{name}: trials", total=target, note="")
        self._steps = self._progress.add_task("starting a worker", total=None, note="")
        self._key = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, done: int, failed: int, status: dict[str, Any]) -> None:
        """Move both bars."""
        note = f"left {self._left.text(done, _part(status))}" + (f", {failed} failed" if failed else "")
        self._progress.update(self._trials, completed=done, note=note)
        if status:
            if status["key"] != self._key:
                self._key = status["key"]
                self._progress.reset(self._steps)
            loss = "" if status["loss"] is None else f"loss {status['loss']:.4f}"
            self._progress.update(
                self._steps,
                description=f"{status['key']}: {status['phase']}",
                completed=status["step"],
                total=status["steps"] or None,
                note=loss,
            )


class Lines:
    """A line when a trial starts, finishes or fails, and one every 15 seconds in between."""

    def __init__(self, console: Console, target: int, left: TimeLeft) -> None:
        self._console = console
        self._target = target
        self._left = left
        self._shown_at = 0.0
        self._last: tuple[int, int, str] = (-1, -1, "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        pass

    def update(self, done: int, failed: int, status: dict[str, Any]) -> None:
        """Print if something changed or enough time passed."""
        now = time.monotonic()
        state = done, failed, str(status.get("key", ""))
        if state == self._last and now - self._shown_at < PLAIN_EVERY_S:
            return
        self._last, self._shown_at = state, now
        parts = [f"{done} of {self._target} trials done"]
        if failed:
            parts.append(f"{failed} failed")
        if status:
            loss = "" if status["loss"] is None else f", loss {status['loss']:.4f}"
            steps = f", step {status['step']} of {status['steps']}" if status["steps"] else ""
            parts.append(f"{status['key']}: {status['phase']}{steps}{loss}")
            parts.append(f"time left {self._left.text(done, _part(status))}")
        self._console.print(" | ".join(parts), markup=False, highlight=False, soft_wrap=True)
