"""Settings of `python -m sweep.data`: what is looked at in training data, and where its rows are written to."""

from typing import Annotated, Literal

from pydantic import Field

from sweep.settings.base import LanguageSettings, PathSettings, Positive, Probability, Section
from sweep.settings.kinds import EvaluationSettings
from sweep.settings.mix import DataSettings
from sweep.settings.training import ModelSettings


class DetectionSettings(Section):
    """How the declared languages are checked: on up to `sample` distinct texts of each, drawn by `seed`, that have at
    least `shortest` characters. What the detector is less sure of than `confidence` counts as undecided. A language
    is suspicious if more than the share `suspicious` of its decided texts is in others."""

    sample: Positive
    shortest: Positive
    confidence: Probability
    suspicious: Probability
    seed: Annotated[int, Field(ge=0)]


class InspectSettings(Section):
    """Training data to look at. Empty `languages.train`: all that the data has. `evaluation`: a benchmark to compare
    it with; texts of at least the similarity `near_copies` are counted as near copies. `model`: whose tokens count.
    `picture`: a PNG or SVG file."""

    paths: PathSettings
    languages: LanguageSettings
    data: DataSettings
    evaluation: EvaluationSettings | None
    model: ModelSettings | None
    detection: DetectionSettings
    near_copies: Annotated[float, Field(ge=0.5, le=1)] | None
    format: Literal["table", "json"]
    picture: str | None


class ExportSettings(Section):
    """Training data to write, row by row, to a file whose name says its format."""

    paths: PathSettings
    languages: LanguageSettings
    data: DataSettings
    output: str
