"""How a trial ends, and what the deaths of its workers come to. Everything here happens inside a change."""

from collections.abc import Sequence

from sweep.records.values import State
from sweep.study.storage import TrialStorage
from sweep.study.trials import StoredTrial, last_taken_by, worker_of

KILLED = (-9, 137)  # exit status of a process that the system killed


def end_trial(
    storage: TrialStorage, trial_id: int, state: State, values: Sequence[float] = (), **attributes: object
) -> None:
    """End a trial. Its attributes are written first: a trial that has ended is never read again."""
    for name, value in attributes.items():
        if value not in (None, {}):
            storage.set_trial_attribute(trial_id, name, value)
    storage.set_state(trial_id, state, values)


def give_up(storage: TrialStorage, trial: StoredTrial) -> None:
    """Record a trial as FAILED whose workers died too often."""
    status = list(trial.deaths.values())[-1]
    killed = " (killed: out of memory?)" if status in KILLED else ""
    reason = f"its worker died {len(trial.deaths)} times, last with status {status}{killed}"
    end_trial(storage, trial.id, "FAILED", reason=reason)


def charge_death(storage: TrialStorage, worker: str, status: int, max_attempts: int) -> StoredTrial | None:
    """Charge a worker's death to the trial that it took on last; the trial, if it is given up for that.

    Another worker may have the trial by now; then that one is left to try.
    """
    trial = last_taken_by(worker, storage.trials().values())
    if trial is None:
        return None
    deaths = {**trial.deaths, worker: status}
    storage.set_trial_attribute(trial.id, "deaths", deaths)
    if len(deaths) < max_attempts or worker_of(trial.holder) != worker:
        return None
    give_up(storage, storage.trial(trial.id))
    return storage.trial(trial.id)


def fail_last(storage: TrialStorage, worker: str, reason: str) -> StoredTrial | None:
    """Record the trial that a worker took on last as FAILED, if it still has it; that trial."""
    trial = last_taken_by(worker, storage.trials().values())
    if trial is None or trial.state != "RUNNING" or worker_of(trial.holder) != worker:
        return None
    end_trial(storage, trial.id, "FAILED", reason=reason)
    return storage.trial(trial.id)
