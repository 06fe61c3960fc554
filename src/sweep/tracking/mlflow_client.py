"""A client of MLflow: quiet, impatient, and on a database that is there as a whole. Importing this imports MLflow."""

import logging
import os
import warnings
from pathlib import Path

# MLflow's own patience (7 repetitions, 120 s each) is not needed by somebody who comes back later.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", "false")  # which may name hours, slept in one piece
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # at the end of every run, into our tables
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # likewise, of a model that is sent

from alembic.util import CommandError
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from requests import RequestException
from sqlalchemy.exc import SAWarning, SQLAlchemyError

from sweep.records.database_file import replacing_database, sqlite_uri
from sweep.tracking.mlflow_access import NOT_ACCEPTED
from sweep.tracking.mlflow_database import is_empty

UNAUTHORIZED = ("UNAUTHENTICATED", "PERMISSION_DENIED", "CUSTOMER_UNAUTHORIZED")  # codes of MLflow


def connected(uri: str, file: Path | None) -> MlflowClient:
    """A client; `file` is that of an SQLite database, which gets all its tables. Raises what MLflow raises."""
    if file is None:
        return MlflowClient(uri)
    if not file.exists() or not file.stat().st_size:
        _build(file)
    try:
        return MlflowClient(_with_identity(uri, file))
    except (MlflowException, SQLAlchemyError, CommandError):
        if not is_empty(file):
            raise
        _build(file)  # its maker was killed
        return MlflowClient(_with_identity(uri, file))


def _build(file: Path) -> None:
    """Make a database of MLflow that is there as a whole or not at all."""
    with replacing_database(file) as draft:  # of a new name: MLflow keeps its connections to each
        MlflowClient(sqlite_uri(draft))


def _with_identity(uri: str, file: Path) -> str:
    """The URI with something that nobody reads: MLflow keeps the connections to a URI for as long as the process
    lives, and a file that takes the place of a deleted one needs new ones."""
    return f"{uri}{'&' if '?' in uri else '?'}file={file.stat().st_ino}"


def refusal_of(uri: str) -> str | None:
    """Why a server does not accept MLflow's credentials, if it does not."""
    quieten()
    try:
        MlflowClient(uri).search_experiments(max_results=1)
    except MlflowException as error:
        if error.error_code in UNAUTHORIZED:
            return f"{NOT_ACCEPTED} ({error.error_code})"
    except RequestException:
        pass  # it is away
    return None


def quieten() -> None:
    """Keep from the terminal what is raised as well, and what only developers of MLflow read."""
    levels = {"alembic": logging.WARNING, "mlflow": logging.WARNING, "urllib3.connectionpool": logging.ERROR}
    for logger, level in {**levels, "mlflow.store.db.utils": logging.CRITICAL}.items():
        logging.getLogger(logger).setLevel(level)
    warnings.filterwarnings("ignore", message="Query string argument", category=SAWarning)  # of _with_identity
