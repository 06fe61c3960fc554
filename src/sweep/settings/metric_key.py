"""The key of a figure: `benchmark/family/metric`, then a language, a pair, a tier or a group of pairs, or nothing.

`xquad_r/mono/map`, `xquad_r/cross/map/en-de`, `xquad_r/pooled/alignment_consistency/low`
"""

from dataclasses import dataclass, replace
from typing import Literal

Half = Literal["select", "report"]  # of a benchmark's translation groups: to choose by, and to tell figures of


@dataclass(frozen=True)
class MetricKey:
    """The parts of a key. `part` is empty for the mean over all languages or pairs.

    Parsing does not judge: which families, metrics and parts there are depends on the benchmark, and
    `sweep.evaluation.catalogue.metric_problem` says what is wrong with a key. A part that is missing is empty, and
    what is too much is in `part`.
    """

    benchmark: str
    family: str
    metric: str
    part: str = ""

    @classmethod
    def parse(cls, text: str) -> "MetricKey":
        """The key that prints as `text`."""
        benchmark, family, metric, part, *_ = [*text.split("/", 3), "", "", ""]
        return cls(benchmark, family, metric, part)

    @classmethod
    def within(cls, benchmark: str, text: str) -> "MetricKey":
        """A key of this benchmark from its text with the benchmark or without it: `pooled/map/low`."""
        return cls.parse(text if text.startswith(f"{benchmark}/") else f"{benchmark}/{text}")

    def __str__(self) -> str:
        return "/".join(part for part in (self.benchmark, self.family, self.metric, self.part) if part)

    @property
    def name(self) -> str:
        """The key without its benchmark, such as `pooled/map/low`."""
        return str(replace(self, benchmark=""))

    @property
    def whole(self) -> "MetricKey":
        """The same metric over all languages or pairs."""
        return replace(self, part="")

    def on(self, benchmark: str) -> "MetricKey":
        """The same figure on another benchmark."""
        return replace(self, benchmark=benchmark)

    def of_half(self, half: Half) -> "MetricKey":
        """The same figure on one half of the benchmark's questions: `xquad_r+report/mono/map`."""
        return replace(self, benchmark=f"{self.benchmark}+{half}")

    def of(self, part: str) -> "MetricKey":
        """The same metric of one language, pair or tier."""
        return replace(self, part=part)
