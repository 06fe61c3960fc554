"""Data as MLflow's datasets: the tables of runs show them, and a run can be looked for by them."""

import json

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from sweep.records.data_record import DataRecord

LONGEST_DIGEST = 36  # that MLflow takes; the whole one is in the profile
LONGEST_NAME = 500


def dataset_of(record: DataRecord) -> DatasetInput:
    """A record as the input of a run; its role is the context."""
    if record.source.startswith(("http://", "https://")):
        kind, source = "http", {"url": record.source}
    else:
        kind, source = "local", {"uri": record.source}
    profile = {
        "languages": list(record.languages),
        "questions": record.questions,
        "passages": record.passages,
        "sha256": record.digest,
    }
    dataset = Dataset(
        name=record.name[:LONGEST_NAME],
        digest=record.digest[:LONGEST_DIGEST],
        source_type=kind,
        source=json.dumps(source),
        profile=json.dumps(profile),
    )
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, record.role)])
