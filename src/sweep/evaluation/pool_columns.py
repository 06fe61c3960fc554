"""The candidates of a benchmark as columns of scores: a language's passages next to each other, in the order of ids.

Shapes: c = columns, one for each candidate; l = languages, u = units.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep.data.benchmark import Benchmark


@dataclass(frozen=True, eq=False)
class PoolColumns:
    """The pool in the order of (language, id), so that a language is a slice."""

    passage_c: NDArray[np.int64]
    unit_c: NDArray[np.int64]
    language_starts: NDArray[np.int64]  # and the end
    by_unit_c: NDArray[np.int64]  # columns in the order of their units
    unit_starts: NDArray[np.int64]  # where each unit begins among these


def pool_columns(benchmark: Benchmark) -> PoolColumns:
    """The columns of all languages' candidates."""
    language_d, unit_d = benchmark.passages.language_d, benchmark.passages.unit_d
    passage_c = np.argsort(language_d, kind="stable")
    passage_c = passage_c[benchmark.candidate_d[passage_c]]
    language_c = language_d[passage_c]
    _, unit_c = np.unique(unit_d[passage_c], return_inverse=True)  # numbers without gaps
    by_unit_c = np.argsort(unit_c, kind="stable")
    return PoolColumns(
        passage_c=passage_c,
        unit_c=unit_c,
        language_starts=np.searchsorted(language_c, np.arange(len(benchmark.languages) + 1)),
        by_unit_c=by_unit_c,
        unit_starts=np.flatnonzero(np.diff(unit_c[by_unit_c], prepend=-1)),
    )
