"""What a benchmark shares with the training data: texts that are the same, and texts that are nearly so.

Compared are questions with questions, and passages that answer a question with relevant passages and hard negatives.
Other passages of the pool are not: a short sentence such as "See also." may occur in two corpora and gives no answer
away.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from sweep.data.benchmark import Benchmark
from sweep.data.fingerprints import benchmark_fingerprint, data_fingerprint
from sweep.data.shingles import SHINGLE, Shortlist, grams_of, jaccard
from sweep.data.training_set import TrainingSet
from sweep.errors import InputError
from sweep.records.files import write_atomically

NOUNS = ("questions", "passages")
ROLES: tuple[Literal["query", "passage"], ...] = ("query", "passage")
TEXTS_AT_A_TIME = 5_000
CHARACTERS_AT_A_TIME = 2_000_000
VERSION = 2  # of what is compared: a change makes what is kept unused


def normalised(text: str) -> str:
    """The text as it is compared: in NFC, casefolded, with every run of whitespace as one space."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def check_zero_shot(training: TrainingSet, benchmark: Benchmark, cache: Path | None = None) -> None:
    """Refuse training data that holds a question of the benchmark or a passage that answers one, in whatever language
    and but for case and whitespace, or a translation group of its name. Raises InputError.

    Memory is for the benchmark's texts. Data that passed are remembered in the cache by their content.
    """
    passed = None if cache is None else _kept_at(cache, "zero-shot", training, benchmark)
    if passed is not None and passed.exists():
        return
    asked_groups = {question.group for question in benchmark.questions}
    groups = {group for group in training.names() if group in asked_groups}
    for noun, role, theirs in zip(NOUNS, ROLES, compared(benchmark), strict=True):
        wanted = {normalised(text) for text in theirs}
        trained = {text for texts in _batches(training, role) for text in texts if text in wanted}
        shared = [text for text in theirs if normalised(text) in trained]
        if noun == "questions" and not shared and groups:
            asked = [question for question in benchmark.questions if question.group in groups]
            raise InputError(
                f"{len(asked)} questions of the benchmark '{benchmark.name}' occur in the training data by "
                f"their ids, such as '{asked[0].group}': '{asked[0].text}'. Evaluation is zero-shot: choose other "
                "training data or another benchmark, or give other questions other ids"
            )
        if shared:
            raise InputError(
                f"{len(shared)} {noun} of the benchmark '{benchmark.name}' occur in the training data, the first: "
                f"'{shared[0]}'. Evaluation is zero-shot: choose other training data or another benchmark"
            )
    if passed is not None:
        write_atomically(passed, "{}")


def _kept_at(cache: Path, what: str, training: TrainingSet, benchmark: Benchmark) -> Path:
    """Where the cache has what was compared of these data."""
    parts = (VERSION, what, data_fingerprint(training), benchmark_fingerprint(benchmark))
    return cache / "leakage" / f"{hashlib.sha256(repr(parts).encode()).hexdigest()[:24]}.json"


@dataclass(frozen=True)
class NearCopies:
    """Distinct texts of a benchmark that are like a training text: how many of how many, and the most similar pair
    (the benchmark's text, the training text, as they are compared; None if there is none) with its similarity."""

    noun: str
    copies: int
    texts: int
    similarity: float
    example: tuple[str, str] | None

    def sentence(self, benchmark: str, threshold: float) -> str:
        """For a reader, in one line; empty if there is none."""
        if self.example is None:
            return ""
        copy, trained = (text if len(text) <= 80 else f"{text[:79]}…" for text in self.example)
        return (
            f"{self.copies:,} of {self.texts:,} {self.noun} of '{benchmark}' are nearly in the training data "
            f"(Jaccard similarity of character {SHINGLE}-grams >= {threshold:g}); the most similar, "
            f"{self.similarity:.2f}: '{copy}' and '{trained}'"
        )


def near_copies(
    training: TrainingSet, benchmark: Benchmark, threshold: float, cache: Path | None = None
) -> tuple[NearCopies, NearCopies]:
    """Questions, and passages that answer one, whose character 5-grams have a Jaccard similarity of at least
    `threshold` (in [0.5, 1]) with those of a training text.

    All of them: pairs that may be similar are compared in full, and no other pair can be. Memory is for the
    benchmark's texts and a batch of training texts. What was counted is remembered in the cache by its content.
    """
    kept = None if cache is None else _kept_at(cache, f"near copies {threshold}", training, benchmark)
    if kept is not None and (remembered := _read(kept)) is not None:
        return remembered
    one, other = (
        _near_copies(noun, theirs, _batches(training, role), threshold)
        for noun, role, theirs in zip(NOUNS, ROLES, compared(benchmark), strict=True)
    )
    if kept is not None:
        write_atomically(kept, json.dumps([asdict(one), asdict(other)]))
    return one, other


def _read(file: Path) -> tuple[NearCopies, NearCopies] | None:
    """What was counted; None if it was not, or if the file is damaged."""
    try:
        one, other = json.loads(file.read_text(encoding="utf-8"))
        questions, passages = (NearCopies(**{**each, "example": _pair(each["example"])}) for each in (one, other))
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
    return questions, passages


def _pair(example: list[str] | None) -> tuple[str, str] | None:
    return None if example is None else (str(example[0]), str(example[1]))


class Compared(NamedTuple):
    """Texts of a benchmark: its questions, and its passages that answer one."""

    questions: list[str]
    passages: list[str]


def compared(benchmark: Benchmark) -> Compared:
    """What of a benchmark is compared with training data."""
    rows = np.unique(np.concatenate([*benchmark.relevant_q, np.zeros(0, np.int64)]))
    return Compared([question.text for question in benchmark.questions], benchmark.passages.texts_at(rows))


def _batches(training: TrainingSet, role: Literal["query", "passage"]) -> Iterator[list[str]]:
    """The training texts of a role as they are compared, so many at a time."""
    rows = training.texts_of(role)
    batch: list[str] = []
    size = 0
    parts = (rows[low : low + TEXTS_AT_A_TIME] for low in range(0, len(rows), TEXTS_AT_A_TIME))
    for text in (text for part in parts for text in training.texts.read(part)):
        batch.append(normalised(text))
        size += len(batch[-1])
        if len(batch) == TEXTS_AT_A_TIME or size >= CHARACTERS_AT_A_TIME:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class NearCopySearch:
    """Compares texts of a benchmark with training texts, a batch at a time: only the benchmark's are kept. Of equally
    similar training texts the last in the alphabet is the example."""

    def __init__(self, noun: str, asked: Iterable[str], threshold: float) -> None:
        self._noun, self._threshold = noun, threshold
        self._asked = list(dict.fromkeys(map(normalised, asked)))
        self._shortlist = Shortlist(self._asked, threshold) if self._asked else None
        self._nearest: dict[int, tuple[float, str]] = {}

    def compare(self, batch: Sequence[str]) -> None:
        """Look for texts that are like these, which are normalised."""
        if self._shortlist is None or not batch:
            return
        for text, few, similarity in self._shortlist.pairs(grams_of(batch)):
            nearest = self._nearest.get(few, (0.0, ""))
            if similarity >= nearest[0]:
                exact = jaccard(batch[text], self._asked[few])
                if exact >= self._threshold:
                    self._nearest[few] = max(nearest, (exact, batch[text]))

    def copies(self) -> NearCopies:
        """What there was until now."""
        if not self._nearest:
            return NearCopies(self._noun, 0, len(self._asked), 0.0, None)
        first = min(self._nearest, key=lambda few: (-self._nearest[few][0], few))
        similarity, trained = self._nearest[first]
        example = self._asked[first], trained
        return NearCopies(self._noun, len(self._nearest), len(self._asked), similarity, example)


def _near_copies(noun: str, asked: list[str], batches: Iterable[list[str]], threshold: float) -> NearCopies:
    search = NearCopySearch(noun, asked, threshold)
    for batch in batches:
        search.compare(batch)
    return search.copies()
