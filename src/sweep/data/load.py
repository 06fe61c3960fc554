"""From settings to data: which reader a `kind` names, and the checks that concern both sides."""

from sweep.data.benchmark import Benchmark
from sweep.data.cldr import cldr_benchmark, cldr_training_set
from sweep.data.judged import judged_benchmark, judged_languages
from sweep.data.languages import joshi_tiers
from sweep.data.squad import squad_benchmark, squad_languages, squad_training_set
from sweep.data.training_set import TrainingSet
from sweep.errors import InputError
from sweep.settings import (
    CldrData,
    CldrEvaluation,
    EvaluateSettings,
    JudgedEvaluation,
    Settings,
    SquadEvaluation,
    Tiers,
)
from sweep.settings.cache import cache_folder


def load_training_set(settings: Settings) -> TrainingSet:
    """The training data of a study. Raises InputError."""
    languages = settings.languages.train
    if isinstance(settings.data, CldrData):
        return cldr_training_set(settings.data, languages, settings.languages.tiers or joshi_tiers(languages))
    return squad_training_set(settings.data, languages, cache_folder(settings.paths))


def load_benchmark(settings: Settings | EvaluateSettings) -> Benchmark:
    """The benchmark of a study, in `languages.evaluate` or in all of its languages. Raises InputError."""
    evaluation, languages = settings.evaluation, settings.languages.evaluate
    if isinstance(evaluation, CldrEvaluation):
        if not languages:
            raise InputError(
                "evaluation=cldr needs its languages: choose languages=cldr_14 or set languages.evaluate"
            )
        return cldr_benchmark(evaluation, languages)
    if isinstance(evaluation, JudgedEvaluation):
        return judged_benchmark(evaluation, languages, cache_folder(settings.paths))
    return squad_benchmark(evaluation, languages, cache_folder(settings.paths))


def benchmark_tiers(settings: Settings | EvaluateSettings) -> Tiers:
    """The language grid's tiers, else the benchmark's own, else those of Joshi et al. 2020."""
    declared = settings.languages.tiers or settings.evaluation.tiers
    if declared is not None:
        return declared
    evaluation = settings.evaluation
    languages = settings.languages.evaluate or ()
    if not languages and isinstance(evaluation, SquadEvaluation):
        languages = squad_languages(evaluation.corpus, evaluation.path)
    elif not languages and isinstance(evaluation, JudgedEvaluation):
        languages = judged_languages(evaluation)
    return joshi_tiers(languages)


def check_zero_shot(training: TrainingSet, benchmark: Benchmark) -> None:
    """Refuse training data that holds a question of the benchmark, in whatever language. Raises InputError."""
    used = {int(index) for index in training.question_gl.ravel() if index >= 0}
    asked = {training.texts[index] for index in used}
    groups = set(training.groups)
    shared = [question for question in benchmark.questions if question.text in asked or question.group in groups]
    if shared:
        raise InputError(
            f"{len(shared)} questions of the benchmark '{benchmark.name}' occur in the training data, the first: "
            f"'{shared[0].text}'. Evaluation is zero-shot: choose other training data or another benchmark"
        )
