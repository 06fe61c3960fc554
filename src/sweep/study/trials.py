"""Trials as values: what a storage keeps of one, who has it, and what a reader outside of the study sees of it.

Attributes of a trial: `key` and `point` say which it is, `claims` who took it on (the last one has it), `attempts`
how often it was taken on before it failed and was enqueued anew, `deaths` whose workers died with it, `kept_back`
that it is not to be taken (its value was removed from the grid, and may come back), `measured` the metrics that
constraints ask for, `duration_s`, `reason`, `artifacts` of which attempt others are to take.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sweep.records.folder import StudyFolder
from sweep.records.study_artifacts import Recorded
from sweep.records.trial_record import TrialRecord
from sweep.records.values import State
from sweep.study.point import Point

FINISHED: tuple[State, ...] = ("COMPLETE", "PRUNED")
KEPT_BACK = "kept_back"
UNFINISHED: tuple[State, ...] = ("WAITING", "RUNNING")


@dataclass(frozen=True)
class StoredTrial:
    """A trial as its storage had it when it was read.

    `values` are its objectives, empty before it is COMPLETE; `validated` is the objective at each validated step.
    """

    id: int
    number: int
    state: State
    values: tuple[float, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    validated: Mapping[int, float] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """Key of its point, with the seed."""
        return str(self.attributes["key"])

    @cached_property
    def point(self) -> Point:
        """Its point."""
        return Point.from_json(self.attributes["point"])

    @property
    def claims(self) -> list[str]:
        """The entries of those who took it on, in order."""
        return list(self.attributes.get("claims", ()))

    @property
    def deaths(self) -> dict[str, int]:
        """Exit status of each worker that died with it."""
        return dict(self.attributes.get("deaths", {}))

    @property
    def artifacts(self) -> Recorded | None:
        """What of it was left for other machines; None if nothing was, or if somebody else wrote something else."""
        recorded = self.attributes.get("artifacts")
        return recorded if isinstance(recorded, dict) and isinstance(recorded.get("attempt"), int) else None

    @property
    def holder(self) -> str:
        """The entry of the last claim, empty if nobody took the trial on."""
        return self.claims[-1] if self.claims else ""

    @property
    def attempts(self) -> int:
        """How often it was taken on."""
        return int(self.attributes.get("attempts", 0)) + len(self.claims)

    @property
    def has_ended(self) -> bool:
        """Whether nothing changes it any more."""
        return self.state not in UNFINISHED

    def is_held_by(self, entry: str) -> bool:
        """Whether it runs under this claim."""
        return self.state == "RUNNING" and self.holder == entry


@dataclass(frozen=True)
class Claim:
    """A trial that a worker has taken on. `attempt` counts from 1; `entry` tells this claim from every other."""

    trial_id: int
    number: int
    point: Point
    attempt: int
    entry: str


def worker_of(entry: str) -> str:
    """The worker of a claim."""
    return entry.partition("#")[0]


def last_taken_by(worker: str, trials: Iterable[StoredTrial]) -> StoredTrial | None:
    """The unfinished trial that a worker took on last."""
    taken: dict[str, StoredTrial] = {}
    for trial in trials:
        if not trial.has_ended:
            taken |= {entry: trial for entry in trial.claims if worker_of(entry) == worker}
    return taken[max(taken)] if taken else None


def record_of(
    trial: StoredTrial, folder: StudyFolder, violation: float = 0.0, elsewhere: Mapping[str, Any] | None = None
) -> TrialRecord:
    """A trial for those who only read. `elsewhere`: values of paths that the trial's point lacks."""
    return TrialRecord(
        key=trial.key,
        number=trial.number,
        seed=trial.point.seed,
        state=trial.state,
        parameters={**(elsewhere or {}), **trial.point.values},
        attempts=trial.attempts,
        value=trial.values[0] if trial.values else None,
        values=trial.values,
        violation=violation,
        duration_s=trial.attributes.get("duration_s"),
        reason=trial.attributes.get("reason"),
        folder=folder.trial(trial.key),
    )
