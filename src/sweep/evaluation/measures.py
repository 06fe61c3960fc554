"""The benchmarks of a study as its retrievers are evaluated on them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sweep.data.benchmark import Benchmark
from sweep.data.load import benchmark_tiers
from sweep.evaluation.summarise import Members
from sweep.evaluation.tiers import tier_members
from sweep.settings import Benchmarked, EvaluationSettings


@dataclass(frozen=True, eq=False)
class Measure:
    """A benchmark with its settings and the members of its tiers."""

    settings: EvaluationSettings
    benchmark: Benchmark
    tiers: Members

    @property
    def name(self) -> str:
        """What its metric keys begin with."""
        return self.benchmark.name


Measures = tuple[Measure, ...]  # the first one is `evaluation`


def measures_of(
    settings: Benchmarked, benchmarks: Sequence[Benchmark], trained_languages: tuple[str, ...]
) -> Measures:
    """Benchmarks, in the order of `settings.evaluations`, with what each is evaluated by."""
    return tuple(
        Measure(
            section,
            benchmark,
            tier_members(benchmark.languages, benchmark_tiers(settings, section), trained_languages),
        )
        for section, benchmark in zip(settings.evaluations, benchmarks, strict=True)
    )
