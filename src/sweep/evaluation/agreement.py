"""Agreement between parallel questions: do they get the same answer whatever their language?

Every function takes the two questions' sides of translation groups (g) and gives float64 (g). A metric's docstring is
what `--list-metrics` shows. k = the first 10 units of a question's ranking, NO_UNIT where a pool has fewer.
"""

import numpy as np
from numpy.typing import NDArray

from sweep.evaluation.ranking import NO_UNIT

PERSISTENCE = 0.9

Units = NDArray[np.int32]
PerGroup = NDArray[np.float64]


def _same_gkk(one_gk: Units, other_gk: Units) -> NDArray[np.bool_]:
    return np.asarray((one_gk[:, :, None] == other_gk[:, None, :]) & (one_gk != NO_UNIT)[:, :, None])


def _depth(one_gk: Units, other_gk: Units) -> int:
    """Units in the lists: 10, or all units of a smaller pool."""
    both = np.concatenate([one_gk, other_gk])
    return int((both != NO_UNIT).sum(1).max(initial=1))


def rank_biased_overlap(one_gk: Units, other_gk: Units) -> PerGroup:
    """Rank-biased overlap of the two questions' first 10 units.

    Formula: (1 - p) * sum over d = 1..10 of p^(d-1) |A_d & B_d| / d, divided by 1 - p^10; p = 0.9
    Range: [0, 1]; identical lists score 1
    Better: higher
    Source: Webber et al. 2010, ACM TOIS 28(4), eq. 4, truncated and scaled
    Pitfall: can be won by being consistently wrong: read it with agree_correct@1
    """
    depth = _depth(one_gk, other_gk)
    same_gkk = _same_gkk(one_gk[:, :depth], other_gk[:, :depth])
    common_gkk = same_gkk.cumsum(1).cumsum(2)
    common_gd = np.stack([common_gkk[:, d, d] for d in range(depth)], axis=1)
    weight_d = (1 - PERSISTENCE) * PERSISTENCE ** np.arange(depth) / np.arange(1, depth + 1)
    return np.asarray(common_gd @ weight_d / (1 - PERSISTENCE**depth))


def jaccard(one_gk: Units, other_gk: Units) -> PerGroup:
    """Overlap of the two sets of the first 10 units.

    Formula: |A & B| / |A | B|
    Range: [0, 1]
    Better: higher
    Source: Jaccard 1901
    Pitfall: blind to the order within the first 10; can be won by being consistently wrong
    """
    common_g = _same_gkk(one_gk, other_gk).sum((1, 2))
    either_g = (one_gk != NO_UNIT).sum(1) + (other_gk != NO_UNIT).sum(1) - common_g
    return np.asarray(common_g / either_g)


def both_correct(one_correct_g: NDArray[np.bool_], other_correct_g: NDArray[np.bool_]) -> PerGroup:
    """Whether both questions' first passage is relevant to them.

    Formula: share of pairs of parallel questions whose two top-1 passages are both relevant
    Range: [0, 1]
    Better: higher
    Source: this project; agreement on the right answer only
    Pitfall: at most the smaller of the two languages' success at rank 1
    """
    return np.asarray(one_correct_g & other_correct_g, float)
