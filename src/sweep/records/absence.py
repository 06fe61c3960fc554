"""A place of artifacts that is away for a while, and those who wait for it."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from sweep.errors import ArtifactsUnusable, SweepError
from sweep.records.files import FULL
from sweep.settings.secrets import redact

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
ATTENTION_S = 0.2  # between two looks at whether to go on waiting
NOTICE_S = 1.0  # shorter absences are a moment's crowding, of which nobody needs to read

Answer = TypeVar("Answer")


class Absence:
    """The absences of one place, whoever waits for it.

    `say` gets one line when somebody notices that the place is away, and one when it is back and nobody waits any
    more, however many there are, and however often they give up and begin anew.
    """

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        self._name = name
        self._say = say
        self._waiting: set[object] = set()
        self._is_known = False
        self._lock = threading.Lock()

    def wait_for(self, operation: Callable[[], Answer], patience_s: float, given_up: Callable[[], bool]) -> Answer:
        """Do what may be done twice, again and again while the place is away. Raises ArtifactsUnusable when
        `patience_s` seconds have passed, or `given_up` says so; what no waiting helps against is raised at once."""
        who = object()
        try:
            answer = self._done(who, operation, patience_s, given_up)
            self._end(who)
        finally:
            with self._lock:
                self._waiting.discard(who)
        return answer

    def _done(
        self, who: object, operation: Callable[[], Answer], patience_s: float, given_up: Callable[[], bool]
    ) -> Answer:
        began, pause_s = time.monotonic(), FIRST_PAUSE_S
        while True:
            try:
                return operation()
            except (SweepError, ImportError):
                raise
            except Exception as error:  # of botocore, aiohttp, google, azure, or the operating system
                if isinstance(error, OSError) and error.errno in FULL:
                    raise
                away_s = time.monotonic() - began
                if away_s >= patience_s or given_up():
                    raise ArtifactsUnusable(
                        f"{self._name} have been away for {away_s:.0f} s ({reason_of(error)}); repeat the command "
                        "when they are back: nothing is lost"
                    ) from None
                if away_s >= NOTICE_S:
                    self._notice(who, reason_of(error))
                _rest(min(pause_s, max(0.0, patience_s - away_s)), given_up)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _notice(self, who: object, reason: str) -> None:
        with self._lock:
            self._waiting.add(who)
            if not self._is_known:
                self._is_known = True
                self._say(f"{self._name} are away ({reason}); trying again")

    def _end(self, who: object) -> None:
        with self._lock:
            self._waiting.discard(who)
            if self._is_known and not self._waiting:
                self._is_known = False
                self._say(f"{self._name} are back")


def reason_of(error: Exception) -> str:
    """The first line of an error, without passwords."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return redact(lines[0])


def _rest(pause_s: float, given_up: Callable[[], bool]) -> None:
    until = time.monotonic() + pause_s
    while (left_s := until - time.monotonic()) > 0 and not given_up():
        time.sleep(min(left_s, ATTENTION_S))
