"""Exact ranks by counting: how many passages of a block score higher than each relevant passage.

Shapes: b = questions of a block, c = passages of a block (columns), r = relevant passages of a question.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

CACHE_BYTES = 2**20  # of scores sorted at a time: they stay in a core's cache, which is worth a factor of two


def rows_in_cache(columns: int) -> int:
    """How many questions' scores to take at a time."""
    return max(1, CACHE_BYTES // (4 * columns))


def leave_out(scores_bc: NDArray[np.float32], places_b: Sequence[NDArray[np.int64]], low: int = 0) -> None:
    """Give the lowest of all scores to the passages that are no candidates for a question. `places_b` are theirs,
    `low` is the place of the first column; those outside of the block are passed over."""
    for row, places in enumerate(places_b):
        columns = places - low
        scores_bc[row, columns[(columns >= 0) & (columns < scores_bc.shape[1])]] = -np.inf


def count_ahead(
    scores_bc: NDArray[np.float32],
    sorted_bc: NDArray[np.float32],
    passage_c: NDArray[np.int64],
    score_br: NDArray[np.float32],
    relevant_br: NDArray[np.int64],
    here_br: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Passages of the block that stand before each relevant passage: of a higher score, or of the same score and a
    smaller index.

    `sorted_bc` are the scores in ascending order, `passage_c` the columns' passages, `score_br` the scores of the
    relevant passages (+inf where there is none), `here_br` whether the relevant passage is one of the columns.
    """
    # NumPy searches one row at a time.
    ahead_br = torch.searchsorted(torch.from_numpy(sorted_bc), torch.from_numpy(score_br), right=True).numpy()
    # The last column that is not higher: the relevant passage itself if it is here, else one that ties with it.
    last_br = ahead_br - 1 - here_br
    equal_br = np.take_along_axis(sorted_bc, np.maximum(last_br, 0), axis=1) == score_br
    ahead_br = len(passage_c) - ahead_br
    for row, place in zip(*np.nonzero(equal_br & (last_br >= 0)), strict=True):
        tied_c = scores_bc[row] == score_br[row, place]
        ahead_br[row, place] += np.count_nonzero(passage_c[tied_c] < relevant_br[row, place])
    return np.asarray(ahead_br)


def count_ahead_in_order(
    scores_bc: NDArray[np.float32],
    score_br: NDArray[np.float32],
    column_br: NDArray[np.int64],
    real_br: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """As `count_ahead`, for columns in the order of their passages and few relevant ones, without sorting.

    `column_br` is the relevant passage's column; it may lie before (negative) or behind this block's.
    """
    ahead_br = np.zeros(score_br.shape, np.int64)
    for row, place in zip(*np.nonzero(real_br), strict=True):
        before, score = max(0, column_br[row, place]), score_br[row, place]
        ahead_br[row, place] = np.count_nonzero(scores_bc[row, :before] >= score)  # a tie goes to the earlier passage
        ahead_br[row, place] += np.count_nonzero(scores_bc[row, before:] > score)
    return ahead_br
