"""Metrics of one question from the ranks of its relevant passages.

Every function takes ranks (q, r), 1 = best, with PAD (0) where a question has fewer than r relevant passages, and
gives float64 (q): NaN for a question without any relevant passage in the pool, which the mean then leaves out.
"""

import numpy as np
from numpy.typing import NDArray

from sweep.evaluation.ranks import PAD

Ranks2D = NDArray[np.int32]
PerQuestion = NDArray[np.float64]


def _found(ranks_qr: Ranks2D) -> PerQuestion:
    """Number of relevant passages, NaN for none, so that dividing by it leaves the question out."""
    count_q = np.count_nonzero(ranks_qr != PAD, axis=1).astype(float)
    return np.where(count_q > 0, count_q, np.nan)


def _worst_first_if_padded(ranks_qr: Ranks2D) -> NDArray[np.float64]:
    return np.where(ranks_qr == PAD, np.inf, ranks_qr)


def average_precision(ranks_qr: Ranks2D) -> PerQuestion:
    """AP = 1/|R| sum_i i / r_i over the sorted ranks, at full depth. In (0, 1], higher is better."""
    sorted_qr = np.sort(_worst_first_if_padded(ranks_qr), axis=1)
    precision_qr = np.arange(1, sorted_qr.shape[1] + 1) / sorted_qr  # 0 in padding
    return np.asarray(precision_qr.sum(1) / _found(ranks_qr))


def recall_at(ranks_qr: Ranks2D, depth: int) -> PerQuestion:
    """Share of the relevant passages with rank <= depth. In [0, 1], higher is better."""
    return np.asarray(((ranks_qr != PAD) & (ranks_qr <= depth)).sum(1) / _found(ranks_qr))


def reciprocal_rank_at(ranks_qr: Ranks2D, depth: int) -> PerQuestion:
    """1 / the best rank if that is <= depth, else 0. In [0, 1], higher is better."""
    best_q = _worst_first_if_padded(ranks_qr).min(1)
    return np.where(np.isnan(_found(ranks_qr)), np.nan, np.where(best_q <= depth, 1 / best_q, 0.0))


def alignment_consistency(ranks_qr: Ranks2D, pool_size: int) -> PerQuestion:
    """(ln|D| - ln max rank) / (ln|D| - ln|R|): Max@R (arXiv 2604.05684) scaled to [0, 1], higher is better.

    1: all parallel passages stand at the very top; 0: the worst one is last. If every passage of the pool is
    relevant the ranking cannot be wrong, and the value is 1.
    """
    found_q = _found(ranks_qr)
    worst_q = np.where(np.isnan(found_q), np.nan, ranks_qr.max(1))
    span_q = np.log(pool_size) - np.log(found_q)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(span_q == 0, 1.0, (np.log(pool_size) - np.log(worst_q)) / span_q)


def rank_distance(ranks_qr: Ranks2D) -> PerQuestion:
    """Worst minus best rank of the relevant passages (language bias of arXiv 2408.10536). >= 0, lower is better."""
    best_q = _worst_first_if_padded(ranks_qr).min(1)
    return np.where(np.isnan(_found(ranks_qr)), np.nan, ranks_qr.max(1) - best_q)


def prefers_own_language(
    ranks_qr: Ranks2D, language_qr: NDArray[np.int32], question_language_q: NDArray[np.int64]
) -> PerQuestion:
    """1 if the best-ranked relevant passage is in the question's language, else 0. The mean is the language
    preference; without bias it is about 1 / number of languages."""
    best_q = _worst_first_if_padded(ranks_qr).argmin(1)
    same_q = language_qr[np.arange(len(ranks_qr)), best_q] == question_language_q
    return np.where(np.isnan(_found(ranks_qr)), np.nan, same_q.astype(float))
