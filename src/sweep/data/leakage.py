"""What a benchmark shares with the training data: texts that are the same, and texts that are nearly so.

Compared are questions with questions, and passages that answer a question with relevant passages and hard negatives.
Other passages of the pool are not: a short sentence such as "See also." may occur in two corpora and gives no answer
away.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.data.benchmark import Benchmark
from sweep.data.shingles import SHINGLE, jaccard, shingles
from sweep.data.training_set import TrainingSet
from sweep.errors import InputError

PERMUTATIONS = 64
# How bad it is to propose a candidate in vain, and to miss one: each is compared in full, so the former costs time.
LSH_WEIGHTS = (0.02, 0.98)
MOST_SELECTIVE = 0.9  # beyond it there would be one band of hashes, which the library does not take
NOUNS = ("questions", "passages")
ROLES: tuple[Literal["query", "passage"], ...] = ("query", "passage")


def normalised(text: str) -> str:
    """The text as it is compared: in NFC, casefolded, with every run of whitespace as one space."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def check_zero_shot(training: TrainingSet, benchmark: Benchmark) -> None:
    """Refuse training data that holds a question of the benchmark or a passage that answers one, in whatever language
    and but for case and whitespace, or a translation group of its name. Raises InputError."""
    groups = set(training.groups)
    grouped = [question.text for question in benchmark.questions if question.group in groups]
    trained, asked = _trained(training), _asked(benchmark)
    for noun, ours, theirs in zip(NOUNS, trained, asked, strict=True):
        texts = {normalised(text) for text in ours}
        shared = [text for text in theirs if normalised(text) in texts]
        if noun == "questions" and not shared:
            shared = grouped
        if shared:
            raise InputError(
                f"{len(shared)} {noun} of the benchmark '{benchmark.name}' occur in the training data, the first: "
                f"'{shared[0]}'. Evaluation is zero-shot: choose other training data or another benchmark"
            )


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


def near_copies(training: TrainingSet, benchmark: Benchmark, threshold: float) -> tuple[NearCopies, NearCopies]:
    """Questions, and passages that answer one, whose character 5-grams have a Jaccard similarity of at least
    `threshold` (in [0.5, 1]) with those of a training text.

    MinHash (Broder 1997) with locality-sensitive hashing proposes pairs, each of which is then compared in full: none
    is counted wrongly, and of those at the threshold some may be missed.
    """
    trained, asked = _trained(training), _asked(benchmark)
    one, other = (
        _near_copies(noun, theirs, ours, threshold) for noun, ours, theirs in zip(NOUNS, trained, asked, strict=True)
    )
    return one, other


class _Texts(NamedTuple):
    questions: list[str]
    passages: list[str]


def _trained(training: TrainingSet) -> _Texts:
    return _Texts(*([training.texts[row] for row in training.texts_of(role)] for role in ROLES))


def _asked(benchmark: Benchmark) -> _Texts:
    rows = np.unique(np.concatenate([*benchmark.relevant_q, np.zeros(0, np.int64)]))
    return _Texts([question.text for question in benchmark.questions], benchmark.passages.texts_at(rows))


def _near_copies(noun: str, asked: list[str], trained: list[str], threshold: float) -> NearCopies:
    from datasketch import MinHash, MinHashLSH  # half a second, and only the driver needs it

    asked_s, trained_s = _shingles(asked), _shingles(trained)
    index = MinHashLSH(min(threshold, MOST_SELECTIVE), PERMUTATIONS, weights=LSH_WEIGHTS)
    sketches = MinHash.generator(trained_s.values(), num_perm=PERMUTATIONS, hashfunc=int)
    for text, sketch in zip(trained_s, sketches, strict=True):
        index.insert(text, sketch, check_duplication=False)
    copies, best, example = 0, 0.0, None
    for text, sketch in zip(
        asked_s, MinHash.generator(asked_s.values(), num_perm=PERMUTATIONS, hashfunc=int), strict=True
    ):
        similar = ((jaccard(asked_s[text], trained_s[other]), other) for other in index.query(sketch))
        similarity, nearest = max(similar, default=(0.0, ""))
        copies += similarity >= threshold
        if similarity >= threshold and similarity > best:
            best, example = similarity, (text, nearest)
    return NearCopies(noun, copies, len(asked_s), best, example)


def _shingles(texts: Iterable[str]) -> dict[str, NDArray[np.uint32]]:
    """The distinct texts, normalised, with the hashes of their n-grams."""
    return {text: shingles(text) for text in dict.fromkeys(map(normalised, texts))}
