"""The runs of points, between that of the study and those of trials: what a point's seeds come to together.

A row's step is the number of seeds that it is of, so that the latest value of a metric is that of most seeds, and
its history shows how the mean came about. A run whose seeds have become fewer, since a trial is run again, is made
anew.
"""

from collections.abc import Sequence

from sweep.records.trial_record import TrialRecord
from sweep.tracking.cursor import Cursor, Sent
from sweep.tracking.figures import Figures, TrialFigures, spreads
from sweep.tracking.protocol import Row, Status, Tracker
from sweep.tracking.shown import parameters, point_name
from sweep.tracking.snapshot import folder_of, is_begun
from sweep.tracking.study_facts import KnownStudy
from sweep.tracking.study_points import StudyPoints, status_of


class PointRuns:
    """Sends the runs of points of which several seeds are to be trained."""

    def __init__(self, cursor: Cursor, study: KnownStudy, points: StudyPoints, figures: TrialFigures) -> None:
        self._cursor = cursor
        self._study = study
        self._points = points
        self._figures = figures

    def parent_of(self, tracker: Tracker, record: TrialRecord) -> str | None:
        """The id of the run of a trial's point, which is made if it is not there; None if points have none."""
        key = self._points.key_of(record)
        if not self._has_run(self._points.members.get(key, ())):
            return None
        return (self._cursor.get(key) or self._begin(tracker, key)).run

    def behind(self) -> list[str]:
        """Keys of points that have something that was not sent, or whose run has not ended as it should."""
        return [key for key, records in self._points.members.items() if self._is_behind(key, records)]

    def send(self, tracker: Tracker, key: str, ended: Status | None) -> None:
        """Send what is new of a point. Raises TrackerAway."""
        records = self._points.members[key]
        figures = self._figures.of(records)
        sent = self._cursor.get(key)
        if sent is not None and len(figures) < (sent.attempt or 0):
            tracker.discard(sent.run)
            self._cursor.forget(key)
            sent = None
        sent = sent or self._begin(tracker, key)
        status = status_of(records, ended)
        if status == "RUNNING" and sent.status != "RUNNING":
            tracker.reopen(sent.run)
        tags = {"sweep.seeds": str(len(figures)), "sweep.attempt": str(len(figures)), "sweep.state": status}
        tracker.log(sent.run, _rows(figures, sent.attempt or 0), tags=tags)
        if status != "RUNNING":
            tracker.end(sent.run, status, max((one.finished_ms for one in figures), default=None))
        self._cursor.put(key, Sent(sent.run, status, attempt=len(figures), ended=self._points.contents[key]))

    def _has_run(self, records: Sequence[TrialRecord]) -> bool:
        return max(self._study.facts.seeds, len(records)) > 1

    def _is_behind(self, key: str, records: Sequence[TrialRecord]) -> bool:
        sent = self._cursor.get(key)
        if sent is not None:
            return sent.ended != self._points.contents[key]
        # Trials of a study that an earlier version tracked have no point above them.
        return self._has_run(records) and any(self._cursor.get(record.key) is not None for record in records)

    def _begin(self, tracker: Tracker, key: str) -> Sent:
        """Make the run, or get it; trials that have a run already are put below it."""
        records = self._points.members[key]
        first = next((record for record in records if is_begun(record)), records[0])
        name = point_name(first.parameters)
        run = tracker.run(key, folder_of(first).started_ms(), name)
        asked = {path: value for path, value in parameters(first, {}).items() if path not in run.parameters}
        tracker.log(run.id, (), asked, {"sweep.kind": "point", "sweep.point": name})
        for record in records:
            if (sent := self._cursor.get(record.key)) is not None:
                tracker.place(sent.run, run.id)
                # Those of an earlier version have no such tags.
                tags = {"sweep.kind": "trial", "sweep.point": name, "sweep.seed": str(record.seed)}
                tracker.log(sent.run, (), tags=tags)
        begun = Sent(run.id, run.status)
        self._cursor.put(key, begun)
        return begun


def _rows(figures: Sequence[Figures], sent: int) -> list[Row]:
    """Means, and standard deviations of several seeds, each time that a seed after the first `sent` ones has ended:
    the same rows whether they are sent one by one, or together by a tracker that was away."""
    ended = sorted(figures, key=lambda one: one.finished_ms)
    rows = []
    for step in range(sent + 1, len(ended) + 1):
        at = ended[step - 1].finished_ms
        for metric, (mean, deviation) in spreads(ended[:step]).items():
            rows.append(Row(metric, mean, at, step))
            if deviation is not None:
                rows.append(Row(f"{metric}.sd", deviation, at, step))
    return rows
