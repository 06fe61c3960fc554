"""Which loss a training has: one class a loss, distinguished by `kind`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sweep.settings.base import Language, Positive, Probability
from sweep.settings.by_kind import EQUAL_WEIGHTS, ONE_TEMPERATURE, LossSection
from sweep.settings.training import AUTO
from sweep.settings.untrained import UNTOUCHED

Weight = Annotated[float, Field(ge=0)]


class InfoNceSettings(LossSection):
    """InfoNCE over the whole global batch; `train.temperature` divides its cosine similarities."""

    kind: Literal["info_nce"] = "info_nce"


class DebiasSettings(LossSection):
    """InfoNCE, and `weight` times a penalty on what tells the languages of embeddings apart.

    `penalty`: how far the languages' means are from each other (`mean`), or how much of each embedding lies in the
    first `directions` of the subspace that these means span (`subspace`). `momentum`: of the running mean of each
    language, which stands for it in batches without it (null: only the languages of the batch count)."""

    kind: Literal["debias"]
    weight: Weight
    penalty: Literal["mean", "subspace"]
    directions: Positive
    momentum: Annotated[float, Field(ge=0, lt=1)] | None


class ClearSettings(LossSection):
    """CLEAR: InfoNCE, InfoNCE from passages to questions in another language, and the divergence of the two.

    The shares of the last two; the first has what is left of 1."""

    kind: Literal["clear"]
    reverse_weight: Probability
    divergence_weight: Probability

    @model_validator(mode="after")
    def _shares_of_one(self) -> "ClearSettings":
        if self.reverse_weight + self.divergence_weight > 1:
            raise ValueError("reverse_weight and divergence_weight are shares: together at most 1")
        return self


class TranslationSettings(LossSection):
    """InfoNCE, and `weight` times the ranking of translations among the questions of the batch."""

    kind: Literal["translation"]
    weight: Weight


class DistillSettings(LossSection):
    """InfoNCE, and `weight` times the distance to what a teacher makes of the batch.

    `target`: of the same texts (`retention`), or of their translations in the language `pivot`
    (`language_agnostic`). `compare`: each embedding, or how similar a question is to the passages of the batch.
    `teacher`: the encoder before any training (`untouched`), or the folder or hub name of another one, whose prefixes
    are what its folder says (`auto`) or these. `teacher_files` identifies its files; it is filled in."""

    kind: Literal["distill"]
    weight: Weight
    target: Literal["retention", "language_agnostic"]
    pivot: Language | None
    compare: Literal["embeddings", "similarities"]
    teacher: Annotated[str, Field(min_length=1)]
    teacher_query_prefix: str
    teacher_passage_prefix: str
    teacher_files: str | None

    @property
    def other_teacher(self) -> str | None:
        """The folder or hub name of a teacher that is not the study's own encoder."""
        return None if self.teacher == UNTOUCHED else self.teacher

    @model_validator(mode="after")
    def _is_whole(self) -> "DistillSettings":
        if self.target == "language_agnostic" and self.pivot is None:
            raise ValueError("target=language_agnostic needs the language of the translations: set loss.pivot")
        prefixes = {self.teacher_query_prefix, self.teacher_passage_prefix}
        if self.other_teacher is None and prefixes != {AUTO}:
            raise ValueError("teacher=untouched has the prefixes of the model: leave the teacher's at auto")
        return self


LossSettings = Annotated[
    InfoNceSettings | ClearSettings | DebiasSettings | DistillSettings | TranslationSettings,
    Field(discriminator="kind"),
]
# What every study had before there was a choice.
DEFAULT_LOSS = InfoNceSettings(temperatures=ONE_TEMPERATURE, weights=EQUAL_WEIGHTS)
