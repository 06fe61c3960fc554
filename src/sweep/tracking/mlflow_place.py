"""What can be known of an MLflow store without importing MLflow, which takes seconds."""

import os
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlsplit

from sweep.records.folder import StudyFolder
from sweep.settings import MlflowTracking
from sweep.settings.storage import redacted
from sweep.tracking.protocol import Place, Tracker

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
OTHERS = ("http", "https", "file", "", "databricks", "databricks-uc", "uc")  # MLflow's own


class MlflowPlace(Place):
    """An MLflow server or database; `mlflow.db` in the sweeps folder if the settings name none."""

    def __init__(self, settings: MlflowTracking, folder: StudyFolder) -> None:
        sweeps = folder.path.parent
        self.uri = settings.uri or f"sqlite:///{sweeps / 'mlflow.db'}"
        self._artifacts = sweeps / "mlartifacts" / folder.path.name
        self._named = settings.uri is not None
        self.name = f"MLflow ({redacted(self.uri)})"

    @property
    def database(self) -> Path | None:
        """The file of an SQLite database."""
        path = self.uri.partition("?")[0].removeprefix("sqlite:///")
        return Path(path) if self.uri.startswith("sqlite:///") and path else None

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

        artifacts = self._artifacts if self.uri.startswith("sqlite:") else None
        return MlflowTracker(self.uri, artifacts, self.database)

    def browse(self, python: str) -> str:
        """MLflow's own pages; those of a server are at its address."""
        if urlsplit(self.uri).scheme in ("http", "https"):
            return redacted(self.uri)
        uri = self.uri
        if self.database is not None and self.database.is_relative_to(Path.cwd()):
            uri = f"sqlite:///{os.path.relpath(self.database)}"
        return f"{python} -m mlflow ui --backend-store-uri {redacted(uri)} --host 127.0.0.1"


def _file_problem(file: Path) -> str | None:
    if file.is_dir():
        return f"{file} is a folder"
    if file.exists():
        return None if os.access(file, os.R_OK | os.W_OK) else f"no permission to write {file}"
    if not file.parent.is_dir():
        return f"no such folder: {file.parent}"
    return None if os.access(file.parent, os.W_OK | os.X_OK) else f"no permission to write to {file.parent}"
