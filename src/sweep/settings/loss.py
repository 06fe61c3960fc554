"""Which loss a training has: one class a loss, distinguished by `kind`."""

from typing import Literal

from sweep.settings.base import Section


class InfoNceSettings(Section):
    """InfoNCE over the whole global batch; `train.temperature` divides its cosine similarities."""

    kind: Literal["info_nce"] = "info_nce"


LossSettings = InfoNceSettings  # with a second loss: Annotated[InfoNceSettings | ..., Field(discriminator="kind")]
DEFAULT_LOSS = InfoNceSettings()  # what every study had before there was a choice
