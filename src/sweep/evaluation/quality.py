"""Metrics of one question from the ranks of its relevant passages (docs/metrics.md, "Pools").

Every function takes ranks (q, r), 1 = best, with PAD (0) where a question has fewer than r relevant passages and FAR
for one that a search to some depth did not find. It gives float64 (q): NaN for a question without any relevant
passage in the pool, which the mean then leaves out. A metric's docstring is what `--list-metrics` shows.
"""

import numpy as np
from numpy.typing import NDArray

from sweep.evaluation.ranking import PAD, Ranks2D
from sweep.evaluation.views import Size

PerQuestion = NDArray[np.float64]


def _relevant(ranks_qr: Ranks2D) -> PerQuestion:
    """Number of relevant passages, NaN for none, so that dividing by it leaves the question out."""
    count_q = np.count_nonzero(ranks_qr != PAD, axis=1).astype(float)
    return np.where(count_q > 0, count_q, np.nan)


def _worst_first_if_padded(ranks_qr: Ranks2D) -> NDArray[np.float64]:
    return np.where(ranks_qr == PAD, np.inf, ranks_qr)


def average_precision(ranks_qr: Ranks2D) -> PerQuestion:
    """Average precision at full depth; its mean over questions is mAP.

    Formula: 1/|R| * sum over i = 1..|R| of i / r_i, r_i the sorted ranks of the relevant passages
    Range: (0, 1]
    Better: higher
    Source: Manning et al. 2008, Introduction to Information Retrieval, 8.4; LAReQA, arXiv 2004.05484
    Pitfall: in the pooled pool a retriever that finds its own language's passage only gets about 1/|L| of it
    """
    sorted_qr = np.sort(_worst_first_if_padded(ranks_qr), axis=1)
    precision_qr = np.arange(1, sorted_qr.shape[1] + 1) / sorted_qr  # 0 in padding
    return np.asarray(precision_qr.sum(1) / _relevant(ranks_qr))


def map_gap(ranks_qr: Ranks2D, translated_qr: Ranks2D) -> PerQuestion:
    """What asking in another language costs: the average precision of a question's translation into the passages'
    language, less the question's own. Same passages, same questions, so that with mAP it gives a fair pair.

    Formula: AP of the translation in the passages' language - AP of the question, over questions that have one
    Range: (-1, 1); 0: the language of the question does not matter
    Better: lower
    Source: this project; cross-lingual against monolingual retrieval of one and the same need, as AfriQA has it
    Pitfall: 0 as well for a retriever that finds nothing: read it with mAP
    """
    return average_precision(translated_qr) - average_precision(ranks_qr)


def recall_at(ranks_qr: Ranks2D, depth: int) -> PerQuestion:
    """Share of the relevant passages among the first k.

    Formula: |{r_i <= k}| / |R|
    Range: [0, 1]
    Better: higher
    Source: Manning et al. 2008, Introduction to Information Retrieval, 8.3
    Pitfall: cannot reach 1 where a question has more than k relevant passages (pooled recall@1 is at most 1/|L|)
    """
    return np.asarray(((ranks_qr != PAD) & (ranks_qr <= depth)).sum(1) / _relevant(ranks_qr))


def reciprocal_rank_at(ranks_qr: Ranks2D, depth: int) -> PerQuestion:
    """Reciprocal rank of the best relevant passage, cut at k.

    Formula: 1 / min r_i if min r_i <= k, else 0
    Range: [0, 1]
    Better: higher
    Source: Voorhees 1999, TREC-8 question answering track
    Pitfall: looks at one passage only: blind to passages in other languages
    """
    best_q = _worst_first_if_padded(ranks_qr).min(1)
    return np.where(np.isnan(_relevant(ranks_qr)), np.nan, np.where(best_q <= depth, 1 / best_q, 0.0))


def ndcg_at(ranks_qr: Ranks2D, grade_qr: NDArray[np.int32], depth: int) -> PerQuestion:
    """Normalised discounted cumulative gain of the first k, with the grades as gains.

    Formula: sum over r_i <= k of g_i / log2(1 + r_i), divided by the same sum for the ideal order of all of R
    Range: [0, 1]
    Better: higher
    Source: Jarvelin and Kekalainen 2002, ACM TOIS 20(4), eq. for a base of 2; linear gains as in trec_eval
    Pitfall: with linear gains; figures with gains of 2^g - 1 differ on graded data
    """
    gain_qr = np.where(ranks_qr == PAD, 0, grade_qr)
    counted_qr = (ranks_qr != PAD) & (ranks_qr <= depth)
    reached_q = np.where(counted_qr, gain_qr / np.log2(1.0 + np.maximum(ranks_qr, 1)), 0.0).sum(1)
    ideal_qr = -np.sort(-gain_qr, axis=1)[:, :depth]
    ideal_q = (ideal_qr / np.log2(np.arange(2, ideal_qr.shape[1] + 2))).sum(1)
    return np.asarray(reached_q / np.where(np.isnan(_relevant(ranks_qr)), np.nan, ideal_q))


def alignment_consistency(ranks_qr: Ranks2D, pool_size: Size) -> PerQuestion:
    """How near the worst-ranked parallel passage is to the top, on a logarithmic scale. The headline score.

    Formula: (ln|D| - ln max r_i) / (ln|D| - ln|R|); 1 where every passage of the pool is relevant
    Range: [0, 1]; 0: one relevant passage is the very last
    Better: higher
    Source: Max@R, arXiv 2604.05684, scaled to 0..1
    Pitfall: depends on the size of the pool, so compare within one benchmark and one set of languages
    """
    relevant_q = _relevant(ranks_qr)
    worst_q = np.where(np.isnan(relevant_q), np.nan, ranks_qr.max(1))
    span_q = np.log(pool_size) - np.log(relevant_q)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(span_q == 0, 1.0, (np.log(pool_size) - np.log(worst_q)) / span_q)


def rank_distance(ranks_qr: Ranks2D) -> PerQuestion:
    """Distance in ranks between the best and the worst of the parallel passages.

    Formula: max r_i - min r_i
    Range: [0, |D| - 1]
    Better: lower
    Source: language bias of arXiv 2408.10536
    Pitfall: an absolute number of ranks: grows with the pool, and a few questions dominate its mean
    """
    best_q = _worst_first_if_padded(ranks_qr).min(1)
    return np.where(np.isnan(_relevant(ranks_qr)), np.nan, ranks_qr.max(1) - best_q)


def prefers_own_language(
    ranks_qr: Ranks2D, relevant_language_qr: NDArray[np.int32], question_language_q: NDArray[np.int64]
) -> PerQuestion:
    """Whether the best-ranked relevant passage is in the question's language.

    Formula: share of questions whose relevant passage with rank min r_i is in the question's language
    Range: [0, 1]
    Better: near 1/|L|
    Source: the bias of LAReQA, arXiv 2004.05484, among relevant passages only
    Pitfall: a random ranking is free of bias too: read it with mAP
    """
    best_q = _worst_first_if_padded(ranks_qr).argmin(1)
    same_q = relevant_language_qr[np.arange(len(ranks_qr)), best_q] == question_language_q
    return np.where(np.isnan(_relevant(ranks_qr)), np.nan, same_q.astype(float))


def unbiased_preference(
    ranks_qr: Ranks2D, relevant_language_qr: NDArray[np.int32], question_language_q: NDArray[np.int64]
) -> PerQuestion:
    """What `language_preference` would be if the language did not matter: the share of a question's own language.

    Formula: |relevant passages in the question's language| / |R|; 1/|R| with one passage a language
    Range: [0, 1]
    Better: near what it is, since no model changes it
    Source: the expectation over random orders of R
    Pitfall: a property of the benchmark and its languages, not of a model
    """
    own_qr = (ranks_qr != PAD) & (relevant_language_qr == question_language_q[:, None])
    return np.asarray(own_qr.sum(1) / _relevant(ranks_qr))


def language_bias(
    ranks_qr: Ranks2D, relevant_language_qr: NDArray[np.int32], question_language_q: NDArray[np.int64]
) -> PerQuestion:
    """How much more often than without bias the best-ranked relevant passage is in the question's language.

    Formula: language_preference - unbiased_preference
    Range: [-1, 1]; 0: the language does not matter, positive: the question's own is preferred
    Better: near 0
    Source: language_preference, comparable across benchmarks that are parallel in different numbers of languages
    Pitfall: a random ranking is free of bias too: read it with mAP
    """
    languages = relevant_language_qr, question_language_q
    return prefers_own_language(ranks_qr, *languages) - unbiased_preference(ranks_qr, *languages)


def same_language_first(
    ranks_qr: Ranks2D, top_language_q: NDArray[np.int64], question_language_q: NDArray[np.int64]
) -> PerQuestion:
    """Whether the very first passage, relevant or not, is in the question's language.

    Formula: share of questions whose top-1 passage is in the question's language
    Range: [0, 1]
    Better: near 1/|L|
    Source: same-language bias of LAReQA, arXiv 2004.05484
    Pitfall: a random ranking is free of bias too; languages with more passages are met more often
    """
    return np.where(np.isnan(_relevant(ranks_qr)), np.nan, (top_language_q == question_language_q).astype(float))
