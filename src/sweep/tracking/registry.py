"""The kinds of trackers."""

from collections.abc import Callable
from typing import Any

from sweep.records.folder import StudyFolder
from sweep.settings import TrackingSettings
from sweep.tracking.json_lines import JsonLinesPlace
from sweep.tracking.mlflow_place import MlflowPlace
from sweep.tracking.protocol import Place

PLACES: dict[str, Callable[[Any, StudyFolder], Place]] = {"mlflow": MlflowPlace, "json_lines": JsonLinesPlace}


def place_of(settings: TrackingSettings, folder: StudyFolder) -> Place:
    """Where the study in `folder` is tracked."""
    return PLACES[settings.kind](settings, folder)
