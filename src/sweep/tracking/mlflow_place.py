"""What can be known of an MLflow store without importing MLflow, which takes seconds."""

import os
import shlex
import sqlite3
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlsplit

import requests
from sqlalchemy import make_url

from sweep.records.database_file import sqlite_uri
from sweep.records.folder import StudyFolder
from sweep.settings import MlflowTracking
from sweep.settings.secrets import redacted
from sweep.tracking.mlflow_access import NOT_ACCEPTED, OTHER_CREDENTIALS, UNTRUSTED, answer_of
from sweep.tracking.mlflow_database import has_run, move_artifacts, schema_problem
from sweep.tracking.mlflow_links import experiment_at, experiment_in, pages_of
from sweep.tracking.protocol import Place, Tracker, TrackerAway

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
OTHERS = ("http", "https", "file", "", "databricks", "databricks-uc", "uc")  # MLflow's own


class MlflowPlace(Place):
    """An MLflow server or database; `mlflow.db` in the sweeps folder if the settings name none."""

    def __init__(self, settings: MlflowTracking, folder: StudyFolder) -> None:
        sweeps = folder.path.parent.resolve()
        self.uri = settings.uri.get_secret_value() if settings.uri else sqlite_uri(sweeps / "mlflow.db")
        self._artifacts = sweeps / "mlartifacts" / folder.path.name
        self._named = settings.uri is not None
        self._experiment = folder.path.name
        self.name = f"MLflow ({redacted(self.uri)})"
        self.metrics = settings.metrics
        self.register = settings.register

    @property
    def database(self) -> Path | None:
        """The file of an SQLite database."""
        if not self._is_sqlite:
            return None
        path = make_url(self.uri).database
        return Path(path) if path else None

    @property
    def _is_sqlite(self) -> bool:
        return self.uri.startswith(("sqlite:", "sqlite+"))

    def problem(self) -> str | None:
        """An unknown scheme, or a database file that cannot be written."""
        reason = self._problem()
        return reason and f"tracking.uri={redacted(self.uri)}: MLflow cannot be used ({reason})"

    def _problem(self) -> str | None:
        try:
            parts = urlsplit(self.uri)
        except ValueError as error:
            return str(error)
        plugins = [plugin.name for plugin in entry_points(group="mlflow.tracking_store")]
        if parts.scheme.partition("+")[0] not in (*DATABASES, *OTHERS, *plugins):
            known = ", ".join(sorted({*DATABASES, *OTHERS, *plugins} - {""}))
            return f"MLflow knows no '{parts.scheme}:'; it knows {known}"
        if parts.scheme in ("http", "https") and not parts.hostname:
            return "it names no server"
        if parts.scheme in ("http", "https"):
            return _server_problem(self.uri)
        file = self.database
        if file is None:
            return None
        return (_file_problem(file) if self._named else None) or schema_problem(file, self.uri)

    def is_lost(self, store: str | None) -> bool:
        """Whether the file of the database is gone, or another one without the study's run is in its place."""
        file = self.database
        return store is not None and file is not None and not (file.exists() and has_run(file, store))

    def follow(self) -> None:
        """Artifacts beside a database in the sweeps folder are where this folder is now."""
        file, root = self.database, self._artifacts.parent
        if file is not None and file.exists():
            is_beside = file.resolve().parent == root.parent
            try:
                move_artifacts(file, root, None if is_beside else self._artifacts.name)
            except sqlite3.Error as error:
                if "no such table" not in str(error):  # which whoever connects makes
                    raise TrackerAway(str(error)) from error

    def connect(self) -> Tracker:
        """A tracker on this store."""
        from sweep.tracking.mlflow_runs import MlflowTracker

        self.follow()
        artifacts = self._artifacts if self._is_sqlite else None
        return MlflowTracker(self.uri, artifacts, self.database)

    def browse(self, python: str) -> str:
        """The command of MLflow's own pages, if they are no server's, and the addresses of the study's."""
        if urlsplit(self.uri).scheme in ("http", "https"):
            experiment = experiment_at(self.uri, self._experiment)
            server = redacted(self.uri)
            return server if experiment is None else _listed(pages_of(experiment, server))
        uri = self.uri
        if self.database is not None and self.database.is_relative_to(Path.cwd()):
            uri = sqlite_uri(Path(os.path.relpath(self.database)))
        command = f"{python} -m mlflow ui --backend-store-uri {shlex.quote(redacted(uri))} --host 127.0.0.1"
        experiment = None if self.database is None else experiment_in(self.database, self._experiment)
        return command if experiment is None else f"{command}\n{_listed(pages_of(experiment))}"


def _listed(pages: Mapping[str, str]) -> str:
    return "\n".join(f"  {name + ':':<8} {address}" for name, address in pages.items())


def _server_problem(uri: str) -> str | None:
    """Why a server does not accept our credentials, or we its certificate; None if all is accepted, or if it does not
    answer."""
    try:
        answer = answer_of(uri, "experiments/search", {"max_results": 1})
    except requests.exceptions.SSLError as error:
        return UNTRUSTED if "CERTIFICATE_VERIFY_FAILED" in str(error) else None
    except requests.RequestException:
        return None
    except (OSError, ValueError) as error:  # a file of certificates that is not there, an impossible address
        return str(error)
    if answer.status_code not in (401, 403):
        return None
    if not any(map(os.environ.get, OTHER_CREDENTIALS)):
        return NOT_ACCEPTED
    from sweep.tracking.mlflow_client import refusal_of

    return refusal_of(uri)


def _file_problem(file: Path) -> str | None:
    if file.is_dir():
        return f"{file} is a folder"
    if file.exists():
        return None if os.access(file, os.R_OK | os.W_OK) else f"no permission to write {file}"
    if not file.parent.is_dir():
        return f"no such folder: {file.parent}"
    return None if os.access(file.parent, os.W_OK | os.X_OK) else f"no permission to write to {file.parent}"
