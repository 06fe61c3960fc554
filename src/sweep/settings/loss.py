"""Which loss a training has: one class a loss, distinguished by `kind`."""

from typing import Annotated, Literal

from pydantic import Field

from sweep.settings.base import Positive
from sweep.settings.by_kind import EQUAL_WEIGHTS, ONE_TEMPERATURE, LossSection


class InfoNceSettings(LossSection):
    """InfoNCE over the whole global batch; `train.temperature` divides its cosine similarities."""

    kind: Literal["info_nce"] = "info_nce"


class DebiasSettings(LossSection):
    """InfoNCE, and `weight` times a penalty on what tells the languages of embeddings apart.

    `penalty`: how far the languages' means are from each other (`mean`), or how much of each embedding lies in the
    first `directions` of the subspace that these means span (`subspace`). `momentum`: of the running mean of each
    language, which stands for it in batches without it (null: only the languages of the batch count)."""

    kind: Literal["debias"]
    weight: Annotated[float, Field(ge=0)]
    penalty: Literal["mean", "subspace"]
    directions: Positive
    momentum: Annotated[float, Field(ge=0, lt=1)] | None


LossSettings = Annotated[InfoNceSettings | DebiasSettings, Field(discriminator="kind")]
# What every study had before there was a choice.
DEFAULT_LOSS = InfoNceSettings(temperatures=ONE_TEMPERATURE, weights=EQUAL_WEIGHTS)
