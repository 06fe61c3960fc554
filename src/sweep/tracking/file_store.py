"""Where a tracker keeps files: it may be away while the tracker itself answers; then nothing else waits for it."""

import time
from collections.abc import Callable
from typing import TypeVar

from sweep.tracking.protocol import FilesAway

FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 60.0  # between two attempts at a store that is away
FILES_TAG = "sweep.files"  # of a run that ended while the store was away
MISSING, THERE = "missing", "there"

Kept = TypeVar("Kept")


class FileStore:
    """Sends files unless the store is away; one that is away is asked again after a while.

    `problem` is why it is away, None while it is not.
    """

    def __init__(self) -> None:
        self.problem: str | None = None
        self._pause_s = 0.0
        self._again_at = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it may be asked now."""
        return self.problem is None or time.monotonic() >= self._again_at

    def ask_at_once(self) -> None:
        """Do not wait for the next time."""
        self._again_at = 0.0

    def keep(self, send: Callable[[], Kept]) -> Kept | None:
        """What `send` returns, or None if the store does not take files now: they are owed."""
        if not self.is_due:
            return None
        try:
            kept = send()
        except FilesAway as error:
            self.problem = str(error)
            self._pause_s = min(max(FIRST_PAUSE_S, 2 * self._pause_s), LONGEST_PAUSE_S)
            self._again_at = time.monotonic() + self._pause_s
            return None
        self.problem, self._pause_s = None, 0.0
        return kept
