"""The benchmarks of a study as its retrievers are evaluated on them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sweep.data.benchmark import Benchmark
from sweep.data.training_set import TrainingSet
from sweep.errors import InputError
from sweep.evaluation.language_removal import RemovalPlan, removal_plan
from sweep.evaluation.summarise import Members
from sweep.evaluation.tiers import tier_members
from sweep.settings import Debias, EvaluateSettings, EvaluationSettings, Settings


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

    def removals(self, methods: Sequence[Debias], training: TrainingSet | None = None) -> RemovalPlan | None:
        """How some methods remove the language here; None without any. Raises InputError as `removal_plan` does."""
        try:
            answered = self.benchmark.passage_languages
            return removal_plan(methods, self.settings, self.benchmark.languages, training, answered)
        except InputError as error:
            raise InputError(f"{self.name}: {error}") from error


Measures = tuple[Measure, ...]  # the first one is `evaluation`


def measures_of(
    settings: Settings | EvaluateSettings, benchmarks: Sequence[Benchmark], trained_languages: tuple[str, ...]
) -> Measures:
    """Benchmarks, in the order of `settings.evaluations`, with what each is evaluated by."""
    from sweep.data.load import benchmark_tiers  # all readers, and the libraries that they need

    read = settings.model.pretrained_on
    measures = []
    for section, benchmark in zip(settings.evaluations, benchmarks, strict=True):
        tiers = tier_members(benchmark.languages, benchmark_tiers(settings, section), trained_languages, read)
        measures.append(Measure(section, benchmark, tiers))
    return tuple(measures)
