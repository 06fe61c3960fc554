"""The runs of trials: rows of their curves while they run, and at their end what they came to.

A run is ended last, so one that has ended as it should has all it should have.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from sweep.records.data_record import read_records
from sweep.records.folder import TrialFolder
from sweep.records.trial_record import TrialRecord
from sweep.records.values import TrialResult
from sweep.settings import flattened
from sweep.settings.saved_yaml import read_yaml
from sweep.settings.secrets import redacted_leaves
from sweep.settings.tracking import Shown
from sweep.tracking.cursor import Cursor, Rewritten, Sent, has_more, rows_after
from sweep.tracking.figures import TrialFigures
from sweep.tracking.file_store import FILES_TAG, MISSING, THERE, FileStore
from sweep.tracking.point_runs import PointRuns
from sweep.tracking.protocol import Row, Run, Tracker, TrackerRefuses
from sweep.tracking.shown import parameters, point_name, tier_tags, trial_name
from sweep.tracking.snapshot import ENDED, Snapshot, folder_of, identity_of, is_begun

LOSSES_EVERY_S = 5.0  # of a running trial; a call costs the same whatever it holds
LOSSES_A_SECOND = 2.0  # calls, however many trials run: a tracker has other studies, and this one its results


class TrialRuns:
    """Sends what is in trials' folders and not yet in their runs, which lie below those of their points."""

    def __init__(
        self, cursor: Cursor, points: PointRuns, figures: TrialFigures, shown: Shown, store: FileStore
    ) -> None:
        self.refused: dict[str, str] = {}  # trials that the tracker does not take, and why
        self._cursor = cursor
        self._points = points
        self._figures = figures
        self._shown = shown
        self._store = store
        self._losses_at: dict[str, float] = {}
        self._losses_every_s = LOSSES_EVERY_S

    def look_at(self, snapshot: Snapshot) -> None:
        """Send losses the more rarely the more trials run."""
        running = sum(record.state == "RUNNING" for record in snapshot.records)
        self._losses_every_s = max(LOSSES_EVERY_S, running / LOSSES_A_SECOND)

    def is_behind(self, record: TrialRecord, snapshot: Snapshot) -> bool:
        """Whether a trial has something that was not sent. Of one that is finished and sent no file is looked at."""
        sent = self._cursor.get(record.key)
        if record.key in self.refused or (sent and sent.ended == identity_of(record)) or not is_begun(record):
            return False
        if sent is None or record.state in ENDED:
            return True
        if record.state == "RUNNING" and sent.attempt != record.attempts:
            return True
        if record.state == "RUNNING" and sent.status != "RUNNING" and snapshot.ended is None:
            return True
        curves = sent.curves or {}
        return any(has_more(file, curves.get(file.name)) for file, _ in _curves(folder_of(record)))

    def send(self, tracker: Tracker, record: TrialRecord, everything: bool) -> bool:
        """Whether something was sent. What is refused is tried with a new run, once. `everything`: also what would
        be sent with more a little later."""
        for last_try in (False, True):
            try:
                return self._send(tracker, record, everything)
            except TrackerRefuses as error:
                self._cursor.forget(record.key)
                if last_try:
                    self.refused[record.key] = str(error)
        return False

    def owes_files(self, record: TrialRecord) -> bool:
        """Whether all of a trial is there but its files."""
        sent = self._cursor.get(record.key)
        return sent is not None and sent.owes_files and sent.ended == identity_of(record)

    def send_files(self, tracker: Tracker, record: TrialRecord) -> bool:
        """Whether the files of a trial that owes them were sent. Raises TrackerAway."""
        sent, folder = self._cursor.get(record.key), folder_of(record)
        result = folder.read_result()
        assert sent is not None
        assert result is not None  # it is COMPLETE
        try:
            tags = self._store.keep(lambda: self._keep_files(tracker, sent.run, folder, result))
            if tags is None:
                return False
            tracker.log(sent.run, (), tags={**tags, FILES_TAG: THERE})
        except TrackerRefuses:  # a user deleted the run: the trial gets a new one
            self._cursor.forget(record.key)
            return False
        self._cursor.put(record.key, replace(sent, owes_files=False))
        return True

    def stop(self, tracker: Tracker, record: TrialRecord) -> None:
        """End the run of an unfinished trial as KILLED; it is opened again when the trial goes on."""
        sent = self._cursor.get(record.key)
        if sent is not None and sent.status == "RUNNING" and record.state not in ENDED:
            tracker.end(sent.run, "KILLED")
            self._cursor.put(record.key, replace(sent, status="KILLED"))

    def _send(self, tracker: Tracker, record: TrialRecord, everything: bool) -> bool:
        try:
            return self._send_news(tracker, record, everything)
        except Rewritten:
            sent = self._cursor.get(record.key)
            assert sent is not None
            tracker.discard(sent.run)  # no tracker can take single rows back
            self._cursor.forget(record.key)
            return self._send_news(tracker, record, everything)

    def _send_news(self, tracker: Tracker, record: TrialRecord, everything: bool) -> bool:
        key, folder, state = record.key, folder_of(record), record.state
        sent, run = self._cursor.get(key), None
        if sent is None:
            parent = self._points.parent_of(tracker, record)
            run = tracker.run(key, _started_ms(folder), trial_name(record), parent)
            if parent is not None and run.attempt is not None:  # it was there, below whichever run
                tracker.place(run.id, parent)
            sent = Sent(run.id, run.status, owes_files=run.lacks_files)
            if _has_all(run, record):
                self._cursor.put(key, replace(sent, attempt=record.attempts, ended=identity_of(record)))
                return False
        rows, sent = self._new_rows(folder, sent, everything or state in ENDED or run is not None)
        before = self._cursor.get(key)
        moved = (sent.status, sent.attempt) != ("RUNNING", record.attempts)
        if before is not None and not rows and state not in ENDED and (state == "WAITING" or not moved):
            if sent != before:
                self._cursor.put(key, sent)
            return False
        if sent.status != "RUNNING" and state in (*ENDED, "RUNNING"):
            tracker.reopen(sent.run)
            sent = replace(sent, status="RUNNING")
        tags: dict[str, str] = {}
        if sent.attempt != record.attempts:
            tags = {
                "sweep.kind": "trial",
                "sweep.point": point_name(record.parameters),
                "sweep.seed": str(record.seed),
                "sweep.attempt": str(record.attempts),
            }
            sent = replace(sent, attempt=record.attempts)
        config = _config(folder) if run is not None or state == "COMPLETE" else {}
        asked: dict[str, Any] = {}
        if run is not None:
            shown = config if self._shown == "all" else parameters(record, config)
            asked = {path: value for path, value in shown.items() if path not in run.parameters}
        result = folder.read_result() if state == "COMPLETE" else None
        if result is not None:
            rows += self._result_rows(record, result, int(config.get("train.steps", result.steps or 0)))
            of_files, sent = self._files_with_tags(tracker, folder, sent, result)
            versions = {f"version.{name}": version for name, version in result.versions.items()}
            tags |= versions | tier_tags(result.metrics) | of_files
        if state in ENDED:
            tags["sweep.state"] = state
        if rows or asked or tags:
            tracker.log(sent.run, rows, asked, tags)
        self._cursor.put(key, sent)
        if state in ENDED:
            self._end(tracker, record, sent, result)
        return True

    def _new_rows(self, folder: TrialFolder, sent: Sent, everything: bool) -> tuple[list[Row], Sent]:
        """Rows that were not sent yet; losses of a running trial now and then."""
        rows: list[Row] = []
        now = time.monotonic()
        for file, prefix in _curves(folder):
            if file == folder.losses:
                if not everything and now - self._losses_at.get(folder.path.name, 0.0) < self._losses_every_s:
                    continue
                self._losses_at[folder.path.name] = now
            new, position = rows_after(file, (sent.curves or {}).get(file.name), prefix)
            rows += new
            sent = sent.past(file.name, position)
        return rows, sent

    def _result_rows(self, record: TrialRecord, result: TrialResult, step: int) -> list[Row]:
        figures = self._figures.take(record, result)
        return [Row(metric, value, figures.finished_ms, step) for metric, value in figures.metrics.items()]

    def _files_with_tags(
        self, tracker: Tracker, folder: TrialFolder, sent: Sent, result: TrialResult
    ) -> tuple[dict[str, str], Sent]:
        """Send the files if the store takes them now; what goes into the run's tags, and whether files are owed."""
        kept = self._store.keep(lambda: self._keep_files(tracker, sent.run, folder, result))
        if kept is None:
            return {FILES_TAG: MISSING}, replace(sent, owes_files=True)
        return dict(kept) | ({FILES_TAG: THERE} if sent.owes_files else {}), replace(sent, owes_files=False)

    def _keep_files(self, tracker: Tracker, run: str, folder: TrialFolder, result: TrialResult) -> Mapping[str, str]:
        """Tags that go with them."""
        files = (folder.config, *folder.measured, folder.losses, folder.validations, folder.exposure, folder.log)
        tracker.attach(run, [file for file in files if file.exists()])
        return tracker.show_metrics(run, result.metrics)

    def _end(self, tracker: Tracker, record: TrialRecord, sent: Sent, result: TrialResult | None) -> None:
        folder = folder_of(record)
        tracker.show_data(sent.run, read_records(folder.path))
        tracker.end(sent.run, ENDED[record.state], _ended_ms(folder, result), record.reason)
        self._cursor.put(record.key, replace(sent, status=ENDED[record.state], ended=identity_of(record)))
        self._losses_at.pop(folder.path.name, None)


def _has_all(run: Run, record: TrialRecord) -> bool:
    ended = record.state in ENDED and run.status == ENDED[record.state]
    return ended and run.attempt == str(record.attempts) and not run.lacks_files


def _curves(folder: TrialFolder) -> Iterator[tuple[Any, str]]:
    """Files with rows over the steps, and what is put before their columns' names."""
    yield folder.losses, "train/"
    yield folder.validations, ""
    yield folder.system, "system/"


def _config(folder: TrialFolder) -> dict[str, Any]:
    """The trial's settings by config path; those of an earlier version may have a password."""
    return flattened(redacted_leaves(read_yaml(folder.config)))


def _started_ms(folder: TrialFolder) -> int | None:
    """When the trial began; of a trial of an earlier version, when it came to its first result."""
    started = folder.started_ms()
    if started is None and (result := folder.read_result()) is not None:
        return result.finished_ms - int(1000 * result.duration_s)
    return started


def _ended_ms(folder: TrialFolder, result: TrialResult | None) -> int | None:
    if result is not None:
        return result.finished_ms
    return int(folder.log.stat().st_mtime * 1000) if folder.log.exists() else None
