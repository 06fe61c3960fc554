"""What a worker costs a PostgreSQL server: statements, connections, looks at what others do."""

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import Pool
from tests.postgres import PostgresServer
from tests.stores import VARIABLE, settings_of, store_at
from tests.unit.test_study import result
from tests.waiting import until

from sweep.records.folder import StudyFolder
from sweep.study import claims, connections, postgresql
from sweep.study.store import Claim, StudyStore


@pytest.fixture
def study(postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Overrides for a study of the test's own on the server, in which no look becomes due while a test counts."""
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url())
    return [VARIABLE, f"study.name={tmp_path.name}", "study.seeds=[0,1,2,3]", "study.grace_s=3600"]


def claim_of(store: StudyStore, worker: str = "w@elsewhere") -> Claim:
    claim = store.claim(worker)
    assert claim is not None
    return claim


def backend_of(engine: Engine) -> int:
    """The server's process for the connection that this thread has."""
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)


@contextmanager
def statements_of(engine: Engine) -> Iterator[list[str]]:
    """What is sent meanwhile."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


@contextmanager
def new_connections() -> Iterator[list[Any]]:
    """What is connected meanwhile, by anybody in this process."""
    made: list[Any] = []

    def note(connection: Any, _record: Any) -> None:
        made.append(connection)

    event.listen(Pool, "connect", note)
    try:
        yield made
    finally:
        event.remove(Pool, "connect", note)


def test_a_trial_costs_three_statements(tmp_path: Path, study: list[str]) -> None:
    store = store_at(tmp_path, *study)
    store.finish(claim := claim_of(store), result(claim.point.key))  # after a look for abandoned trials
    with statements_of(store.storage._engine) as sent:
        claim = claim_of(store)
        assert store.beat(claim)
        store.finish(claim, result(claim.point.key))
    assert len(sent) == 3, sent
    ended = store.storage.trial(claim.trial_id)
    assert (ended.state, ended.values, ended.attributes["duration_s"]) == ("COMPLETE", (0.5,), 1.0)


def test_opening_a_study_once_more_takes_one_connection_and_few_statements(tmp_path: Path, study: list[str]) -> None:
    first = store_at(tmp_path, *study)
    settings = settings_of(*study).study
    with new_connections() as made:
        second = StudyStore(StudyFolder(tmp_path), settings, lambda _: True)
        with statements_of(second.storage._engine) as sent:
            assert claim_of(second).number == 0
    assert len(made) == 1
    assert len(sent) <= 4, sent
    assert backend_of(first.storage._engine) != backend_of(second.storage._engine)


def test_connections_are_closed_when_they_are_idle_even_after_one_has_broken(
    tmp_path: Path, study: list[str], postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "IDLE_WITH_ROOM_S", 0.3)
    store = store_at(tmp_path, *study)
    engine = store.storage._engine
    other = create_engine(postgres.url())
    with other.connect() as connection:
        assert connection.scalar(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend_of(engine)})
    other.dispose()
    assert len(store.view.trials()) == 4  # on a connection in place of the broken one
    until(lambda: engine.pool.is_empty)  # type: ignore[attr-defined]
    assert len(store.view.trials()) == 4
    until(lambda: engine.pool.is_empty)  # type: ignore[attr-defined]


def test_a_copy_of_a_process_has_connections_of_its_own(tmp_path: Path, study: list[str]) -> None:
    engine = store_at(tmp_path, *study).storage._engine
    own = backend_of(engine)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=lambda: answers.put(backend_of(engine)))
    child.start()
    of_child = answers.get(timeout=60)
    child.join()
    assert of_child != own
    assert backend_of(engine) == own


def test_threads_that_take_turns_share_a_connection(tmp_path: Path, study: list[str]) -> None:
    """A worker's signs of life come from a thread of their own, between what the worker itself has to say."""
    storage = store_at(tmp_path, *study).storage
    own = backend_of(storage._engine)

    def of_thread() -> int:
        with ThreadPoolExecutor(1) as other:
            return other.submit(backend_of, storage._engine).result()

    assert of_thread() == own
    assert backend_of(storage._engine) == own
    assert storage.change(of_thread) != own  # which has the lock
    assert backend_of(storage._engine) == own


def test_a_trial_is_free_again_while_who_changes_it_sleeps(
    tmp_path: Path, study: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "ASLEEP_MS", 300)
    store, other = store_at(tmp_path, *study), store_at(tmp_path, *study)
    claim = claim_of(store)
    attempts = []

    def change() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            until(lambda: other.storage.change_free_trial(claim.trial_id, lambda: "free") == "free")
        store.storage.set_trial_attributes(claim.trial_id, {"reason": "done"})

    store.storage.change_trial(claim.trial_id, change)
    assert len(attempts) > 1  # the first one was in vain
    assert store.storage.trial(claim.trial_id).attributes["reason"] == "done"


def test_options_of_the_environment_count_besides_our_own(
    tmp_path: Path, study: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=3MB -c TimeZone=Asia/Tokyo")
    with store_at(tmp_path, *study).storage._engine.connect() as connection:
        assert connection.scalar(text("SHOW work_mem")) == "3MB"
        assert connection.scalar(text("SHOW TimeZone")) == "UTC"


def test_a_name_in_any_letters_keeps_its_trial(tmp_path: Path, study: list[str]) -> None:
    """After a claim that is not the trial's first one, too."""
    store = store_at(tmp_path, *study)
    store.release(claim_of(store, 'wörker"\\@hölle%_'))
    claim = claim_of(store, 'wörker"\\@hölle%_')
    assert claim.attempt == 2
    assert store.beat(claim)
    assert store.still_mine(claim)
    store.finish(claim, result(claim.point.key))


@pytest.mark.parametrize(("running", "looks"), [(3, 2), (1_000_000, 1)])
def test_many_workers_look_for_abandoned_trials_no_more_often_than_a_few(
    tmp_path: Path, study: list[str], monkeypatch: pytest.MonkeyPatch, running: int, looks: int
) -> None:
    monkeypatch.setattr(claims, "SHORTEST_REST_S", 0.01)
    store = store_at(tmp_path, *study, "study.grace_s=1")
    monkeypatch.setattr(store.storage, "running", lambda: running)
    asked = []
    doubtful = store.storage.doubtful
    monkeypatch.setattr(store.storage, "doubtful", lambda host: [asked.append(host), doubtful(host)][1])
    monkeypatch.setattr(store.storage, "is_silent", lambda _: False)
    claim_of(store)
    time.sleep(0.25)
    claim_of(store)
    assert len(asked) == looks


def test_a_trial_that_was_taken_over_is_doubtful_no_more(tmp_path: Path, study: list[str]) -> None:
    """Where a machine of many workers was lost, every look would try to take all of its trials once more."""
    store = store_at(tmp_path, *study)
    first = claim_of(store, "wörker@lost")
    assert store.storage.doubtful("here") == []
    store.worker_died("wörker@lost", -9)
    assert store.storage.doubtful("here") == [first.trial_id]
    assert store.storage.running() == 1
    taken = StudyStore(store.folder, store.settings, lambda _: True)
    assert claim_of(taken).trial_id == first.trial_id
    assert store.storage.doubtful("here") == []
