"""What a study compares its trained points with, though it needs no training."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from filelock import FileLock, Timeout

from sweep.data.training_set import TrainingSet
from sweep.evaluation.chance import expected_by_chance
from sweep.evaluation.measures import Measure, Measures
from sweep.evaluation.ngrams import MOST_PASSAGES, match_ngrams
from sweep.evaluation.outcome import Evaluation, Outcome
from sweep.evaluation.scoring import evaluate
from sweep.model.encoder import Retriever
from sweep.model.token_cache import TokenCache
from sweep.records.files import write_atomically
from sweep.records.folder import ResultFolder, StudyFolder
from sweep.records.study_artifacts import StudyArtifacts
from sweep.settings import OF_A_MODEL, REMOVALS, UNTOUCHED, WITHOUT_MODEL, Baseline, Settings
from sweep.settings.cache import cache_folder


@dataclass(frozen=True, eq=False)
class Baselines:
    """Those of a study, as far as its model and one of its benchmarks have them. What the study has already is left
    alone, and one worker computes what it lacks for all others that share its folder; on another machine another one
    may compute the same."""

    settings: Settings
    study: StudyFolder
    measures: Measures
    artifacts: StudyArtifacts | None = None

    def of_model(
        self,
        untrained: Callable[[], Retriever],
        training: TrainingSet,
        accelerator: Accelerator,
        tokens: TokenCache,
        on_encoded: Callable[[str, int, int], None],
    ) -> None:
        """The model before any training, and with the language removed; on all ranks together. `untrained` gives it.

        Embeddings are cached by the model's fingerprint, so that other studies on the same model and benchmark need
        not encode again.
        """
        lock = self._lock("model")
        try:
            wanted = [self._wanted(OF_A_MODEL, lock) if accelerator.is_main_process else ()]
            if accelerator.num_processes > 1:
                broadcast_object_list(wanted, from_process=0)
            if wanted[0]:
                self._evaluate(wanted[0], untrained(), training, accelerator, tokens, on_encoded)
        finally:
            lock.release()

    def without_model(self, on_note: Callable[[str], None]) -> None:
        """Chance and n-grams, on one rank. They are no reason to keep a training waiting."""
        lock = self._lock("others")
        try:
            wanted = self._wanted(WITHOUT_MODEL, lock)
            if "chance" in wanted:
                folder = self._folder("chance")
                expected = [expected_by_chance(one.benchmark, one.tiers) for one in self.measures]
                metrics = {key: value for figures in expected for key, value in figures.items()}
                write_atomically(folder.metrics, json.dumps(metrics, indent=1))
                self._leave(folder)
            if "n-grams" in wanted:
                self._match_ngrams(on_note)
        finally:
            lock.release()

    def _match_ngrams(self, on_note: Callable[[str], None]) -> None:
        matched = {}
        for one in self.measures:
            if not _has(one, "n-grams"):
                continue
            if len(one.benchmark.passages) > MOST_PASSAGES:
                on_note(f"baseline n-grams left out on {one.name}: more than {MOST_PASSAGES:,} passages")
            else:
                matched[one.name] = match_ngrams(one.benchmark, one.tiers)
        self._write("n-grams", matched)

    def _evaluate(
        self,
        wanted: Sequence[Baseline],
        retriever: Retriever,
        training: TrainingSet,
        accelerator: Accelerator,
        tokens: TokenCache,
        on_encoded: Callable[[str, int, int], None],
    ) -> None:
        cache = cache_folder(self.settings.paths) / "embeddings"
        evaluated: dict[Baseline, dict[str, Evaluation]] = {name: {} for name in wanted}
        for one in self.measures:
            methods = [method for method in REMOVALS if method in wanted and _has(one, method)]
            if not methods and UNTOUCHED not in wanted:
                continue
            removals = one.removals(methods, training)
            evaluation = evaluate(
                retriever,
                one.benchmark,
                one.settings,
                one.tiers,
                accelerator,
                cache,
                partial(on_encoded, f"the untrained model on {one.name}"),
                tokens=tokens,
                removals=removals,
            )
            if evaluation is None:
                continue
            for method, other in evaluation.debiased.items():
                evaluated[method][one.name] = other.evaluation
            if UNTOUCHED in wanted:
                evaluated[UNTOUCHED][one.name] = evaluation.plain
        for name, evaluations in evaluated.items():
            self._write(name, evaluations)

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
        missing = self._missing(names)
        if self.artifacts is None:
            return missing
        return tuple(name for name in missing if not self.artifacts.take_baseline(self._folder(name)))

    def _missing(self, names: Sequence[Baseline]) -> tuple[Baseline, ...]:
        asked = [name for name in self.settings.study.baselines if name in names and self._exists(name)]
        return tuple(name for name in asked if not self.study.baseline(name, self.settings).metrics.exists())

    def _exists(self, name: Baseline) -> bool:
        """Whether the model and a benchmark have it."""
        if name in OF_A_MODEL and not (self.settings.model.pretrained or self.settings.study.scratch_baselines):
            return False
        return any(_has(one, name) for one in self.measures)

    def _folder(self, name: Baseline) -> ResultFolder:
        folder = self.study.baseline(name, self.settings)
        folder.path.mkdir(parents=True, exist_ok=True)
        return folder

    def _write(self, name: Baseline, evaluations: Mapping[str, Evaluation]) -> None:
        """Keep the evaluations by the names of their benchmarks, if there are any."""
        if evaluations:
            folder = self._folder(name)
            Outcome(self.measures[0].name, evaluations).write(folder.metrics, folder.details, folder.ranks)
            self._leave(folder)

    def _leave(self, baseline: ResultFolder) -> None:
        """Let other machines have it."""
        if self.artifacts is not None:
            self.artifacts.leave_baseline(baseline)


def _has(measure: Measure, name: Baseline) -> bool:
    """Whether a benchmark has a baseline: what compares languages needs passages that are ranked together."""
    return measure.benchmark.protocol == "parallel" or name in ("chance", UNTOUCHED)
