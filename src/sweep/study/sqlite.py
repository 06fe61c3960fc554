"""The study's database as an SQLite file in the study's folder."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filelock import FileLock
from optuna.storages import RDBStorage
from sqlalchemy import create_engine, event, inspect
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from sweep.errors import DatabaseUnusable
from sweep.records.database_file import LOGS, replacing_database
from sweep.study.database import Database
from sweep.study.faults import ChangedWhileRead
from sweep.study.internals import INDEXES, engine_of, is_laid_out
from sweep.study.storage import StudyMissing

WAIT_S = 120.0  # for another writer's transaction
ANY_FILE = "sqlite://"  # the file itself is given to the driver: no character of its path means anything there


class SqliteDatabase(Database):
    """A file with a write-ahead log, so that readers and the writer do not wait for each other."""

    def __init__(self, file: Path) -> None:
        super().__init__(str(file))
        self._file = file
        self._lock = FileLock(file.with_name("claim.lock"))
        self._thread = threading.local()

    def open(self) -> Engine:
        """Open or create it."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:  # several processes that create it at once would disturb one another
            if not self._is_laid_out():
                self._lay_out()
            storage = RDBStorage(ANY_FILE, engine_kwargs={"creator": self._connect, "poolclass": QueuePool})
        engine = engine_of(storage)
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", self._begin)
        engine.dispose()  # connections from before these hooks
        self._optuna = storage
        return engine

    def through_optuna(self, engine: Engine) -> RDBStorage:
        """What opened it."""
        return self._optuna

    def _is_laid_out(self) -> bool:
        """Whether all tables are there. Raises DatabaseUnusable if some are missing and others are in use."""
        if not self._file.exists():
            return False
        engine = create_engine(ANY_FILE, creator=self._connect, poolclass=NullPool)
        with engine.connect() as connection:
            if is_laid_out(connection):
                return True
            for table in inspect(connection).get_table_names():
                if table == "trials" and connection.exec_driver_sql("SELECT 1 FROM trials LIMIT 1").first():
                    raise DatabaseUnusable(
                        f"{self.place}: the study's database was cut short while it was made; delete this file, and "
                        "the same command takes the finished trials over from their folders"
                    )
        return False

    def _lay_out(self) -> None:
        """Make all tables at once: in memory, and then the file of them, so that no kill leaves half of them."""
        memory = RDBStorage(ANY_FILE)
        connection: Any = engine_of(memory).raw_connection().driver_connection
        for index in INDEXES:
            connection.execute(index)
        with replacing_database(self._file) as draft:
            draft.write_bytes(connection.serialize())

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, timeout=WAIT_S, check_same_thread=False)

    def _begin(self, connection: Connection) -> None:
        # A transaction that reads before it writes cannot wait for another writer later on: it takes its turn first.
        connection.exec_driver_sql("BEGIN" if getattr(self._thread, "only_reads", False) else "BEGIN IMMEDIATE")

    def lock_of(self, study: str, engine: Engine) -> AbstractContextManager[object]:
        """A lock file beside the database, which holds one study."""
        return self._lock

    @contextmanager
    def only_reading(self) -> Iterator[None]:
        """Transactions of this thread take no turn among the writers."""
        self._thread.only_reads = True
        try:
            yield
        finally:
            self._thread.only_reads = False

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """A connection that leaves no trace.

        A read-only connection to a file with a write-ahead log would create the log, and leave it behind. So a file
        that nobody writes is read as one that cannot change; whoever began to write it meanwhile makes the reader
        start again.
        """
        before = self._at_rest()
        engine = create_engine(ANY_FILE, creator=lambda: self._connect_to_read(before), poolclass=NullPool)
        try:
            with engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            if self._at_rest() == before:
                raise
            raise ChangedWhileRead("it was written while it was read") from error
        if before is not None and self._at_rest() != before:
            raise ChangedWhileRead("it was written while it was read")

    def close(self) -> None:
        """Nothing to do: every look has a connection of its own."""

    def _connect_to_read(self, at_rest: object | None) -> sqlite3.Connection:
        mode = "mode=ro" if at_rest is None else "immutable=1"
        return sqlite3.connect(f"file:{quote(os.fsencode(self._file.absolute()))}?{mode}", uri=True, timeout=WAIT_S)

    def _at_rest(self) -> tuple[int, ...] | None:
        """What tells one state of the file from a later one, or None while its log says that somebody may write it.

        Raises StudyMissing.
        """
        try:
            file = self._file.stat()
        except FileNotFoundError:
            raise StudyMissing(f"its database {self._file} is missing") from None
        if any(Path(f"{self._file}{log}").exists() for log in LOGS if log != "-shm"):
            return None
        return file.st_ino, file.st_size, file.st_mtime_ns


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver starts no transactions of its own
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")  # a killed process loses nothing; a power cut may lose the end
