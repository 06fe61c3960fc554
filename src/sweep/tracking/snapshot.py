"""The trials of a study at one moment, and what of a trial's state its runs follow from."""

from collections.abc import Sequence
from dataclasses import dataclass

from sweep.records.folder import TrialFolder
from sweep.records.trial_record import TrialRecord
from sweep.records.values import State
from sweep.tracking.protocol import Status

ENDED: dict[State, Status] = {"COMPLETE": "FINISHED", "PRUNED": "FINISHED", "FAILED": "FAILED"}


@dataclass(frozen=True)
class Snapshot:
    """The trials of a study at one moment, and how its run ended (None while it runs)."""

    records: Sequence[TrialRecord]
    ended: Status | None = None


def folder_of(record: TrialRecord) -> TrialFolder:
    """The folder of a trial."""
    assert record.folder is not None  # those of a study have one
    return record.folder


def is_begun(record: TrialRecord) -> bool:
    """Whether a trial has something to show: one that was ended before it began has no folder."""
    if record.state == "WAITING" and not record.attempts:
        return False
    return folder_of(record).config.exists()


def identity_of(record: TrialRecord) -> str:
    """Which trial with which end."""
    return f"{record.number} {record.state}"
