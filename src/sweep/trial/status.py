"""What a worker's trial is at, in the file that the driver's displays read."""

import time
from pathlib import Path

from sweep.launch.liveness import write_status

STATUS_S = 0.3  # how often the file is renewed


class TrialStatus:
    """One trial's: preparing, training after so many steps, or evaluating; with how much of an evaluation is done,
    which takes many minutes on a large benchmark."""

    def __init__(self, workers: Path, worker: str, key: str) -> None:
        self._workers, self._worker, self._key = workers, worker, key
        self._at, self._phase = 0.0, ""
        self._step, self._steps = 0, 0
        self._loss: float | None = None

    def prepare(self) -> None:
        """It begins."""
        self._write("preparing")

    def wait(self) -> None:
        """It waits for other trials, for as long as they take."""
        self._write("waiting for its parents")

    def train(self, step: int, steps: int, loss: float) -> None:
        """So many of its steps are done; after the last one it is evaluated."""
        self._step, self._steps, self._loss = step, steps, loss
        self._write("evaluating" if step == steps else "training")

    def encode(self, what: str, done: int, size: int) -> None:
        """So many of the texts of what is evaluated are encoded."""
        self._write("evaluating", f" {what}, {100 * done // size} %")

    def _write(self, phase: str, detail: str = "") -> None:
        now = time.time()
        if phase == self._phase and now - self._at < STATUS_S:
            return
        self._at, self._phase = now, phase
        status = {"key": self._key, "phase": phase + detail, "step": self._step, "steps": self._steps}
        write_status(self._workers, self._worker, {**status, "loss": self._loss, "time": now})
