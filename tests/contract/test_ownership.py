"""Who owns a study on a real PostgreSQL server, whatever happens to the connection that says so."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from tests.postgres import PostgresServer, running_server, why_not
from tests.stores import VARIABLE, settings_of, store_at
from tests.waiting import SECONDS, until

from sweep.errors import SweepError
from sweep.records.folder import StudyFolder
from sweep.settings.compose import Composer
from sweep.study import ownership
from sweep.study.ownership import OWNER, Ownership, TakenOver, owner_of, owning, present_owner
from sweep.study.recipe import RECIPE, leave_recipe
from sweep.study.store import StudyStore

Owned = tuple[StudyStore, Ownership]


@pytest.fixture(autouse=True)
def times(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server frees locks when it gets to it, and nobody looks at one before a test says so."""
    monkeypatch.setattr(ownership, "ENDING_S", SECONDS)
    monkeypatch.setattr(ownership, "POLL_S", 0.05)
    monkeypatch.setattr(ownership, "LOOK_S", 3600.0)


@contextmanager
def owned(folder: Path, name: str, *more: str) -> Iterator[Owned]:
    """A study, owned by a command in this folder."""
    overrides = [VARIABLE, f"study.name={name}", *more]
    store = store_at(folder, *overrides)
    try:
        with owning(store.storage, settings_of(*overrides).study, StudyFolder(folder), "python -m JOIN") as owner:
            yield store, owner
    finally:
        store.storage.close()


@contextmanager
def refused(match: str) -> Iterator[None]:
    """What follows asks for a study that another command owns, and does not wait for that one to end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ownership, "ENDING_S", 0.0)
        with pytest.raises(SweepError, match=match):
            yield


def end_connections(url: str, name: str) -> None:
    """Have the server end the connection that holds the lock of a study's owner."""
    key = ownership.key_of(f"sweep, owner of {name}") & 0xFFFFFFFF  # what pg_locks has of it
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    query = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid::bigint = :key"
    with engine.connect() as connection:
        (pid,) = connection.scalars(text(query), {"key": key})
        assert connection.scalar(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        there = text("SELECT count(*) FROM pg_stat_activity WHERE pid = :pid")
        until(lambda: not connection.scalar(there, {"pid": pid}))  # until then it has the lock, and answers
    engine.dispose()


def test_one_command_owns_a_study_and_others_read_who(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url())
    first, second = tmp_path / "first", tmp_path / "second"
    with owned(first, "one") as (store, owner):
        assert owner.has_helpers
        owner.assure(store.storage, at_once=True)
        message = rf"study 'one' is run by process {os.getpid()} on \S+ \(folder {first}, since .* UTC\): "
        with refused(message + r"(.|\n)*python -m JOIN"), owned(second, "one"):
            pass
        with owned(second, "other"):  # another study has another owner
            pass
    with owned(second, "one") as (store, _):
        last = owner_of(store.storage.attributes())
        assert last is not None
        assert last.folder == str(second)


def test_an_owner_takes_its_study_again_when_the_connection_was_lost(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url())
    with owned(tmp_path, "again") as (store, owner):
        end_connections(postgres.url(), "again")
        owner.assure(store.storage, at_once=True)
        with refused("is run by process"), owned(tmp_path / "late", "again"):
            pass
        end_connections(postgres.url(), "again")  # a connection of its own, once more
        owner.assure(store.storage)  # not yet: it has just looked
        with owned(tmp_path / "quick", "again") as (other, theirs):
            with pytest.raises(
                SweepError, match=rf"taken over .* by process {os.getpid()} .*folder {tmp_path}/quick"
            ):
                owner.assure(store.storage, at_once=True)
            theirs.assure(other.storage, at_once=True)
            end_connections(postgres.url(), "again")  # that is theirs still
            theirs.assure(other.storage, at_once=True)
        with pytest.raises(SweepError, match="taken over"):  # even though nobody has the lock any more
            owner.assure(store.storage, at_once=True)
        with owned(tmp_path / "last", "again"):  # and it keeps nobody from it
            pass


def test_a_lock_that_the_server_believes_to_be_of_a_lost_connection_is_waited_for(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url())
    with owned(tmp_path, "lost") as (store, owner):
        end_connections(postgres.url(), "lost")
        lingering = create_engine(postgres.url()).connect()
        key = {"key": ownership.key_of("sweep, owner of lost")}
        assert lingering.scalar(text("SELECT pg_try_advisory_lock(:key)"), key)
        owner.assure(store.storage, at_once=True)  # nobody has written another name
        with refused("is run by process"), owned(tmp_path / "other", "lost"):
            pass
        lingering.invalidate()
        lingering.close()
        until(lambda: taken_again(store, owner, postgres.url()))


def taken_again(store: StudyStore, owner: Ownership, url: str) -> bool:
    owner.assure(store.storage, at_once=True)
    try:
        end_connections(url, "lost")
    except ValueError:  # nobody has the lock
        return False
    return True


def test_a_command_that_lost_its_study_changes_nothing_of_it_any_more(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url())
    values = "study.space={{ratio.monolingual: {{grid: [{}]}}}}"
    with owned(tmp_path, "changed", values.format("0")) as (store, owner):
        before = set(store.view.trials())
        end_connections(postgres.url(), "changed")  # which it has not noticed
        with owned(tmp_path / "next", "changed", values.format("0")):
            wider = settings_of(VARIABLE, "study.name=changed", values.format("0, 1"))
            late = StudyStore(StudyFolder(tmp_path), wider.study, lambda _: True)
            with pytest.raises(TakenOver, match="was taken over"):
                late.enqueue(lambda: owner.check(store.storage))
            with pytest.raises(TakenOver):
                leave_recipe(late, wider, Composer("sweep", []), (), owner)
            assert RECIPE not in late.storage.attributes()
            assert set(late.view.trials()) == before
            late.storage.close()


def test_whoever_owns_a_study_last_owns_it_even_if_a_pooler_gave_two_of_them_the_lock(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url())
    with owned(tmp_path, "pooled") as (store, owner):
        monkeypatch.setattr(ownership.OwnerLock, "take", lambda _: True)
        with owned(tmp_path / "next", "pooled") as (other, theirs):
            theirs.assure(other.storage, at_once=True)
            with pytest.raises(TakenOver, match=rf"taken over .*folder {tmp_path}/next"):
                owner.assure(store.storage, at_once=True)


def test_whoever_looks_sees_who_owns_a_study_now(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url())
    url = settings_of(VARIABLE).study.storage
    assert url is not None
    with owned(tmp_path, "looked-at") as (store, _):
        owner = present_owner(url, "looked-at", store.view.attributes())
        assert owner is not None
        assert (owner.pid, owner.folder) == (os.getpid(), str(tmp_path))
        assert present_owner(url, "another", store.view.attributes()) is None
        attributes = store.view.attributes()
    until(lambda: present_owner(url, "looked-at", attributes) is None)  # when the server has closed the connection


@pytest.mark.parametrize("kept", [5, {}, {"host": "a"}, {"host": "a", "pid": "b", "folder": 1, "since": 1e99}])
def test_an_owner_that_nobody_has_written_so_is_one_all_the_same(kept: object) -> None:
    owner = owner_of({OWNER: kept})
    assert owner is not None
    assert owner.text == "process 0 on an unknown machine (folder unknown, since 1970-01-01 00:00 UTC)"


@pytest.mark.slow
def test_an_owner_outlives_a_server_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := why_not():
        pytest.skip(reason)
    with running_server() as server:
        monkeypatch.setenv("SWEEP_STORAGE", server.url())
        with owned(tmp_path, "away", "study.patience_s=240") as (store, owner):
            server.stop()
            owner.assure(store.storage, at_once=True)  # what asks the database for something waits, and this does not
            server.start()
            owner.assure(store.storage, at_once=True)
            with refused("is run by process"), owned(tmp_path / "other", "away"):
                pass


def own_for_ever(folder: str, has_it: Any) -> None:
    with owned(Path(folder), "killed"):
        has_it.set()
        time.sleep(3600)


def test_whoever_kills_an_owner_may_own_its_study_at_once(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url())
    context = multiprocessing.get_context("fork")
    has_it = context.Event()
    process = context.Process(target=own_for_ever, args=(str(tmp_path / "killed"), has_it))
    process.start()
    assert has_it.wait(60)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with owned(tmp_path / "next", "killed") as (store, _):
        last = owner_of(store.storage.attributes())
        assert last is not None
        assert last.pid == os.getpid()


def test_a_study_in_a_file_has_the_lock_of_its_folder_alone(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    with owning(store.storage, settings_of().study, StudyFolder(tmp_path), "") as owner:
        assert not owner.has_helpers
        owner.assure(store.storage, at_once=True)
    assert owner_of(store.storage.attributes()) is None
