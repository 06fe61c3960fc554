"""The study's database while it is made: killed at any moment, cut short by whoever made it, of another Optuna."""

import multiprocessing
import os
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.conftest import Sweep
from tests.integration.commands import TINY
from tests.stores import settings_of, store_at

from sweep.errors import DatabaseRefuses, DatabaseUnusable
from sweep.study.relational import RelationalStorage
from sweep.study.view import StudyView

SETTINGS = settings_of().study


def create(folder: Path) -> None:
    RelationalStorage(folder / "study.db", SETTINGS).close()


def check_it_is_whole(folder: Path) -> None:
    """A study can be made in it, of whose name there can be no second one."""
    create(folder)
    assert not list(folder.glob(".study.db*"))
    with closing(sqlite3.connect(folder / "study.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT COUNT(*) FROM studies").fetchone() == (1,)
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute("INSERT INTO studies (study_name) SELECT study_name FROM studies")


def test_a_kill_at_any_moment_leaves_nothing_that_stops_the_next_one(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    create(tmp_path / "first")  # whatever is imported late
    for number in range(8):
        folder = tmp_path / str(number)
        creator = fork.Process(target=create, args=(folder,))
        creator.start()
        time.sleep(number * 0.03)
        os.kill(creator.pid or 0, signal.SIGKILL)
        creator.join()
        check_it_is_whole(folder)


def statements_of(file: Path) -> list[str]:
    """What makes a database, in the order in which Optuna does it."""
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
        return [sql for (sql,) in rows]


def test_a_file_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    create(tmp_path / "whole")
    statements = statements_of(tmp_path / "whole" / "study.db")
    assert len(statements) >= 15
    for kept in (0, *range(1, len(statements) + 1, 3)):
        file = tmp_path / str(kept) / "study.db"
        file.parent.mkdir()
        with closing(sqlite3.connect(file)) as connection:
            for statement in statements[:kept]:
                connection.execute(statement)
        check_it_is_whole(file.parent)


def test_two_studies_that_are_there_twice_are_not_thrown_away(tmp_path: Path) -> None:
    """What came of a file without its index, which another version went on with."""
    store_at(tmp_path).storage.close()
    with closing(sqlite3.connect(tmp_path / "study.db")) as connection:
        connection.execute("DROP INDEX ix_studies_study_name")
    with pytest.raises(DatabaseUnusable, match=r"study\.db: the study's database was cut short .* delete this file"):
        store_at(tmp_path)
    (tmp_path / "study.db").unlink()
    check_it_is_whole(tmp_path)


def test_a_log_that_outlived_its_database_is_not_applied_to_the_next_one(tmp_path: Path) -> None:
    old = store_at(tmp_path, "study.seeds=[0,1,2]")
    assert (tmp_path / "study.db-wal").stat().st_size
    (tmp_path / "study.db").unlink()
    check_it_is_whole(tmp_path)
    assert len(store_at(tmp_path).view.trials()) == 1
    old.storage.close()


@pytest.mark.parametrize(
    ("revision", "fix"),
    [("v2.6.0.a", "optuna storage upgrade --storage 'sqlite:///"), ("v99", "pip install --upgrade optuna")],
)
def test_tables_of_another_optuna_are_refused_with_what_helps(
    sweep: Sweep, tmp_path: Path, revision: str, fix: str
) -> None:
    folder = tmp_path / "my sweeps" / "tiny"
    store_at(folder, "study.name=tiny").storage.close()
    with closing(sqlite3.connect(folder / "study.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num=?", [revision])
        connection.commit()
    done = sweep(*TINY, f"paths.sweeps={tmp_path / 'my sweeps'}")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert fix in done.stderr


def test_a_look_at_tables_of_another_optuna_says_what_helps(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.storage.close()
    with closing(sqlite3.connect(tmp_path / "study.db")) as connection:
        connection.execute("ALTER TABLE trial_values RENAME COLUMN value_type TO kind")
    view = StudyView.open(store.folder, store.settings)
    with pytest.raises(DatabaseRefuses, match=r"of another version of Optuna; .*optuna storage upgrade"):
        view.trials()


def test_trackers_know_a_study_that_lost_its_database(tmp_path: Path) -> None:
    """And take no copy of its folder with another name for it, nor a new study for one whose folder was deleted."""
    first = store_at(tmp_path / "main", "study.name=main")
    uid = first.uid
    first.storage.close()
    (tmp_path / "main" / "study.db").unlink()
    assert store_at(tmp_path / "main", "study.name=main").uid == uid
    shutil.copytree(tmp_path / "main", tmp_path / "other")
    (tmp_path / "other" / "study.db").unlink()
    assert store_at(tmp_path / "other", "study.name=other").uid != uid
    shutil.rmtree(tmp_path / "main")
    assert store_at(tmp_path / "main", "study.name=main").uid != uid


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"[]", b"{}"])
def test_an_id_that_cannot_be_read_is_written_again(tmp_path: Path, damage: bytes) -> None:
    store = store_at(tmp_path)
    uid = store.uid
    store.folder.identity.write_bytes(damage)
    assert (store.uid, store.folder.read_uid()) == (uid, uid)
