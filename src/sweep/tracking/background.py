"""The mirror of a running study, in a thread of its own: a tracker that is slow or away holds nobody up."""

import threading
import time
from collections.abc import Callable, Sequence

from sweep.errors import SweepError
from sweep.records.trial_record import TrialRecord
from sweep.settings.secrets import redact
from sweep.tracking.mirror import Mirror, Snapshot
from sweep.tracking.protocol import Status, TrackerAway

EVERY_S = 1.0
LONGEST_PAUSE_S = 60.0  # between two attempts at a tracker that is away
LAST_CALL_S = 2.0  # for a call that is on its way when patience ends


class BackgroundMirror:
    """Mirrors a study while it runs. `say` prints a line; `sync` is the command that sends what is missing.

    The tracker's libraries are imported when there is something to send.
    """

    def __init__(self, mirror: Mirror, say: Callable[[str], None], sync: str) -> None:
        self._mirror = mirror
        self._say = say
        self._sync = sync
        self._snapshot = Snapshot(())
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()  # out of a pause, to the last attempt
        self._given_up = threading.Event()
        self._is_away = False
        self._lacks_files = False  # it takes no files
        self._follows = False  # whether the tracker knows where the study's folder is

    def update(self, records: Sequence[TrialRecord]) -> None:
        """The study's trials as they are now. Returns at once."""
        self._snapshot = Snapshot(records)
        if self._thread is None and not self._given_up.is_set():
            self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)
            self._thread.start()

    def finish(self, status: Status, patience_s: float) -> None:
        """Send the rest and how the study ended; say what is missing if that takes longer than `patience_s` seconds.

        A tracker that is away is asked once more. Ctrl-C ends the wait.
        """
        if self._thread is None:
            return
        snapshot = self._snapshot = Snapshot(self._snapshot.records, status)
        self._wake.set()
        try:
            self._thread.join(patience_s)
            self._given_up.set()
            self._thread.join(LAST_CALL_S)
        except KeyboardInterrupt:
            self._given_up.set()
        self._say_what_is_missing(snapshot)

    def leave(self) -> None:
        """Send nothing more: the study, and what the tracker has of it, are another command's."""
        thread, self._thread = self._thread, None
        self._given_up.set()
        self._wake.set()
        if thread is not None:
            thread.join(LAST_CALL_S)

    def _say_what_is_missing(self, snapshot: Snapshot) -> None:
        missing = {*self._mirror.missing(snapshot), *self._mirror.refused}
        for key, reason in self._mirror.refused.items():
            self._say(f"{self._mirror.place.name} does not take {key}: {reason}")
        if (remark := self._mirror.remark(snapshot)) is not None:
            self._say(remark)
        for problem in self._mirror.lacking:
            self._say(f"{self._mirror.place.name}: {problem}")
        lacking = self._mirror.lacking_files(snapshot)
        if missing or lacking or self._mirror.has_work(snapshot):
            trials = len(snapshot.records)
            what = f"{len(missing)} of {trials} trials are" if missing else "the study's end is"
            if lacking and not missing:
                what = f"files of {len(lacking)} run{'s' if len(lacking) > 1 else ''} are"
            self._say(f"{what} missing in {self._mirror.place.name}. This sends what is missing:\n  {self._sync}")

    def _run(self) -> None:
        pause = EVERY_S
        while not self._given_up.is_set():
            snapshot = self._snapshot
            began = time.monotonic()
            pause = EVERY_S if self._attempt(snapshot) else min(2 * pause, LONGEST_PAUSE_S)
            if snapshot.ended is not None:
                return
            self._wake.wait(max(EVERY_S, pause - (time.monotonic() - began)))

    def _attempt(self, snapshot: Snapshot) -> bool:
        """Whether the tracker has what there was to send."""
        try:
            if not self._follows:
                self._mirror.place.follow()
                self._follows = True
            if self._mirror.has_work(snapshot):
                self._mirror.send(snapshot, self._must_stop(snapshot))
                if self._is_away:
                    self._say(f"{self._mirror.place.name} is back")
                self._is_away = False
                self._say_whether_it_takes_files()
        except Exception as error:  # whatever it is, it is no fault of the study
            if not self._is_away and not self._given_up.is_set():
                self._say(f"{self._mirror.place.name} is away ({_reason(error)}); the study goes on without it")
            self._is_away = True
            return False
        return True

    def _say_whether_it_takes_files(self) -> None:
        name, problem = self._mirror.place.name, self._mirror.files_problem
        if problem is not None and not self._lacks_files and not self._given_up.is_set():
            self._say(f"{name} takes no files ({redact(problem)}); it gets everything else, and the files later")
        if problem is None and self._lacks_files:
            self._say(f"{name} takes files again")
        self._lacks_files = problem is not None

    def _must_stop(self, snapshot: Snapshot) -> Callable[[], bool]:
        """Whether to leave the rest: patience has ended, or there is a later, last state to send."""
        return lambda: self._given_up.is_set() or (snapshot.ended is None and self._snapshot.ended is not None)


def _reason(error: Exception) -> str:
    text = redact(" ".join(str(error).split()) or type(error).__name__)
    return text if isinstance(error, (TrackerAway, SweepError)) else f"{type(error).__name__}: {text}"
