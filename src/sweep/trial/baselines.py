"""What a study compares its trained points with: computed once, by the first trial that comes to it."""

import json
from collections.abc import Callable
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from filelock import FileLock, Timeout

from sweep.data.benchmark import Benchmark
from sweep.evaluation.chance import expected_by_chance
from sweep.evaluation.language_removal import removal_plan
from sweep.evaluation.ngrams import MOST_PASSAGES, match_ngrams
from sweep.evaluation.outcome import Evaluation
from sweep.evaluation.scoring import evaluate
from sweep.evaluation.summarise import Members
from sweep.model.encoder import Retriever
from sweep.model.token_cache import TokenCache
from sweep.records.files import write_atomically
from sweep.records.folder import StudyFolder
from sweep.settings import OF_A_MODEL, REMOVALS, UNTOUCHED, Baseline, Settings
from sweep.settings.cache import cache_folder
from sweep.trial.inputs import TrialTexts


def evaluate_baselines(
    settings: Settings,
    study: StudyFolder,
    retriever: Retriever,
    texts: TrialTexts,
    tiers: Members,
    accelerator: Accelerator,
    tokens: TokenCache,
    on_note: Callable[[str], None],
) -> None:
    """Evaluate the baselines that the study lacks, on all ranks together; one worker does that for all others.

    Embeddings are cached by the model's fingerprint, so that other studies on the same model and benchmark need not
    encode again.
    """
    lock = FileLock(study.path / "baselines" / "lock")
    wanted: list[list[Baseline]] = [[]]
    try:
        if accelerator.is_main_process:
            wanted = [_wanted(settings, study, texts.benchmark, lock)]
        if accelerator.num_processes > 1:
            broadcast_object_list(wanted, from_process=0)
        if accelerator.is_main_process:
            _without_model(settings, study, texts.benchmark, tiers, wanted[0], on_note)
        if set(wanted[0]) & set(OF_A_MODEL):
            _of_model(settings, study, retriever, texts, tiers, accelerator, tokens, wanted[0])
    finally:
        lock.release()


def _wanted(settings: Settings, study: StudyFolder, benchmark: Benchmark, lock: FileLock) -> list[Baseline]:
    """What is missing, with the lock held; nothing if another worker is at it."""

    def missing() -> list[Baseline]:
        return [
            name
            for name in settings.study.baselines
            if _has(name, settings, benchmark) and not study.baseline(name, settings).metrics.exists()
        ]

    if not missing():
        return []
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return []
    return missing()


def _has(name: Baseline, settings: Settings, benchmark: Benchmark) -> bool:
    """Whether the model and the benchmark have this baseline."""
    if name in OF_A_MODEL and not settings.model.pretrained:
        return False
    return benchmark.protocol == "parallel" or name in ("chance", UNTOUCHED)


def _without_model(
    settings: Settings,
    study: StudyFolder,
    benchmark: Benchmark,
    tiers: Members,
    wanted: list[Baseline],
    on_note: Callable[[str], None],
) -> None:
    if "chance" in wanted:
        folder = study.baseline("chance", settings)
        folder.path.mkdir(parents=True, exist_ok=True)
        write_atomically(folder.metrics, json.dumps(expected_by_chance(benchmark, tiers), indent=1))
    if "n-grams" in wanted:
        if len(benchmark.passages) > MOST_PASSAGES:
            on_note(f"baseline n-grams left out: more than {MOST_PASSAGES:,} passages")
        else:
            _write(match_ngrams(benchmark, tiers), "n-grams", settings, study)


def _of_model(
    settings: Settings,
    study: StudyFolder,
    retriever: Retriever,
    texts: TrialTexts,
    tiers: Members,
    accelerator: Accelerator,
    tokens: TokenCache,
    wanted: list[Baseline],
) -> None:
    """The pretrained model, and what it comes to with the language removed."""
    methods = [method for method in REMOVALS if method in wanted]
    removals = removal_plan(methods, settings.evaluation, texts.benchmark.languages, texts.training)
    folder = cache_folder(settings.paths) / "embeddings"
    evaluation = evaluate(
        retriever,
        texts.benchmark,
        settings.evaluation,
        tiers,
        accelerator,
        folder,
        tokens=tokens,
        removals=removals,
    )
    if evaluation is None:
        return
    for method, other in evaluation.debiased.items():
        _write(other.evaluation, method, settings, study)
    if UNTOUCHED in wanted:
        _write(evaluation.plain, UNTOUCHED, settings, study)


def _write(evaluation: Evaluation, name: Baseline, settings: Settings, study: StudyFolder) -> None:
    folder = study.baseline(name, settings)
    folder.path.mkdir(parents=True, exist_ok=True)
    evaluation.write(folder.metrics, folder.details, folder.ranks)
