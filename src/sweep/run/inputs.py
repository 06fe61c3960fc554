"""The inputs of a study, checked before any trial starts: its data, its benchmarks, and what it is to find."""

from collections.abc import Iterator

from sweep.data.benchmark import Benchmark
from sweep.data.bilingual import check_lexicon, load_lexicon
from sweep.data.holdout import hold_out, validation_key
from sweep.data.leakage import check_zero_shot
from sweep.data.load import load_benchmarks, load_training_set
from sweep.data.training_set import TrainingSet
from sweep.errors import InputError, shortened
from sweep.evaluation.catalogue import metric_problem
from sweep.evaluation.halves import half_of
from sweep.evaluation.measures import Measure, Measures, measures_of
from sweep.evaluation.reachable import reachable_cells
from sweep.evaluation.script_groups import SCRIPT_GROUPS
from sweep.evaluation.tiers import study_tiers
from sweep.records.folder import StudyFolder
from sweep.run.notes import StudyNotes, study_notes
from sweep.settings import Settings, StudySettings
from sweep.settings.cache import cache_folder
from sweep.settings.metric_key import MetricKey
from sweep.training.needs import NOTHING, Needs
from sweep.training.plan import BatchPlan

FEWEST_GROUPS = 2  # of a half: one has no variance


def checked_inputs(settings: Settings, folder: StudyFolder) -> StudyNotes:
    """Find bad input before any trial starts: objective, data, overlap of training and evaluation. What is no
    error and should be known all the same is returned. Raises InputError."""
    benchmarks, training = load_benchmarks(settings), load_training_set(settings)
    measures = measures_of(settings, benchmarks, settings.languages.train)
    for one in measures:
        check_zero_shot(training, one.benchmark, cache_folder(settings.paths))
        one.removals(one.settings.debias, training)
        if settings.study.selects_on_half:
            _check_halves(one.benchmark)
    if (lexicon := load_lexicon(settings)) is not None:
        for one in measures:
            check_lexicon(lexicon, one.benchmark)
    trained = training
    if settings.train.validation.every_steps is not None:
        trained, validation = hold_out(training, settings.train.validation.groups)
        _check_validation(settings, validation)
    _check_batches(settings, trained)
    for place, metric in _goals(settings.study):
        if problem := _goal_problem(metric, measures):
            raise InputError(f"{place}: {problem}")
    return study_notes(settings, folder, training, benchmarks, trained)


def _check_batches(settings: Settings, trained: TrainingSet) -> None:
    """Whether there are rows for the kinds of batches that the study asks for, as far as it is known before. Raises
    InputError."""
    space, ratio, fit = settings.study.space, settings.ratio, settings.train
    if any(path == "ratio" or path.split(".")[0] in ("data", "languages") for path in space):
        return
    searched = space.get("ratio.monolingual")
    shares = (searched.listed or searched.float_range or ()) if searched else (ratio.monolingual,)
    if "train.batch_size" in space:
        ratio = ratio.model_copy(update={"few_rows": "smaller"})
    needs = _needs(settings)
    for share in sorted({min(shares), max(shares)}) if shares else ():
        mix = ratio.model_copy(update={"monolingual": share})
        BatchPlan(trained, mix, fit.batch_size, settings.seed, fit.steps, fit.hard_negatives, needs)


def _needs(settings: Settings) -> Needs:
    """What the loss needs of the data, where it is the same in all points."""
    if settings.loss.kind == "info_nce" or any(path.split(".")[0] == "loss" for path in settings.study.space):
        return NOTHING
    from sweep.training.losses.registry import make_loss  # imports torch: seconds

    return make_loss(settings.loss, settings.train).needs


def _goals(study: StudySettings) -> Iterator[tuple[str, str]]:
    """The metrics that are asked for, with what asks."""
    yield from (("study.objectives", objective.metric) for objective in study.objectives)
    yield from (("study.constraints", constraint.metric) for constraint in study.constraints)


def _goal_problem(metric: str, measures: Measures) -> str | None:
    """What is wrong with a metric's key, or None."""
    named = MetricKey.parse(metric).benchmark
    measure = next((one for one in measures if one.name == named), None)
    if measure is None and len(measures) > 1:
        names = ", ".join(f"'{one.name}/'" for one in measures)
        return f"'{shortened(metric)}' is not a metric of this study's benchmarks; it must start with one of {names}"
    return _metric_problem(metric, measure or measures[0])


def _metric_problem(metric: str, measure: Measure) -> str | None:
    benchmark, search = measure.benchmark, measure.settings.search
    depth = None if search is None or search.index == "exact" else search.depth
    known = benchmark.name, benchmark.protocol, benchmark.languages, measure.tiers, depth, benchmark.is_parallel
    return metric_problem(metric, *known, reachable=reachable_cells(benchmark))


def _check_halves(benchmark: Benchmark) -> None:
    """Whether both halves of the questions can tell something. Raises InputError."""
    groups = {question.group for question in benchmark.questions}
    selecting = sum(half_of(group) == "select" for group in groups)
    if min(selecting, len(groups) - selecting) < FEWEST_GROUPS:
        raise InputError(
            f"study.select_on=half: {benchmark.name} has {len(groups)} questions, {selecting} of them to choose by; "
            f"each half needs {FEWEST_GROUPS}: set study.select_on=all"
        )


def _check_validation(settings: Settings, held_out: Benchmark) -> None:
    """Whether early stopping and pruning can find their metrics. Raises InputError."""
    tiers = study_tiers(settings, held_out)
    needed = {}
    if settings.train.early_stopping.patience is not None:
        needed["train.early_stopping.metric"] = settings.train.early_stopping.metric
    if settings.study.pruner.kind != "none":
        needed["study.pruner judges by the objective's counterpart"] = validation_key(
            settings.study.objectives[0].metric
        )
    for name, metric in needed.items():
        problem = metric_problem(
            metric, held_out.name, held_out.protocol, held_out.languages, tiers, is_parallel=held_out.is_parallel
        )
        part = MetricKey.parse(metric).part
        if problem is None and part not in ("", *tiers, *SCRIPT_GROUPS):
            problem = f"'{metric}': while a training runs there are no figures of single languages or pairs"
        if problem:
            raise InputError(f"{name}: {problem}")
