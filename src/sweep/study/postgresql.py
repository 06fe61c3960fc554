"""The study's database on a PostgreSQL server, which several studies and machines share."""

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import Any, ClassVar

from optuna.storages import RDBStorage
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool, QueuePool

from sweep.errors import InputError
from sweep.settings.storage import StorageUrl
from sweep.study.advisory_lock import AdvisoryLock
from sweep.study.connections import BriefConnections
from sweep.study.database import Database
from sweep.study.internals import INDEXES, newest_schema, schema_on_server, with_engine

OPENING = "sweep: create tables"  # the lock of the one process at a time that makes them
# A process that sleeps in the middle of a change answers keepalives, and what it changes is to be free as well.
ASLEEP_MS = 60_000


def connection_arguments(*options: str) -> dict[str, Any]:
    """What a connection is made with. Of the server's options ours count more than those of the user's PGOPTIONS."""
    own = (
        "TimeZone=UTC",
        "tcp_keepalives_idle=20",
        "tcp_keepalives_interval=5",
        "tcp_keepalives_count=3",
        f"idle_in_transaction_session_timeout={ASLEEP_MS}",
        *options,
    )
    return {
        "connect_timeout": 10,
        # A connection whose other end is gone is noticed on both sides, and the lock is free again, within a minute.
        "keepalives_idle": 20,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 40_000,
        "options": " ".join([os.environ.get("PGOPTIONS", ""), *(f"-c {option}" for option in own)]).strip(),
    }


class PostgresqlDatabase(Database):
    """A database of a server. Raises InputError if the driver is not installed."""

    # The first engine of this process for each database: what it learns of the server, and how it words statements,
    # takes longer than most statements, and is the same for all that follow.
    _first: ClassVar[dict[tuple[str, str], Engine]] = {}
    _guard: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, url: StorageUrl) -> None:
        self._url = url.get_secret_value()
        super().__init__(str(url), self._url.partition("://")[2].rpartition("@")[0].partition(":")[2])

    def open(self) -> Engine:
        """Open it; its tables are created if they are not there. Where they are, nobody waits for anybody."""
        engine = self._engine(connection_arguments())
        with self.for_single_statements(engine).connect() as connection:
            schema = schema_on_server(connection)
        if schema is None:
            self._lay_out(engine)
        elif schema != newest_schema():
            RDBStorage(self._template, self._for_a_moment(), skip_table_creation=True).engine.dispose()
        return engine

    def _lay_out(self, engine: Engine) -> None:
        with AdvisoryLock(engine, OPENING):
            # Creating tables takes two connections at a time.
            RDBStorage(self._template, {"poolclass": NullPool, "connect_args": connection_arguments()})
            with engine.begin() as connection:
                for index in INDEXES:
                    connection.execute(text(index))

    def through_optuna(self, engine: Engine) -> RDBStorage:
        """Optuna's own storage. What it asks for when it is made, it asks on a connection of its own."""
        storage = RDBStorage(
            self._template, self._for_a_moment(), skip_table_creation=True, skip_compatibility_check=True
        )
        return with_engine(storage, engine)

    @property
    def _template(self) -> str:
        return self._url.replace("{", "{{").replace("}", "}}")  # Optuna fills in braces

    def _for_a_moment(self) -> dict[str, Any]:
        return {"poolclass": QueuePool, "pool_size": 1, "connect_args": connection_arguments()}

    def _engine(self, arguments: dict[str, Any]) -> Engine:
        """Connections of its own."""
        database = self._url, arguments["options"]
        with self._guard:
            first = self._first.get(database)
            if first is None:
                engine = self._new_engine(arguments)
                with engine.connect():  # it learns of the server now, and no other thread goes on before it has
                    self._first[database] = engine
                return engine
        return Engine(
            first.pool.recreate(), first.dialect, first.url, execution_options=first.get_execution_options()
        )

    def _new_engine(self, arguments: dict[str, Any]) -> Engine:
        try:
            return create_engine(
                self._url,
                poolclass=BriefConnections,
                connect_args=arguments,
                use_native_hstore=False,  # it is asked for, and no table of Optuna's has any
                execution_options={"compiled_cache": {}},
            )
        except ImportError as error:
            raise InputError(
                f"study.storage={self.place}: PostgreSQL needs the extra 'postgres': "
                "pip install 'multilingual-ratio-sweep[postgres]'"
            ) from error

    def lock_of(self, study: str, engine: Engine) -> AbstractContextManager[object]:
        """A lock that the server keeps for the engine's connection."""
        return AdvisoryLock(engine, f"sweep: {study}")

    def for_single_statements(self, engine: Engine) -> Engine:
        """Every statement by itself: beginning and ending a transaction would cost as much again, twice."""
        return engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """A connection whose transactions the server lets only read."""
        with self._read_engine.connect() as connection:
            yield connection

    @cached_property
    def _read_engine(self) -> Engine:
        return self._engine(connection_arguments("default_transaction_read_only=on"))

    def close(self) -> None:
        """End the reading connection."""
        if "_read_engine" in vars(self):
            self._read_engine.dispose()
