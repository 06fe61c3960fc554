"""Inner products of float32 embeddings, correctly rounded to float32: the same on every device and by every kernel.

A product of two float32 numbers is exact in float64, so a sum in float64 is off by its additions alone, whatever
their order: by no more than h * 2^-53 * |q| * |p| (Higham 2002, "Accuracy and Stability of Numerical Algorithms",
section 3.1). Where this leaves open which float32 number is the nearest one, the sum is computed exactly.

Shapes: q = questions, d = passages, u = distinct texts, n = pairs of a question and a text, h = hidden size.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SLACK = 2.0  # times the bound: the rounding of the norms and of the limits below
PAIRS_AT_A_TIME = 16_384

Scores = NDArray[np.float32]
Doubles = NDArray[np.float64]


class Limits(NamedTuple):
    """Float64 sums between which a passage's rank against another one is decided. Above `above` it has the higher
    score, below `below` the lower one, between `tie_low` and `tie_high` the same; anywhere else only the exact sum
    tells."""

    below: Doubles
    tie_low: Doubles
    tie_high: Doubles
    above: Doubles


def longest(embedding_dh: NDArray[np.float32]) -> float:
    """The largest norm of some embeddings, 0 of none."""
    return math.sqrt(float(np.einsum("dh,dh->d", embedding_dh, embedding_dh, dtype=np.float64).max(initial=0.0)))


def sum_error(hidden_size: int, query_norm: float, passage_norm: float) -> float:
    """How far a float64 sum may be from the inner product of float32 embeddings up to these norms."""
    return SLACK * hidden_size * 2.0**-53 * query_norm * passage_norm


def limits(score: Scores, error: float) -> Limits:
    """The limits of comparisons with some correctly rounded scores; +inf is above everything."""
    exact = score.astype(np.float64)
    with np.errstate(over="ignore"):
        low = (exact + np.nextafter(score, np.float32(-np.inf)).astype(np.float64)) / 2
        high = (exact + np.nextafter(score, np.float32(np.inf)).astype(np.float64)) / 2
    return Limits(low - error, low + error, high - error, high + error)


def exact_score(query_h: NDArray[np.float32], passage_h: NDArray[np.float32]) -> np.float32:
    """The inner product, summed without any error and then rounded."""
    return np.float32(math.fsum((query_h.astype(np.float64) * passage_h).tolist()))


class ExactProducts(NamedTuple):
    """Embeddings of questions and texts, and how far a float64 sum of theirs may be from the exact product."""

    query_qh: NDArray[np.float32]
    text_uh: NDArray[np.float32]
    error: float

    def scores(self, query_n: NDArray[np.int64], text_n: NDArray[np.int64]) -> Scores:
        """Correctly rounded scores of some pairs, given as rows."""
        score_n = np.zeros(len(query_n), np.float32)
        for low in range(0, len(query_n), PAIRS_AT_A_TIME):
            part = slice(low, low + PAIRS_AT_A_TIME)
            query_nh, text_nh = self.query_qh[query_n[part]], np.asarray(self.text_uh[text_n[part]])
            sum_n = np.einsum("nh,nh->n", query_nh.astype(np.float64), text_nh.astype(np.float64))
            score_n[part] = rounded(sum_n, query_nh, text_nh, self.error)
        return score_n


def rounded(sum_n: Doubles, query_nh: NDArray[np.float32], text_nh: NDArray[np.float32], error: float) -> Scores:
    """Sums in float64 of some pairs as correctly rounded scores; `error` is how far they may be off."""
    low_n, high_n = (sum_n - error).astype(np.float32), (sum_n + error).astype(np.float32)
    for place in np.flatnonzero(low_n != high_n):
        low_n[place] = exact_score(query_nh[place], text_nh[place])
    return low_n
