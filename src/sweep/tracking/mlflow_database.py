"""The SQLite file of an MLflow store, as far as it is looked at without MLflow, which takes seconds to import."""

import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

REVISION = re.compile(r"^(down_)?revision\b[^=]*=\s*[\"'](\w+)[\"']", re.MULTILINE)
PATIENCE_S = 20.0  # for another writer's transaction, as MLflow has it
OF_EVERY_ONE = {"alembic_version", "workspaces"}  # tables that have rows before anything is tracked


@contextmanager
def _reading(file: Path, patience_s: float = 0.0) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(file, timeout=patience_s)) as connection:
        yield connection


def schema_problem(file: Path, uri: str) -> str | None:
    """Why the tables of this file are not those of the MLflow that is installed, or None if they are, or if that
    cannot be known now. MLflow itself would change them, which a kill would leave half done."""
    try:
        with _reading(file) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            if row is None or _is_empty(connection):  # it is made again
                return None
    except sqlite3.OperationalError:  # locked, or without such a table: whoever writes to it will say so
        return None
    except sqlite3.DatabaseError as error:
        return f"it is damaged ({error}); delete it, and the same command sends everything again"
    revisions = _revisions()
    newest = set(revisions) - set(revisions.values())
    if not newest or row[0] in newest:
        return None
    if row[0] not in revisions:
        return "it was made by a newer MLflow: pip install --upgrade mlflow"
    return f"it has the tables of an older MLflow; after a copy of it was made: mlflow db upgrade {shlex.quote(uri)}"


def _revisions() -> dict[str, str]:
    """The revisions of the tables that MLflow knows, each with the one before it; read from the files that declare
    them, since alembic would run them and import MLflow."""
    package = find_spec("mlflow")
    revisions: dict[str, str] = {}
    if package is not None and package.origin is not None:
        for file in (Path(package.origin).parent / "store" / "db_migrations" / "versions").glob("*.py"):
            declared = {before: name for before, name in REVISION.findall(file.read_text(encoding="utf-8"))}
            if "" in declared:
                revisions[declared[""]] = declared.get("down_", "")
    return revisions


def is_empty(file: Path) -> bool:
    """Whether nothing was ever tracked in this file: what is there of its tables can be thrown away."""
    with _reading(file, PATIENCE_S) as connection:
        return _is_empty(connection)


def _is_empty(connection: sqlite3.Connection) -> bool:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return not any(
        connection.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone() for table in tables - OF_EVERY_ONE
    )


def has_run(file: Path, run_id: str) -> bool:
    """Whether a run is there, as far as can be known without waiting."""
    try:
        with _reading(file) as connection:
            return connection.execute("SELECT 1 FROM runs WHERE run_uuid = ?", [run_id]).fetchone() is not None
    except sqlite3.Error as error:
        return "no such table" not in str(error)  # locked, say: nothing tells that it is gone


def move_artifacts(file: Path, root: Path, name: str | None = None) -> None:
    """Let the artifacts of experiments be below the folder `root`, where theirs has been moved or copied to.

    MLflow writes down where they are with every run, and has no call that changes it. `name`: of this experiment
    alone, and only if they are no longer where they were: another study of its name may be tracked here. Raises
    sqlite3.Error.
    """
    with _reading(file, PATIENCE_S) as connection, connection:
        rows = connection.execute("SELECT experiment_id, name, artifact_location FROM experiments").fetchall()
        for number, experiment, before in rows:
            after = (root / experiment).as_uri()
            if before == after or before.rpartition(f"/{root.name}/")[2] != after.rpartition("/")[2]:
                continue
            if name is not None and (name != experiment or Path(unquote(urlsplit(before).path)).exists()):
                continue
            connection.execute(
                "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", [after, number]
            )
            connection.execute(
                "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) "
                "WHERE experiment_id = ? AND substr(artifact_uri, 1, ?) = ?",
                [after, len(before) + 1, number, len(before) + 1, f"{before}/"],
            )
            _move_models(connection, number, before, after)


def _move_models(connection: sqlite3.Connection, experiment: int, before: str, after: str) -> None:
    """Let logged models of an experiment, and versions made from them, be below another folder, too."""
    for table, column, condition, values in (
        ("logged_models", "artifact_location", "experiment_id = ? AND", [experiment]),
        ("model_versions", "source", "", []),
        ("model_versions", "storage_location", "", []),
    ):
        connection.execute(
            f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {condition} substr({column}, 1, ?) = ?",
            [after, len(before) + 1, *values, len(before) + 1, f"{before}/"],
        )
