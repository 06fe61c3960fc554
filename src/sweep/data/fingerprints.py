"""What data hold, as one number: SHA-256 of all that a training or an evaluation reads of them.

Digests depend on the content alone, not on files, paths, or the layout of a cache.
"""

import hashlib
from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from sweep.data.benchmark import Benchmark
from sweep.data.training_set import TrainingSet

_known: "WeakKeyDictionary[TrainingSet | Benchmark, str]" = WeakKeyDictionary()  # reading a corpus takes a while


def data_fingerprint(training: TrainingSet) -> str:
    """The digest (hex) of training data: languages, groups, and which texts are questions, passages and negatives."""
    return training.digest


def data_size(training: TrainingSet) -> tuple[int, int]:
    """How many questions and passages training data have, each as often as it belongs to a group."""
    return len(training.questions.text_n), len(training.passages.text_n)


def benchmark_fingerprint(benchmark: Benchmark) -> str:
    """The digest (hex) of a benchmark: its questions, its passages, and which are relevant or no candidates. Its name
    is no part of it."""
    if benchmark not in _known:
        content = _Content()
        content.names((benchmark.protocol, *benchmark.languages))
        for question in benchmark.questions:
            content.names(question)
        for passage in benchmark.passages:
            content.names(passage)
        for rows_q in (benchmark.relevant_q, benchmark.grade_q, benchmark.ignored_q, benchmark.rejected_q):
            content.lists(rows_q)
        content.numbers(benchmark.merged)
        _known[benchmark] = content.digest()
    return _known[benchmark]


class _Content:
    """Hashes texts and numbers with their lengths, so that no two contents read alike."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()

    def names(self, texts: Iterable[str]) -> None:
        """Texts in their order."""
        count = 0
        for text in texts:
            coded = text.encode("utf-8", "surrogatepass")
            self._sha.update(b"%d:" % len(coded) + coded)
            count += 1
        self._sha.update(b";%d;" % count)

    def numbers(self, *arrays: NDArray[np.integer]) -> None:
        """Arrays of whole numbers, with their shapes."""
        for array in arrays:
            self._sha.update(repr(array.shape).encode())
            self._sha.update(np.ascontiguousarray(array, "<i8").tobytes())

    def lists(self, arrays: Sequence[NDArray[np.integer]]) -> None:
        """Arrays of different lengths."""
        self.numbers(np.array([len(array) for array in arrays], np.int64))
        if len(arrays):
            self.numbers(np.concatenate(arrays))

    def digest(self) -> str:
        return self._sha.hexdigest()
