"""What the end of a study says beyond its figures."""

from typing import Annotated

from pydantic import Field

from sweep.settings.base import Section

WITH_MARGIN = ("map", "alignment_consistency")  # the metrics that a margin is for


class ReportSettings(Section):
    """`margin`: ratios whose mAP or alignment_consistency is shown to differ by less are called equal; null: none
    are. It changes what is printed, and no result."""

    margin: Annotated[float, Field(gt=0, le=1)] | None


DEFAULT_REPORT = ReportSettings(margin=0.01)
