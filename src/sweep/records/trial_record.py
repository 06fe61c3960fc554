"""One trial as its study knows it."""

from dataclasses import dataclass
from typing import Any

from sweep.records.folder import TrialFolder
from sweep.records.values import State


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
    folder: TrialFolder | None = None

    @property
    def metrics(self) -> dict[str, float]:
        """All metrics by key, read anew at every call; empty without a committed result."""
        result = self.folder.read_result() if self.folder and self.state in ("COMPLETE", "PRUNED") else None
        return result.metrics if result else {}
