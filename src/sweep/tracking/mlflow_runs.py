"""MLflow: one experiment a study, a parent run, and one nested run a trial. Importing this imports MLflow: seconds.

Everything is logged synchronously and in batches: a call to a database takes 10 to 24 ms whatever it holds.
"""

import json
import logging
import os
import sqlite3
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

# MLflow's own patience (7 repetitions, 120 s each) is not needed by somebody who comes back later.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # at the end of every run, into our tables

from alembic.util import CommandError
from filelock import FileLock
from mlflow import entities
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import (
    MLFLOW_GIT_COMMIT,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NAME,
    MLFLOW_RUN_NOTE,
    MLFLOW_SOURCE_NAME,
)
from requests import RequestException
from sqlalchemy.exc import SAWarning, SQLAlchemyError

from sweep.records.data_record import DataRecord
from sweep.records.database_file import replacing_database, sqlite_uri
from sweep.records.provenance import git_commit
from sweep.settings.secrets import redact, redacted
from sweep.tracking.mlflow_database import is_empty
from sweep.tracking.mlflow_inputs import dataset_of
from sweep.tracking.protocol import STUDY_KEY, Row, Run, Status, TrackedStudy, Tracker, TrackerAway, TrackerRefuses

MAX_TEXT_LENGTH = 6000
FOR_GOOD = ("INVALID_PARAMETER_VALUE", "INVALID_STATE", "RESOURCE_DOES_NOT_EXIST")
KEY_TAG, STUDY_TAG, REASON_TAG, ATTEMPT_TAG = "sweep.key", "sweep.study", "sweep.reason", "sweep.attempt"


class MlflowTracker(Tracker):
    """Writes to one study's experiment. `artifacts`: where its files go (None: where the server wants them);
    `database`: the SQLite file, which only one process may create."""

    def __init__(self, uri: str, artifacts: Path | None = None, database: Path | None = None) -> None:
        _quieten()
        self.uri = uri
        self._artifacts = artifacts
        self._database = database
        self._lock = FileLock(f"{database}.lock", timeout=120) if database is not None else nullcontext()
        self._is_new = False  # an experiment without any run of this study: there is nothing to find
        self._created: set[str] = set()

    def open(self, study: TrackedStudy) -> str:
        """Create the experiment and its parent run, or find them; the parent run's id."""
        with self._answers(), self._lock:
            self.client = self._connected()
            self._uid = study.uid
            self._experiment = self._experiment_of(study.name)
            self._common_tags = _common_tags(study.uid)
            parent = self._find(STUDY_KEY)
            self._is_new = parent is None
            if parent is None:
                tags = {**self._common_tags, KEY_TAG: STUDY_KEY}
                parent = self.client.create_run(self._experiment, run_name=study.name, tags=tags)
            else:
                self.client.update_run(parent.info.run_id, status="RUNNING")
            self._parent: str = parent.info.run_id
            self.client.log_artifact(self._parent, str(study.config))
        return str(self._parent)

    def _connected(self) -> MlflowClient:
        """A client, on a file with all tables."""
        file = self._database
        if file is None:
            return MlflowClient(self.uri)
        if not file.exists() or not file.stat().st_size:
            _build(file)
        try:
            return MlflowClient(_with_identity(self.uri, file))
        except (MlflowException, SQLAlchemyError, CommandError):
            if not is_empty(file):
                raise
            _build(file)  # its maker was killed
            return MlflowClient(_with_identity(self.uri, file))

    def _experiment_of(self, name: str) -> str:
        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            location = self._artifacts.resolve().as_uri() if self._artifacts else None
            # The kind makes MLflow open the experiment on its table of runs, not on its pages about agents.
            kind = {"mlflow.experimentKind": "custom_model_development"}
            return str(self.client.create_experiment(name, artifact_location=location, tags=kind))
        if experiment.lifecycle_stage == "deleted":
            raise TrackerAway(f"experiment '{name}' is deleted: restore it there")
        return str(experiment.experiment_id)

    def _find(self, key: str) -> entities.Run | None:
        query = f"tags.`{STUDY_TAG}` = '{self._uid}' and tags.`{KEY_TAG}` = '{key}'"
        runs = self.client.search_runs([self._experiment], query, max_results=1)
        return runs[0] if runs else None

    def run(self, key: str, started_ms: int | None) -> Run:
        """The nested run with this key."""
        with self._answers():
            run = None if self._is_new and key not in self._created else self._find(key)
            if run is None:
                tags = {
                    **self._common_tags,
                    MLFLOW_PARENT_RUN_ID: self._parent,
                    MLFLOW_RUN_NAME: key,
                    KEY_TAG: key,
                }
                self._created.add(key)
                run = self.client.create_run(self._experiment, started_ms, tags, run_name=key)
        return Run(run.info.run_id, run.info.status, run.data.tags.get(ATTEMPT_TAG), frozenset(run.data.params))

    def reopen(self, run_id: str) -> None:
        """RUNNING, and without a reason."""
        with self._answers():
            self.client.update_run(run_id, status="RUNNING")
            if REASON_TAG in self.client.get_run(run_id).data.tags:
                self.client.delete_tag(run_id, REASON_TAG)

    def log(
        self, run_id: str, rows: Sequence[Row], parameters: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """One batch, which MLflow splits where it is too large."""
        metrics = [entities.Metric(metric_name(row.metric), row.value, row.timestamp_ms, row.step) for row in rows]
        params = [entities.Param(path, _text(value)) for path, value in (parameters or {}).items()]
        named = [entities.RunTag(name, value[:MAX_TEXT_LENGTH]) for name, value in (tags or {}).items()]
        with self._answers():
            self.client.log_batch(run_id, metrics, params, named)

    def attach(self, run_id: str, files: Sequence[Path]) -> None:
        """As artifacts."""
        with self._answers():
            for file in files:
                self.client.log_artifact(run_id, str(file))

    def show_data(self, run_id: str, records: Sequence[DataRecord]) -> None:
        """As datasets, which MLflow's pages show and filter by."""
        if not records:
            return  # of a trial of an earlier version
        with self._answers():
            self.client.log_inputs(run_id, [dataset_of(record) for record in records])

    def end(self, run_id: str, status: Status, ended_ms: int | None = None, reason: str | None = None) -> None:
        """The reason becomes a tag."""
        with self._answers():
            if reason is not None:
                self.client.set_tag(run_id, REASON_TAG, reason[:MAX_TEXT_LENGTH])
            self.client.set_terminated(run_id, status, ended_ms)

    def discard(self, run_id: str) -> None:
        """MLflow keeps deleted runs where its pages show them if asked."""
        with self._answers():
            self.client.delete_run(run_id)

    def close(self, status: Status, note: str | None = None) -> None:
        """End the parent run; the note is what MLflow shows as its description."""
        with self._answers():
            if note is not None:
                self.client.set_tag(self._parent, MLFLOW_RUN_NOTE, note)
            self.client.set_terminated(self._parent, status)

    @contextmanager
    def _answers(self) -> Iterator[None]:
        """Errors of MLflow and of what is below it, as ours."""
        try:
            yield
        except MlflowException as error:
            # A server that is away is an exception of this type, too, without such a code.
            kind = TrackerRefuses if error.error_code in FOR_GOOD else TrackerAway
            raise kind(self._reason(error)) from error
        except (SQLAlchemyError, sqlite3.Error, CommandError, RequestException, OSError) as error:
            raise TrackerAway(self._reason(error)) from error

    def _reason(self, error: Exception) -> str:
        text = str(error).strip() or type(error).__name__
        return redact(text.splitlines()[0].split(" (Caused by")[0].replace(self.uri, redacted(self.uri)))


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
    _quieten()
    try:
        MlflowClient(uri).search_experiments(max_results=1)
    except MlflowException as error:
        if error.error_code in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
            return (
                f"the server does not accept our credentials ({error.error_code}): set MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
            )
    except RequestException:
        pass  # it is away
    return None


def _quieten() -> None:
    """Keep from the terminal what is raised as well, and what only developers of MLflow read."""
    levels = {"alembic": logging.WARNING, "mlflow": logging.WARNING, "urllib3.connectionpool": logging.ERROR}
    for logger, level in {**levels, "mlflow.store.db.utils": logging.CRITICAL}.items():
        logging.getLogger(logger).setLevel(level)
    warnings.filterwarnings("ignore", message="Query string argument", category=SAWarning)  # of _with_identity


def metric_name(key: str) -> str:
    """MLflow allows no `@` and no `+` in a name: recall@10 is recall_at_10 there, cldr+report is cldr_report."""
    return key.replace("@", "_at_").replace("+", "_")


def _common_tags(study_uid: str) -> dict[str, str]:
    tags = {STUDY_TAG: study_uid, MLFLOW_SOURCE_NAME: "sweep"}
    commit = git_commit()
    return tags | ({MLFLOW_GIT_COMMIT: commit} if commit else {})


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value))[:MAX_TEXT_LENGTH]
