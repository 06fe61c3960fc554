"""Where a study is tracked, besides its own folder."""

import warnings
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Secret, Tag

from sweep.settings.base import Name, Section
from sweep.settings.secrets import SecretUrl

Patience = Annotated[float, Field(ge=0)]
Shown = Literal["headline", "all"]  # metrics: some 40 that people look at, or every one there is


class TrackingUri(SecretUrl, Secret[str]):
    """Where MLflow is; its text and its JSON have stars for the password."""


# A class can also `register` virtual subclasses; no section does.
warnings.filterwarnings("ignore", 'Field name "register" in "MlflowTracking"', UserWarning)


class MlflowTracking(Section):
    """MLflow. `uri: null` is `mlflow.db` in the sweeps folder; otherwise any MLflow tracking URI.

    When a study ends, it waits up to `patience_s` seconds for a tracker that is behind. Metrics that are not
    logged are in artifacts of the run. `register`: the name in the model registry under which the model of the best
    point, if it was kept, becomes a version when the study ends. `system_metrics`: whether CPU, memory, disk and GPUs
    of each worker are sampled while its trial runs.
    """

    kind: Literal["mlflow"] = "mlflow"  # studies of earlier versions know no other and do not name it
    uri: TrackingUri | None
    patience_s: Patience = 30.0
    metrics: Shown = "headline"
    register: Name | None = None
    system_metrics: bool = False


class JsonLinesTracking(Section):
    """A file with a line of JSON for every row, parameter set and end of a run. `path: null` is `runs.jsonl` in the
    study's folder; several studies may share a file. `patience_s` and `system_metrics` as with MLflow."""

    kind: Literal["json_lines"]
    path: str | None
    patience_s: Patience = 30.0
    metrics: Shown = "all"
    system_metrics: bool = False


def _kind(value: Any) -> str:
    return str(value.get("kind", "mlflow") if isinstance(value, dict) else getattr(value, "kind", "mlflow"))


TrackingSettings = Annotated[
    Annotated[MlflowTracking, Tag("mlflow")] | Annotated[JsonLinesTracking, Tag("json_lines")], Discriminator(_kind)
]
