"""Series of a trial over its training steps, in a CSV file of its folder and in MLflow."""

import csv
import io
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sweep.evaluation.validation import Validation
from sweep.records.files import write_atomically
from sweep.records.folder import TrialFolder
from sweep.tracking.tracker import Tracker
from sweep.training.watch import TrainingPoint

FLUSH_S = 5.0  # how often a curve goes to MLflow


@dataclass(frozen=True)
class _Point:
    values: dict[str, float]
    timestamp_ms: int


class Curve:
    """A curve: columns `step`, the values' names and `timestamp_ms`; in MLflow a name has the `prefix` before it.

    A point's timestamp is kept with it: when a trial goes on from a checkpoint and reaches the same values at the
    same step, MLflow gets the very rows it has already. Points of an earlier attempt are logged again, since it may
    have been killed before it came to that.
    """

    def __init__(self, file: Path, tracker: Tracker, run_id: str, prefix: str = "") -> None:
        self._file = file
        self._tracker = tracker
        self._run_id = run_id
        self._prefix = prefix
        self._waiting: list[tuple[str, float, int, int]] = []
        self._flushed_at = time.monotonic()
        self._known = self._read()
        self._logged: set[int] = set()  # steps that this attempt has logged

    def _read(self) -> dict[int, _Point]:
        """Points of an earlier attempt; a line that its death cut short is left out."""
        if not self._file.exists():
            return {}
        lines = self._file.read_text().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        if len(whole) < len(lines):
            write_atomically(self._file, "".join(whole))
        known = {}
        for row in csv.DictReader(whole):
            step, timestamp_ms = int(row.pop("step")), int(row.pop("timestamp_ms"))
            known[step] = _Point({name: float(value) for name, value in row.items()}, timestamp_ms)
        return known

    def add(self, step: int, values: Mapping[str, float], timestamp_ms: int) -> None:
        """Keep a point; log it with the next flush."""
        point = self._known.get(step)
        if point is None or point.values != values:
            point = _Point(dict(values), timestamp_ms)
            self._append(step, point)
        self._log_earlier(step)
        self._wait(step, point)
        if time.monotonic() - self._flushed_at > FLUSH_S:
            self.flush()

    def _append(self, step: int, point: _Point) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if not self._file.exists() or not self._file.stat().st_size:
            writer.writerow(["step", *point.values, "timestamp_ms"])
        writer.writerow([step, *map(repr, point.values.values()), point.timestamp_ms])
        with self._file.open("a") as curve:
            curve.write(text.getvalue())

    def _log_earlier(self, step: float) -> None:
        """Log the points before a step that an earlier attempt reached and this one goes on from."""
        for earlier, point in self._known.items():
            if earlier < step and earlier not in self._logged:
                self._wait(earlier, point)

    def finish(self, steps: int) -> None:
        """Log what is left up to the last step, also of an attempt that was killed after its training."""
        self._log_earlier(steps + 1)
        self.flush()

    def _wait(self, step: int, point: _Point) -> None:
        self._logged.add(step)
        self._waiting += [
            (self._prefix + name, value, point.timestamp_ms, step) for name, value in point.values.items()
        ]

    def flush(self) -> None:
        """Log what is waiting."""
        if self._waiting:
            self._tracker.log_series(self._run_id, self._waiting)
        self._waiting = []
        self._flushed_at = time.monotonic()


class Curves:
    """The losses and validations of one trial."""

    def __init__(self, folder: TrialFolder, tracker: Tracker, run_id: str) -> None:
        self._losses = Curve(folder.losses, tracker, run_id, prefix="train/")
        self._validations = Curve(folder.validations, tracker, run_id)

    def add_loss(self, point: TrainingPoint) -> None:
        """Keep a logged step."""
        self._losses.add(point.step, {"loss": point.loss, "learning_rate": point.learning_rate}, point.timestamp_ms)

    def add_validation(self, validation: Validation) -> None:
        """Keep a validation, and log it at once: it is rare, and a long training is judged by it."""
        self._validations.add(validation.step, validation.metrics, validation.timestamp_ms)
        self._validations.flush()

    def finish(self, steps: int) -> None:
        """Log what is left up to the last step."""
        for curve in (self._losses, self._validations):
            curve.finish(steps)
