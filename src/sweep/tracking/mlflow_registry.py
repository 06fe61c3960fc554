"""A kept model in MLflow: logged to the study's run, and a version of a registered model. Importing this imports
MLflow: seconds."""

import json
import shutil
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Metric
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.tracking import MlflowClient
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

from sweep.tracking.kept_model import KeptModel
from sweep.tracking.mlflow_pages import metric_name

CODE = Path(__file__).parent / "registered_encoder.py"
LOGGED_NAME = "encoder"
DIGEST_TAG, STUDY_TAG = "sweep.digest", "sweep.study"
DRAFT = ".registered"  # beside the model, while it is sent
TAKEN = ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS")
LIBRARIES = ("torch", "transformers")
OLDEST = "5.0"  # sentence-transformers with routers by language


def register_model(client: MlflowClient, experiment: str, run: str, model: KeptModel) -> str:
    """The version of the registered model, which is made if the study has none of the same content.

    What a kill has left of an earlier attempt is gone on with, or removed. Raises what MLflow raises.
    """
    if (version := _registered(client, model)) is not None:
        return version
    logged = _logged(client, experiment, run, model)
    try:
        client.create_registered_model(model.name)
    except MlflowException as error:
        if error.error_code not in TAKEN:
            raise
    made = client.create_model_version(
        model.name,
        logged.artifact_location,  # a local store would look for models:/ID in another one
        run,
        _tags(model),
        description=model.description,
        model_id=logged.model_id,
    )
    return str(made.version)


def _registered(client: MlflowClient, model: KeptModel) -> str | None:
    for version in client.search_model_versions(f"name = '{model.name}'"):
        if _is_same(version.tags, model):
            return str(version.version)
    return None


def _tags(model: KeptModel) -> dict[str, str]:
    return {metric_name(name): value for name, value in model.tags.items()} | {DIGEST_TAG: model.digest}


def _is_same(tags: dict[str, str], model: KeptModel) -> bool:
    return tags.get(DIGEST_TAG) == model.digest and tags.get(STUDY_TAG) == model.tags[STUDY_TAG]


def _logged(client: MlflowClient, experiment: str, run: str, model: KeptModel) -> LoggedModel:
    """The model as one of the study's run."""
    for there in client.search_logged_models([experiment], f"name = '{LOGGED_NAME}'"):
        if _is_same(there.tags, model):
            if there.status == LoggedModelStatus.READY:
                return there
            client.delete_logged_model(there.model_id)  # its files may not all be there
    logged = client.create_logged_model(experiment, LOGGED_NAME, run, _tags(model), model_type="retriever")
    draft = model.folder.parent / DRAFT
    shutil.rmtree(draft, ignore_errors=True)
    try:
        _write(model, logged, run, draft)
        client.log_model_artifacts(logged.model_id, str(draft))
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    client.log_outputs(run, [LoggedModelOutput(logged.model_id, model.step)])
    if model.trial_run is not None:
        _log_metrics(client, model.trial_run, model, logged)
    return client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)


def _write(model: KeptModel, logged: LoggedModel, run: str, draft: Path) -> None:
    """What `mlflow.pyfunc.load_model` reads."""
    needs_language, width = _shape_of(model.folder)
    example: dict[str, list[str]] = {"text": ["how tall is it?", "It is 12 m tall."], "kind": ["query", "passage"]}
    columns: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string, "text"),
        ColSpec(DataType.string, "kind", required=False),
    ]
    if needs_language:
        example["language"] = ["en", "en"]
        columns.append(ColSpec(DataType.string, "language"))
    output = Schema([TensorSpec(np.dtype(np.float32), (-1, width))])
    mlflow.pyfunc.save_model(
        str(draft),
        mlflow_model=Model(logged.artifact_location, run, model_uuid=logged.model_id, model_id=logged.model_id),
        python_model=str(CODE),
        artifacts={"encoder": model.folder.resolve().as_uri()},
        signature=ModelSignature(Schema(columns), output),
        input_example=pd.DataFrame(example),
        pip_requirements=_requirements(model),
        metadata={"sweep": dict(model.tags)},
    )


def _requirements(model: KeptModel) -> list[str]:
    """What the model needs where it is loaded; at least the versions that it was trained with."""
    trained = {name: version.partition("+")[0] for name, version in model.versions.items() if name in LIBRARIES}
    return [
        f"mlflow=={mlflow.__version__}",
        f"sentence-transformers>={OLDEST}",
        *(f"{name}>={version}" for name, version in trained.items()),
    ]


def _shape_of(folder: Path) -> tuple[bool, int]:
    """Whether a text needs a language, and how many numbers an embedding has (-1: unknown)."""
    width, needs_language = -1, False
    for module in json.loads((folder / "modules.json").read_text(encoding="utf-8")):
        kind, file = module["type"].rpartition(".")[2], folder / module["path"] / "config.json"
        config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        if kind == "Pooling":
            width = _width_of(config)
        elif kind == "Dense":
            width = config["out_features"]
        needs_language = needs_language or kind == "Router"
    return needs_language, width


def _width_of(pooling: dict[str, Any]) -> int:
    """How many numbers a pooling gives: several modes stand one behind the other."""
    modes = pooling.get("pooling_mode")  # or a flag for each
    if modes is None:
        modes = [name for name, value in pooling.items() if name.startswith("pooling_mode_") and value is True]
    count = 1 if isinstance(modes, str) else len(modes)
    return count * int(pooling.get("word_embedding_dimension") or pooling["embedding_dimension"])


def _log_metrics(client: MlflowClient, run: str, model: KeptModel, logged: LoggedModel) -> None:
    """The trial's figures as the model's: the run of the trial has the very same rows."""
    rows = [
        Metric(metric_name(key), value, model.finished_ms, model.step, model_id=logged.model_id, run_id=run)
        for key, value in model.metrics.items()
    ]
    client.log_batch(run, rows)
