"""A thousand workers at one PostgreSQL server; one of the processes they are in is killed in the middle.

They train nothing, and claim ten thousand trials. How fast that is, is for `benchmarks/storage_throughput.py`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.postgres import PostgresServer, running_server, why_not
from tests.simulated_workers import METRIC, SimulatedWorkers, grid_of, settings_of

from sweep.records.folder import StudyFolder
from sweep.records.values import TrialResult
from sweep.study.store import StudyStore

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WORKERS, TRIALS = 1000, 10_000


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server with a connection for each worker, as docs/capacity.md advises."""
    if reason := why_not():
        pytest.skip(reason)
    with running_server("-c", "max_connections=2200") as started:
        yield started


def test_a_thousand_workers_share_a_study_exactly(
    tmp_path: Path, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", server.url())
    overrides = [*grid_of(TRIALS), "study.storage='${oc.env:SWEEP_STORAGE}'", "study.name=thousand"]
    settings = settings_of(overrides)
    store = StudyStore(StudyFolder(tmp_path), settings.study, lambda _: True)
    store.check_settings(settings)
    store.enqueue()
    assert [trial.number for trial in store.view.trials().values()] == list(range(TRIALS))
    crowd = SimulatedWorkers(tmp_path, overrides, WORKERS, processes=3, trial_s=1.0)
    crowd.start(seconds=500, dies_after=100)
    killed = crowd.killed()
    for worker in killed:  # as the launcher that sees them die does
        store.worker_died(worker, -9)
    seen = crowd.wait()
    while (claim := store.claim("last@cluster")) is not None:  # what was left with the dead when the others ended
        store.finish(claim, TrialResult(claim.point.key, "f", {METRIC: 0.5}, 0.1, 1.0, {}, 0, {}))
        seen.keys.append(claim.point.key)
    assert len(seen.keys) == len(set(seen.keys))
    trials = store.view.trials()
    assert {trial.state for trial in trials.values()} == {"COMPLETE"}
    by_killed = {key for key, trial in trials.items() if trial.holder.partition("#")[0] in killed}
    assert by_killed.isdisjoint(seen.keys)
    assert by_killed | set(seen.keys) == trials.keys()
    assert by_killed
    for trial in trials.values():  # taken once, or again only from one that was killed
        assert all(entry.partition("#")[0] in killed for entry in trial.claims[:-1])
    assert any(len(trial.claims) > 1 for trial in trials.values())
    store.storage.close()
