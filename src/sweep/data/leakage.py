"""What a benchmark shares with the training data: texts that are the same, and texts that are nearly so.

Compared are questions with questions, and passages that answer a question with relevant passages and hard negatives.
Other passages of the pool are not: a short sentence such as "See also." may occur in two corpora and gives no answer
away.
"""

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator
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
VERSION = 1  # of what is compared: a change makes what is kept unused


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
    groups = {group for group in training.groups if group in asked_groups}
    for noun, role, theirs in zip(NOUNS, ROLES, _asked(benchmark), strict=True):
        wanted = {normalised(text) for text in theirs}
        trained = {text for texts in _batches(training, role) for text in texts if text in wanted}
        shared = [text for text in theirs if normalised(text) in trained]
        if noun == "questions" and not shared:
            shared = [question.text for question in benchmark.questions if question.group in groups]
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
        _near_copies(noun, list(dict.fromkeys(map(normalised, theirs))), _batches(training, role), threshold)
        for noun, role, theirs in zip(NOUNS, ROLES, _asked(benchmark), strict=True)
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


class _Texts(NamedTuple):
    questions: list[str]
    passages: list[str]


def _asked(benchmark: Benchmark) -> _Texts:
    rows = np.unique(np.concatenate([*benchmark.relevant_q, np.zeros(0, np.int64)]))
    return _Texts([question.text for question in benchmark.questions], benchmark.passages.texts_at(rows))


def _batches(training: TrainingSet, role: Literal["query", "passage"]) -> Iterator[list[str]]:
    """The training texts of a role as they are compared, so many at a time."""
    rows = training.texts_of(role)
    batch: list[str] = []
    size = 0
    for row in rows:
        batch.append(normalised(training.texts[row]))
        size += len(batch[-1])
        if len(batch) == TEXTS_AT_A_TIME or size >= CHARACTERS_AT_A_TIME:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _near_copies(noun: str, asked: list[str], batches: Iterable[list[str]], threshold: float) -> NearCopies:
    """`asked` and the batches of training texts are normalised; of equally similar training texts the last in the
    alphabet is the example."""
    if not asked:
        return NearCopies(noun, 0, 0, 0.0, None)
    shortlist = Shortlist(asked, threshold)
    nearest: dict[int, tuple[float, str]] = {}
    for batch in batches:
        for text, few, similarity in shortlist.pairs(grams_of(batch)):
            if similarity >= nearest.get(few, (0.0, ""))[0]:
                exact = jaccard(batch[text], asked[few])
                if exact >= threshold:
                    nearest[few] = max(nearest.get(few, (0.0, "")), (exact, batch[text]))
    if not nearest:
        return NearCopies(noun, 0, len(asked), 0.0, None)
    first = min(nearest, key=lambda few: (-nearest[few][0], few))
    similarity, trained = nearest[first]
    return NearCopies(noun, len(nearest), len(asked), similarity, (asked[first], trained))
