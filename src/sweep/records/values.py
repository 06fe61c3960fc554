"""What comes out of a trial, as frozen values."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sweep.records.folder import TrialFolder

State = Literal["WAITING", "RUNNING", "COMPLETE", "PRUNED", "FAILED"]


@dataclass(frozen=True)
class TrialResult:
    """What one finished trial found. `fingerprint` is that of the settings it ran with; durations in seconds,
    `finished_ms` in unix milliseconds."""

    key: str
    fingerprint: str
    metrics: dict[str, float]
    final_loss: float
    duration_s: float
    durations_s: dict[str, float]
    finished_ms: int
    versions: dict[str, str]
    steps: int | None = None  # of training that were done
    exposure: dict[str, Any] | None = None  # batches by kind, the realised ratio, mean losses, rows by languages
    notes: list[str] = field(default_factory=list)  # what a reader should know of how it came about


@dataclass(frozen=True)
class TrialRecord:
    """One trial as the study knows it. `parameters` are its searched values by config path, `values` those of the
    objectives; `violation` is how far its point is beyond the study's constraints, 0 if it keeps them. `folder` has
    its results, which are read when they are asked for: a study may have many thousands of trials."""

    key: str
    number: int
    seed: int
    state: State
    parameters: dict[str, Any]
    attempts: int = 0
    value: float | None = None
    values: tuple[float, ...] = ()
    violation: float = 0.0
    duration_s: float | None = None
    reason: str | None = None
    folder: "TrialFolder | None" = None

    @property
    def metrics(self) -> dict[str, float]:
        """All metrics by key, read anew at every call; empty without a committed result."""
        result = self.folder.read_result() if self.folder and self.state in ("COMPLETE", "PRUNED") else None
        return result.metrics if result else {}
