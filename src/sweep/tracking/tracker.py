"""What of a study goes to MLflow, and how it stays right when workers are killed.

Everything is logged synchronously and in batches. A trial's run is found again by its key, so a trial that is taken
up again goes on in the run it had; rows that are logged twice have the same timestamp, and MLflow keeps them once.
"""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import (
    MLFLOW_GIT_COMMIT,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NAME,
    MLFLOW_SOURCE_NAME,
)
from sqlalchemy.exc import SQLAlchemyError

from sweep.errors import InputError
from sweep.records.folder import TrialFolder
from sweep.records.provenance import git_commit
from sweep.records.values import State, TrialResult

# MLflow's default of 7 takes more than four minutes to say that a server does not answer.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")

TrackingError = (MlflowException, SQLAlchemyError)

MAX_PARAM_LENGTH = 6000
ENDED: dict[State, str] = {"COMPLETE": "FINISHED", "PRUNED": "FINISHED", "FAILED": "FAILED"}  # MLflow's words
KEY_TAG, STUDY_TAG, REASON_TAG = "sweep.key", "sweep.study", "sweep.reason"


@dataclass(frozen=True)
class TrackedStudy:
    """Where a study is tracked; handed to its workers."""

    uri: str
    experiment_id: str
    study_uid: str
    parent_run_id: str


def metric_name(key: str) -> str:
    """MLflow allows no `@` in a name: recall@10 is recall_at_10 there."""
    return key.replace("@", "_at_")


def default_uri(sweeps: Path) -> str:
    """The SQLite database of all studies in a sweeps folder."""
    return f"sqlite:///{sweeps / 'mlflow.db'}"


def open_study(uri: str | None, sweeps: Path, name: str, study_uid: str, config: Path) -> TrackedStudy:
    """Create the study's experiment and its parent run, or find them. Called once, before any worker starts.

    Raises InputError if the tracking server cannot be used.
    """
    for chatty in ("alembic", "mlflow"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    uri = uri or default_uri(sweeps)
    try:
        client = MlflowClient(uri)
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            local = uri.startswith("sqlite:")
            location = (sweeps / "mlartifacts" / name).resolve().as_uri() if local else None
            # The kind makes MLflow open the experiment on its table of runs, not on its pages about agents.
            kind = {"mlflow.experimentKind": "custom_model_development"}
            experiment_id = client.create_experiment(name, artifact_location=location, tags=kind)
        elif experiment.lifecycle_stage == "deleted":
            raise InputError(f"MLflow experiment '{name}' is deleted: restore it, or choose another study.name")
        else:
            experiment_id = experiment.experiment_id
        found = client.search_runs(
            [experiment_id], f"tags.`{STUDY_TAG}` = '{study_uid}' and tags.`{KEY_TAG}` = 'study'"
        )
        if found:
            run = found[0]
            client.update_run(run.info.run_id, status="RUNNING")
        else:
            run = client.create_run(experiment_id, run_name=name, tags={**_tags(study_uid), KEY_TAG: "study"})
        client.log_artifact(run.info.run_id, str(config))
    except TrackingError as error:
        reason = str(error).splitlines()[0].split(" (Caused by")[0]
        raise InputError(f"tracking.uri={uri}: MLflow cannot be used ({reason})") from error
    return TrackedStudy(uri, experiment_id, study_uid, run.info.run_id)


def _tags(study_uid: str) -> dict[str, str]:
    tags = {STUDY_TAG: study_uid, MLFLOW_SOURCE_NAME: "sweep"}
    commit = git_commit()
    if commit:
        tags[MLFLOW_GIT_COMMIT] = commit
    return tags


class Tracker:
    """Writes to one study's experiment."""

    def __init__(self, study: TrackedStudy) -> None:
        self.study = study
        self.client = MlflowClient(study.uri)

    def start(self, key: str, parameters: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """The run of a trial, RUNNING: a new one, or the one it had. Returns the run's id."""
        run = self._find(key)
        if run is None:
            run = self.client.create_run(
                self.study.experiment_id,
                run_name=key,
                tags={
                    **_tags(self.study.study_uid),
                    MLFLOW_PARENT_RUN_ID: self.study.parent_run_id,
                    MLFLOW_RUN_NAME: key,
                    KEY_TAG: key,
                },
            )
        else:
            self.client.update_run(run.info.run_id, status="RUNNING")
            if REASON_TAG in run.data.tags:
                self.client.delete_tag(run.info.run_id, REASON_TAG)
        run_id: str = run.info.run_id
        # A worker killed right after it made the run left it without parameters.
        lacking = {path: value for path, value in parameters.items() if path not in run.data.params}
        params = [Param(path, _text(value)[:MAX_PARAM_LENGTH]) for path, value in lacking.items()]
        self.client.log_batch(run_id, params=params, tags=_run_tags(tags))
        return run_id

    def _find(self, key: str) -> Run | None:
        found = self.client.search_runs(
            [self.study.experiment_id],
            f"tags.`{STUDY_TAG}` = '{self.study.study_uid}' and tags.`{KEY_TAG}` = '{key}'",
            max_results=1,
        )
        return found[0] if found else None

    def log_series(
        self, run_id: str, rows: Sequence[tuple[str, float, int, int]], tags: Mapping[str, str] | None = None
    ) -> None:
        """Log rows of (metric, value, timestamp in ms, step), and tags."""
        metrics = [Metric(metric_name(key), value, timestamp, step) for key, value, timestamp, step in rows]
        self.client.log_batch(run_id, metrics=metrics, tags=_run_tags(tags or {}))

    def finish(self, run_id: str, result: TrialResult, step: int, folder: TrialFolder) -> None:
        """Log a result with all its metrics and files, and end the run."""
        values = {**result.metrics, "final_loss": result.final_loss, "duration_s": result.duration_s}
        versions = {f"version.{name}": version for name, version in result.versions.items()}
        self.log_series(run_id, [(key, value, result.finished_ms, step) for key, value in values.items()], versions)
        for file in (folder.config, folder.metrics, folder.details, folder.ranks):
            self.client.log_artifact(run_id, str(file))
        self.client.set_terminated(run_id, "FINISHED")

    def fail(self, key: str, reason: str) -> None:
        """End a trial's run as FAILED, with the reason as a tag."""
        self._end(key, reason, "FAILED")

    def prune(self, key: str, reason: str) -> None:
        """End the run of a trial that was not worth going on with, as FINISHED, with the reason as a tag."""
        self._end(key, reason, "FINISHED")

    def _end(self, key: str, reason: str, status: str) -> None:
        run = self._find(key)
        if run is not None:
            self.client.set_tag(run.info.run_id, REASON_TAG, reason[:MAX_PARAM_LENGTH])
            self.client.set_terminated(run.info.run_id, status)

    def set_right(self, key: str, state: State) -> None:
        """End the run of a finished trial, if a late attempt has reopened it."""
        run = self._find(key) if state in ENDED else None
        if run is not None and run.info.status == "RUNNING":
            self.client.set_terminated(run.info.run_id, ENDED[state])

    def close(self, status: str, states: Mapping[str, State]) -> None:
        """End the parent run, and any trial's run that is still open: by the trial's state if it is finished, else
        as KILLED; a resumed trial reopens its run."""
        query = f"tags.`{STUDY_TAG}` = '{self.study.study_uid}' and attributes.status = 'RUNNING'"
        for run in self.client.search_runs([self.study.experiment_id], query):
            ended = ENDED.get(states.get(run.data.tags[KEY_TAG], "RUNNING"), "KILLED")
            parent = run.info.run_id == self.study.parent_run_id
            self.client.set_terminated(run.info.run_id, status if parent else ended)


def _run_tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(name, value) for name, value in tags.items()]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
