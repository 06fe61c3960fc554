"""MLflow: one experiment a study, a parent run, and one nested run a trial. Importing this imports MLflow: seconds.

Everything is logged synchronously and in batches: a call to a database takes 10 to 24 ms whatever it holds.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from alembic.util import CommandError
from filelock import FileLock
from mlflow import entities
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import (
    MLFLOW_GIT_COMMIT,
    MLFLOW_LOGGED_ARTIFACTS,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NAME,
    MLFLOW_RUN_NOTE,
    MLFLOW_SOURCE_NAME,
)
from requests import RequestException
from sqlalchemy.exc import SQLAlchemyError

from sweep.records.data_record import DataRecord
from sweep.records.provenance import git_commit
from sweep.settings.secrets import redact, redacted
from sweep.tracking.file_store import FILES_TAG, MISSING
from sweep.tracking.kept_model import KeptModel
from sweep.tracking.mlflow_access import NOT_ACCEPTED
from sweep.tracking.mlflow_artifacts import Artifacts
from sweep.tracking.mlflow_client import UNAUTHORIZED, connected, quieten
from sweep.tracking.mlflow_inputs import dataset_of
from sweep.tracking.mlflow_pages import METRICS_TABLE, SHARED_STATE, TABLES, metric_name, metrics_table, shared_states
from sweep.tracking.protocol import (
    STUDY_KEY,
    Row,
    Run,
    Status,
    TrackedStudy,
    Tracker,
    TrackerAway,
    TrackerRefuses,
    View,
)

MAX_TEXT_LENGTH = 6000
PAGE = 1000  # runs that are asked for at once
FOR_GOOD = ("INVALID_PARAMETER_VALUE", "INVALID_STATE", "RESOURCE_DOES_NOT_EXIST")
KEY_TAG, STUDY_TAG, REASON_TAG, ATTEMPT_TAG = "sweep.key", "sweep.study", "sweep.reason", "sweep.attempt"


class MlflowTracker(Tracker):
    """Writes to one study's experiment. `artifacts`: where its files go (None: where the server wants them);
    `database`: the SQLite file, which only one process may create."""

    def __init__(self, uri: str, artifacts: Path | None = None, database: Path | None = None) -> None:
        quieten()
        self.uri = uri
        self._location = artifacts
        self._database = database
        self._lock = FileLock(f"{database}.lock", timeout=120) if database is not None else nullcontext()
        self._is_new = False  # an experiment without any run of this study: there is nothing to find
        self._created: set[str] = set()

    def open(self, study: TrackedStudy) -> str:
        """Create the experiment and its parent run, or find them; the parent run's id."""
        with self._answers(), self._lock:
            self.client = connected(self.uri, self._database)
            self._artifacts = Artifacts(self.client)
            self._uid = study.uid
            self._experiment = self._experiment_of(study.name)
            self._common_tags = _common_tags(study.uid)
            parent = self._find(STUDY_KEY)
            self._is_new = parent is None
            self._created.add(STUDY_KEY)
            if parent is None:
                parent = self._made(STUDY_KEY, study.name, None, {})
            else:
                self.client.update_run(parent.info.run_id, status="RUNNING")
            self._parent: str = parent.info.run_id
            self._artifacts.know(parent)
        return str(self._parent)

    def _experiment_of(self, name: str) -> str:
        experiment = self.client.get_experiment_by_name(name)
        if experiment is None:
            location = self._location.resolve().as_uri() if self._location else None
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

    def _made(self, key: str, name: str, started_ms: int | None, tags: Mapping[str, str]) -> entities.Run:
        all_tags = {**self._common_tags, **tags, KEY_TAG: key}
        self._created.add(key)
        return self.client.create_run(self._experiment, started_ms, all_tags, run_name=name)

    @property
    def study_run(self) -> str:
        """The parent run."""
        return self._parent

    def run(self, key: str, started_ms: int | None, name: str | None = None, parent: str | None = None) -> Run:
        """The nested run with this key."""
        with self._answers():
            run = None if self._is_new and key not in self._created else self._find(key)
            if run is None:
                tags = {MLFLOW_PARENT_RUN_ID: parent or self._parent, MLFLOW_RUN_NAME: name or key}
                run = self._made(key, name or key, started_ms, tags)
            self._artifacts.know(run)
        there = run.data.tags
        return Run(
            run.info.run_id,
            run.info.status,
            there.get(ATTEMPT_TAG),
            frozenset(run.data.params),
            there.get(FILES_TAG) == MISSING,
        )

    def place(self, run_id: str, parent: str) -> None:
        """A tag says below which."""
        with self._answers():
            self.client.set_tag(run_id, MLFLOW_PARENT_RUN_ID, parent)

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

    def attach(self, run_id: str, files: Sequence[Path], below: str = "") -> None:
        """As artifacts."""
        with self._answers():
            for file in files:
                self._artifacts.add(run_id, file, below)

    def show_metrics(self, run_id: str, metrics: Mapping[str, float]) -> Mapping[str, str]:
        """As an artifact that MLflow shows as a table."""
        with self._answers():
            self._artifacts.write(run_id, METRICS_TABLE, metrics_table(metrics))
        return {MLFLOW_LOGGED_ARTIFACTS: TABLES}

    def arrange(self, view: View) -> None:
        """As shared states of the experiment's page."""
        with self._answers():
            for key, state in shared_states(view).items():
                self.client.set_experiment_tag(self._experiment, f"{SHARED_STATE}{key}", state)

    def describe(self, run_id: str, text: str) -> None:
        """As MLflow's description."""
        with self._answers():
            self.client.set_tag(run_id, MLFLOW_RUN_NOTE, text[:MAX_TEXT_LENGTH])

    def show_data(self, run_id: str, records: Sequence[DataRecord]) -> None:
        """As datasets, which MLflow's pages show and filter by."""
        if not records:
            return  # of a trial of an earlier version
        with self._answers():
            self.client.log_inputs(run_id, [dataset_of(record) for record in records])

    def register(self, model: KeptModel) -> str:
        """As a logged model and a version in the registry."""
        from sweep.tracking.mlflow_registry import register_model  # only where it is asked for

        with self._answers():
            return register_model(self.client, self._experiment, self._parent, model)

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

    def keep_once(self, runs: Mapping[str, str]) -> None:
        """Delete the others. MLflow can be asked to make a run, and not to make it once: of a request without an
        answer nobody knows what the server makes of it, and when."""
        if not self.uri.startswith(("http://", "https://")):
            return  # a database, whose transactions end with their call
        known = {**runs, STUDY_KEY: self._parent}
        # All others have ended; to ask for those as well would bring the metrics of all trials.
        query = f"tags.`{STUDY_TAG}` = '{self._uid}' and attributes.status = 'RUNNING'"
        with self._answers():
            for run in self.client.search_runs([self._experiment], query, max_results=PAGE):
                if known.get(run.data.tags[KEY_TAG], run.info.run_id) != run.info.run_id:
                    self.client.delete_run(run.info.run_id)

    def close(self, status: Status) -> None:
        """End the parent run."""
        with self._answers():
            self.client.set_terminated(self._parent, status)

    @contextmanager
    def _answers(self) -> Iterator[None]:
        """Errors of MLflow and of what is below it, as ours."""
        try:
            yield
        except TrackerAway:  # of a store of files
            raise
        except MlflowException as error:
            # A server that is away is an exception of this type, too, without such a code.
            kind = TrackerRefuses if error.error_code in FOR_GOOD else TrackerAway
            raise kind(NOT_ACCEPTED if error.error_code in UNAUTHORIZED else self._reason(error)) from error
        except (SQLAlchemyError, sqlite3.Error, CommandError, RequestException, OSError) as error:
            raise TrackerAway(self._reason(error)) from error

    def _reason(self, error: Exception) -> str:
        text = str(error).strip() or type(error).__name__
        return redact(text.splitlines()[0].split(" (Caused by")[0].replace(self.uri, redacted(self.uri)))


def _common_tags(study_uid: str) -> dict[str, str]:
    tags = {STUDY_TAG: study_uid, MLFLOW_SOURCE_NAME: "sweep"}
    commit = git_commit()
    return tags | ({MLFLOW_GIT_COMMIT: commit} if commit else {})


def _text(value: Any) -> str:
    return (value if isinstance(value, str) else json.dumps(value))[:MAX_TEXT_LENGTH]
