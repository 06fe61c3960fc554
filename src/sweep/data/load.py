"""From settings to data."""

from sweep.data.benchmark import Benchmark
from sweep.data.corpus_cache import kept_training_set
from sweep.data.languages import joshi_tiers
from sweep.data.registry import BENCHMARKS, TRAINING
from sweep.data.training_set import TrainingSet, training_set_of
from sweep.data.twins import with_twins
from sweep.errors import InputError
from sweep.settings import Benchmarked, EvaluateSettings, EvaluationSettings, Settings, Tiers
from sweep.settings.cache import cache_folder


def load_training_set(settings: Settings) -> TrainingSet:
    """The training data of a study. Raises InputError."""
    cache, languages = cache_folder(settings.paths), settings.languages.train
    rows = TRAINING[settings.data.kind].open(settings.data, settings.languages, cache)
    if not rows.files:  # made, not read
        return training_set_of(rows, languages)
    return kept_training_set(rows, languages, settings.data, cache)


def load_benchmark(settings: Settings | EvaluateSettings, evaluation: EvaluationSettings | None = None) -> Benchmark:
    """A benchmark of a study, the first one unless `evaluation` is another's section, in `languages.evaluate` or in
    all of its languages. Raises InputError."""
    evaluation = evaluation or settings.evaluation
    reader = BENCHMARKS[evaluation.kind]
    read = reader.load(evaluation, _languages(settings, evaluation), cache_folder(settings.paths))
    return with_twins(read, evaluation.twins)


def load_benchmarks(settings: Settings | EvaluateSettings) -> tuple[Benchmark, ...]:
    """All benchmarks of a study, in the order of `settings.evaluations`. Raises InputError."""
    return tuple(load_benchmark(settings, evaluation) for evaluation in settings.evaluations)


def _languages(settings: Benchmarked, evaluation: EvaluationSettings) -> tuple[str, ...] | None:
    """The languages that a benchmark is asked for in: of `languages.evaluate` a further one takes those that it has;
    None for all of its own. Raises InputError if it has none of them."""
    asked = settings.languages.evaluate
    if asked is None or evaluation is settings.evaluation:
        return asked
    own = BENCHMARKS[evaluation.kind].languages(evaluation)
    common = tuple(code for code in asked if code in own)
    if own and not common:
        raise InputError(
            f"the benchmark '{evaluation.name}' has none of languages.evaluate ({' '.join(asked)}); it has "
            f"{' '.join(own)}: add one of these, or leave the benchmark out"
        )
    return common or asked  # one that has no list of its own takes any


def benchmark_tiers(settings: Benchmarked, evaluation: EvaluationSettings | None = None) -> Tiers:
    """The tiers of a benchmark, the first one unless `evaluation` is another's section: the language grid's, else the
    benchmark's own, else those of Joshi et al. 2020."""
    evaluation = evaluation or settings.evaluation
    declared = settings.languages.tiers or evaluation.tiers
    if declared is not None:
        return declared
    return joshi_tiers(_languages(settings, evaluation) or BENCHMARKS[evaluation.kind].languages(evaluation))
