"""The study's database: SQLite in the study's folder or a PostgreSQL server, and patience while it is away."""

import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import optuna
from filelock import FileLock
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, PendingRollbackError, SQLAlchemyError, TimeoutError
from sqlalchemy.pool import NullPool

from sweep.errors import DatabaseRefuses, DatabaseUnusable, InputError
from sweep.settings import StudySettings
from sweep.study.advisory_lock import AdvisoryLock, LockLost
from sweep.study.reader import TrialReader

StorageError = optuna.exceptions.StorageInternalError

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
OPENING = "sweep: create tables"  # one process at a time makes them
# Classes of SQLSTATE: connection, resources, operator intervention, rolled back for a concurrent transaction.
PASSING_STATES = ("08", "53", "57", "40", "55P03")
DISK_FULL_STATE = "53100"
REFUSED = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password supplied", "not permitted")

log = logging.getLogger("sweep")
Found = TypeVar("Found")


class Database:
    """Optuna's storage with the lock under which trials change hands. `place` names it without a password.

    Raises DatabaseUnusable if it cannot be used or is away for longer than the study's patience, and InputError if
    its driver is not installed.
    """

    def __init__(self, folder: Path, settings: StudySettings) -> None:
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        warnings.filterwarnings("ignore", message="Heartbeat of storage")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self._patience_s = settings.patience_s
        self._grace_s = settings.grace_s
        self._thread = threading.local()
        self._recovered_at = -float("inf")
        self.lock: FileLock | AdvisoryLock
        self._secret = ""
        if settings.storage is None:
            file = folder / "study.db"
            self.place = str(file)
            folder.mkdir(parents=True, exist_ok=True)
            self.lock = FileLock(folder / "claim.lock")
            self._backend = self.patiently(lambda: self._open_sqlite(file))
        else:
            url = settings.storage.get_secret_value()
            self.place = str(settings.storage)
            self._secret = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
            self._backend = self.patiently(lambda: self._open_postgres(url))
            self.lock = AdvisoryLock(self._backend.engine, f"sweep: {settings.name}")
        # Optuna's cache: finished trials are read once.
        self.storage: BaseStorage = optuna.storages.get_storage(self._backend)

    def change(self, operation: Callable[[], Found]) -> Found:
        """Do something under the lock; again as a whole, with a new lock, if the database was away meanwhile."""

        def attempt() -> Found:
            with self.lock:
                self._thread.change = object()
                try:
                    return operation()
                finally:
                    self._thread.change = None

        return self.patiently(attempt)

    @property
    def current_change(self) -> object | None:
        """What this thread does under the lock, different each time; None outside. What is read under the lock stays
        true until it is changed here."""
        return getattr(self._thread, "change", None)

    def _open_sqlite(self, file: Path) -> RDBStorage:
        with self.lock:  # several processes that create it at once would disturb one another
            storage = RDBStorage(
                f"sqlite:///{str(file).replace('{', '{{').replace('}', '}}')}",
                engine_kwargs={"connect_args": {"timeout": 120}},
                heartbeat_interval=1,
                grace_period=self._grace_s,
            )
        event.listen(storage.engine, "connect", _prepare_sqlite)
        event.listen(storage.engine, "begin", self._begin_sqlite)
        storage.engine.dispose()  # connections from before these hooks
        return storage

    def _begin_sqlite(self, connection: Connection) -> None:
        # A transaction that reads before it writes cannot wait for another writer later on: it takes its turn first.
        connection.exec_driver_sql("BEGIN" if getattr(self._thread, "reads", False) else "BEGIN IMMEDIATE")

    def reader(self, study_id: int) -> Callable[[], Mapping[str, FrozenTrial]]:
        """Reads the trials of a study: the latest of every key; the same object as long as nothing has changed."""
        reader = TrialReader(self._backend.engine, study_id)

        def read() -> Mapping[str, FrozenTrial]:
            with self.reading():
                return reader.by_key()

        return lambda: self.patiently(read)

    def beat(self, trial_id: int) -> None:
        """Write down that the trial's worker lives now, by the database's clock."""
        self._backend.record_heartbeat(trial_id)

    def silent(self, study_id: int) -> set[int]:
        """Running trials whose last sign of life is older than the study's grace, by the database's clock."""
        return set(self._backend._get_stale_trial_ids(study_id))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Transactions of this thread only read, and wait for no writer."""
        self._thread.reads = True
        try:
            yield
        finally:
            self._thread.reads = False

    def _open_postgres(self, url: str) -> RDBStorage:
        # One connection: the lock belongs to it, so whatever is written under a lock is written by its holder.
        options: dict[str, Any] = {"pool_size": 1, "max_overflow": 0, "connect_args": _POSTGRES}
        try:
            opening = create_engine(url, **options)
        except ImportError as error:
            raise InputError(
                f"study.storage={self.place}: PostgreSQL needs the extra 'postgres': "
                "pip install 'multilingual-ratio-sweep[postgres]'"
            ) from error
        template = url.replace("{", "{{").replace("}", "}}")
        try:
            with AdvisoryLock(opening, OPENING):
                # Creating tables takes two connections at a time.
                RDBStorage(template, {"poolclass": NullPool, "connect_args": _POSTGRES})
                return RDBStorage(
                    template,
                    options,
                    skip_compatibility_check=True,
                    skip_table_creation=True,
                    heartbeat_interval=1,
                    grace_period=self._grace_s,
                )
        finally:
            opening.dispose()

    # Patience -------------------------------------------------------------------------------------------------

    def patiently(self, operation: Callable[[], Found]) -> Found:
        """Do what may be done twice, again and again while the database is away.

        Within another patient operation it is done once: that one is repeated as a whole, since its lock does not
        outlive its connection. Raises DatabaseUnusable when patience ends, or for an error that no waiting mends.
        """
        if getattr(self._thread, "is_patient", False):
            return operation()
        self._thread.is_patient = True
        try:
            return self._repeated(operation)
        finally:
            self._thread.is_patient = False

    def _repeated(self, operation: Callable[[], Found]) -> Found:
        away_since: float | None = None
        pause = FIRST_PAUSE_S
        while True:
            try:
                found = operation()
            except (StorageError, SQLAlchemyError, LockLost) as error:
                self._refuse_lasting(error)
                now = time.monotonic()
                if away_since is None:
                    away_since = now
                if now - away_since >= self._patience_s:
                    raise DatabaseUnusable(
                        f"the study's database {self.place} has been away for {now - away_since:.0f} s "
                        f"({self._reason(error)}); repeat the command when it is back: nothing is lost"
                    ) from None
                if pause >= 1.0:  # not for a moment's crowding
                    log.warning("the study's database is away (%s); trying again", self._reason(error))
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
            else:
                if away_since is not None:
                    self._recovered_at = time.monotonic()
                return found

    @property
    def just_recovered(self) -> bool:
        """Whether others may not have had the time to give a sign of life since the database was away."""
        return time.monotonic() - self._recovered_at < self._grace_s / 2

    def _refuse_lasting(self, error: Exception) -> None:
        """Raise what no waiting mends: a full disk, a wrong password, a damaged file."""
        reason, state = self._reason(error), getattr(_origin(error), "sqlstate", None)
        if state == DISK_FULL_STATE or "disk is full" in reason or "No space left" in reason:
            raise DatabaseUnusable(
                f"the disk is full: the study's database {self.place} cannot grow; make room and repeat the command: "
                "nothing is lost"
            ) from None
        if any(word in reason for word in REFUSED):
            raise DatabaseRefuses(f"study.storage={self.place}: the server refuses us ({reason})") from None
        if not _passes(error, state):
            raise DatabaseUnusable(f"{self.place}: the study's database cannot be used ({reason})") from None

    def _reason(self, error: Exception) -> str:
        lines = str(_origin(error)).strip().splitlines() or [type(error).__name__]
        text = lines[0].split(" [SQL:")[0].strip()
        for secret in {self._secret, unquote(self._secret)} - {""}:
            text = text.replace(secret, "***")
        return text


_POSTGRES = {
    "connect_timeout": 10,
    # A connection whose other end is gone is noticed on both sides, and the lock is free again, within a minute.
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 40_000,
    "options": "-c TimeZone=UTC -c tcp_keepalives_idle=20 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3",
}


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver starts no transactions of its own
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")  # a killed process loses nothing; a power cut may lose the end


def _origin(error: Exception) -> BaseException:
    """The driver's error inside Optuna's and SQLAlchemy's."""
    cause = error.__cause__ if isinstance(error, StorageError) and error.__cause__ else error
    return cause.orig if isinstance(cause, DBAPIError) and cause.orig is not None else cause


def _passes(error: Exception, state: str | None) -> bool:
    """Whether the same operation may succeed later."""
    cause = error.__cause__ if isinstance(error, StorageError) and error.__cause__ else error
    if isinstance(cause, (LockLost, TimeoutError, PendingRollbackError)):
        return True
    if not isinstance(cause, DBAPIError):
        return False
    if type(cause.orig).__module__.startswith("sqlite3"):
        return any(word in str(cause.orig) for word in ("locked", "busy"))
    if state is not None:
        return state.startswith(PASSING_STATES)
    return cause.connection_invalidated or type(cause.orig).__name__ in ("OperationalError", "InterfaceError")
