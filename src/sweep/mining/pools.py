"""What negatives are drawn from: the distinct passages of training data, and whom each of them is relevant to.

Shapes: r = rows, u = distinct passage texts, c = candidates (a passage text in a language), g = translation groups,
w = passage texts that are equal but for case and whitespace ("twins") counted once.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sweep.data.leakage import normalised
from sweep.data.texts import Texts, distinct
from sweep.mining.spool import Column, Spool

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pools:
    """Training data by numbers.

    `query_r`, `passage_r` and `negative_n` point into the distinct texts `queries` and `passages`, `group_r` numbers
    the translation groups, `twin_u` the passage texts but for case and whitespace. A candidate is a passage text in a
    language that it has as a relevant passage or as a negative: `text_c`, `language_c`, by text and language.
    """

    spool: Spool
    queries: Texts
    passages: Texts
    group_r: Numbers
    query_r: Numbers
    passage_r: Numbers
    negative_n: Numbers
    twin_u: Numbers
    text_c: Numbers
    language_c: Numbers

    def negatives_of(self, row: int) -> Numbers:
        """The texts of the negatives that the data have for a row, each once."""
        low, high = self.spool.negatives_offset_r[row : row + 2]
        texts = self.negative_n[low:high]
        return texts[np.sort(np.unique(texts, return_index=True)[1])]

    def candidates(self, language: int | None) -> Numbers:
        """The candidates of a language, or of all (None), ascending."""
        return self._candidates_of[language]

    @cached_property
    def _candidates_of(self) -> dict[int | None, Numbers]:
        of: dict[int | None, Numbers] = {None: np.arange(len(self.text_c))}
        for language in range(len(self.spool.languages)):
            of[language] = np.flatnonzero(self.language_c == language)
        return of


def pools_of(spool: Spool) -> Pools:
    """Number all texts and groups; of each text only a hash is in memory."""
    rows = len(spool)
    queries, query_r = _texts(spool.column("query"))
    passages, text_d = _texts(spool.column("passage", "negatives"))
    passage_r, negative_n = text_d[:rows], text_d[rows:]
    twin_u = distinct(normalised(text) for low in range(0, passages.size, 10_000) for text in _some(passages, low))[1]
    language_n = np.repeat(spool.passage_language_r, np.diff(spool.negatives_offset_r))
    languages = len(spool.languages)
    pair_d = text_d * languages + np.concatenate([spool.passage_language_r, language_n])
    pair_c = np.unique(pair_d)
    group_r = distinct(spool.column("group"))[1]
    return Pools(
        spool, queries, passages, group_r, query_r, passage_r, negative_n, twin_u,
        pair_c // languages, pair_c % languages,
    )  # fmt: skip


def _some(texts: Texts, low: int) -> list[str]:
    return list(texts.read(np.arange(low, min(low + 10_000, texts.size))))


def _texts(column: Column) -> tuple[Texts, Numbers]:
    first_u, text_d, digest = distinct(column)
    return Texts(len(first_u), lambda rows: column.at(first_u[rows]), digest), text_d
