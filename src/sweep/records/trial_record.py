"""One trial as its study knows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sweep.errors import SweepError
from sweep.records.folder import TrialFolder
from sweep.records.values import State

MOST_NAMED = 5  # trials in a message
MOST_READ = 1000  # trials all of whose files are read to see whether they are damaged


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


def damaged_trials(records: Sequence[TrialRecord], every_byte: bool = True) -> dict[str, str]:
    """What is missing or damaged of finished trials, by their keys. Without `every_byte`, and of many thousands, only
    that the files are there is looked at: reading all of them would take longer than what is done with them."""
    complete = [record for record in records if record.state == "COMPLETE" and record.folder is not None]
    every_byte = every_byte and len(complete) <= MOST_READ
    problems = {record.key: record.folder.damage(every_byte) for record in complete if record.folder is not None}
    return {key: problem for key, problem in problems.items() if problem is not None}


def refuse_damaged(records: Sequence[TrialRecord], command: str, every_byte: bool = True) -> None:
    """Raise SweepError if files of finished trials are missing or damaged: else a ratio would be left out of what is
    compared, and another one would be the best. `command` runs the study."""
    damaged = damaged_trials(records, every_byte)
    if damaged:
        shown = "; ".join(f"{key}: {problem}" for key, problem in list(damaged.items())[:MOST_NAMED])
        more = f"; and {len(damaged) - MOST_NAMED} more" if len(damaged) > MOST_NAMED else ""
        raise SweepError(
            f"finished trials are damaged, so there is no table ({shown}{more}). Put their files back, or run them "
            f"again:\n  {command} study.rerun_damaged=true"
        )
