"""Copies of a trial's checkpoints where other machines reach them, made while the training goes on."""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from sweep.errors import ArtifactsUnusable
from sweep.records.study_artifacts import StudyArtifacts
from sweep.training.saved_names import superseded

RETRY_S = 5.0

log = logging.getLogger("sweep")


class CheckpointCopies:
    """The copies of one trial's checkpoints, as an attempt sees them.

    The newest checkpoint is copied in a thread of its own: a place that is slow or away holds no training up, and
    what was overtaken by a newer one meanwhile is left out. Rank 0 alone leaves copies and deletes old ones.
    """

    def __init__(self, artifacts: StudyArtifacts, key: str, attempt: int) -> None:
        self._artifacts = artifacts
        self._key = key
        self._attempt = attempt
        self._next: tuple[Path, int | None] | None = None  # to be copied, and the best validation's step
        self._left: str | None = None  # the last one that was copied
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def leave(self, checkpoint: Path, best_step: int | None) -> None:
        """Copy a committed checkpoint soon, in the place of older ones. Returns at once."""
        self._next = checkpoint, best_step
        self._wake.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="checkpoint copies", daemon=True)
            self._thread.start()

    def _copy(self, checkpoint: Path) -> None:
        """Copy a checkpoint now, if it is not there. Raises ArtifactsUnusable."""
        if self._left != checkpoint.name and checkpoint.name not in self.names():
            self._artifacts.leave_trail(self._key, self._attempt)
            self._artifacts.leave_checkpoint(self._key, checkpoint)
            self._left = checkpoint.name

    def names(self) -> Sequence[str]:
        """The names of those that are there."""
        return self._artifacts.checkpoints(self._key)

    def take(self, checkpoint: Path) -> bool:
        """Put a copy in the place of a checkpoint's folder; False if it is gone, or of no use."""
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        return self._artifacts.take_checkpoint(self._key, checkpoint)

    def end(self) -> None:
        """Copy nothing more. A copy that is on its way arrives, unless the place is away."""
        self._ended.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def finish(self) -> None:
        """End, with a copy of the newest checkpoint: others are to go on from it. Raises ArtifactsUnusable."""
        self.end()
        if self._next is not None:
            self._copy(self._next[0])

    def delete(self) -> None:
        """Delete all copies: the trial has ended. The driver does it if the place is away now: the next trial waits
        for this one's worker."""
        self.end()
        artifacts = self._artifacts.within(0)
        try:
            names = superseded(artifacts.checkpoints(self._key), self._attempt, kept=0)
            artifacts.delete_checkpoints(self._key, names)
        except (ArtifactsUnusable, OSError) as error:
            log.info("copies of checkpoints are left for the end of the study: %s", error)

    def _run(self) -> None:
        artifacts = self._artifacts.until(self._ended.is_set)
        while not self._ended.is_set():
            self._wake.wait()
            self._wake.clear()
            if self._next is None or self._ended.is_set():
                continue
            checkpoint, best_step = self._next
            try:
                artifacts.leave_trail(self._key, self._attempt)
                artifacts.leave_checkpoint(self._key, checkpoint)
                self._left = checkpoint.name
                old = superseded(artifacts.checkpoints(self._key), self._attempt, best_step)
                artifacts.delete_checkpoints(self._key, old)
            except FileNotFoundError:  # it was overtaken by newer ones, and deleted
                log.info("checkpoint %s was not copied: newer ones have taken its place", checkpoint.name)
            except (ArtifactsUnusable, OSError) as error:
                log.warning("checkpoint %s is not copied yet: %s", checkpoint.name, error)
                if not self._ended.wait(RETRY_S):
                    self._wake.set()
