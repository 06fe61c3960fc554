"""A lock that a PostgreSQL server keeps for one connection, and frees when that connection ends."""

import threading
from hashlib import sha256
from types import TracebackType
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from sweep.study.connections import KEPT


class LockLost(Exception):
    """The connection that held the lock is gone: nothing may be written as its holder."""


def key_of(name: str) -> int:
    """The number by which the server knows a lock of this name."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], signed=True)


class AdvisoryLock:
    """A session-level advisory lock, held by the connection that the holding thread uses.

    While it is held, a transaction of the holding thread on any other connection raises LockLost: libraries that
    reconnect and try again on their own would go on without the lock.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._key = key_of(name)
        self._held_on: Any = None
        self._holder: int | None = None
        event.listen(engine, "begin", self._refuse_others)

    def _refuse_others(self, connection: Connection) -> None:
        if self._holder == threading.get_ident() and connection.connection.dbapi_connection is not self._held_on:
            raise LockLost("the connection that held the study's lock is gone")

    def __enter__(self) -> None:
        with self._engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": self._key})
            connection.commit()
            connection.info[KEPT] = True
            self._held_on, self._holder = connection.connection.dbapi_connection, threading.get_ident()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        held_on, self._held_on, self._holder = self._held_on, None, None
        try:
            with self._engine.connect() as connection:
                if connection.connection.dbapi_connection is held_on:
                    connection.info.pop(KEPT, None)
                    connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": self._key})
                    connection.commit()
        except SQLAlchemyError:
            self._engine.dispose()  # closing the connection frees the lock as well
