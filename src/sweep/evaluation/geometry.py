"""Geometry of parallel questions, without any pool of passages.

Shapes: g = translation groups that both languages have, m = all questions of the first, n = of the second language,
h = hidden size, q = questions of all languages. Embeddings are L2-normalised float32. A metric's docstring is what
`--list-metrics` shows.
"""

import logging

import numpy as np
from numpy.typing import NDArray

from sweep.errors import SweepError

log = logging.getLogger("sweep")

FOLDS = 5

Embeddings = NDArray[np.float32]
PerGroup = NDArray[np.float64]


def _others(
    cosine_mn: NDArray[np.float32], row_g: NDArray[np.int64], column_g: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """The translation's cosine, and the highest other one in its row and in its column (each g)."""
    own_g = cosine_mn[row_g, column_g]
    rest_mn = cosine_mn.copy()
    rest_mn[row_g, column_g] = -np.inf
    return own_g, rest_mn.max(1)[row_g], rest_mn.max(0)[column_g]


def bitext_accuracy(
    cosine_mn: NDArray[np.float32], row_g: NDArray[np.int64], column_g: NDArray[np.int64]
) -> PerGroup:
    """Whether a question's nearest neighbour among the other language's questions is its translation.

    Formula: mean over both directions of [cos(x, its translation) > cos(x, every other question)]
    Range: [0, 1]
    Better: higher
    Source: Tatoeba retrieval, Artetxe and Schwenk 2019, arXiv 1812.10464
    Pitfall: depends on the number of questions; two questions with the same text count as missed
    """
    own_g, row_other_g, column_other_g = _others(cosine_mn, row_g, column_g)
    return np.asarray(((own_g > row_other_g).astype(float) + (own_g > column_other_g)) / 2)


def mexa(cosine_mn: NDArray[np.float32], row_g: NDArray[np.int64], column_g: NDArray[np.int64]) -> PerGroup:
    """Whether a pair of translations is the nearest of both sides at once.

    Formula: [s_ii > every other entry of row i and of column i] of the matrix of cosines s
    Range: [0, 1]
    Better: higher
    Source: MEXA, Kargaran et al. 2024, arXiv 2410.05873
    Pitfall: depends on the number of questions; two questions with the same text count as missed
    """
    own_g, row_other_g, column_other_g = _others(cosine_mn, row_g, column_g)
    return np.asarray((own_g > row_other_g) & (own_g > column_other_g), float)


def alignment_loss(one_gh: Embeddings, other_gh: Embeddings) -> PerGroup:
    """Squared distance of translations.

    Formula: E ||x - y||^2 over pairs of translations
    Range: [0, 4]
    Better: lower
    Source: Wang and Isola 2020, arXiv 2005.10242, eq. 1 with alpha = 2
    Pitfall: 0 for an encoder that maps everything to one point: read it with uniformity
    """
    return np.asarray(np.square(one_gh.astype(np.float64) - other_gh).sum(1))


def uniformity(embedding_mh: Embeddings) -> float:
    """How evenly one language's questions spread over the sphere.

    Formula: ln E exp(-2 ||x - y||^2) over all pairs of different questions of the language (none is drawn)
    Range: [-8, 0]; NaN for a single question
    Better: lower
    Source: Wang and Isola 2020, arXiv 2005.10242, eq. 2 with t = 2
    Pitfall: says nothing about languages: read it with alignment_loss. It is no mean, so it has no interval
    """
    size = len(embedding_mh)
    if size < 2:
        return float("nan")
    cosine_mm = (embedding_mh @ embedding_mh.T).astype(np.float64)
    kernel_mm = np.exp(-2 * np.maximum(2 - 2 * cosine_mm, 0.0))
    return float(np.log((kernel_mm.sum() - np.trace(kernel_mm)) / (size * (size - 1))))


def language_probe(
    embedding_qh: Embeddings, language_q: NDArray[np.int64], group_q: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Whether a linear probe reads the question's language from its embedding.

    Formula: accuracy of logistic regression (C = 1) in 5 folds; parallel questions are in one fold
    Range: [0, 1]
    Better: near 1/|L|
    Source: language identity probing, Libovicky et al. 2020, arXiv 2004.05160
    Pitfall: a linear probe: a language may still be told apart in other ways; NaN with fewer than 5 groups
    """
    correct_q = np.full(len(language_q), np.nan)
    try:
        from sklearn.linear_model import LogisticRegression  # a second, which only an evaluation should take
        from sklearn.model_selection import GroupKFold
    except ModuleNotFoundError:  # with the packages of tests/gpu alone
        log.warning("no language probe: scikit-learn is not installed")
        return correct_q
    if len(np.unique(group_q)) < FOLDS or len(np.unique(language_q)) < 2:
        return correct_q
    for train, test in GroupKFold(FOLDS).split(embedding_qh, groups=group_q):
        if len(np.unique(language_q[train])) < 2:
            continue
        probe = LogisticRegression(C=1.0, max_iter=1000).fit(embedding_qh[train], language_q[train])
        if (probe.n_iter_ >= probe.max_iter).any():
            raise SweepError("the language probe's logistic regression did not converge")  # on rank 0 alone
        correct_q[test] = probe.predict(embedding_qh[test]) == language_q[test]
    return correct_q
