"""Ranks in each language's own pool, for collections of any size: passages are read a block at a time.

Exact ranks count over the whole pool; a FAISS index finds the best passages to some depth instead.
Shapes: q = questions of one language, d = passages of one language, c = passages of a block, r = relevant passages of
a question (padded), u = distinct passage texts, h = hidden size, k = depth.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sweep.data.benchmark import Benchmark
from sweep.evaluation.counting import count_ahead_in_order, leave_out
from sweep.evaluation.device_blocks import has_exact_products
from sweep.evaluation.device_ranks import exact_ranks_on
from sweep.evaluation.passage_index import best_passages
from sweep.evaluation.ranking import FAR, PAD, Ranking, Ranks2D, Search, ranking, targets
from sweep.settings import SearchSettings

PASSAGES_PER_BLOCK = 65_536
QUESTIONS_PER_BLOCK = 256


def rank_monolingual(
    benchmark: Benchmark,
    query_qh: NDArray[np.float32],
    passage_uh: NDArray[np.float32],
    text_d: NDArray[np.int64],
    search: SearchSettings,
    folder: Path,
    device: torch.device | None = None,
) -> Ranking:
    """Rank by inner product in float32; ties go to the smaller passage id (docs/metrics.md, "Ranks and ties").

    `passage_uh` may be memory-mapped; `text_d` maps a passage to the row of its text. Indexes are kept in `folder`.
    On a GPU exact ranks are counted as by `rank_parallel`.
    """
    wanted = targets(benchmark)
    own_qr = np.zeros(wanted.relevant_qr.shape, np.int32)
    for language, code in enumerate(benchmark.languages):
        passages = np.flatnonzero((benchmark.passages.language_d == language) & benchmark.candidate_d)
        rows = np.flatnonzero(benchmark.question_language_q == language)
        relevant_qr = wanted.relevant_qr[rows]
        place_qr = np.where(relevant_qr >= 0, np.searchsorted(passages, relevant_qr), -1)
        ignored_q = [_places(passages, benchmark.ignored_q[row]) for row in rows] if benchmark.ignored_q else []
        texts = text_d[passages]
        if search.index == "exact":
            own_qr[rows] = exact_ranks(query_qh[rows], passage_uh, texts, place_qr, ignored_q, device)
        else:
            depth = search.depth + max(map(len, ignored_q), default=0)
            deeper = search.model_copy(update={"depth": depth})
            best_qk = best_passages(query_qh[rows], passage_uh, texts, deeper, folder / code)
            own_qr[rows] = ranks_among(_without(best_qk, ignored_q)[:, : search.depth], place_qr)
    how = Search() if search.index == "exact" else Search(search.index, search.depth)
    return ranking(benchmark, wanted, own_qr, None, how)


def exact_ranks(
    query_qh: NDArray[np.float32],
    passage_uh: NDArray[np.float32],
    text_d: NDArray[np.int64],
    relevant_qr: NDArray[np.int64],
    ignored_q: Sequence[NDArray[np.int64]] = (),
    device: torch.device | None = None,
) -> Ranks2D:
    """Ranks of the relevant passages (rows of `text_d`, -1 in padding) in the whole pool, by counting. `ignored_q`:
    rows that are no candidates for a question."""
    if device is not None and has_exact_products(device):
        return exact_ranks_on(device, query_qh, passage_uh, text_d, relevant_qr, ignored_q)
    real_qr = relevant_qr >= 0
    key_qr = np.zeros(relevant_qr.shape, np.int64)
    score_qr = np.full(relevant_qr.shape, np.inf, np.float32)
    for row, (question_h, real_r) in enumerate(zip(query_qh, real_qr, strict=True)):
        relevant_rh = np.asarray(passage_uh[text_d[relevant_qr[row, real_r]]])
        key_qr[row, real_r] = _keys(relevant_rh)
        _, first, place_r = np.unique(key_qr[row, real_r], return_index=True, return_inverse=True)
        score_qr[row, real_r] = (relevant_rh[first] @ question_h)[place_r]
    ahead_qr = np.zeros(relevant_qr.shape, np.int64)
    for low in range(0, len(text_d), PASSAGES_PER_BLOCK):
        passage_ch = np.asarray(passage_uh[text_d[low : low + PASSAGES_PER_BLOCK]])
        key_c = _keys(passage_ch)
        for start in range(0, len(query_qh), QUESTIONS_PER_BLOCK):
            rows = slice(start, start + QUESTIONS_PER_BLOCK)
            scores_bc = query_qh[rows] @ passage_ch.T
            _equal_scores(scores_bc, key_c, key_qr[rows], score_qr[rows], real_qr[rows])
            leave_out(scores_bc, ignored_q[rows], low)
            ahead_qr[rows] += count_ahead_in_order(scores_bc, score_qr[rows], relevant_qr[rows] - low, real_qr[rows])
    return np.where(real_qr, 1 + ahead_qr, PAD).astype(np.int32)


def _keys(passage_ch: NDArray[np.float32]) -> NDArray[np.int64]:
    """A hash of each embedding, equal for equal texts and for texts that are equal up to the model's length."""
    return np.fromiter((hash(embedding_h.tobytes()) for embedding_h in passage_ch), np.int64, len(passage_ch))


def _equal_scores(
    scores_bc: NDArray[np.float32],
    key_c: NDArray[np.int64],
    key_br: NDArray[np.int64],
    score_br: NDArray[np.float32],
    real_br: NDArray[np.bool_],
) -> None:
    """Set the scores of all passages with a relevant passage's embedding to the score that it has there.

    The matrix product rounds differently from block to block, and then a passage would not tie with its equal.
    """
    columns = np.flatnonzero(np.isin(key_c, key_br[real_br]))
    if not len(columns):
        return
    columns = columns[np.argsort(key_c[columns], kind="stable")]
    sorted_key = key_c[columns]
    low_br = np.searchsorted(sorted_key, key_br, side="left")
    high_br = np.searchsorted(sorted_key, key_br, side="right")
    for row, place in zip(*np.nonzero((high_br > low_br) & real_br), strict=True):
        scores_bc[row, columns[low_br[row, place] : high_br[row, place]]] = score_br[row, place]


def _places(passages: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places of those rows that are among the passages (ascending)."""
    return np.flatnonzero(np.isin(passages, rows)) if len(rows) else rows


def _without(best_qk: NDArray[np.int64], ignored_q: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The lists without what their questions ignore; what comes behind moves up."""
    best_qk = best_qk.copy()
    for best_k, ignored in zip(best_qk, ignored_q, strict=bool(ignored_q)):
        kept = best_k[~np.isin(best_k, ignored)]
        best_k[: len(kept)], best_k[len(kept) :] = kept, -1
    return best_qk


def ranks_among(best_qk: NDArray[np.int64], relevant_qr: NDArray[np.int64]) -> Ranks2D:
    """Ranks of the relevant passages in lists of the best ones; FAR for one that is not in its list."""
    ranks_qr = np.where(relevant_qr >= 0, FAR, PAD).astype(np.int32)
    for column in range(relevant_qr.shape[1]):
        hit_qk = (best_qk == relevant_qr[:, column, None]) & (relevant_qr[:, column, None] >= 0)
        hit_q = hit_qk.any(1)
        ranks_qr[hit_q, column] = 1 + hit_qk[hit_q].argmax(1)
    return ranks_qr
