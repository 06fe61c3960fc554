"""What the end of a study says beyond its figures, and which files say it."""

from typing import Annotated

from pydantic import Field

from sweep.settings.base import Section

WITH_MARGIN = ("map", "alignment_consistency")  # the metrics that a margin is for


class ReportSettings(Section):
    """What is printed and written of a study; no result depends on it.

    `margin`: ratios whose mAP or alignment_consistency is shown to differ by less are called equal; null: none are.
    `files`: whether `report.html`, `answer.md` and `charts/` are written to the study's folder, at its end and, while
    it runs, at most every `every_s` seconds (null: at its end alone). `texts`: whether the report quotes questions
    and passages of the benchmark.
    """

    margin: Annotated[float, Field(gt=0, le=1)] | None
    files: bool
    every_s: Annotated[float, Field(gt=0)] | None
    texts: bool


DEFAULT_REPORT = ReportSettings(margin=0.01, files=True, every_s=60.0, texts=True)
