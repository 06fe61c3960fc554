"""What an error of a database means: whether waiting helps, and what the user reads, without the password."""

import shlex
from pathlib import Path
from urllib.parse import unquote

import optuna
from sqlalchemy.exc import DBAPIError, PendingRollbackError, SQLAlchemyError, TimeoutError

from sweep.errors import DatabaseRefuses, DatabaseUnusable
from sweep.records.database_file import sqlite_uri
from sweep.study.advisory_lock import LockLost

StorageError = optuna.exceptions.StorageInternalError

# Classes of SQLSTATE: connection, resources, operator intervention, rolled back for a concurrent transaction; a lock
# that was not free, a transaction that slept for too long.
PASSING_STATES = ("08", "53", "57", "40", "55P03", "25P03")
DISK_FULL_STATE = "53100"
REFUSALS = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "no password supplied",
    "not permitted",
)
MISSING = ("no such column", "no such table")


class ChangedWhileRead(Exception):
    """A database that nobody was writing when the reading began was written before it ended."""


FAULTS = (StorageError, SQLAlchemyError, LockLost, ChangedWhileRead)
PASSING = (LockLost, ChangedWhileRead, TimeoutError, PendingRollbackError)


def lasting_fault(error: Exception, place: str, secret: str) -> DatabaseUnusable | None:
    """What to raise if no waiting helps: a full disk, a wrong password, a damaged file."""
    reason, state = reason_of(error, secret), getattr(_origin(error), "sqlstate", None)
    if state == DISK_FULL_STATE or "disk is full" in reason or "No space left" in reason:
        return DatabaseUnusable(
            f"the disk is full: the study's database {place} cannot grow; make room and repeat the command: "
            "nothing is lost"
        )
    if any(words in reason for words in REFUSALS):
        return DatabaseRefuses(f"study.storage={place}: the server refuses us ({reason})")
    if any(words in reason for words in MISSING):
        return other_schema(place, reason)
    if not _passes(error, state):
        return DatabaseUnusable(f"{place}: the study's database cannot be used ({reason})")
    return None


def other_schema(place: str, reason: str) -> DatabaseRefuses:
    """The tables are those of another version of Optuna, as `reason` says."""
    if "pip install" in reason:
        fix = "it was made by a newer Optuna: pip install --upgrade optuna"
    else:
        url = place if "://" in place else sqlite_uri(Path(place))
        fix = f"after a copy of it was made: optuna storage upgrade --storage {shlex.quote(url)}"
    return DatabaseRefuses(f"{place}: the study's database has the tables of another version of Optuna; {fix}")


def reason_of(error: Exception, secret: str) -> str:
    """The first line of the driver's message, without statement and password."""
    lines = str(_origin(error)).strip().splitlines() or [type(error).__name__]
    text = lines[0].split(" [SQL:")[0].strip()
    for hidden in {secret, unquote(secret)} - {""}:
        text = text.replace(hidden, "***")
    return text


def _cause(error: Exception) -> BaseException:
    """The error inside Optuna's."""
    return error.__cause__ if isinstance(error, StorageError) and error.__cause__ else error


def _origin(error: Exception) -> BaseException:
    """The driver's error inside Optuna's and SQLAlchemy's."""
    cause = _cause(error)
    return cause.orig if isinstance(cause, DBAPIError) and cause.orig is not None else cause


def _passes(error: Exception, state: str | None) -> bool:
    """Whether the same operation may succeed later."""
    cause = _cause(error)
    if isinstance(cause, PASSING):
        return True
    if not isinstance(cause, DBAPIError):
        return False
    if type(cause.orig).__module__.startswith("sqlite3"):
        return any(word in str(cause.orig) for word in ("locked", "busy"))
    if state is not None:
        return state.startswith(PASSING_STATES)
    kinds = {kind.__name__ for kind in type(cause.orig).__mro__}  # a connection that timed out has a kind of its own
    return cause.connection_invalidated or bool(kinds & {"OperationalError", "InterfaceError"})
