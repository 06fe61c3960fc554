"""The two locks of a study in a relational database, and what is read and written under them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from sqlalchemy.engine import Connection, Engine

from sweep.study.database import Database
from sweep.study.patience import Patience
from sweep.study.rows import is_locked_now, lock_trial

Answer = TypeVar("Answer")


class Transactions:
    """The study's lock is the database's own kind; a trial is locked by the transaction that changes it, so that a
    change is whole, and is no more if its connection or its process is gone."""

    def __init__(
        self, database: Database, engine: Engine, lock: AbstractContextManager[object], patience: Patience
    ) -> None:
        self._database = database
        self._engine = engine
        self._single = database.for_single_statements(engine)
        self._lock = lock
        self._patience = patience
        self._thread = threading.local()

    def change(self, operation: Callable[[], Answer]) -> Answer:
        """Do something under the study's lock; again as a whole, with a new lock, if the database was away."""

        def attempt() -> Answer:
            with self._lock:
                self._thread.change = object()
                try:
                    return operation()
                finally:
                    self._thread.change = None

        return self._patience(attempt)

    def current_change(self) -> object | None:
        """What stands for the change that this thread is in, another one each time; None outside of one."""
        return getattr(self._thread, "change", None)

    def change_trial(self, trial_id: int, operation: Callable[[], Answer]) -> Answer:
        """Do something in one transaction that has locked this trial; again as a whole if the database was away."""

        def attempt() -> Answer:
            with self._engine.begin() as connection:
                lock_trial(connection, trial_id)
                return self._within(connection, operation)

        return self._patience(attempt)

    def change_free_trial(self, trial_id: int, operation: Callable[[], Answer]) -> Answer | None:
        """The same, or None at once if somebody else has locked this trial."""

        def attempt() -> Answer | None:
            with self._engine.begin() as connection:
                return self._within(connection, operation) if is_locked_now(connection, trial_id) else None

        return self._patience(attempt)

    def _within(self, transaction: Connection, operation: Callable[[], Answer]) -> Answer:
        self._thread.transaction = transaction
        try:
            return operation()
        finally:
            self._thread.transaction = None

    def _of_trial(self) -> Connection | None:
        return getattr(self._thread, "transaction", None)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """The transaction of the trial that this thread is changing, or one that reads."""
        if (connection := self._of_trial()) is not None:
            yield connection
        else:
            with self._database.only_reading(), self._single.connect() as connection:
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The transaction of the trial that this thread is changing, or one of its own."""
        if (connection := self._of_trial()) is not None:
            yield connection
        else:
            with self._engine.begin() as connection:
                yield connection

    @contextmanager
    def writing_once(self) -> Iterator[Connection]:
        """The same for what a server does in one statement."""
        if (connection := self._of_trial()) is not None:
            yield connection
        else:
            with self._single.begin() as connection:
                yield connection
