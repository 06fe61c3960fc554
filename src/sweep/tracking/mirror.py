"""Mirrors a study folder: what its tracker shows follows from the folder and the states of its trials alone.

A run is ended last, so one that has ended as it should has all it should have. Whatever a kill left unfinished is
sent again.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sweep.records.data_record import read_records
from sweep.records.folder import StudyFolder, TrialFolder
from sweep.records.trial_record import TrialRecord
from sweep.records.values import State, TrialResult
from sweep.settings import flattened
from sweep.settings.saved_yaml import read_yaml
from sweep.settings.secrets import redacted_leaves
from sweep.tracking.baseline_runs import BaselineRuns
from sweep.tracking.chosen import chosen_among
from sweep.tracking.cursor import Cursor, Rewritten, Sent, has_more, rows_after
from sweep.tracking.protocol import Place, Row, Run, Status, TrackedStudy, Tracker, TrackerAway, TrackerRefuses

ENDED: dict[State, Status] = {"COMPLETE": "FINISHED", "PRUNED": "FINISHED", "FAILED": "FAILED"}
LOSSES_EVERY_S = 5.0  # of a running trial; a call costs the same whatever it holds


@dataclass(frozen=True)
class Snapshot:
    """The trials of a study at one moment, and how its run ended (None while it runs)."""

    records: Sequence[TrialRecord]
    ended: Status | None = None


class Mirror:
    """Sends what is in a study's folder and not yet at a place. One process at a time may do that."""

    def __init__(self, folder: StudyFolder, place: Place, uid: str) -> None:
        self.place = place
        self.refused: dict[str, str] = {}  # trials that the tracker does not take, and why
        self._study = TrackedStudy(folder.path.name, uid, folder.config)
        self._cursor = Cursor(folder.tracking_cursor)
        self._baselines = BaselineRuns(folder, self._cursor)
        self._tracker: Tracker | None = None
        self._losses_at: dict[str, float] = {}

    def missing(self, snapshot: Snapshot) -> list[str]:
        """Keys of the trials of which not all is there."""
        lost = self.place.is_lost(self._cursor.store)
        return [
            record.key
            for record in snapshot.records
            if (lost and _is_begun(record)) or self._is_behind(record, snapshot)
        ]

    def has_work(self, snapshot: Snapshot) -> bool:
        """Whether there is something to send; asks nobody."""
        if self._baselines.missing() or any(self._is_behind(record, snapshot) for record in snapshot.records):
            return True
        if snapshot.ended is not None and self._cursor.store is not None and self._cursor.status != snapshot.ended:
            return True
        return self.place.is_lost(self._cursor.store) and any(map(_is_begun, snapshot.records))

    def send(self, snapshot: Snapshot, stop: Callable[[], bool] = lambda: False) -> int:
        """Send what is missing, trial by trial until `stop` says so; of how many trials something was sent.

        Raises TrackerAway; what was sent until then is remembered.
        """
        try:
            tracker = self._connected()
            self._baselines.send(tracker)
            sent = 0
            for record in snapshot.records:
                if stop():
                    return sent
                if self._is_behind(record, snapshot):
                    sent += self._send_or_note(tracker, record, snapshot.ended is not None)
            if snapshot.ended is not None:
                self._close(tracker, snapshot.records, snapshot.ended)
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

    def _is_behind(self, record: TrialRecord, snapshot: Snapshot) -> bool:
        """Whether a trial has something that was not sent. Of one that is finished and sent no file is looked at."""
        sent = self._cursor.get(record.key)
        if record.key in self.refused or (sent and sent.ended == _identity(record)) or not _is_begun(record):
            return False
        if sent is None or record.state in ENDED:
            return True
        if record.state == "RUNNING" and sent.attempt != record.attempts:
            return True
        if record.state == "RUNNING" and sent.status != "RUNNING" and snapshot.ended is None:
            return True
        curves = sent.curves or {}
        return any(has_more(file, curves.get(file.name)) for file, _ in _curves(_folder(record)))

    def _send_or_note(self, tracker: Tracker, record: TrialRecord, everything: bool) -> bool:
        """Whether something was sent. What is refused is tried with a new run, once."""
        for last_try in (False, True):
            try:
                return self._send(tracker, record, everything)
            except TrackerRefuses as error:
                self._cursor.forget(record.key)
                if last_try:
                    self.refused[record.key] = str(error)
        return False

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
        key, folder, state = record.key, _folder(record), record.state
        sent, run = self._cursor.get(key), None
        if sent is None:
            run = tracker.run(key, _started_ms(folder))
            sent = Sent(run.id, run.status)
            if _has_all(run, record):
                self._cursor.put(key, replace(sent, attempt=record.attempts, ended=_identity(record)))
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
        parameters: dict[str, Any] = {}
        tags: dict[str, str] = {}
        if sent.attempt != record.attempts:
            tags = {"sweep.seed": str(record.seed), "sweep.attempt": str(record.attempts)}
            sent = replace(sent, attempt=record.attempts)
        config = _config(folder) if run is not None or state == "COMPLETE" else {}
        if run is not None:
            parameters = {path: value for path, value in config.items() if path not in run.parameters}
        result = folder.read_result() if state == "COMPLETE" else None
        if result is not None:
            rows += _result_rows(result, int(config.get("train.steps", result.steps or 0)))
            tags |= {f"version.{name}": version for name, version in result.versions.items()}
        if rows or parameters or tags:
            tracker.log(sent.run, rows, parameters, tags)
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
                if not everything and now - self._losses_at.get(folder.path.name, 0.0) < LOSSES_EVERY_S:
                    continue
                self._losses_at[folder.path.name] = now
            new, position = rows_after(file, (sent.curves or {}).get(file.name), prefix)
            rows += new
            sent = sent.past(file.name, position)
        return rows, sent

    def _end(self, tracker: Tracker, record: TrialRecord, sent: Sent, result: TrialResult | None) -> None:
        folder = _folder(record)
        tracker.show_data(sent.run, read_records(folder.path))
        if record.state == "COMPLETE":
            files = (folder.config, *folder.measured, folder.losses, folder.validations, folder.exposure, folder.log)
            tracker.attach(sent.run, [file for file in files if file.exists()])
        tracker.end(sent.run, ENDED[record.state], _ended_ms(folder, result), record.reason)
        self._cursor.put(record.key, replace(sent, status=ENDED[record.state], ended=_identity(record)))
        self._losses_at.pop(record.key, None)

    def _close(self, tracker: Tracker, records: Sequence[TrialRecord], status: Status) -> None:
        """End the study's run, and as KILLED those of unfinished trials, which reopen them when they go on."""
        for record in records:
            sent = self._cursor.get(record.key)
            if sent is not None and sent.status == "RUNNING" and record.state not in ENDED:
                tracker.end(sent.run, "KILLED")
                self._cursor.put(record.key, replace(sent, status="KILLED"))
        tracker.close(status, chosen_among(records))
        assert self._cursor.store is not None
        self._cursor.point_to(self._cursor.store, status)


def _folder(record: TrialRecord) -> TrialFolder:
    assert record.folder is not None  # those of a study have one
    return record.folder


def _is_begun(record: TrialRecord) -> bool:
    """Whether a trial has something to show: one that was ended before it began has no folder."""
    if record.state == "WAITING" and not record.attempts:
        return False
    return _folder(record).config.exists()


def _identity(record: TrialRecord) -> str:
    return f"{record.number} {record.state}"


def _has_all(run: Run, record: TrialRecord) -> bool:
    return record.state in ENDED and run.status == ENDED[record.state] and run.attempt == str(record.attempts)


def _curves(folder: TrialFolder) -> Iterator[tuple[Any, str]]:
    """Files with rows over the steps, and what is put before their columns' names."""
    yield folder.losses, "train/"
    yield folder.validations, ""


def _config(folder: TrialFolder) -> dict[str, Any]:
    """The trial's settings by config path; those of an earlier version may have a password."""
    return flattened(redacted_leaves(read_yaml(folder.config)))


def _result_rows(result: TrialResult, step: int) -> list[Row]:
    values = {**result.metrics, "final_loss": result.final_loss, "duration_s": result.duration_s}
    return [Row(metric, value, result.finished_ms, step) for metric, value in values.items()]


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
