"""From settings to data."""

from sweep.data.benchmark import Benchmark
from sweep.data.corpus_cache import kept_training_set
from sweep.data.languages import joshi_tiers
from sweep.data.registry import BENCHMARKS, TRAINING
from sweep.data.training_row import TrainingRows
from sweep.data.training_set import TrainingSet, training_set_of
from sweep.data.twins import with_twins
from sweep.errors import InputError
from sweep.settings import (
    Benchmarked,
    EvaluateSettings,
    EvaluationSettings,
    ExportSettings,
    InspectSettings,
    PathSettings,
    Settings,
    Tiers,
)
from sweep.settings.cache import cache_folder


def load_training_set(settings: Settings) -> TrainingSet:
    """The training data of a study. Raises InputError."""
    cache, languages = cache_folder(settings.paths), settings.languages.train
    rows = TRAINING[settings.data.kind].open(settings.data, settings.languages, cache)
    if not rows.files:  # made, not read
        return training_set_of(rows, languages)
    return kept_training_set(rows, languages, settings.data, cache)


def open_rows(settings: InspectSettings | ExportSettings) -> TrainingRows:
    """The rows of training data, in `languages.train` or, if it is empty, in all languages that they have. Raises
    InputError."""
    reader, languages = TRAINING[settings.data.kind], settings.languages
    if not languages.train:
        there = reader.languages(settings.data)
        if there is None:
            raise InputError(
                f"data.kind={settings.data.kind} does not say which languages there are: choose them, "
                "'languages.train=[en,de]' or languages=NAME"
            )
        languages = languages.model_copy(update={"train": there})
    return reader.open(settings.data, languages, cache_folder(settings.paths))


def load_compared(settings: InspectSettings) -> Benchmark | None:
    """The benchmark that training data are compared with, if one is named. Raises InputError."""
    evaluation = settings.evaluation
    if evaluation is None:
        return None
    return _read(evaluation, settings.languages.evaluate, settings.paths)


def load_benchmark(settings: Settings | EvaluateSettings, evaluation: EvaluationSettings | None = None) -> Benchmark:
    """A benchmark of a study, the first one unless `evaluation` is another's section, in `languages.evaluate` or in
    all of its languages. Raises InputError."""
    evaluation = evaluation or settings.evaluation
    return _read(evaluation, _languages(settings, evaluation), settings.paths)


def _read(evaluation: EvaluationSettings, languages: tuple[str, ...] | None, paths: PathSettings) -> Benchmark:
    read = BENCHMARKS[evaluation.kind].load(evaluation, languages, cache_folder(paths))
    return with_twins(read, evaluation.twins)


def load_benchmarks(settings: Settings | EvaluateSettings) -> tuple[Benchmark, ...]:
    """All benchmarks of a study, in the order of `settings.evaluations`. Raises InputError."""
    return tuple(load_benchmark(settings, evaluation) for evaluation in settings.evaluations)


def _languages(settings: Benchmarked, evaluation: EvaluationSettings) -> tuple[str, ...] | None:
    """The languages that a benchmark is asked for in: of several, each takes those of `languages.evaluate` it has;
    None for all of its own. Raises InputError if it has none of them, or if no benchmark has one of them."""
    asked = settings.languages.evaluate
    if asked is None or not settings.benchmarks:
        return asked
    owned = [BENCHMARKS[section.kind].languages(section) for section in settings.evaluations]
    nowhere = [code for code in asked if not any(code in own for own in owned)]
    if nowhere and all(owned):
        raise InputError(
            f"languages.evaluate: no benchmark has {' '.join(nowhere)}; "
            + "; ".join(
                f"'{section.name}' has {' '.join(own)}"
                for section, own in zip(settings.evaluations, owned, strict=True)
            )
        )
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
