"""From settings to data."""

from sweep.data.benchmark import Benchmark
from sweep.data.corpus_cache import kept_training_set
from sweep.data.languages import joshi_tiers
from sweep.data.registry import BENCHMARKS, TRAINING
from sweep.data.training_set import TrainingSet, training_set_of
from sweep.data.twins import with_twins
from sweep.settings import EvaluateSettings, Settings, Tiers
from sweep.settings.cache import cache_folder


def load_training_set(settings: Settings) -> TrainingSet:
    """The training data of a study. Raises InputError."""
    cache, languages = cache_folder(settings.paths), settings.languages.train
    rows = TRAINING[settings.data.kind].open(settings.data, settings.languages, cache)
    if not rows.files:  # made, not read
        return training_set_of(rows, languages)
    return kept_training_set(rows, languages, settings.data, cache)


def load_benchmark(settings: Settings | EvaluateSettings) -> Benchmark:
    """The benchmark of a study, in `languages.evaluate` or in all of its languages. Raises InputError."""
    reader = BENCHMARKS[settings.evaluation.kind]
    read = reader.load(settings.evaluation, settings.languages.evaluate, cache_folder(settings.paths))
    return with_twins(read, settings.evaluation.twins)


def benchmark_tiers(settings: Settings | EvaluateSettings) -> Tiers:
    """The language grid's tiers, else the benchmark's own, else those of Joshi et al. 2020."""
    declared = settings.languages.tiers or settings.evaluation.tiers
    if declared is not None:
        return declared
    evaluation = settings.evaluation
    return joshi_tiers(settings.languages.evaluate or BENCHMARKS[evaluation.kind].languages(evaluation))
