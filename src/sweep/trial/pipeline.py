"""One trial: train a retriever with one point's settings and evaluate it. Knows neither Optuna nor MLflow."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import accelerate
import faiss
import numpy as np
import torch
import transformers
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from sweep import __version__
from sweep.data.benchmark import Benchmark
from sweep.data.holdout import hold_out
from sweep.data.load import benchmark_tiers, check_zero_shot, load_benchmark, load_training_set
from sweep.data.training_set import TrainingSet
from sweep.evaluation.scoring import IN_MEMORY_TEXTS, Evaluation, evaluate, passage_texts, question_texts
from sweep.evaluation.summarise import Members
from sweep.evaluation.tiers import tier_members
from sweep.evaluation.validation import Validator
from sweep.model.build import build_retriever, load_pretrained
from sweep.model.encoder import ROLES, Retriever
from sweep.model.lora import Adapters
from sweep.model.token_cache import TokenCache
from sweep.model.vocabulary import restrict_vocabulary, with_full_vocabulary
from sweep.records.values import TrialResult
from sweep.settings import HfModel, Settings, TinyModel
from sweep.settings.cache import cache_folder
from sweep.settings.metric_key import MetricKey
from sweep.training.checkpoint import Checkpoints
from sweep.training.loop import Trained, Training
from sweep.training.plan import BatchPlan
from sweep.training.step import ContrastiveStep
from sweep.training.tokens import TokenTable, training_tokens
from sweep.training.watch import Watch


class TrialTexts(NamedTuple):
    """What a trial trains on, what it is evaluated on, and what it is evaluated on while it trains, if it is."""

    training: TrainingSet
    benchmark: Benchmark
    validation: Benchmark | None


class TrialData:
    """Training sets and benchmarks; the last ones are kept from trial to trial while their settings stay the same."""

    def __init__(self) -> None:
        self._kept: tuple[str, TrialTexts] | None = None

    def of(self, settings: Settings) -> TrialTexts:
        """The training set and the benchmarks of one point. Raises InputError."""
        parts = (settings.data, settings.evaluation, settings.languages, settings.train.validation)
        fingerprint = "".join(part.fingerprint() for part in parts)
        if self._kept is None or self._kept[0] != fingerprint:
            training, benchmark = load_training_set(settings), load_benchmark(settings)
            check_zero_shot(training, benchmark)
            validation = None
            if settings.train.validation.every_steps is not None:
                training, validation = hold_out(training, settings.train.validation.groups)
            self._kept = fingerprint, TrialTexts(training, benchmark, validation)
        return self._kept[1]


def make_accelerator() -> Accelerator:
    """The process group of this worker: all of its ranks on GPUs where there are any, else on CPUs (gloo).

    Without `cpu=True` accelerate starts no process group on a machine without a GPU, and every rank believes to be
    alone. Precision is the encoder's own affair: autocast around the backbone.
    """
    return Accelerator(cpu=not torch.cuda.is_available())


@dataclass(frozen=True)
class Trial:
    """What a trial runs on, and where it may keep what a killed attempt can go on from."""

    settings: Settings
    key: str
    embeddings: Path  # of a large benchmark, while it is evaluated
    checkpoint: Path
    baseline: Path  # results of the model as it was before any training
    attempt: int = 1
    still_mine: Callable[[], bool] = lambda: True  # whether no later attempt has taken the trial over


@dataclass(frozen=True, eq=False)
class TrialOutcome:
    """The result of a trial, its evaluation, and that of the untouched model if this trial was the first with it."""

    result: TrialResult
    retriever: Retriever
    evaluation: Evaluation
    baseline: Evaluation | None


def run_trial(
    trial: Trial,
    data: TrialData,
    accelerator: Accelerator,
    watch: Watch,
) -> TrialOutcome | None:
    """Train and evaluate. On a CPU the same settings give the same bits. The outcome is rank 0's; others get None.

    Raises TrialFailed (NaN loss, NaN embedding), InputError (data or model cannot be used), Paused, Pruned or Fenced.
    """
    settings = trial.settings
    started = time.perf_counter()
    texts = data.of(settings)
    training, benchmark, _ = texts
    retriever = build_retriever(settings.model, training.texts, cache_folder(settings.paths), settings.seed)
    tokens = TokenCache(retriever, cache_folder(settings.paths) / "tokens", watch.on_note)
    tiers = tier_members(benchmark.languages, benchmark_tiers(settings), settings.languages.train)
    baseline = _evaluate_untouched(trial, retriever, benchmark, tiers, accelerator, tokens)
    retriever = _restricted(retriever, texts, settings, tokens, watch.on_note)
    prepared = time.perf_counter()
    final = _train(trial, retriever, texts, tokens, accelerator, watch)
    trained = time.perf_counter()
    kept = trial.embeddings if len(benchmark.passages) > IN_MEMORY_TEXTS else None
    evaluation = evaluate(retriever, benchmark, settings.evaluation, tiers, accelerator, kept, tokens=tokens)
    evaluated = time.perf_counter()
    if evaluation is None:
        return None
    if retriever.vocabulary is not None and isinstance(settings.model, HfModel):
        original = load_pretrained(settings.model).encoder.backbone.get_input_embeddings().weight
        retriever = with_full_vocabulary(retriever, original)
    result = TrialResult(
        key=trial.key,
        fingerprint=settings.trial_fingerprint(),
        metrics=evaluation.evaluated.metrics,
        final_loss=final.loss,
        duration_s=evaluated - started,
        finished_ms=int(time.time() * 1000),
        durations_s={
            "prepare": prepared - started,
            "train": trained - prepared,
            "evaluate": evaluated - trained,
        },
        versions=library_versions(),
        steps=final.steps,
    )
    return TrialOutcome(result, retriever, evaluation, baseline)


def _train(
    trial: Trial,
    retriever: Retriever,
    texts: TrialTexts,
    tokens: TokenCache,
    accelerator: Accelerator,
    watch: Watch,
) -> Trained:
    """Train the retriever in place; adapters are part of its weights afterwards."""
    settings = trial.settings
    adapters = _adapters(retriever, settings, watch.on_note)
    # Dropout differs between ranks, as they encode different rows; the plan of batches does not.
    torch.manual_seed(settings.seed * 1_000_003 + accelerator.process_index)
    train = settings.train
    batches = train.steps * train.accumulate_batches
    plan = BatchPlan(texts.training, settings.ratio, train.batch_size, settings.seed, batches, train.hard_negatives)
    if train.recompute_activations:
        retriever.encoder.backbone.gradient_checkpointing_enable()
    if train.compile:
        retriever.encoder.compile_backbone()
    table = TokenTable(retriever, texts.training, tokens, watch.on_note)
    step = ContrastiveStep(retriever, table, train, accelerator)
    checkpoints = Checkpoints(
        trial.checkpoint, settings.trial_fingerprint(), accelerator, trial.attempt, trial.still_mine
    )
    validate = None
    if texts.validation is not None:
        validate = _validator(retriever, texts.validation, settings, accelerator, tokens)
    final = Training(step, retriever.encoder, plan, train, accelerator, checkpoints, validate).run(watch)
    if adapters is not None:
        adapters.merge()
    return final


def _validator(
    retriever: Retriever, validation: Benchmark, settings: Settings, accelerator: Accelerator, tokens: TokenCache
) -> Validator:
    """Evaluates what was held out, by the tiers of the study; the study's objective is one of its figures."""
    tiers = tier_members(validation.languages, benchmark_tiers(settings), settings.languages.train)
    objective = MetricKey.parse(settings.study.objectives[0].metric)
    return Validator(retriever, validation, tiers, accelerator, (objective.family, objective.metric), tokens)


def _restricted(
    retriever: Retriever,
    texts: TrialTexts,
    settings: Settings,
    tokens: TokenCache,
    on_note: Callable[[str], None],
) -> Retriever:
    """The retriever with the word embeddings of all texts of this trial alone, if that is asked for."""
    if isinstance(settings.model, TinyModel) or not settings.model.restrict_vocabulary:
        return retriever
    token_ids = [training_tokens(texts.training, role, tokens).ids for role in ROLES]
    for benchmark in (texts.benchmark, texts.validation):
        if benchmark is not None:
            token_ids.append(tokens.of(question_texts(benchmark)[0], "query"))
            token_ids.append(tokens.of(passage_texts(benchmark)[0], "passage"))
    small = restrict_vocabulary(retriever, (ids.distinct() for ids in token_ids))
    assert small.vocabulary is not None
    trained = settings.model.lora is None and not settings.train.frozen.embeddings
    saved = small.vocabulary.saved_bytes(small.encoder.hidden_size, trained)
    on_note(
        f"{'training' if trained else 'frozen,'} {len(small.vocabulary.kept):,} of {small.vocabulary.full_size:,} "
        f"word embeddings; {saved / 2**20:,.0f} MB of weights{', gradients and moments' if trained else ''} saved"
    )
    return small


def _adapters(retriever: Retriever, settings: Settings, on_note: Callable[[str], None]) -> Adapters | None:
    """LoRA's adapters in the retriever's encoder, if that is asked for."""
    if isinstance(settings.model, TinyModel) or settings.model.lora is None:
        return None
    adapters = Adapters(retriever, settings.model.lora, settings.seed)
    on_note(f"training adapters of {adapters.trained:,} parameters; {adapters.full_size:,} in all")
    return adapters


def _evaluate_untouched(
    trial: Trial,
    retriever: Retriever,
    benchmark: Benchmark,
    tiers: Members,
    accelerator: Accelerator,
    tokens: TokenCache,
) -> Evaluation | None:
    """Evaluate a pretrained model before its training, once a study. Its embeddings are cached by their fingerprint,
    so that other studies on the same model and benchmark need not encode again."""
    settings = trial.settings
    if isinstance(settings.model, TinyModel) or not settings.study.baseline:
        return None
    wanted = [not (trial.baseline / "metrics.json").exists()]
    if accelerator.num_processes > 1:
        broadcast_object_list(wanted, from_process=0)
    if not wanted[0]:
        return None
    folder = cache_folder(settings.paths) / "embeddings"
    return evaluate(retriever, benchmark, settings.evaluation, tiers, accelerator, folder, tokens=tokens)


def library_versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    return {
        "sweep": __version__,
        "torch": str(torch.__version__),
        "transformers": transformers.__version__,
        "accelerate": accelerate.__version__,
        "faiss": str(faiss.__version__),
        "numpy": np.__version__,
    }
