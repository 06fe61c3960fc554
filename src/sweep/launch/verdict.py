"""What the exit statuses of a group's ranks come to. One failed rank makes the others fail, or wait for it."""

import time
from collections.abc import Sequence

from sweep.launch.protocol import LOST

ENDING_S = 3.0  # how long the ranks of a group may take to end by themselves after one of them failed


class Verdict:
    """Judges a group by what is known of its ranks, each time it is asked."""

    def __init__(self) -> None:
        self._failed_at: float | None = None

    @property
    def overdue_s(self) -> float:
        """For how long ranks have been at work that would have ended by themselves by now; else not above 0."""
        return 0.0 if self._failed_at is None else time.monotonic() - self._failed_at - ENDING_S

    def of(self, statuses: Sequence[int | None], final: bool = False) -> int | None:
        """The group's status: 0 if all ranks ended with it, else that of a signal, or the first other one.

        None while ranks are at work (None among their statuses), or end by themselves after one of them failed.
        `final`: not to wait for those any longer.
        """
        failed = [status for status in statuses if status]
        if not failed:
            return None if None in statuses else 0
        self._failed_at = self._failed_at or time.monotonic()
        if None in statuses and LOST not in failed and not final:
            return None
        return min(failed) if min(failed) < 0 else failed[0]
