"""Trials as the storage has them: whose they are, what was measured, and their records.

User attributes of a trial: `key` and `point` say which it is, `claims` who took it on (the last one has it),
`attempts` how often it was taken on before it failed and was enqueued anew, `deaths` whose workers died with it,
`measured` the metrics that constraints ask for, `duration_s`, `reason`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from sweep.records.folder import StudyFolder
from sweep.records.trial_record import TrialRecord
from sweep.records.values import State
from sweep.settings import StudySettings
from sweep.study.distributions import distribution_of, stored
from sweep.study.point import Point

STATES: dict[TrialState, State] = {
    TrialState.WAITING: "WAITING",
    TrialState.RUNNING: "RUNNING",
    TrialState.COMPLETE: "COMPLETE",
    TrialState.PRUNED: "PRUNED",
    TrialState.FAIL: "FAILED",
}
FINISHED: tuple[State, ...] = ("COMPLETE", "PRUNED")
UNFINISHED = (TrialState.WAITING, TrialState.RUNNING)


@dataclass(frozen=True)
class Claim:
    """A trial that a worker has taken on. `attempt` counts from 1; `entry` tells this claim from every other."""

    trial_id: int
    number: int
    point: Point
    attempt: int
    entry: str


def point_of(trial: FrozenTrial) -> Point:
    """The point of a trial."""
    return Point.from_json(trial.user_attrs["point"])


def holder(trial: FrozenTrial) -> str:
    """The entry of the last claim, empty if nobody took the trial on."""
    claims: list[str] = trial.user_attrs.get("claims", [])
    return claims[-1] if claims else ""


def worker_of(entry: str) -> str:
    """The worker of a claim."""
    return entry.partition("#")[0]


def attempts(trial: FrozenTrial) -> int:
    """How often the trial was taken on."""
    return int(trial.user_attrs.get("attempts", 0)) + len(trial.user_attrs.get("claims", []))


def last_taken_by(worker: str, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The unfinished trial that a worker took on last, or nothing."""
    taken: dict[str, FrozenTrial] = {}
    for trial in trials:
        if trial.state in UNFINISHED:
            own = [entry for entry in trial.user_attrs.get("claims", []) if worker_of(entry) == worker]
            taken |= {entry: trial for entry in own}
    return [taken[max(taken)]] if taken else []


def waiting_trial(settings: StudySettings, point: Point, earlier_attempts: int = 0) -> FrozenTrial:
    """A new trial of a point, for the storage."""
    params, distributions = parameters(settings, point.values)
    return optuna.trial.create_trial(
        state=TrialState.WAITING,
        user_attrs={"key": point.key, "point": point.to_json(), "attempts": earlier_attempts},
        params=params,
        distributions=distributions,
    )


def parameters(settings: StudySettings, values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """Values as Optuna's parameters, and their distributions."""
    known = {path: distribution_of(settings, path) for path in values}
    kept = {path: distribution for path, distribution in known.items() if distribution is not None}
    return {path: stored(values[path]) for path in kept}, kept


def record_of(trial: FrozenTrial, folder: StudyFolder, violation: float = 0.0) -> TrialRecord:
    """A trial for those who only read."""
    point, key = point_of(trial), trial.user_attrs["key"]
    return TrialRecord(
        key=key,
        number=trial.number,
        seed=point.seed,
        state=STATES[trial.state],
        parameters=point.values,
        attempts=attempts(trial),
        value=trial.values[0] if trial.values else None,
        values=tuple(trial.values or ()),
        violation=violation,
        duration_s=trial.user_attrs.get("duration_s"),
        reason=trial.user_attrs.get("reason"),
        folder=folder.trial(key),
    )
