"""What only one kind of database can do to a study: restart, lose a lock, refuse a password."""

import multiprocessing
import time
from pathlib import Path

import pytest
from psycopg.errors import ConnectionTimeout
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from tests.postgres import PostgresServer, running_server, why_not
from tests.stores import FORTY, VARIABLE, store_at, work

from sweep.errors import DatabaseUnusable
from sweep.study.faults import lasting_fault
from sweep.study.point import Point


@pytest.mark.slow
def test_a_server_that_restarts_delays_workers_and_kills_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with running_server() as server:
        monkeypatch.setenv("SWEEP_STORAGE", server.url())
        study = [*FORTY, VARIABLE, "study.patience_s=60"]
        store_at(tmp_path, *study)
        context = multiprocessing.get_context("spawn")
        finished = context.Queue()
        workers = [
            context.Process(target=work, args=(str(tmp_path), study, f"w{index}", finished)) for index in range(2)
        ]
        for worker in workers:
            worker.start()
        claimed = [finished.get(timeout=120) for _ in range(3)]
        server.stop()
        time.sleep(5)
        server.start()
        ended = claimed.count(None)
        while ended < 2:
            item = finished.get(timeout=120)
            claimed.append(item)
            ended += item is None
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0
        keys = [item[1] for item in claimed if item is not None]
        assert len(keys) == len(set(keys)) == 40
        assert store_at(tmp_path, *study).view.finished() == 40


@pytest.mark.parametrize("through_optuna", [False, True])
def test_nothing_is_written_under_a_lock_that_was_lost(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, through_optuna: bool
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url())
    store = store_at(tmp_path, VARIABLE, f"study.name=lost-{through_optuna}", "study.seeds=[0,1,2]")
    engine = create_engine(postgres.url())
    attempts = []

    def change() -> str:
        attempts.append(1)
        if len(attempts) == 1:
            with engine.connect() as other:
                other.execute(
                    text("SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE locktype = 'advisory' AND granted")
                )
            # Optuna would repeat this five times, on a new connection: without the lock.
        if through_optuna:
            store.storage.set_attribute(f"attempt {len(attempts)}", True)
        else:
            store.storage.add([(Point({}, 100 + len(attempts)), 0)])
        return "done"

    assert store.storage.change(change) == "done"
    engine.dispose()
    added = [trial.point.seed for trial in store.view.trials().values() if trial.point.seed >= 100]
    named = [name for name in store.storage.attributes() if name.startswith("attempt")]
    assert (added, named, len(attempts)) == (([], ["attempt 2"], 2) if through_optuna else ([102], [], 2))


def test_a_wrong_password_and_a_server_that_is_down_are_said_without_the_password(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url(password="wr0ngsecret"))
    with pytest.raises(DatabaseUnusable, match=r"the server refuses us .*password authentication failed") as refused:
        store_at(tmp_path, VARIABLE)
    assert refused.value.exit_status == 2
    monkeypatch.setenv("SWEEP_STORAGE", "postgresql+psycopg://u:wr0ngsecret@127.0.0.1:9/db")
    with pytest.raises(DatabaseUnusable, match=r"has been away for \d+ s .*refused") as away:
        store_at(tmp_path, VARIABLE, "study.patience_s=2")
    for shown in (str(refused.value), str(away.value), caplog.text):
        assert "wr0ngsecret" not in shown
    assert "u:***@127.0.0.1:9/db" in str(away.value)


def test_a_server_that_is_too_busy_to_answer_is_waited_for() -> None:
    late = OperationalError("SELECT 1", {}, ConnectionTimeout("connection timeout expired"))
    assert lasting_fault(late, "there", "") is None
