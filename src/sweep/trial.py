"""One trial: train a retriever with one point's settings and evaluate it. Knows neither Optuna nor MLflow."""

import time
from collections.abc import Callable

import accelerate
import faiss
import numpy as np
import torch
import transformers
from accelerate import Accelerator

from sweep import __version__
from sweep.cache import cache_folder
from sweep.data.benchmark import Benchmark
from sweep.data.load import benchmark_tiers, check_zero_shot, load_benchmark, load_training_set
from sweep.data.training_set import TrainingSet
from sweep.evaluation.evaluate import evaluate
from sweep.model.build import build_retriever
from sweep.records import TrialResult
from sweep.settings import Settings
from sweep.training.loop import TrainingPoint, train
from sweep.training.plan import BatchPlan


class TrialData:
    """Training sets and benchmarks; the last one is kept from trial to trial while its settings stay the same."""

    def __init__(self) -> None:
        self._kept: tuple[str, TrainingSet, Benchmark] | None = None

    def of(self, settings: Settings) -> tuple[TrainingSet, Benchmark]:
        """The training set and the benchmark of one point. Raises InputError."""
        parts = (settings.data, settings.evaluation, settings.languages)
        fingerprint = "".join(part.fingerprint() for part in parts)
        if self._kept is None or self._kept[0] != fingerprint:
            training, benchmark = load_training_set(settings), load_benchmark(settings)
            check_zero_shot(training, benchmark)
            self._kept = fingerprint, training, benchmark
        return self._kept[1:]


def make_accelerator() -> Accelerator:
    """The process group of this worker: all of its ranks on GPUs where there are any, else on CPUs (gloo).

    Without `cpu=True` accelerate starts no process group on a machine without a GPU, and every rank believes to be
    alone. Precision is the encoder's own affair: autocast around the backbone.
    """
    return Accelerator(cpu=not torch.cuda.is_available())


def run_trial(
    settings: Settings,
    key: str,
    data: TrialData,
    accelerator: Accelerator,
    on_point: Callable[[TrainingPoint], None],
) -> TrialResult:
    """Train and evaluate. On a CPU the same settings give the same bits.

    Raises TrialFailed (NaN loss, NaN embedding) or InputError (data or model cannot be used).
    """
    started = time.perf_counter()
    training, benchmark = data.of(settings)
    retriever = build_retriever(settings.model, training.texts, cache_folder(settings.paths), settings.seed)
    # Dropout differs between ranks, as they encode different rows; the plan of batches does not.
    torch.manual_seed(settings.seed * 1_000_003 + accelerator.process_index)
    plan = BatchPlan(training, settings.ratio, settings.train.batch_size, settings.seed)
    prepared = time.perf_counter()
    losses: list[float] = []

    def note(point: TrainingPoint) -> None:
        losses.append(point.loss)
        on_point(point)

    try:
        train(retriever, training, plan, settings.train, accelerator, note)
    finally:
        accelerator.free_memory()  # else it keeps every trial's model and optimizer alive
    trained = time.perf_counter()
    metrics = evaluate(retriever, benchmark, benchmark_tiers(settings), settings.languages.train, accelerator)
    evaluated = time.perf_counter()
    return TrialResult(
        key=key,
        fingerprint=settings.trial_fingerprint(),
        metrics=metrics,
        final_loss=losses[-1],
        duration_s=evaluated - started,
        finished_ms=int(time.time() * 1000),
        durations_s={
            "prepare": prepared - started,
            "train": trained - prepared,
            "evaluate": evaluated - trained,
        },
        versions=library_versions(),
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
