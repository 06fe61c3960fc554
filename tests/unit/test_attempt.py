"""An attempt at a trial whose files disappear under it."""

import logging
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_study import settings_of, store_of

from sweep.launch.order import WorkOrder
from sweep.study.heartbeat import Heartbeat
from sweep.study.store import Claim, StudyStore
from sweep.trial.attempt import TrialRun
from sweep.trial.pipeline import TrialData, make_accelerator


def attempt(store: StudyStore, claim: Claim) -> TrialRun:
    order = WorkOrder("w", str(store.folder.path), (), None)
    heartbeat = Heartbeat(store, claim, 60)
    return TrialRun(order, settings_of(), make_accelerator(), store.folder, store, claim, heartbeat)


@pytest.fixture
def vanishing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker meets that slept while another one took its trial over and removed the drafts of checkpoints."""

    def run_trial(*_: Any) -> None:
        Path("gone/model.safetensors").read_bytes()

    monkeypatch.setattr("sweep.trial.attempt.run_trial", run_trial)


@pytest.mark.usefixtures("vanishing")
def test_a_file_that_the_next_attempt_removed_is_no_fault_of_the_disk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sweep")
    store = store_of(tmp_path, alive=lambda worker: worker != "slept")
    slept = store.claim("slept")
    assert slept is not None
    mine = store.claim("w")
    assert mine is not None
    assert (mine.point.key, mine.attempt) == (slept.point.key, slept.attempt + 1)
    attempt(store, slept).run(TrialData())
    assert "attempt 1 drops the trial: [Errno 2]" in store.folder.trial(slept.point.key).log.read_text()
    assert store.still_mine(mine)
    with pytest.raises(FileNotFoundError):
        attempt(store, mine).run(TrialData())
