"""What comes out of a trial, as frozen values."""

from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAILED"]


@dataclass(frozen=True)
class TrialResult:
    """The result of one finished trial. `fingerprint` is that of the settings it ran with; durations in seconds,
    `finished_ms` in unix milliseconds."""

    key: str
    fingerprint: str
    metrics: dict[str, float]
    final_loss: float | None  # None: nothing was trained
    duration_s: float
    durations_s: dict[str, float]
    finished_ms: int
    versions: dict[str, str]
    steps: int | None = None  # of training that were done
    exposure: dict[str, Any] | None = None  # batches by kind, the realised ratio, mean losses, rows by languages
    notes: list[str] = field(default_factory=list)  # what a reader should know of how it came about
    parents: dict[str, str] = field(default_factory=dict)  # of a merge: SHA-256 of the weights by their trials' keys
    commit: str | None = None  # of the checkout that trained it, `-dirty` if that had changes
