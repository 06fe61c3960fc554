"""The second part of a trial: training its retriever."""

from collections.abc import Callable

import numpy as np
import torch
from accelerate import Accelerator

from sweep.data.benchmark import Benchmark
from sweep.evaluation.tiers import study_tiers
from sweep.evaluation.validation import Validator
from sweep.model.encoder import Retriever
from sweep.model.lora import Adapters
from sweep.model.token_cache import TokenCache
from sweep.settings import Settings
from sweep.settings.cache import cache_folder
from sweep.settings.identity import earlier_fingerprints, trial_fingerprint
from sweep.settings.metric_key import MetricKey
from sweep.training.checkpoint import Checkpoints
from sweep.training.code_switch import with_switched
from sweep.training.loop import Trained, Training
from sweep.training.losses.registry import make_loss
from sweep.training.plan import BatchPlan
from sweep.training.step import ContrastiveStep
from sweep.training.teacher import make_teacher
from sweep.training.tokens import TokenTable
from sweep.training.watch import Watch
from sweep.trial.preparation import Prepared, Trial


def train(trial: Trial, prepared: Prepared, accelerator: Accelerator, watch: Watch) -> Trained:
    """Train the retriever in place, or go on with it; adapters are part of its weights afterwards.

    Raises TrialFailed (a loss or an embedding is not finite), Paused, Pruned or Fenced.
    """
    settings, retriever, texts = trial.settings, prepared.retriever, prepared.texts
    adapters = _adapters(retriever, settings, watch.on_note)
    # Dropout differs between ranks, as they encode different rows; the plan of batches does not.
    torch.manual_seed(settings.seed * 1_000_003 + accelerator.process_index)
    fit = settings.train
    loss = make_loss(settings.loss, fit)
    plan = BatchPlan(
        texts.training, settings.ratio, fit.batch_size, settings.seed, fit.steps * fit.accumulate_batches,
        fit.hard_negatives, loss.needs,
    )  # fmt: skip
    teacher = None
    if loss.needs.teacher:
        cache = cache_folder(settings.paths)
        teacher = make_teacher(settings, retriever, texts.training, cache, accelerator, watch.on_note)
    if plan.translated is not None:
        groups = np.count_nonzero(texts.training.kept_g)
        watch.on_note(
            f"loss={settings.loss.kind}: {plan.translated:,} of {groups:,} translation groups have translations"
        )
    batches = with_switched(plan, texts.lexicon, settings.ratio.code_switch)
    if fit.recompute_activations:
        retriever.encoder.backbone.gradient_checkpointing_enable()
    if fit.compile:
        retriever.encoder.compile_backbone()
    table = TokenTable(retriever, texts.training, prepared.tokens, watch.on_note)
    step = ContrastiveStep(retriever, table, fit, accelerator, loss, teacher)
    validate = None
    if texts.validation is not None:
        validate = _validator(retriever, texts.validation, settings, accelerator, prepared.tokens)
    checkpoints = _checkpoints(trial, accelerator)
    weights = settings.loss.weights
    trained = Training(step, retriever.encoder, batches, fit, accelerator, checkpoints, validate, weights).run(watch)
    if adapters is not None:
        adapters.merge()
    return trained


def _checkpoints(trial: Trial, accelerator: Accelerator) -> Checkpoints:
    settings = trial.settings
    return Checkpoints(
        trial.checkpoint,
        trial_fingerprint(settings),
        accelerator,
        trial.attempt,
        trial.still_mine,
        earlier_fingerprints(settings),
        settings.seed,
        trial.copies,
    )


def _validator(
    retriever: Retriever, validation: Benchmark, settings: Settings, accelerator: Accelerator, tokens: TokenCache
) -> Validator:
    """Evaluates what was held out, by the tiers of the study; the study's objective is one of its figures."""
    tiers = study_tiers(settings, validation)
    objective = MetricKey.parse(settings.study.objectives[0].metric)
    return Validator(retriever, validation, tiers, accelerator, (objective.family, objective.metric), tokens)


def _adapters(retriever: Retriever, settings: Settings, on_note: Callable[[str], None]) -> Adapters | None:
    """LoRA's adapters in the retriever's encoder, if that is asked for."""
    if settings.model.lora is None:
        return None
    adapters = Adapters(retriever, settings.model.lora, settings.seed)
    on_note(f"training adapters of {adapters.trained:,} parameters; {adapters.full_size:,} in all")
    return adapters
