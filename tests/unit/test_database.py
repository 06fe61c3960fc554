"""Claims by several processes, on SQLite and on PostgreSQL; a database that is away; passwords that stay secret."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from tests.conftest import Sweep
from tests.postgres import PASSWORD, QUOTED_PASSWORD, PostgresServer
from tests.unit.test_study import result

from sweep.errors import DatabaseUnusable, Fenced, InputError
from sweep.records.folder import StudyFolder
from sweep.settings import Settings, flattened
from sweep.settings.compose import Composer, load_settings
from sweep.study.heartbeat import Heartbeat
from sweep.study.store import Claim, StorageError, StudyStore

VARIABLE = "study.storage='${oc.env:SWEEP_STORAGE}'"
FORTY = [
    "study.space={ratio.monolingual: {float: [0, 1]}}",
    "study.points=20",
    "study.seeds=[0,1]",
    "study.sampler=random",
]


def settings_of(*overrides: str) -> Settings:
    """Composed anew each time: the environment changes."""
    return load_settings(Composer("sweep", overrides))


def store_at(folder: Path, *overrides: str, alive: Callable[[str], bool] = lambda _: True) -> StudyStore:
    settings = settings_of(*overrides)
    store = StudyStore(StudyFolder(folder), settings.study, alive)
    store.check_settings(settings)
    store.enqueue()
    return store


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Overrides for a storage of either kind."""
    if request.param == "sqlite":
        return []
    server: PostgresServer = request.getfixturevalue("postgres")
    monkeypatch.setenv("SWEEP_STORAGE", server.url())
    return [VARIABLE, f"study.name=study-{tmp_path.name}"]


def _work(folder: str, overrides: list[str], name: str, found: Any) -> None:
    """A process of its own: claim and finish until nothing is left."""
    store = store_at(Path(folder), *overrides)
    while (claim := store.claim(name)) is not None:
        store.finish(claim, result(claim.point.key, claim.point.values["ratio.monolingual"]))
        found.put((claim.number, claim.point.key))
    found.put(None)


@pytest.mark.slow
def test_four_processes_claim_forty_trials_exactly(tmp_path: Path, storage: list[str]) -> None:
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    workers = [
        context.Process(target=_work, args=(str(tmp_path), [*FORTY, *storage], f"w{index}", found))
        for index in range(4)
    ]
    for worker in workers:
        worker.start()
    claimed, ended = [], 0
    while ended < len(workers):
        item = found.get(timeout=120)
        claimed, ended = (claimed, ended + 1) if item is None else ([*claimed, item], ended)
    for worker in workers:
        worker.join()
    assert len(claimed) == len(set(claimed)) == len({key for _, key in claimed}) == 40
    store = store_at(tmp_path, *FORTY, *storage)
    assert (store.finished(), store.target, store.unfinished()) == (40, 40, False)


def test_a_look_finds_what_optuna_finds(tmp_path: Path, storage: list[str]) -> None:
    """After every change, whoever made it: the reader asks only for what may have changed."""
    grid = ["study.space={ratio.monolingual: {grid: [0, 0.25, 0.5, 0.75, 1]}}", "study.retry_failed=true"]
    pruned = ["study.pruner.kind=median", "train.validation.every_steps=1", "study.pruner.startup_trials=0"]
    store, other = (store_at(tmp_path, *grid, *pruned, *storage) for _ in range(2))

    def look() -> None:
        expected = {trial.user_attrs["key"]: trial for trial in other.study.get_trials()}
        for reader in (store, other):
            found = reader._by_key()
            assert list(found) == list(expected)
            for key, trial in expected.items():
                for name in ("number", "state", "values", "user_attrs", "intermediate_values", "_trial_id"):
                    assert getattr(found[key], name) == getattr(trial, name), (key, name)
            assert reader._by_key() is found

    def claim() -> Claim:
        found = other.claim("w")
        assert found is not None
        look()
        return found

    def better(claimed: Claim, value: float) -> None:
        other.report(claimed, 1, value)
        look()
        other.finish(claimed, result(claimed.point.key, value))

    def give_back_twice(claimed: Claim) -> None:
        other.release(claimed)
        look()
        again = other.claim("w")
        assert again is not None
        other.release(again)

    changes: list[Callable[[Claim], object]] = [
        lambda claimed: other.fail(claimed, "broken"),
        lambda claimed: better(claimed, 0.75),
        give_back_twice,
        lambda claimed: better(claimed, float("inf")),
        lambda claimed: other.prune(claimed, "hopeless"),
        lambda claimed: other.enqueue(),
        lambda claimed: other.worker_died("w", -9),
    ]
    look()
    for change in changes:
        change(claim())
        look()


def test_an_attempt_that_lost_its_trial_changes_nothing(tmp_path: Path, storage: list[str]) -> None:
    dead: set[str] = set()
    store = store_at(tmp_path, *storage, alive=lambda worker: worker not in dead)
    late = store.claim("a")
    assert late is not None
    assert store.beat(late)
    dead.add("a")
    successor = store.claim("b")
    assert successor is not None
    assert (successor.trial_id, successor.attempt) == (late.trial_id, 2)
    assert not store.still_mine(late)
    assert not store.beat(late)
    for change in (
        lambda: store.finish(late, result(late.point.key)),
        lambda: store.fail(late, "broken"),
        lambda: store.prune(late, "hopeless"),
        lambda: store.release(late),
        lambda: store.report(late, 1, 0.5),
        lambda: store.commit_result(late, lambda: pytest.fail("a fenced attempt wrote its result")),
    ):
        with pytest.raises(Fenced):
            change()
    assert store.states() == {late.point.key: "RUNNING"}
    store.finish(successor, result(late.point.key))
    with pytest.raises(Fenced):
        store.fail(late, "broken")
    assert store.states() == {late.point.key: "COMPLETE"}


def test_a_worker_without_a_sign_of_life_loses_its_trial(tmp_path: Path, storage: list[str]) -> None:
    store = store_at(tmp_path, *storage, "study.grace_s=1", "study.seeds=[0,1]")
    paused, other = store.claim("a"), store.claim("b")
    assert paused is not None
    assert other is not None
    for _ in range(3):
        time.sleep(0.9)
        assert store.beat(other)
    taken = store.claim("c")
    assert taken is not None
    assert (taken.trial_id, taken.attempt) == (paused.trial_id, 2)
    assert store.claim("d") is None


def test_a_worker_of_another_machine_is_judged_by_its_beats_alone(tmp_path: Path) -> None:
    store = store_at(tmp_path, "study.grace_s=1", alive=lambda _: False)
    claim = store.claim("w@elsewhere")
    assert claim is not None
    assert store.claim("v") is None
    time.sleep(2.2)
    assert store.claim("v") is not None


def test_a_claim_whose_answer_was_lost_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError

    store = store_at(tmp_path, "study.seeds=[0,1]")
    take, calls = store._take, []

    def lost(*arguments: Any) -> Any:
        claim = take(*arguments)
        calls.append(claim)
        if len(calls) == 1:
            import sqlite3

            raise OperationalError("COMMIT", {}, sqlite3.OperationalError("database is locked"))
        return claim

    monkeypatch.setattr(store, "_take", lost)
    claim = store.claim("w")
    assert claim is not None
    assert (claim.trial_id, claim.entry, claim.attempt) == (calls[0].trial_id, calls[0].entry, 1)
    assert len(calls) == 1


@pytest.mark.slow
def test_a_server_that_restarts_delays_workers_and_kills_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.postgres import running_server, why_not

    reason = why_not()
    if reason:
        pytest.skip(reason)
    with running_server() as server:
        monkeypatch.setenv("SWEEP_STORAGE", server.url())
        study = [*FORTY, VARIABLE, "study.patience_s=60"]
        store_at(tmp_path, *study)
        context = multiprocessing.get_context("spawn")
        found = context.Queue()
        workers = [
            context.Process(target=_work, args=(str(tmp_path), study, f"w{index}", found)) for index in range(2)
        ]
        for worker in workers:
            worker.start()
        claimed = [found.get(timeout=120) for _ in range(3)]
        server.stop()
        time.sleep(5)
        server.start()
        ended = claimed.count(None)
        while ended < 2:
            item = found.get(timeout=120)
            claimed.append(item)
            ended += item is None
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0
        keys = [item[1] for item in claimed if item is not None]
        assert len(keys) == len(set(keys)) == 40
        assert store_at(tmp_path, *study).finished() == 40


def test_nothing_is_written_under_a_lock_that_was_lost(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url())
    store = store_at(tmp_path, VARIABLE, "study.name=lost", "study.seeds=[0,1,2]")
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
        store.study.enqueue_trial({}, user_attrs={"attempt": len(attempts)})
        return "done"

    assert store.database.change(change) == "done"
    engine.dispose()
    added = [trial.user_attrs["attempt"] for trial in store.study.trials if "attempt" in trial.user_attrs]
    assert added == [2]


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path, storage: list[str]) -> None:
    store = store_at(tmp_path, *storage)
    code = (
        "import os, sys, time; from pathlib import Path; from tests.unit.test_database import store_at\n"
        "store = store_at(Path(sys.argv[1]), *sys.argv[2:])\n"
        "store.database.change(lambda: (print('held', flush=True), time.sleep(60)))"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), *storage], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    claims: list[Any] = []
    waiting = threading.Thread(target=lambda: claims.append(store.claim("w")))
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive()
    holder.kill()
    holder.communicate()
    waiting.join(30)
    assert len(claims) == 1
    assert claims[0] is not None


def fill(store: StudyStore) -> None:
    for _ in range(500):
        store.database.change(lambda: store.study.enqueue_trial({}, user_attrs={"much": "x" * 2000}))


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    store = store_at(tmp_path, "study.space={train.steps: {grid: [50, 60, 70]}}")
    engine = store.database._backend.engine
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    from sqlalchemy import event

    def limit(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    event.listen(engine, "connect", limit)
    engine.dispose()
    with pytest.raises(DatabaseUnusable, match=r"the disk is full: the study's database .*study\.db cannot grow"):
        fill(store)
    event.remove(engine, "connect", limit)
    engine.dispose()
    claim = store.claim("w")
    assert claim is not None
    store.finish(claim, result(claim.point.key))
    assert store.finished() == 1


def test_a_wrong_password_and_a_server_that_is_down_are_said_without_the_password(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url(password="wr0ngsecret"))
    with pytest.raises(DatabaseUnusable, match=r"the server refuses us .*password authentication failed") as refused:
        store_at(tmp_path, VARIABLE)
    assert refused.value.exit_status == 2
    monkeypatch.setenv("SWEEP_STORAGE", "postgresql+psycopg://u:wr0ngsecret@127.0.0.1:9/db")
    with pytest.raises(DatabaseUnusable, match=r"has been away for . s .*refused") as away:
        store_at(tmp_path, VARIABLE, "study.patience_s=2")
    for shown in (str(refused.value), str(away.value), caplog.text):
        assert "wr0ngsecret" not in shown
    assert "u:***@127.0.0.1:9/db" in str(away.value)


def test_the_password_is_in_no_setting_that_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", f"postgresql+psycopg://me:{QUOTED_PASSWORD}@host/db")
    composer = Composer("sweep", [VARIABLE])
    settings = settings_of(VARIABLE)
    shown = [composer.yaml(), repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())]
    shown.append(str(flattened(settings.model_dump(mode="json"))))
    for text_shown in shown:
        assert PASSWORD not in text_shown
        assert QUOTED_PASSWORD not in text_shown
    assert "storage: ${oc.env:SWEEP_STORAGE}" in composer.yaml()
    assert settings.study.storage is not None
    assert settings.study.storage.get_secret_value().endswith("@host/db")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("study.storage=postgresql+psycopg://me:hunter2@host/db", "on the command line"),
        ("++study.storage='postgresql+psycopg://me:hunter2,=@host/db'", "on the command line"),
        ("mysql://me:hunter2@host/db", "only PostgreSQL"),
        ("postgresql+psycopg://me:hunter2@x@host/db", "in a password are written %40"),
        ("postgresql+psycopg://me:hunter2/x@host/db", "in a password are written %40"),
        ("postgresql+psycopg://me:hunter2@host/db?sslmode=require", "takes no options"),
    ],
)
def test_a_storage_that_cannot_be_used_is_refused_without_its_password(
    given: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", given)
    with pytest.raises(InputError, match=said) as caught:
        settings_of(given if "study.storage" in given else VARIABLE)
    assert "hunter2" not in str(caught.value)


@pytest.mark.slow
def test_a_whole_study_on_postgresql_leaves_the_password_nowhere(
    sweep: Sweep, tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url())
    from tests.integration.test_study_run import TINY

    done = sweep(*TINY, VARIABLE, "study.name=secret")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(tmp_path.rglob("study.db"))
    shown = done.stdout + done.stderr
    assert PASSWORD not in shown + QUOTED_PASSWORD
    secrets = [PASSWORD.encode(), QUOTED_PASSWORD.encode()]
    for file in filter(Path.is_file, tmp_path.rglob("*")):
        content = file.read_bytes()
        assert not any(secret in content for secret in secrets), file
    again = sweep(*TINY, VARIABLE, "study.name=secret")
    assert "2 of 2 trials are done" in again.stdout
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url(password="wr0ngsecret"))
    refused = sweep(*TINY, VARIABLE, "study.name=secret")
    assert refused.returncode == 2, refused.stderr
    assert "refuses us" in refused.stderr
    assert "wr0ngsecret" not in refused.stdout + refused.stderr
    assert os.environ["SWEEP_STORAGE"] not in refused.stderr


def test_a_heartbeat_keeps_a_trial_and_notices_when_it_is_lost(tmp_path: Path) -> None:
    dead: set[str] = set()
    store = store_at(tmp_path, "study.grace_s=1", alive=lambda worker: worker not in dead)
    claim = store.claim("a")
    assert claim is not None
    with Heartbeat(store, claim, 0.2) as heartbeat:
        time.sleep(2.5)
        assert store.claim("b") is None
        assert not heartbeat.lost.is_set()
        dead.add("a")
        assert store.claim("b") is not None
        assert heartbeat.lost.wait(5)


def test_a_heartbeat_goes_on_after_errors_of_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_at(tmp_path)
    claim = store.claim("a")
    assert claim is not None
    beat, answers = store.database.beat, []

    def away(trial_id: int) -> None:
        answers.append(trial_id)
        if len(answers) < 4:
            raise StorageError("away")
        beat(trial_id)
        answers.append(-1)

    monkeypatch.setattr(store.database, "beat", away)
    with Heartbeat(store, claim, 0.05):
        deadline = time.monotonic() + 10
        while -1 not in answers and time.monotonic() < deadline:
            time.sleep(0.02)
    assert answers[:5] == [claim.trial_id] * 4 + [-1]
