"""Settings that are valid alone and not together."""

from collections.abc import Callable
from itertools import permutations

from sweep.settings import Settings
from sweep.settings.accelerate_config import accelerate_config, accelerate_problem
from sweep.settings.merging import BATCHES, MERGE, MIX, merges
from sweep.settings.switching import switching_problem
from sweep.settings.wording import listed, written
from sweep.settings.zero_shot import zero_shot_problem


def _translations_are_cross_lingual(settings: Settings) -> str | None:
    if settings.data.kind != "bitext" or settings.data.pairs != "translation":
        return None
    searched = settings.study.space.get("ratio.monolingual")
    shares = (searched.listed or searched.float_range or (0,)) if searched else (settings.ratio.monolingual,)
    if not any(shares) and not settings.ratio.monolingual_end:
        return None
    return (
        "data.pairs=translation has no monolingual rows, since a sentence would be its own passage, and "
        f"ratio.monolingual={written(next(filter(None, shares), 0))} asks for them: set ratio=crosslingual, or "
        "data.pairs=neighbour, which pairs a sentence with the next one of its document in any language"
    )


def _held_out_groups_have_a_language(settings: Settings) -> str | None:
    translations = settings.data.kind == "bitext" and settings.data.pairs == "translation"
    if not translations or settings.train.validation.every_steps is None:
        return None
    return (
        "train.validation.every_steps: groups that are held out need a question and a passage in one language, and "
        "data.pairs=translation has none: set train.validation.every_steps=null, or data.pairs=neighbour"
    )


def _cross_needs_two_languages(settings: Settings) -> str | None:
    if settings.ratio.kinds[1] and len(settings.languages.train) < 2:
        return (
            f"ratio.monolingual={settings.ratio.monolingual}: cross-lingual batches need at least 2 languages in "
            f"languages.train, not {len(settings.languages.train)}"
        )
    return None if settings.languages.train else "languages.train is empty: name at least one language"


def _loss_has_its_languages(settings: Settings) -> str | None:
    loss, trained = settings.loss, settings.languages.train
    if loss.kind in ("clear", "translation") and len(trained) < 2:
        return f"loss={loss.kind} compares questions in two languages, and languages.train has {len(trained)}"
    if loss.kind == "distill" and loss.target == "language_agnostic" and loss.pivot not in trained:
        return f"loss.pivot={loss.pivot} is not of languages.train: {listed(trained)}"
    return None


def _weights_name_languages(settings: Settings) -> str | None:
    ratio, trained = settings.ratio, settings.languages.train
    sources = getattr(settings.data, "names", ())
    for name, weights, known in (
        ("language_weights", ratio.language_weights, set(trained)),
        ("pair_weights", ratio.pair_weights, {f"{one}-{other}" for one, other in permutations(trained, 2)}),
        ("source_weights", ratio.source_weights, set(sources)),
    ):
        unknown = sorted(weights.keys() - known)
        if unknown:
            there = "the sources of data=mix" if name == "source_weights" else "languages.train"
            has = listed(sources if name == "source_weights" else trained) or "none"
            return f"ratio.{name} weighs '{unknown[0]}', which is not of {there}: {has}"
    return None


def _batch_covers_ranks(settings: Settings) -> str | None:
    if settings.train.batch_size < settings.launcher.processes:
        return (
            f"train.batch_size={settings.train.batch_size}: must be at least launcher.processes "
            f"({settings.launcher.processes}), so that every process has a row"
        )
    return None


def _warmup_fits(settings: Settings) -> str | None:
    if settings.train.warmup_steps >= settings.train.steps:
        return (
            f"train.warmup_steps={settings.train.warmup_steps}: must be smaller than train.steps "
            f"({settings.train.steps})"
        )
    return None


def _pruning_needs_validations(settings: Settings) -> str | None:
    if settings.study.pruner.kind != "none" and settings.train.validation.every_steps is None:
        return (
            f"study.pruner.kind={settings.study.pruner.kind} judges trials by their validations: set "
            "train.validation.every_steps"
        )
    return None


def _exported_removal_is_measured(settings: Settings) -> str | None:
    method, evaluation = settings.study.export_debias, settings.evaluation
    if method is None or (method in evaluation.debias and evaluation.debias_on == "train"):
        return None
    return (
        f"study.export_debias={method}: a model carries only what was measured, and nothing of the benchmark: set "
        f"evaluation.debias=[{method}] and evaluation.debias_on=train"
    )


def _samples_of_this_machine(settings: Settings) -> str | None:
    if settings.tracking.system_metrics and not settings.launcher.is_local:
        return (
            f"tracking.system_metrics samples this machine, and launcher={settings.launcher.kind} has its workers "
            "elsewhere: set tracking.system_metrics=false"
        )
    return None


def _somebody_works(settings: Settings) -> str | None:
    if settings.launcher.workers != 0:
        return None
    if settings.launcher.kind == "join":
        return "launcher.workers=0: with launcher=join there have to be workers that help"
    if settings.study.storage is None:
        return "launcher.workers=0 leaves the study to commands that join it: that needs PostgreSQL as study.storage"
    return None


def _scratch_needs_common_places(settings: Settings) -> str | None:
    study = settings.study
    if settings.launcher.scratch is None or (study.storage is not None and study.artifacts is not None):
        return None
    lacking = "study.storage (PostgreSQL)" if study.storage is None else "study.artifacts"
    return (
        f"launcher.scratch={settings.launcher.scratch}: workers that do not share the sweeps folder need {lacking}, "
        "which they and this command reach"
    )


def _merges_have_parents(settings: Settings) -> str | None:
    if settings.ratio.mix == MERGE and MIX not in settings.study.space:
        return (
            f"{MIX}={MERGE} averages two models that the same study trains: search it beside ratio.monolingual, with "
            f"study.space.{MIX}={{grid: [{BATCHES}, {MERGE}]}}"
        )
    if not merges(settings.study) or settings.launcher.accelerate_config is None:
        return None
    if accelerate_config(settings).sharding is not None:
        return f"launcher.accelerate_config: weights in parts on all ranks cannot be merged ({MIX}={MERGE})"
    return None


STUDY_CHECKS: tuple[Callable[[Settings], str | None], ...] = (
    zero_shot_problem,
    switching_problem,
    _translations_are_cross_lingual,
    _held_out_groups_have_a_language,
    _cross_needs_two_languages,
    _loss_has_its_languages,
    _weights_name_languages,
    _batch_covers_ranks,
    _warmup_fits,
    _pruning_needs_validations,
    _exported_removal_is_measured,
    _samples_of_this_machine,
    _somebody_works,
    accelerate_problem,
    _scratch_needs_common_places,
    _merges_have_parents,
)
