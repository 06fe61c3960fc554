"""The report of a running study, written by a thread of its own: nobody waits for it, and its faults end nothing."""

import threading
import time
from collections.abc import Callable, Hashable

from sweep.answer.contents import StudyState
from sweep.errors import SweepError, shortened
from sweep.settings.secrets import redact

SHARE = 0.02  # of the time at most: after a writing that took 1 s the next one begins 50 s later at the earliest
PATIENCE_S = 10.0  # for the last writing of a study that was interrupted
NOTICE_S = 5.0  # after which one is told what the command waits for
LONGEST_REASON = 300


class ReportWriter:
    """Writes a study's report while it runs, if something new has finished, and at its end.

    `write` is given the state of the study and writes all files; it runs in a thread that is not the caller's, never
    twice at once. `every_s`: seconds between the ends of two writings at least, None for the end alone. `say` prints
    a line; `again` is the command that writes the report.
    """

    def __init__(
        self, write: Callable[[StudyState], object], every_s: float | None, say: Callable[[str], None], again: str
    ) -> None:
        self._write = write
        self._every_s = every_s
        self._say = say
        self._again = again
        self._thread: threading.Thread | None = None
        self._written: Hashable = None  # what had finished when the last writing began
        self._due = time.monotonic() + (every_s or 0.0)
        self._faults: set[str] = set()

    def update(self, ended: Hashable) -> None:
        """Write if it is time for it and `ended`, what has finished so far, is new. Returns at once."""
        if self._written is None:
            self._written = ended  # what was there before this run is no news
        is_due = self._every_s is not None and time.monotonic() >= self._due
        if is_due and ended != self._written and not self._is_writing:
            self._written = ended
            self._begin("running")

    def finish(self, state: StudyState, patience_s: float | None = None) -> None:
        """Write the last report, however the study ended. Waits for at most `patience_s` seconds, None for as long as
        it takes; not at all for 0. Ctrl-C ends the wait."""
        deadline = None if patience_s is None else time.monotonic() + patience_s
        try:
            is_free = self._await(deadline)
            if is_free and patience_s != 0:
                self._faults.clear()
                self._begin(state)
                is_free = self._await(deadline)
        except KeyboardInterrupt:
            is_free = False
        if not is_free or patience_s == 0:
            self._say(f"the report was left as it was. This writes it:\n  {self._again}")

    @property
    def _is_writing(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _await(self, deadline: float | None) -> bool:
        """Wait for the writing that is on its way; whether it has ended."""
        if self._thread is None:
            return True
        self._thread.join(NOTICE_S if deadline is None else max(0.0, min(NOTICE_S, deadline - time.monotonic())))
        if self._is_writing and (deadline is None or time.monotonic() < deadline):
            self._say("writing the report; Ctrl-C leaves it as it was")
            self._thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return not self._is_writing

    def _begin(self, state: StudyState) -> None:
        self._thread = threading.Thread(target=self._run, args=(state,), name="report", daemon=True)
        self._thread.start()

    def _run(self, state: StudyState) -> None:
        began = time.monotonic()
        try:
            self._write(state)
        except Exception as error:  # whatever it is, the study's results are there without it
            reason = _reason(error)
            if reason not in self._faults:  # each of them once, and at the end again
                self._faults.add(reason)
                self._say(
                    f"the report cannot be written ({reason}); the results are all there. Try:\n  {self._again}"
                )
        finally:
            ended = time.monotonic()
            self._due = ended + max(self._every_s or 0.0, (ended - began) / SHARE)


def _reason(error: Exception) -> str:
    text = shortened(redact(" ".join(str(error).split()) or type(error).__name__), LONGEST_REASON)
    return text if isinstance(error, SweepError) else f"{type(error).__name__}: {text}"
