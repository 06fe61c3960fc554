"""A kind of database that a study may live in: how it is opened, and how it locks."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from optuna.storages import RDBStorage
from sqlalchemy.engine import Connection, Engine


class Database(ABC):
    """One database. `place` names it in messages, `secret` is what they must not show."""

    def __init__(self, place: str, secret: str = "") -> None:
        self.place = place
        self.secret = secret

    @abstractmethod
    def open(self) -> Engine:
        """Open it to change studies; what is missing of it is created. Raises RuntimeError, which is Optuna's, if its
        tables are those of another version."""

    @abstractmethod
    def through_optuna(self, engine: Engine) -> RDBStorage:
        """Optuna's own way to its studies, over the connections that `open` gave."""

    @abstractmethod
    def lock_of(self, study: str, engine: Engine) -> AbstractContextManager[object]:
        """The lock of a study, for what is written through this engine; one process holds it at a time."""

    @contextmanager
    def only_reading(self) -> Iterator[None]:
        """Transactions of this thread only read, and wait for no writer."""
        yield

    def for_single_statements(self, engine: Engine) -> Engine:
        """The same connections for what is one statement, or need not be one transaction."""
        return engine

    @abstractmethod
    def looking(self) -> AbstractContextManager[Connection]:
        """A connection that can only read, for those who only read; creates nothing.

        Raises StudyMissing if there is no database.
        """

    @abstractmethod
    def close(self) -> None:
        """End the connections of those who only read."""
