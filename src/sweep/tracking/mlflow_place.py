"""What can be known of an MLflow store without importing MLflow, which takes seconds."""

import os
import shlex
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import URL, make_url

from sweep.records.folder import StudyFolder
from sweep.settings import MlflowTracking
from sweep.settings.secrets import redacted
from sweep.tracking.protocol import Place, Tracker

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
OTHERS = ("http", "https", "file", "", "databricks", "databricks-uc", "uc")  # MLflow's own


class MlflowPlace(Place):
    """An MLflow server or database; `mlflow.db` in the sweeps folder if the settings name none."""

    def __init__(self, settings: MlflowTracking, folder: StudyFolder) -> None:
        sweeps = folder.path.parent
        self.uri = settings.uri.get_secret_value() if settings.uri else _sqlite_uri(sweeps / "mlflow.db")
        self._artifacts = sweeps / "mlartifacts" / folder.path.name
        self._named = settings.uri is not None
        self.name = f"MLflow ({redacted(self.uri)})"

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
        file = self.database
        return _file_problem(file) if file is not None and self._named else None

    def is_lost(self) -> bool:
        """Whether the file of the database is gone."""
        return self.database is not None and not self.database.exists()

    def connect(self) -> Tracker:
        """A tracker on this store."""
        from sweep.tracking.mlflow_runs import MlflowTracker

        artifacts = self._artifacts if self._is_sqlite else None
        return MlflowTracker(self.uri, artifacts, self.database)

    def browse(self, python: str) -> str:
        """MLflow's own pages; those of a server are at its address."""
        if urlsplit(self.uri).scheme in ("http", "https"):
            return redacted(self.uri)
        uri = self.uri
        if self.database is not None and self.database.is_relative_to(Path.cwd()):
            uri = _sqlite_uri(Path(os.path.relpath(self.database)))
        return f"{python} -m mlflow ui --backend-store-uri {shlex.quote(redacted(uri))} --host 127.0.0.1"


def _sqlite_uri(file: Path) -> str:
    """The URI of a database file, whatever characters its path has.

    MLflow makes the folder of what follows `sqlite:///`, as if nothing could be quoted there; under the driver's name
    it makes none.
    """
    plain = f"sqlite:///{file}"
    quoted = URL.create("sqlite+pysqlite", database=str(file)).render_as_string(hide_password=False)
    return plain if plain.removeprefix("sqlite") == quoted.removeprefix("sqlite+pysqlite") else quoted


def _file_problem(file: Path) -> str | None:
    if file.is_dir():
        return f"{file} is a folder"
    if file.exists():
        return None if os.access(file, os.R_OK | os.W_OK) else f"no permission to write {file}"
    if not file.parent.is_dir():
        return f"no such folder: {file.parent}"
    return None if os.access(file.parent, os.W_OK | os.X_OK) else f"no permission to write to {file.parent}"
