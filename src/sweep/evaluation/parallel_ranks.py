"""Exact ranks in every language's pool and in the pool of all languages, for benchmarks whose passages fit in memory.

Shapes: q = questions, d = passages, c = passages in the order of (language, id), b = questions of a block,
r = relevant passages of a question (padded), u = distinct passage texts, h = hidden size, k = best units.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from sweep.data.benchmark import Benchmark
from sweep.evaluation.counting import count_ahead, leave_out, rows_in_cache
from sweep.evaluation.device_blocks import has_exact_products
from sweep.evaluation.device_ranks import rank_parallel_on
from sweep.evaluation.pool_columns import PoolColumns, pool_columns
from sweep.evaluation.ranking import NO_UNIT, PAD, TOP_UNITS, Pooled, Ranking, Search, Targets, ranking, targets

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

BLOCK_BYTES = 64 * 2**20  # of scores at a time


def rank_parallel(
    benchmark: Benchmark,
    query_qh: NDArray[np.float32],
    passage_uh: NDArray[np.float32],
    text_d: NDArray[np.int64],
    device: torch.device | None = None,
) -> Ranking:
    """Rank by inner product in float32; ties go to the smaller passage id (docs/metrics.md, "Ranks and ties").

    `query_qh` and `passage_uh` are L2-normalised; `text_d` maps a passage to the row of its text. Passages with the
    same embedding have exactly the same score. On a GPU the products are summed in float64 and then rounded, which
    needs no care for the order of additions. Raises torch's OutOfMemoryError if it has no memory for one question.
    """
    if device is not None and has_exact_products(device):
        return rank_parallel_on(device, benchmark, query_qh, passage_uh, text_d)
    columns = pool_columns(benchmark)
    passage_ch = passage_uh[text_d[columns.passage_c]]
    twins, firsts = _twins(passage_ch)

    def scores_of(rows: slice) -> NDArray[np.float32]:
        scores_bc = query_qh[rows] @ passage_ch.T
        # The matrix product may round the same row differently in different places.
        scores_bc[:, twins] = scores_bc[:, firsts]
        return scores_bc

    return _rank(benchmark, columns, scores_of)


def rank_sparse(benchmark: Benchmark, query_qv: "csr_matrix", passage_dv: "csr_matrix") -> Ranking:
    """The same for sparse L2-normalised float32 vectors. Equal rows have equal scores, since sparse products add up
    in the order of the query's entries."""
    columns = pool_columns(benchmark)
    transposed_vc = passage_dv[columns.passage_c].T.tocsr()
    return _rank(benchmark, columns, lambda rows: (query_qv[rows] @ transposed_vc).toarray())


def _rank(benchmark: Benchmark, columns: PoolColumns, scores_of: Callable[[slice], NDArray[np.float32]]) -> Ranking:
    """Rank a block of questions at a time by their scores (b, c)."""
    wanted = targets(benchmark)
    passages = len(columns.passage_c)
    place_d = np.full(len(benchmark.passages), -1)
    place_d[columns.passage_c] = np.arange(passages)
    ignored_q = [place_d[rows] for rows in benchmark.ignored_q]
    column_qr = np.where(wanted.relevant_qr >= 0, place_d[wanted.relevant_qr], -1)
    size = len(column_qr)
    pooled = Pooled(
        rank_qr=np.zeros(column_qr.shape, np.int32),
        top_language_q=np.zeros(size, np.int64),
        top_relevant_q=np.zeros(size, bool),
        units_qk=np.full((size, TOP_UNITS), NO_UNIT, np.int32),
    )
    own_qr = np.zeros(column_qr.shape, np.int32)
    block = max(1, BLOCK_BYTES // (4 * passages))
    step = rows_in_cache(passages)
    for start in range(0, size, block):
        scores_bc = scores_of(slice(start, start + block))
        leave_out(scores_bc, ignored_q[start : start + block])
        for low in range(0, len(scores_bc), step):
            part_bc = scores_bc[low : low + step]
            rows = slice(start + low, start + low + len(part_bc))
            _rank_rows(part_bc, columns, wanted, column_qr, rows, own_qr, pooled, benchmark.passages.language_d)
    return ranking(benchmark, wanted, own_qr, pooled, Search())


def _twins(passage_ch: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Columns whose embedding an earlier column has too, and that earlier column for each of them."""
    first_of: dict[bytes, int] = {}
    first_c = np.array([first_of.setdefault(row_h.tobytes(), c) for c, row_h in enumerate(passage_ch)])
    twins = np.flatnonzero(first_c != np.arange(len(first_c)))
    return twins, first_c[twins]


def _rank_rows(
    scores_bc: NDArray[np.float32],
    columns: PoolColumns,
    wanted: Targets,
    column_qr: NDArray[np.int64],
    rows: slice,
    own_qr: NDArray[np.int32],
    pooled: Pooled,
    language_d: NDArray[np.int64],
) -> None:
    """Fill in the ranks, the best passage and the best units of a few questions."""
    relevant_br, language_br = wanted.relevant_qr[rows], wanted.language_qr[rows]
    real_br = relevant_br >= 0
    score_br = np.where(real_br, np.take_along_axis(scores_bc, np.maximum(column_qr[rows], 0), axis=1), np.inf)
    score_br = score_br.astype(np.float32)
    ahead_br = np.zeros(score_br.shape, np.int64)
    own_br = np.zeros(score_br.shape, np.int64)
    for language, (low, high) in enumerate(pairwise(columns.language_starts)):
        if low == high:  # a language may have questions alone
            continue
        slice_bc = scores_bc[:, low:high]
        here_br = language_br == language
        counted_br = count_ahead(
            slice_bc, np.sort(slice_bc, axis=1), columns.passage_c[low:high], score_br, relevant_br, here_br
        )
        ahead_br += counted_br
        own_br += np.where(here_br, counted_br, 0)
    pooled.rank_qr[rows] = np.where(real_br, 1 + ahead_br, PAD)
    own_qr[rows] = np.where(real_br, 1 + own_br, PAD)
    best_b = _best_passage(scores_bc, columns.passage_c)
    pooled.top_language_q[rows] = language_d[best_b]
    pooled.top_relevant_q[rows] = (relevant_br == best_b[:, None]).any(1)
    units_bk = _best_units(scores_bc, columns)
    pooled.units_qk[rows, : units_bk.shape[1]] = units_bk


def _best_passage(scores_bc: NDArray[np.float32], passage_c: NDArray[np.int64]) -> NDArray[np.int64]:
    """The passage with the highest score; of several, the one with the smallest index."""
    highest_b1 = scores_bc.max(1, keepdims=True)
    best_b: NDArray[np.int64] = passage_c[scores_bc.argmax(1)]
    for row in np.flatnonzero(np.count_nonzero(scores_bc == highest_b1, axis=1) > 1):
        best_b[row] = passage_c[scores_bc[row] == highest_b1[row]].min()
    return best_b


def _best_units(scores_bc: NDArray[np.float32], columns: PoolColumns) -> NDArray[np.int64]:
    """The first 10 distinct units in the order of the ranking (fewer if there are fewer, NO_UNIT for one of which no
    passage is a candidate)."""
    highest_bu = np.maximum.reduceat(np.take(scores_bc, columns.by_unit_c, axis=1), columns.unit_starts, axis=1)
    depth = min(TOP_UNITS, highest_bu.shape[1])
    beyond = min(depth + 1, highest_bu.shape[1])  # one more, to see whether the last one ties with it
    if beyond < highest_bu.shape[1]:
        some_bk = np.argpartition(-highest_bu, beyond - 1, axis=1)[:, :beyond]
    else:
        some_bk = np.broadcast_to(np.arange(beyond), (len(scores_bc), beyond))
    order_bk = np.argsort(-np.take_along_axis(highest_bu, some_bk, axis=1), axis=1, kind="stable")
    units_bk = np.take_along_axis(some_bk, order_bk, axis=1)
    top_bk = np.take_along_axis(highest_bu, units_bk, axis=1)
    for row in np.flatnonzero((top_bk[:, 1:] == top_bk[:, :-1]).any(1)):
        units_bk[row, :depth] = _best_units_of(scores_bc[row], columns)[:depth]
    units_bk = units_bk[:, :depth]
    return np.where(np.take_along_axis(highest_bu, units_bk, axis=1) == -np.inf, NO_UNIT, units_bk)


def _best_units_of(scores_c: NDArray[np.float32], columns: PoolColumns) -> NDArray[np.int64]:
    """All units of one question in the order of their first passage, ties by passage index."""
    order = np.lexsort((columns.passage_c, -scores_c))
    units, first = np.unique(columns.unit_c[order], return_index=True)
    return np.asarray(units[np.argsort(first)])
