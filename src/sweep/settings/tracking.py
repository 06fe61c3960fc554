"""Where a study is tracked, besides its own folder."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Secret, Tag

from sweep.settings.base import Section
from sweep.settings.secrets import SecretUrl

Patience = Annotated[float, Field(ge=0)]
Shown = Literal["headline", "all"]  # metrics: some 40 that people look at, or every one there is


class TrackingUri(SecretUrl, Secret[str]):
    """Where MLflow is; its text and its JSON have stars for the password."""


class MlflowTracking(Section):
    """MLflow. `uri: null` is `mlflow.db` in the sweeps folder; otherwise any MLflow tracking URI.

    When a study ends, it waits up to `patience_s` seconds for a tracker that is behind. Metrics that are not
    logged are in artifacts of the run.
    """

    kind: Literal["mlflow"] = "mlflow"  # studies of earlier versions know no other and do not name it
    uri: TrackingUri | None
    patience_s: Patience = 30.0
    metrics: Shown = "headline"


class JsonLinesTracking(Section):
    """A file with a line of JSON for every row, parameter set and end of a run. `path: null` is `runs.jsonl` in the
    study's folder; several studies may share a file. `patience_s` as with MLflow."""

    kind: Literal["json_lines"]
    path: str | None
    patience_s: Patience = 30.0
    metrics: Shown = "all"


def _kind(value: Any) -> str:
    return str(value.get("kind", "mlflow") if isinstance(value, dict) else getattr(value, "kind", "mlflow"))


TrackingSettings = Annotated[
    Annotated[MlflowTracking, Tag("mlflow")] | Annotated[JsonLinesTracking, Tag("json_lines")], Discriminator(_kind)
]
