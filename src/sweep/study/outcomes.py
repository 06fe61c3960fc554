"""How a trial ends, and what the deaths of its workers come to."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from sweep.records.values import State
from sweep.study.storage import TrialStorage
from sweep.study.trials import StoredTrial, last_taken_by, worker_of

KILLED = (-9, 137)  # exit status of a process that the system killed


def stated(attributes: Mapping[str, object]) -> dict[str, object]:
    """Those attributes that say something."""
    return {name: value for name, value in attributes.items() if value not in (None, {})}


def end_trial(
    storage: TrialStorage, trial_id: int, state: State, values: Sequence[float] = (), **attributes: object
) -> None:
    """End a trial, within its change."""
    storage.set_trial_attributes(trial_id, stated(attributes))
    storage.set_state(trial_id, state, values)


def give_up(storage: TrialStorage, trial: StoredTrial) -> None:
    """Record a trial as FAILED whose workers died too often, within its change."""
    status = list(trial.deaths.values())[-1]
    killed = " (killed: out of memory?)" if status in KILLED else ""
    reason = f"its worker died {len(trial.deaths)} times, last with status {status}{killed}"
    end_trial(storage, trial.id, "FAILED", reason=reason)


def charge_death(storage: TrialStorage, worker: str, status: int, max_attempts: int) -> StoredTrial | None:
    """Charge a worker's death to the trial that it took on last; the trial, if it is given up for that.

    Another worker may have the trial by now; then that one is left to try.
    """

    def charge(trial: StoredTrial) -> bool:
        deaths = {**trial.deaths, worker: status}
        storage.set_trial_attributes(trial.id, {"deaths": deaths})
        if len(deaths) < max_attempts or worker_of(trial.holder) != worker:
            return False
        give_up(storage, storage.outline(trial.id))
        return True

    return _change_last_of(worker, storage, charge)


def let_wait(storage: TrialStorage, trials: Iterable[StoredTrial], is_gone: Callable[[str], bool]) -> None:
    """Let those of these trials wait again that run and whose worker is gone, charged with no death.

    A worker that still is about to end has lost its trial.
    """

    def is_left(trial: StoredTrial) -> bool:
        return trial.state == "RUNNING" and is_gone(worker_of(trial.holder))

    def change(trial_id: int) -> None:
        if is_left(storage.outline(trial_id)):
            storage.set_state(trial_id, "WAITING")

    for trial in filter(is_left, trials):
        storage.change_trial(trial.id, partial(change, trial.id))


def fail_last(storage: TrialStorage, worker: str, reason: str) -> StoredTrial | None:
    """Record the trial that a worker took on last as FAILED, if it still has it; that trial."""

    def fail(trial: StoredTrial) -> bool:
        if trial.state != "RUNNING" or worker_of(trial.holder) != worker:
            return False
        end_trial(storage, trial.id, "FAILED", reason=reason)
        return True

    return _change_last_of(worker, storage, fail)


def _change_last_of(worker: str, storage: TrialStorage, change: Callable[[StoredTrial], bool]) -> StoredTrial | None:
    """Change the trial that a worker took on last, if it has not ended; the trial, if that ended it."""
    last = last_taken_by(worker, storage.taken_by(worker))
    if last is None:
        return None

    def attempt() -> bool:
        trial = storage.outline(last.id)
        return not trial.has_ended and change(trial)

    return storage.trial(last.id) if storage.change_trial(last.id, attempt) else None
