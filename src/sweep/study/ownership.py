"""Who owns a study on a PostgreSQL server: the one command that decides about its settings and its target.

An advisory lock of the server's says it, on a connection of its own. A process that is killed loses it at once, a
machine that is cut off within a minute. While the database is away nobody has it: the owner takes it again when the
database is back, unless another command has owned the study meanwhile. Which one did so last is among the study's
attributes, since the server knows connections and no commands.
"""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from sweep.errors import DatabaseUnusable, SweepError
from sweep.launch.liveness import this_host
from sweep.records.folder import StudyFolder
from sweep.settings import StudySettings
from sweep.settings.storage import StorageUrl
from sweep.study.advisory_lock import key_of
from sweep.study.postgresql import connection_arguments
from sweep.study.storage import TrialStorage

OWNER = "owner"  # the study's attribute
ENDING_S = 5.0  # an owner that has just been ended lets go of the study within this
POLL_S = 0.5
LOOK_S = 5.0  # between two looks at whether the lock's connection lives
HELD = """
    SELECT count(*) > 0 FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND locktype = 'advisory' AND granted
      AND classid::bigint = :high AND objid::bigint = :low AND objsubid = 1
"""


@dataclass(frozen=True)
class Owner:
    """A command that owns a study, or did so last. `since`: unix time in seconds; `token` is its own alone."""

    host: str
    pid: int
    folder: str
    since: Annotated[float, Field(ge=0, le=1e11)]
    token: str

    @property
    def text(self) -> str:
        """Who that is, for people."""
        since = datetime.fromtimestamp(self.since, UTC).strftime("%Y-%m-%d %H:%M")
        return f"process {self.pid} on {self.host} (folder {self.folder}, since {since} UTC)"


def owner_of(attributes: Any) -> Owner | None:
    """Who owned the study last, by its attributes; None if nobody ever did."""
    try:
        return _READ.validate_python(attributes.get(OWNER))
    except ValidationError:  # of another version, or somebody else's
        return Owner("an unknown machine", 0, "unknown", 0.0, "")


_READ: TypeAdapter[Owner | None] = TypeAdapter(Owner | None)


def _key(study: str) -> int:
    return key_of(f"sweep, owner of {study}")


def present_owner(url: StorageUrl, study: str, attributes: Any) -> Owner | None:
    """Who owns the study now, by whoever looks at it: the lock is not touched. None if nobody does.

    Raises DatabaseUnusable.
    """
    engine = create_engine(
        url.get_secret_value(),
        poolclass=NullPool,
        connect_args=connection_arguments("default_transaction_read_only=on"),
    )
    key = _key(study) & 0xFFFF_FFFF_FFFF_FFFF
    try:
        with engine.connect() as connection:
            is_held = connection.scalar(text(HELD), {"high": key >> 32, "low": key & 0xFFFF_FFFF})
    except SQLAlchemyError:
        raise DatabaseUnusable(f"the study's database {url} does not answer who owns the study") from None
    return owner_of(attributes) if is_held else None


class TakenOver(SweepError):
    """Another command owns the study by now."""


class OwnerLock:
    """The lock of one study's owner."""

    def __init__(self, url: StorageUrl, study: str) -> None:
        self._engine = create_engine(url.get_secret_value(), poolclass=NullPool, connect_args=connection_arguments())
        self._key = _key(study)
        self._connection: Connection | None = None

    def take(self) -> bool:
        """Take it on a new connection; whether it is ours now. Raises SQLAlchemyError while the database is away."""
        self.free()
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            taken = bool(connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": self._key}))
        except SQLAlchemyError:
            connection.close()
            raise
        if taken:
            self._connection = connection
        else:
            connection.close()
        return taken

    def is_held(self) -> bool:
        """Whether its connection lives."""
        if self._connection is None:
            return False
        try:
            self._connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            self.free()
            return False
        return True

    def free(self) -> None:
        """Let go of it: the server frees the locks of a connection that ends."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class Ownership:
    """A study that this command owns. `lock` is None where the file lock of its folder is enough: SQLite."""

    def __init__(self, name: str, lock: OwnerLock | None, token: str) -> None:
        self._name = name
        self._lock = lock
        self._token = token
        self._look_at = 0.0

    @property
    def has_helpers(self) -> bool:
        """Whether other commands can work on this study, too."""
        return self._lock is not None

    def assure(self, storage: TrialStorage, at_once: bool = False) -> None:
        """Take the lock again if its connection is gone. Looks at it every few seconds, or `at_once`.

        Raises TakenOver if another command has owned the study since then. That is asked while the lock is held, too:
        a pooler between us and the server may have given the connection that holds it to somebody else.
        """
        if self._lock is None or (time.monotonic() < self._look_at and not at_once):
            return
        self._look_at = time.monotonic() + LOOK_S
        try:
            if not self._lock.is_held():
                self._lock.take()  # else it is another's, or our own of a connection that the server believes in
        except SQLAlchemyError:
            return  # the database is away, and whoever asks it something waits for it
        self.check(storage)

    def check(self, storage: TrialStorage) -> None:
        """Raise TakenOver if another command has owned the study since this one began to. Inside of a change nobody
        can begin to before it ends, since that is a change, too."""
        if self._lock is None:
            return
        owner = owner_of(storage.attributes())
        if owner is not None and owner.token != self._token:
            self._lock.free()
            raise TakenOver(
                f"study '{self._name}' was taken over while its database was out of reach, by {owner.text}; this "
                "command stops, and its trials go on from their checkpoints there"
            )


@contextmanager
def owning(storage: TrialStorage, settings: StudySettings, folder: StudyFolder, joining: str) -> Iterator[Ownership]:
    """Own a study until the end. `joining`: the command that would help with it instead.

    Raises SweepError if another command owns it.
    """
    token = uuid.uuid4().hex
    if settings.storage is None:
        yield Ownership(settings.name, None, token)
        return
    lock = OwnerLock(settings.storage, settings.name)
    try:
        _take(lock, storage, settings.name, joining)
        owner = Owner(this_host(), os.getpid(), str(folder.path), time.time(), token)
        storage.change(lambda: storage.set_attribute(OWNER, asdict(owner)))
        yield Ownership(settings.name, lock, token)
    finally:
        lock.free()


def _take(lock: OwnerLock, storage: TrialStorage, name: str, joining: str) -> None:
    deadline = time.monotonic() + ENDING_S
    while not storage.patiently(lock.take):
        if time.monotonic() > deadline:
            owner = owner_of(storage.attributes())
            who = "another command" if owner is None else owner.text
            raise SweepError(
                f"study '{name}' is run by {who}: one command decides about a study's settings and its target. "
                f"Stop it there first, or help it from here:\n  {joining}"
            )
        time.sleep(POLL_S)
