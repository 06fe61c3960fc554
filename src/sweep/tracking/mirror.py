"""Mirrors a study folder: what its tracker shows follows from the folder and the states of its trials alone.

Whatever a kill left unfinished is sent again, and is there once: of trials (`trial_runs`), of points (`point_runs`,
`point_intervals`, `ratio_curve`), of what needs no training (`baseline_runs`), and of the study as a whole
(`study_page`).
"""

from collections.abc import Callable

from sweep.records.folder import StudyFolder
from sweep.tracking.baseline_runs import BaselineRuns
from sweep.tracking.cursor import Cursor
from sweep.tracking.figures import TrialFigures
from sweep.tracking.file_store import FileStore
from sweep.tracking.point_intervals import PointIntervals
from sweep.tracking.point_runs import PointRuns
from sweep.tracking.protocol import STUDY_KEY, Place, Status, TrackedStudy, Tracker, TrackerAway, TrackerRefuses
from sweep.tracking.ratio_curve import RatioCurves
from sweep.tracking.registration import Registration
from sweep.tracking.snapshot import Snapshot, is_begun
from sweep.tracking.study_facts import KnownStudy
from sweep.tracking.study_page import StudyPage
from sweep.tracking.study_points import StudyPoints
from sweep.tracking.trial_runs import TrialRuns

__all__ = ["Mirror", "Snapshot"]


class Mirror:
    """Sends what is in a study's folder and not yet at a place. One process at a time may do that."""

    def __init__(self, folder: StudyFolder, place: Place, uid: str) -> None:
        self.place = place
        self._study = TrackedStudy(folder.path.name, uid, folder.config)
        self._known = KnownStudy(folder)
        self._cursor = cursor = Cursor(folder.tracking_cursor)
        self._points = points = StudyPoints()
        known, shown = self._known, place.metrics
        figures = TrialFigures(known, shown)
        self._store = store = FileStore()
        self._baselines = BaselineRuns(folder, cursor, known, shown, store)
        self._point_runs = PointRuns(cursor, known, points, figures)
        self._intervals = PointIntervals(folder, cursor, known, points, figures)
        self._curves = RatioCurves(cursor, known, points, figures)
        self._trials = TrialRuns(cursor, self._point_runs, figures, shown, store)
        self._page = StudyPage(folder, cursor, known, self._curves, store)
        self._registration = Registration(folder, cursor, known, place, uid)
        self._tracker: Tracker | None = None

    @property
    def refused(self) -> dict[str, str]:
        """Trials that the tracker does not take, and why."""
        return self._trials.refused

    def remark(self, snapshot: Snapshot) -> str | None:
        """What to say of the model that was to be registered, if anything."""
        return self._registration.remark(snapshot)

    @property
    def lacking(self) -> list[str]:
        """What is tracked less fully than it could be, and why."""
        return [problem for problem in (self._known.problem, self._intervals.problem) if problem is not None]

    def missing(self, snapshot: Snapshot) -> list[str]:
        """Keys of the trials of which not all is there."""
        lost = self.place.is_lost(self._cursor.store)
        return [
            record.key
            for record in snapshot.records
            if (lost and is_begun(record)) or self._trials.is_behind(record, snapshot)
        ]

    def lacking_files(self, snapshot: Snapshot) -> list[str]:
        """Keys of the runs of which all is there but files, which have no place now."""
        trials = [record.key for record in snapshot.records if self._trials.owes_files(record)]
        return [*trials, *self._baselines.owing_files(), *([STUDY_KEY] if self._page.owes_files else [])]

    @property
    def files_problem(self) -> str | None:
        """Why the tracker takes no files, None if it takes them."""
        return self._store.problem

    def has_work(self, snapshot: Snapshot) -> bool:
        """Whether there is something to send; asks nobody."""
        self._points.look_at(snapshot)
        if self._store.is_due and self.lacking_files(snapshot):
            return True
        if self._baselines.missing() or any(self._trials.is_behind(record, snapshot) for record in snapshot.records):
            return True
        if snapshot.ended is not None and self._cursor.store is not None and self._cursor.status != snapshot.ended:
            return True
        if self._registration.is_behind(snapshot):
            return True
        if self._point_runs.behind() or self._curves.behind() or self._page.is_behind(snapshot):
            return True
        if self._cursor.store is not None and self._intervals.is_behind(snapshot):
            return True
        return self.place.is_lost(self._cursor.store) and any(map(is_begun, snapshot.records))

    def send(self, snapshot: Snapshot, stop: Callable[[], bool] = lambda: False) -> int:
        """Send what is missing, trial by trial until `stop` says so; of how many trials something was sent.

        Raises TrackerAway; what was sent until then is remembered.
        """
        self._points.look_at(snapshot)
        self._trials.look_at(snapshot)
        try:
            tracker = self._connected()
            self._baselines.send(tracker)
            sent = 0
            for record in snapshot.records:
                if stop():
                    return sent
                if self._trials.is_behind(record, snapshot):
                    sent += self._trials.send(tracker, record, snapshot.ended is not None)
            whole = self._send_points(tracker, snapshot, stop)
            if whole and snapshot.ended is not None:
                self._close(tracker, snapshot, snapshot.ended)
                self._store.ask_at_once()
            self._send_files(tracker, snapshot, stop)
            if whole and self._store.problem is None:
                self._registration.send(tracker, snapshot)
            return sent
        except TrackerAway:
            self._tracker = None  # it may be another one when it is back
            raise

    def _connected(self) -> Tracker:
        if self._tracker is None or self.place.is_lost(self._cursor.store):
            tracker = self.place.connect()
            self._cursor.point_to(tracker.open(self._study), "RUNNING")
            self._tracker = tracker
        return self._tracker

    def _send_points(self, tracker: Tracker, snapshot: Snapshot, stop: Callable[[], bool]) -> bool:
        """Whether all was sent: points, curves and the study's page."""
        for key in self._point_runs.behind():
            if stop():
                return False
            self._send_point(tracker, key, snapshot)
        for key in self._curves.behind():
            if stop():
                return False
            self._curves.send(tracker, key)
        if self._intervals.is_behind(snapshot):
            self._intervals.send(tracker)
        if self._page.is_behind(snapshot):
            self._page.send(tracker, snapshot)
        return True

    def _send_files(self, tracker: Tracker, snapshot: Snapshot, stop: Callable[[], bool]) -> None:
        """Send files for which there was no place before, after everything else."""
        for record in snapshot.records:
            if stop() or not self._store.is_due:
                return
            if self._trials.owes_files(record):
                self._trials.send_files(tracker, record)
        self._baselines.send_files(tracker)
        if self._page.owes_files and self._store.is_due:
            self._page.send_files(tracker)

    def _send_point(self, tracker: Tracker, key: str, snapshot: Snapshot) -> None:
        """A run that a user deleted is made anew."""
        try:
            self._point_runs.send(tracker, key, snapshot.ended)
        except TrackerRefuses:
            self._cursor.forget(key)
            self._point_runs.send(tracker, key, snapshot.ended)

    def _close(self, tracker: Tracker, snapshot: Snapshot, status: Status) -> None:
        """End the study's run, and those of unfinished trials."""
        for record in snapshot.records:
            self._trials.stop(tracker, record)
        tracker.keep_once(self._cursor.runs())
        tracker.close(status)
        assert self._cursor.store is not None
        self._cursor.point_to(self._cursor.store, status)
