"""Exact ranks of relevant passages, in their own language's pool and in the pool of all languages.

Shapes: q = questions, d = passages, r = relevant passages of a question (padded), u = distinct passage texts,
h = hidden size.
"""

from dataclasses import dataclass
from itertools import pairwise

import faiss
import numpy as np
from numpy.typing import NDArray

from sweep.data.benchmark import Benchmark

PAD = 0  # no relevant passage in this place; real ranks start at 1
BLOCK_BYTES = 64 * 2**20  # of scores at a time


@dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks of every question's relevant passages, int32 (q, r), PAD where a question has fewer than r.

    `pooled_qr` counts all languages' passages, `own_qr` only those in the relevant passage's language: it is the
    rank in the monolingual or cross-lingual pool of that language. `language_qr` is the relevant passage's language
    (index into the benchmark's languages; -1 in padding). `top_language_q` is the language of the pooled pool's best
    passage, relevant or not.
    """

    pooled_qr: NDArray[np.int32]
    own_qr: NDArray[np.int32]
    language_qr: NDArray[np.int32]
    top_language_q: NDArray[np.int64]


def rank(
    benchmark: Benchmark,
    query_qh: NDArray[np.float32],
    passage_uh: NDArray[np.float32],
    text_d: NDArray[np.int64],
) -> Ranks:
    """Rank by inner product in float32; ties go to the smaller passage id (METRICS, "Rank and ties").

    `query_qh` and `passage_uh` are L2-normalised; `text_d` maps a passage to the row of its text, so passages with
    equal text score exactly the same.
    """
    language_d = benchmark.passage_language_d
    width = max(map(len, benchmark.relevant_q))
    relevant_qr = np.full((len(benchmark.questions), width), -1)
    for row, found in enumerate(benchmark.relevant_q):
        relevant_qr[row, : len(found)] = found
    language_qr = np.where(relevant_qr >= 0, language_d[relevant_qr], -1).astype(np.int32)
    # Passages grouped by language, by id within one: a language's pool is then a slice.
    order_d = np.argsort(language_d, kind="stable")
    starts = np.searchsorted(language_d[order_d], np.arange(len(benchmark.languages) + 1))
    pooled_qr = np.zeros(relevant_qr.shape, np.int32)
    own_qr = np.zeros(relevant_qr.shape, np.int32)
    block = max(1, BLOCK_BYTES // (4 * len(text_d)))
    for start in range(0, len(query_qh), block):
        rows = slice(start, start + block)
        scores_qd = (query_qh[rows] @ passage_uh.T)[:, text_d[order_d]]
        pooled_qr[rows], own_qr[rows] = _rank_block(scores_qd, order_d, starts, relevant_qr[rows], language_qr[rows])
    top_language_q = language_d[_best_passage(query_qh, passage_uh, text_d)]
    return Ranks(pooled_qr, own_qr, language_qr, top_language_q)


def _rank_block(
    scores_qd: NDArray[np.float32],
    order_d: NDArray[np.int64],
    starts: NDArray[np.int64],
    relevant_qr: NDArray[np.int64],
    language_qr: NDArray[np.int32],
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Ranks by counting what scores higher. Columns of `scores_qd` are the passages in `order_d`."""
    place_d = np.argsort(order_d)  # column of each passage
    pooled_qr = np.zeros(relevant_qr.shape, np.int32)
    own_qr = np.zeros(relevant_qr.shape, np.int32)
    every = np.arange(len(scores_qd))
    for column in range(relevant_qr.shape[1]):
        relevant_q = relevant_qr[:, column]
        score_q1 = scores_qd[every, place_d[relevant_q]][:, None]
        ahead_qd = scores_qd > score_q1
        tied_qd = scores_qd == score_q1
        # Only where something else ties does the passage's id decide.
        for row in np.flatnonzero(np.count_nonzero(tied_qd, axis=1) > 1):
            ahead_qd[row] |= tied_qd[row] & (order_d < relevant_q[row])
        ahead_ql = np.stack(
            [np.count_nonzero(ahead_qd[:, low:high], axis=1) for low, high in pairwise(starts)],
            1,
        )
        real = relevant_q >= 0
        pooled_qr[:, column] = np.where(real, 1 + ahead_ql.sum(1), PAD)
        own_qr[:, column] = np.where(real, 1 + ahead_ql[every, language_qr[:, column]], PAD)
    return pooled_qr, own_qr


def _best_passage(
    query_qh: NDArray[np.float32], passage_uh: NDArray[np.float32], text_d: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The best passage (index) of each question over all languages, by FAISS; of equal texts the smallest id."""
    index = faiss.IndexFlatIP(passage_uh.shape[1])
    index.add(passage_uh)
    _, best_q1 = index.search(query_qh, 1)
    first_u = np.full(len(passage_uh), len(text_d))
    np.minimum.at(first_u, text_d, np.arange(len(text_d)))
    best: NDArray[np.int64] = first_u[best_q1[:, 0]]
    return best
