"""Trials that workers of clusters have left, and that nobody is charged with."""

from pathlib import Path

from tests.unit.test_study import GRID, store_of

from sweep.run.orphans import take_back
from sweep.study.outcomes import let_wait
from sweep.study.store import StudyStore

ON_SLURM, OTHER, ON_RAY = "w-1-aa-bb@slurm", "w-2-aa-bb@slurm", "w-3-aa-bb@ray"


def states(store: StudyStore) -> list[str]:
    """Of the trials that somebody has taken on, in order."""
    return [trial.state for trial in store.view.trials().values() if trial.holder]


def test_a_job_that_was_queued_again_goes_on_with_the_trial_that_it_could_not_save(tmp_path: Path) -> None:
    store = store_of(tmp_path, *GRID)
    left, others = store.claim(ON_SLURM), store.claim(OTHER)
    assert left is not None
    assert others is not None
    let_wait(store.storage, store.storage.taken_by(ON_SLURM), lambda worker: worker == ON_SLURM)
    assert states(store) == ["WAITING", "RUNNING"]
    again = store.claim(ON_SLURM)
    assert again is not None
    assert (again.point, again.attempt) == (left.point, 2)
    assert not store.still_mine(left)
    assert store.still_mine(again)
    assert store.still_mine(others)
    assert not any(trial.deaths for trial in store.view.trials().values())


def test_what_workers_had_that_end_with_their_driver_waits_for_the_next_one(tmp_path: Path) -> None:
    store = store_of(tmp_path, *GRID)
    assert store.claim(ON_RAY) is not None
    assert store.claim(OTHER) is not None
    take_back(store)
    assert states(store) == ["WAITING", "RUNNING"]  # jobs of Slurm may live
