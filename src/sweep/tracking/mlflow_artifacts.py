"""Artifacts of MLflow's runs. Where a run keeps them in a folder they are copied there, as MLflow does; its own
call costs several times as much. Importing this imports MLflow."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from mlflow import entities
from mlflow.tracking import MlflowClient


class Artifacts:
    """Those of the runs of one store."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._folders: dict[str, Path | None] = {}

    def know(self, run: entities.Run) -> None:
        """Spare the question where those of this run are."""
        self._folders[run.info.run_id] = _local(run.info.artifact_uri)

    def add(self, run_id: str, file: Path, below: str = "") -> None:
        """Copy a file into the run's folder `below`."""
        folder = self._folder(run_id)
        if folder is None:
            self._client.log_artifact(run_id, str(file), below or None)
        else:
            _place(folder / below / file.name, lambda draft: shutil.copy2(file, draft))

    def write(self, run_id: str, name: str, text: str) -> None:
        """Make a file of a text."""
        folder = self._folder(run_id)
        if folder is None:
            self._client.log_text(run_id, text, name)
        else:
            _place(folder / name, lambda draft: draft.write_text(text, encoding="utf-8"))

    def _folder(self, run_id: str) -> Path | None:
        if run_id not in self._folders:
            self.know(self._client.get_run(run_id))
        return self._folders[run_id]


def _local(uri: str) -> Path | None:
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" and parts.netloc in ("", "localhost") else None


def _place(file: Path, make: Callable[[Path], object]) -> None:
    """Whole or not at all, for whoever looks at it meanwhile."""
    draft = file.with_name(f".{file.name}.{uuid4().hex}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        make(draft)
        os.replace(draft, file)
    finally:
        draft.unlink(missing_ok=True)
