"""Artifacts of MLflow's runs. Where a run keeps them in a folder they are copied there, as MLflow does; its own
call costs several times as much. Importing this imports MLflow."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from mlflow import entities
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient
from mlflow.utils.uri import add_databricks_profile_info_to_artifact_uri

from sweep.tracking.protocol import FilesAway, TrackerAway


class Artifacts:
    """Those of the runs of one store."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._uris: dict[str, str] = {}
        self._last: tuple[str, ArtifactRepository] | None = None  # of the run that files were last sent for

    def know(self, run: entities.Run) -> None:
        """Spare the question where those of this run are."""
        self._uris[run.info.run_id] = run.info.artifact_uri

    def add(self, run_id: str, file: Path, below: str = "") -> None:
        """Copy a file into the run's folder `below`. Raises FilesAway."""
        uri = self._uri(run_id)
        with _kept(uri):
            if (folder := self._folder(uri)) is not None:
                _place(folder / below / file.name, lambda draft: shutil.copy2(file, draft))
            else:
                self._send(uri, file, below or None)

    def write(self, run_id: str, name: str, text: str) -> None:
        """Make a file of a text. Raises FilesAway."""
        uri = self._uri(run_id)
        with _kept(uri):
            if (folder := self._folder(uri)) is not None:
                _place(folder / name, lambda draft: draft.write_text(text, encoding="utf-8"))
                return
            with tempfile.TemporaryDirectory() as drafts:
                draft = Path(drafts) / name
                draft.write_text(text, encoding="utf-8")
                self._send(uri, draft, None)

    def _uri(self, run_id: str) -> str:
        if run_id not in self._uris:
            self.know(self._client.get_run(run_id))
        return self._uris[run_id]

    def _send(self, uri: str, file: Path, below: str | None) -> None:
        """As MLflow's own call, which asks the server first where the run's artifacts are."""
        if self._last is None or self._last[0] != uri:
            tracking = self._client.tracking_uri
            whole = add_databricks_profile_info_to_artifact_uri(uri, tracking)  # type: ignore[no-untyped-call]
            self._last = uri, get_artifact_repository(whole, tracking_uri=tracking)
        self._last[1].log_artifact(str(file), below)  # type: ignore[no-untyped-call]

    def _folder(self, uri: str) -> Path | None:
        """The run's folder if it is one. Raises FilesAway for the folder of another machine."""
        parts = urlsplit(uri)
        if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
            return None
        folder = Path(unquote(parts.path))
        root = folder.parents[2]  # of all experiments; below it the experiment, the run and `artifacts`
        if self._client.tracking_uri.startswith(("http://", "https://")) and not root.parent.is_dir():
            raise FilesAway(
                f"the server keeps files in its folder {root}, which is not here: mount it, or start the server with "
                "--artifacts-destination instead of --default-artifact-root"
            )
        return folder


@contextmanager
def _kept(uri: str) -> Iterator[None]:
    """Errors of a store, as ours: the libraries of S3, Google and Azure have each their own, which share no type."""
    try:
        yield
    except TrackerAway:
        raise
    except ImportError as error:
        scheme = urlsplit(uri).scheme
        raise FilesAway(f"files go to {scheme}:, for which a Python package is missing ({error})") from error
    except Exception as error:
        text = " ".join(str(error).split())
        raise FilesAway(text if isinstance(error, OSError) and text else f"{type(error).__name__}: {text}") from error


def _place(file: Path, make: Callable[[Path], object]) -> None:
    """Whole or not at all, for whoever looks at it meanwhile."""
    draft = file.with_name(f".{file.name}.{uuid4().hex}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        make(draft)
        os.replace(draft, file)
    except BaseException:
        with suppress(OSError):  # what is wrong with the folder is said by the first error
            draft.unlink()
        raise
