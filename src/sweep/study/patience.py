"""Waiting for a database that is away."""

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from sweep.errors import DatabaseUnusable
from sweep.study.faults import FAULTS, lasting_fault, reason_of

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
ATTENTION_S = 0.2  # between two looks at what else there is to do
CROWDED_S = 1.0  # shorter pauses are a moment's crowding, of which nobody needs to read

log = logging.getLogger("sweep")
Answer = TypeVar("Answer")


class Patience:
    """Repeats operations on the database at `place` for up to `patience_s` seconds; no message has the `secret`."""

    def __init__(self, place: str, secret: str, patience_s: float) -> None:
        self._place = place
        self._secret = secret
        self._patience_s = patience_s
        self._thread = threading.local()
        self._recovered_at = -float("inf")
        self._is_away = False  # as far as the last operation tells
        self._meanwhile: Callable[[], None] = lambda: None

    def attend(self, meanwhile: Callable[[], None]) -> None:
        """Call this several times a second while waiting; what it raises ends the waiting."""
        self._meanwhile = meanwhile

    def hurry(self, patience_s: float) -> None:
        """From now on, wait this long at most."""
        self._patience_s = min(self._patience_s, patience_s)

    @property
    def recovered_s_ago(self) -> float:
        """Seconds since the database came back; 0 while it is away, infinite if it never was."""
        if self._is_away:
            return 0.0
        return time.monotonic() - self._recovered_at

    def __call__(self, operation: Callable[[], Answer]) -> Answer:
        """Do what may be done twice, again and again while the database is away.

        Within another patient operation it is done once: that one is repeated as a whole, since its lock does not
        outlive its connection. Raises DatabaseUnusable when patience ends, or for an error that no waiting helps
        against.
        """
        if getattr(self._thread, "is_patient", False):
            return operation()
        self._thread.is_patient = True
        try:
            return self._repeat(operation)
        finally:
            self._thread.is_patient = False

    def once(self, operation: Callable[[], Answer]) -> Answer:
        """Do it now or not at all: while the database is away this raises what the database does."""
        try:
            answer = operation()
        except FAULTS:
            self._is_away = True
            raise
        self._is_there()
        return answer

    def _is_there(self) -> None:
        if self._is_away:
            self._recovered_at, self._is_away = time.monotonic(), False

    def _repeat(self, operation: Callable[[], Answer]) -> Answer:
        away_since: float | None = None
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                answer = operation()
            except FAULTS as error:
                self._is_away = True
                now = time.monotonic()
                away_since = now if away_since is None else away_since
                self._give_up_if_hopeless(error, now - away_since)
                if pause_s >= CROWDED_S:
                    reason = reason_of(error, self._secret)
                    log.warning("the study's database is away (%s); trying again", reason)
                self._rest(pause_s * random.uniform(0.5, 1.0))  # many that were refused at once do not return at once
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                self._is_there()
                return answer

    def _rest(self, pause_s: float) -> None:
        until = time.monotonic() + pause_s
        while (left_s := until - time.monotonic()) > 0:
            self._meanwhile()
            time.sleep(min(left_s, ATTENTION_S))

    def _give_up_if_hopeless(self, error: Exception, away_s: float) -> None:
        """Raise DatabaseUnusable for an error that lasts, or has lasted for too long."""
        lasting = lasting_fault(error, self._place, self._secret)
        if lasting is not None:
            raise lasting from None
        if away_s >= self._patience_s:
            raise DatabaseUnusable(
                f"the study's database {self._place} has been away for {away_s:.0f} s "
                f"({reason_of(error, self._secret)}); repeat the command when it is back: nothing is lost"
            ) from None
