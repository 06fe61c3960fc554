"""The study's database on a PostgreSQL server, which several studies and machines share."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import Any, ClassVar

from optuna.storages import RDBStorage
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import NullPool

from sweep.errors import InputError
from sweep.settings.storage import StorageUrl
from sweep.study.advisory_lock import AdvisoryLock
from sweep.study.connections import BriefConnections
from sweep.study.database import Database
from sweep.study.internals import INDEXES, schema_on_server

OPENING = "sweep: create tables"  # the lock of the one process at a time that makes them
CONNECTION: dict[str, Any] = {
    "connect_timeout": 10,
    # A connection whose other end is gone is noticed on both sides, and the lock is free again, within a minute.
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 40_000,
    "options": "-c TimeZone=UTC -c tcp_keepalives_idle=20 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3",
}
READ_ONLY = {**CONNECTION, "options": f"{CONNECTION['options']} -c default_transaction_read_only=on"}


class PostgresqlDatabase(Database):
    """A database of a server. Raises InputError if the driver is not installed."""

    _usable_schemas: ClassVar[set[str]] = set()  # that this process's Optuna was asked about: it takes a while

    def __init__(self, url: StorageUrl) -> None:
        self._url = url.get_secret_value()
        super().__init__(str(url), self._url.partition("://")[2].rpartition("@")[0].partition(":")[2])

    def open(self) -> RDBStorage:
        """Open it; its tables are created if they are not there. Where they are, nobody waits for anybody."""
        options: dict[str, Any] = {"poolclass": BriefConnections, "connect_args": CONNECTION}
        template = self._url.replace("{", "{{").replace("}", "}}")  # Optuna fills in braces
        opening = self._engine(options)
        try:
            with opening.connect() as connection:
                schema = schema_on_server(connection)
            if schema is None:
                self._lay_out(opening, template)
        finally:
            opening.dispose()
        storage = RDBStorage(
            template, options, skip_table_creation=True, skip_compatibility_check=schema in self._usable_schemas
        )
        if schema is not None:
            self._usable_schemas.add(schema)
        return storage

    def _lay_out(self, opening: Engine, template: str) -> None:
        with AdvisoryLock(opening, OPENING):
            # Creating tables takes two connections at a time.
            RDBStorage(template, {"poolclass": NullPool, "connect_args": CONNECTION})
            with opening.begin() as connection:
                for index in INDEXES:
                    connection.execute(text(index))

    def _engine(self, options: dict[str, Any]) -> Engine:
        try:
            return create_engine(self._url, **options)
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
        return self._engine({"poolclass": BriefConnections, "connect_args": READ_ONLY})

    def close(self) -> None:
        """End the reading connection."""
        if "_read_engine" in vars(self):
            self._read_engine.dispose()
