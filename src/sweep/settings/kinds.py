"""Which benchmarks there are; each has its settings."""

from typing import Annotated

from pydantic import Field

from sweep.settings.afriqa import AfriqaEvaluation
from sweep.settings.evaluation import CldrEvaluation, JudgedEvaluation, LinesEvaluation, SquadEvaluation

EvaluationSettings = Annotated[
    CldrEvaluation | SquadEvaluation | JudgedEvaluation | LinesEvaluation | AfriqaEvaluation,
    Field(discriminator="kind"),
]
