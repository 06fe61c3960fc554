"""Series of a trial over its training steps, in CSV files of its folder."""

import csv
import io
import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sweep.evaluation.validation import Validation
from sweep.records.files import write_atomically
from sweep.records.folder import TrialFolder
from sweep.records.lines import append_lines, cut_torn_line
from sweep.training.watch import TrainingPoint

Cells = dict[str, str]  # a row by column; numbers as `repr` writes them, so that no digit is lost


class Curve:
    """A CSV file with columns `step`, the values' names and `timestamp_ms` (unix); steps increase from row to row.

    A training that goes on from a checkpoint reaches steps again. With the same values their rows stay as they are,
    timestamps included, so on a CPU a resumed trial leaves the rows of an uninterrupted one. With other values
    (another device, another number of ranks) these rows and all after them are of a training that is no more: they
    are dropped. So is a row that is damaged, and a whole file that is: a curve is no figure, and keeps no trial back.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        cut_torn_line(file)
        self._rows: dict[int, Cells] = {}  # by step, in increasing order
        self._columns: list[str] = []
        self._is_damaged = False
        written = self._read()
        for cells in written:
            self._drop_from(int(cells["step"]))
            self._rows[int(cells["step"])] = cells
        self._size = file.stat().st_size if file.exists() else 0
        if len(written) != len(self._rows) or self._is_damaged:
            self._rewrite()

    def _read(self) -> list[Cells]:
        if not self._file.exists():
            return []
        with self._file.open(newline="", encoding="utf-8", errors="replace") as lines:
            rows = csv.DictReader(line.replace("\0", "\ufffd") for line in lines)
            self._columns = list(rows.fieldnames or ())
            every = list(rows)
        whole = [row for row in every if _is_whole(row)]
        self._is_damaged = len(whole) < len(every)
        return [{name: text for name, text in row.items() if text} for row in whole]

    def add(self, step: int, values: Mapping[str, float], timestamp_ms: int) -> None:
        """Keep the values of a step (counted from 1)."""
        texts = {name: repr(value) for name, value in values.items()}
        known = self._rows.get(step)
        if known is not None and _values(known) == texts:
            return
        dropped = self._drop_from(step)
        cells = {"step": str(step), **texts, "timestamp_ms": str(timestamp_ms)}
        self._rows[step] = cells
        if dropped or len(self._rows) == 1 or not cells.keys() <= set(self._columns) or self._is_changed():
            self._rewrite()
        else:
            append_lines(self._file, [_line(cells.get(name, "") for name in self._columns)])
            self._size = self._file.stat().st_size

    def finish(self, steps: int) -> None:
        """Drop rows beyond the last step, which an earlier attempt may have left."""
        if self._drop_from(steps + 1) or (self._rows and self._is_changed()):
            self._rewrite()

    def _drop_from(self, step: int) -> bool:
        """Drop the rows of this and all later steps; whether there were any."""
        late = list(itertools.takewhile(lambda known: known >= step, reversed(self._rows)))
        for known in late:
            del self._rows[known]
        return bool(late)

    def _is_changed(self) -> bool:
        """Whether another attempt, which was paused and woke up too late, wrote to the file."""
        return not self._file.exists() or self._file.stat().st_size != self._size

    def _rewrite(self) -> None:
        names = dict.fromkeys(name for cells in self._rows.values() for name in _values(cells))
        self._columns = ["step", *names, "timestamp_ms"]
        rows = [[cells.get(name, "") for name in self._columns] for cells in self._rows.values()]
        write_atomically(self._file, "".join(f"{_line(cells)}\n" for cells in (self._columns, *rows)))
        self._size = self._file.stat().st_size


def _is_whole(row: dict[str, Any]) -> bool:
    """Whether a row was written by a curve: all of its cells are numbers, and as many as there are columns."""
    try:
        int(row["step"]), int(row["timestamp_ms"])
        [float(text) for text in row.values() if text]
    except (KeyError, ValueError, TypeError):
        return False
    return True


def _values(cells: Cells) -> Cells:
    return {name: text for name, text in cells.items() if name not in ("step", "timestamp_ms")}


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


class Curves:
    """The losses and validations of one trial."""

    def __init__(self, folder: TrialFolder) -> None:
        self._losses = Curve(folder.losses)
        self._validations = Curve(folder.validations)

    def add_loss(self, point: TrainingPoint) -> None:
        """Keep a logged step."""
        self._losses.add(point.step, {"loss": point.loss, "learning_rate": point.learning_rate}, point.timestamp_ms)

    def add_validation(self, validation: Validation) -> None:
        """Keep a validation."""
        self._validations.add(validation.step, validation.metrics, validation.timestamp_ms)

    def finish(self, steps: int) -> None:
        """Drop what is beyond the last step of the training."""
        for curve in (self._losses, self._validations):
            curve.finish(steps)
