"""What a study compares its trained points with, though it needs no training."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from filelock import FileLock, Timeout

from sweep.data.benchmark import Benchmark
from sweep.data.training_set import TrainingSet
from sweep.evaluation.chance import expected_by_chance
from sweep.evaluation.language_removal import removal_plan
from sweep.evaluation.ngrams import MOST_PASSAGES, match_ngrams
from sweep.evaluation.outcome import Evaluation
from sweep.evaluation.scoring import evaluate
from sweep.evaluation.summarise import Members
from sweep.model.encoder import Retriever
from sweep.model.token_cache import TokenCache
from sweep.records.files import write_atomically
from sweep.records.folder import ResultFolder, StudyFolder
from sweep.settings import OF_A_MODEL, REMOVALS, UNTOUCHED, WITHOUT_MODEL, Baseline, Settings
from sweep.settings.cache import cache_folder


@dataclass(frozen=True, eq=False)
class Baselines:
    """Those of a study, as far as its model and its benchmark have them. What the study has already is left alone,
    and one worker computes what it lacks for all others."""

    settings: Settings
    study: StudyFolder
    benchmark: Benchmark
    tiers: Members

    def of_model(
        self, retriever: Retriever, training: TrainingSet, accelerator: Accelerator, tokens: TokenCache
    ) -> None:
        """The pretrained model before any training, and with the language removed; on all ranks together.

        Embeddings are cached by the model's fingerprint, so that other studies on the same model and benchmark need
        not encode again.
        """
        lock = self._lock("model")
        try:
            wanted = [self._wanted(OF_A_MODEL, lock) if accelerator.is_main_process else ()]
            if accelerator.num_processes > 1:
                broadcast_object_list(wanted, from_process=0)
            if wanted[0]:
                self._evaluate(wanted[0], retriever, training, accelerator, tokens)
        finally:
            lock.release()

    def without_model(self, on_note: Callable[[str], None]) -> None:
        """Chance and n-grams, on one rank. They are no reason to keep a training waiting."""
        lock = self._lock("others")
        try:
            wanted = self._wanted(WITHOUT_MODEL, lock)
            if "chance" in wanted:
                folder = self._folder("chance")
                write_atomically(folder.metrics, json.dumps(expected_by_chance(self.benchmark, self.tiers), indent=1))
            if "n-grams" in wanted and len(self.benchmark.passages) > MOST_PASSAGES:
                on_note(f"baseline n-grams left out: more than {MOST_PASSAGES:,} passages")
            elif "n-grams" in wanted:
                self._write("n-grams", match_ngrams(self.benchmark, self.tiers))
        finally:
            lock.release()

    def _evaluate(
        self,
        wanted: Sequence[Baseline],
        retriever: Retriever,
        training: TrainingSet,
        accelerator: Accelerator,
        tokens: TokenCache,
    ) -> None:
        settings, benchmark = self.settings, self.benchmark
        methods = [method for method in REMOVALS if method in wanted]
        removals = removal_plan(methods, settings.evaluation, benchmark.languages, training)
        cache = cache_folder(settings.paths) / "embeddings"
        evaluation = evaluate(
            retriever,
            benchmark,
            settings.evaluation,
            self.tiers,
            accelerator,
            cache,
            tokens=tokens,
            removals=removals,
        )
        if evaluation is None:
            return
        for method, other in evaluation.debiased.items():
            self._write(method, other.evaluation)
        if UNTOUCHED in wanted:
            self._write(UNTOUCHED, evaluation.plain)

    def _lock(self, name: str) -> FileLock:
        return FileLock(self.study.path / "baselines" / f"{name}.lock")

    def _wanted(self, names: Sequence[Baseline], lock: FileLock) -> tuple[Baseline, ...]:
        """What is missing of these, with the lock held; nothing if another worker is at it."""
        if not self._missing(names):
            return ()
        Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return ()
        return self._missing(names)

    def _missing(self, names: Sequence[Baseline]) -> tuple[Baseline, ...]:
        asked = [name for name in self.settings.study.baselines if name in names and self._exists(name)]
        return tuple(name for name in asked if not self.study.baseline(name, self.settings).metrics.exists())

    def _exists(self, name: Baseline) -> bool:
        """Whether the model and the benchmark have it."""
        if name in OF_A_MODEL and not self.settings.model.pretrained:
            return False
        return self.benchmark.protocol == "parallel" or name in ("chance", UNTOUCHED)

    def _folder(self, name: Baseline) -> ResultFolder:
        folder = self.study.baseline(name, self.settings)
        folder.path.mkdir(parents=True, exist_ok=True)
        return folder

    def _write(self, name: Baseline, evaluation: Evaluation) -> None:
        folder = self._folder(name)
        evaluation.write(folder.metrics, folder.details, folder.ranks)
