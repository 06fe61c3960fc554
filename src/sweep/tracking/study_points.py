"""A study's trials by their points, grouped once for every state of the study."""

import hashlib
import json
from collections.abc import Sequence

from sweep.records.trial_record import TrialRecord
from sweep.tracking.protocol import Status
from sweep.tracking.shown import point_key
from sweep.tracking.snapshot import ENDED, Snapshot


class StudyPoints:
    """The trials of each point, by the key of the point's run; and a digest of what the run has to show."""

    def __init__(self) -> None:
        self.members: dict[str, list[TrialRecord]] = {}
        self.contents: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self._seen: tuple[Sequence[TrialRecord], Status | None] | None = None

    def look_at(self, snapshot: Snapshot) -> None:
        """Take the trials as they are now."""
        if self._seen is not None and self._seen[0] is snapshot.records and self._seen[1] == snapshot.ended:
            return
        members: dict[str, list[TrialRecord]] = {}
        for record in snapshot.records:
            members.setdefault(self.key_of(record), []).append(record)
        self.members = members
        self.contents = {key: _content(records, snapshot.ended) for key, records in members.items()}
        self._seen = (snapshot.records, snapshot.ended)

    def key_of(self, record: TrialRecord) -> str:
        """The key of the run of a trial's point."""
        if record.key not in self._keys:
            self._keys[record.key] = point_key(record)
        return self._keys[record.key]


def status_of(records: Sequence[TrialRecord], ended: Status | None) -> Status:
    """Of the run of a point with these trials, in a study that ended so."""
    if any(record.state not in ENDED for record in records):
        return "RUNNING" if ended is None else "KILLED"
    return "FINISHED" if any(record.state == "COMPLETE" for record in records) else "FAILED"


def _content(records: Sequence[TrialRecord], ended: Status | None) -> str:
    complete = sorted((record.key, record.number) for record in records if record.state == "COMPLETE")
    text = json.dumps([complete, status_of(records, ended)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
