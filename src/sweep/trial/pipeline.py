"""One trial: prepare, train, evaluate. Knows neither Optuna nor the tracker."""

import time
from dataclasses import dataclass, replace
from functools import partial

import accelerate
import numpy as np
import torch
import transformers
from accelerate import Accelerator

from sweep import __version__
from sweep.evaluation.faiss_library import faiss
from sweep.evaluation.halves import wanted_of
from sweep.evaluation.measures import Measure
from sweep.evaluation.outcome import Evaluation, Outcome
from sweep.evaluation.scoring import IN_MEMORY_TEXTS, evaluate
from sweep.model.encoder import Retriever
from sweep.model.merging import keep_weights
from sweep.model.registry import untrained_word_embeddings
from sweep.model.sharding import join_shards
from sweep.model.vocabulary import with_full_vocabulary
from sweep.records.provenance import git_commit
from sweep.records.values import TrialResult
from sweep.settings.cache import cache_folder
from sweep.training.loop import Trained
from sweep.training.watch import Watch
from sweep.trial.fitting import train
from sweep.trial.inputs import TrialData, TrialTexts
from sweep.trial.merged import merge
from sweep.trial.preparation import Prepared, Trial, prepare

__all__ = ["Trial", "TrialData", "TrialOutcome", "TrialTexts", "library_versions", "make_accelerator", "run_trial"]


def make_accelerator() -> Accelerator:
    """The process group of this worker: all of its ranks on GPUs where there are any, else on CPUs (gloo).

    Without `cpu=True` accelerate starts no process group on a machine without a GPU, and every rank believes to be
    alone. Precision is the encoder's own affair: autocast around the backbone.
    """
    return Accelerator(cpu=not torch.cuda.is_available())


@dataclass(frozen=True, eq=False)
class TrialOutcome:
    """The result of a trial, its evaluations, and its training."""

    result: TrialResult
    retriever: Retriever
    measured: Outcome
    trained: Trained | None  # None: it is a merge


def run_trial(trial: Trial, data: TrialData, accelerator: Accelerator, watch: Watch) -> TrialOutcome | None:
    """Prepare, train (or average two trained models) and evaluate. On a CPU the same settings give
    the same bits. The outcome is rank 0's; others get None.

    Raises TrialFailed (NaN loss, NaN embedding), InputError (data or model cannot be used), Paused, Pruned or Fenced.
    """
    times = [time.perf_counter()]
    prepared = prepare(trial, data, accelerator, watch)
    times.append(time.perf_counter())
    parents: dict[str, str] = {}
    trained = None
    if trial.parents is None:
        trained = train(trial, prepared, accelerator, watch)
        if trial.weights is not None and accelerator.is_main_process:
            keep_weights(prepared.retriever.encoder, trial.weights)
    else:
        parents = merge(trial, trial.parents, prepared.retriever, accelerator, watch.on_note)
    times.append(time.perf_counter())
    evaluated = {one.name: _evaluate(trial, prepared, one, accelerator, watch) for one in prepared.measures}
    times.append(time.perf_counter())
    retriever = prepared.retriever
    if prepared.empty is not None:
        encoder = join_shards(retriever.encoder, prepared.empty, accelerator.is_main_process)
        retriever = replace(retriever, encoder=encoder)
    evaluations = {name: one for name, one in evaluated.items() if one is not None}
    if not evaluations:
        return None
    prepared.baselines.without_model(watch.on_note)
    measured = Outcome(prepared.measures[0].name, evaluations)
    result = _result(trial, trained, parents, measured, times)
    return TrialOutcome(result, _whole(retriever, trial), measured, trained)


def _evaluate(
    trial: Trial, prepared: Prepared, measure: Measure, accelerator: Accelerator, watch: Watch
) -> Evaluation | None:
    """The trained retriever on a benchmark; rank 0's."""
    benchmark, asked = measure.benchmark, measure.settings
    kept = trial.embeddings if len(benchmark.passages) > IN_MEMORY_TEXTS else None
    removals = measure.removals(asked.debias, prepared.texts.training)
    return evaluate(
        prepared.retriever,
        benchmark,
        asked,
        measure.tiers,
        accelerator,
        kept,
        partial(watch.on_encoded, measure.name),
        tokens=prepared.tokens,
        removals=removals,
        halves=wanted_of(trial.settings.study, measure.name),
    )


def _whole(retriever: Retriever, trial: Trial) -> Retriever:
    """The retriever with its whole vocabulary."""
    if retriever.vocabulary is None:
        return retriever
    return with_full_vocabulary(
        retriever, untrained_word_embeddings(trial.settings.model, cache_folder(trial.settings.paths))
    )


def _result(
    trial: Trial, trained: Trained | None, parents: dict[str, str], measured: Outcome, times: list[float]
) -> TrialResult:
    """`times` are the seconds at which the trial began and each of its three parts ended."""
    parts = zip(("prepare", "train", "evaluate"), times, times[1:], strict=False)
    return TrialResult(
        key=trial.key,
        fingerprint=trial.settings.trial_fingerprint(),
        metrics=measured.metrics,
        final_loss=None if trained is None else trained.loss,
        duration_s=times[-1] - times[0],
        finished_ms=int(time.time() * 1000),
        durations_s={name: ended - began for name, began, ended in parts},
        versions=library_versions(),
        steps=0 if trained is None else trained.steps,
        exposure=None if trained is None else trained.exposure.summary(),
        notes=[] if trained is None else list(trained.notes),
        parents=parents,
        commit=git_commit(),
    )


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
