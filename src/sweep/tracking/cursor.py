"""What of a study's folder its tracker has already: a file of lines, the last one of a trial counts.

A kill may leave it behind the tracker, never ahead: what is sent a second time the tracker keeps once.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sweep.records.files import write_atomically
from sweep.records.lines import append_lines, cut_torn_line
from sweep.tracking.protocol import Row, Status

SPARE_LINES = 200  # more than one a trial before the file is written anew
TAIL_BYTES = 256  # of a curve that are compared: they hold the last row's timestamp


class Rewritten(Exception):
    """A curve no longer begins with what was sent of it."""


@dataclass(frozen=True)
class Position:
    """A place in a curve's file, in bytes, and a digest of what is before it. `size`: of the whole file, which may
    have ended in a torn line."""

    offset: int
    digest: str
    size: int


@dataclass(frozen=True)
class Sent:
    """What a tracker has of one trial. `curves`: how far, by the file's name; `ended`: number and state of the trial
    that is there with all it has, "" while it is not. `attempt` is None if nothing was logged yet; `owes_files`: all
    is there but its files; `digests`: of what it shows, by what that is."""

    run: str
    status: Status
    attempt: int | None = None
    curves: dict[str, Position] | None = None
    ended: str = ""
    owes_files: bool = False
    digests: dict[str, str] | None = None

    def past(self, curve: str, position: Position | None) -> "Sent":
        """The same, with more of a curve."""
        return self if position is None else replace(self, curves={**(self.curves or {}), curve: position})


class Cursor:
    """The cursor of one study. `store` is the id of what it speaks of: another store has nothing yet."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.store: str | None = None
        self.status: Status | None = None  # of the run of the whole study
        self._trials: dict[str, Sent] = {}
        cut_torn_line(file)
        lines = 0
        try:
            for text in file.read_text().splitlines() if file.exists() else []:
                self._take(json.loads(text))
                lines += 1
        except (ValueError, KeyError, TypeError, AttributeError):
            # Damaged. Nothing is lost: the tracker is asked for its runs, and what is sent again it keeps once.
            file.unlink()
            self.store, self.status, self._trials = None, None, {}
            return
        if lines > len(self._trials) + SPARE_LINES:
            head = {"store": self.store, "status": self.status}
            kept = [head, *(_line(key, sent) for key, sent in self._trials.items())]
            write_atomically(file, "".join(f"{json.dumps(line)}\n" for line in kept))

    def _take(self, line: dict[str, Any]) -> None:
        if "key" in line:
            key = line.pop("key")
            if "run" not in line:
                self._trials.pop(key, None)
                return
            curves = {name: Position(*position) for name, position in (line.pop("curves", None) or {}).items()}
            self._trials[key] = Sent(**line, curves=curves)
        else:
            if line["store"] != self.store:
                self._trials = {}
            self.store, self.status = line["store"], line["status"]

    def get(self, key: str) -> Sent | None:
        """What was sent of a trial, or None."""
        return self._trials.get(key)

    def runs(self) -> dict[str, str]:
        """The ids of the runs that something was sent to, by key."""
        return {key: sent.run for key, sent in self._trials.items()}

    def put(self, key: str, sent: Sent) -> None:
        """Remember what was sent of a trial."""
        append_lines(self.file, [json.dumps(_line(key, sent))])
        self._trials[key] = sent

    def forget(self, key: str) -> None:
        """Nothing of the trial is there any more."""
        append_lines(self.file, [json.dumps({"key": key})])
        self._trials.pop(key, None)

    def point_to(self, store: str, status: Status) -> None:
        """Remember the study's status in a store; with another store than before, that it has nothing else."""
        if (store, status) != (self.store, self.status):
            append_lines(self.file, [json.dumps({"store": store, "status": status})])
            self._take({"store": store, "status": status})


def _line(key: str, sent: Sent) -> dict[str, Any]:
    curves = {
        name: (position.offset, position.digest, position.size) for name, position in (sent.curves or {}).items()
    }
    return {"key": key, **asdict(sent), "curves": curves}


def has_more(file: Path, position: Position | None) -> bool:
    """Whether a curve is not what was sent of it, as far as its size tells."""
    size = file.stat().st_size if file.exists() else 0
    return size != (position.size if position else 0)


def rows_after(file: Path, position: Position | None, prefix: str) -> tuple[list[Row], Position | None]:
    """The rows of a curve after what was sent, named by their column with a prefix; and where they end.

    A last line without its end is left for later. Raises Rewritten.
    """
    if not file.exists():
        if position is not None:
            raise Rewritten(file.name)
        return [], None
    with file.open("rb") as content:
        columns = content.readline().decode().strip().split(",")
        start = content.tell()
        if position is not None:
            start = position.offset
            content.seek(max(0, start - TAIL_BYTES))
            if _digest(content.read(min(start, TAIL_BYTES))) != position.digest:
                raise Rewritten(file.name)
        content.seek(start)
        text = content.read()
        end = start + text.rfind(b"\n") + 1
        content.seek(max(0, end - TAIL_BYTES))
        after = Position(end, _digest(content.read(min(end, TAIL_BYTES))), start + len(text))
    rows = []
    for line in text[: end - start].decode().splitlines():
        cells = dict(zip(columns, line.split(","), strict=True))
        step, timestamp_ms = int(cells.pop("step")), int(cells.pop("timestamp_ms"))
        rows += [Row(prefix + name, float(cell), timestamp_ms, step) for name, cell in cells.items() if cell]
    return rows, after


def _digest(tail: bytes) -> str:
    return hashlib.sha256(tail).hexdigest()[:16]
