"""Giving up what is worse, looked at again and again: a decision that must not be wrong often (docs/statistics.md).

Shapes: s = seeds, g = translation groups.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sweep.statistics.crossed import Values, paired_difference
from sweep.statistics.moderated import SeedVariance


def p_worse(own_sg: Values, rivals: Sequence[Values], among: int, planned: int) -> float:
    """p of a system that may be as good as the best of its rivals with the same seeds, in [0, 1].

    Corrected (Bonferroni) for the number of points that the best was chosen `among`, all of them rivals, and for the
    looks: one after each of the `planned` seeds but the first and the last. With one seed nothing is known about
    others: 1.
    """
    if len(own_sg) < 2 or not rivals:
        return 1.0
    best_sg = max(rivals, key=lambda rival_sg: float(rival_sg.mean()))
    one = paired_difference(own_sg, best_sg, [own_sg, *rivals]).p_above(0.0)
    return min(1.0, one * among * max(1, planned - 2))


def share_of_look(number: int) -> float:
    """What part of an error rate a look may spend, the first being 1, when nobody knows how many will follow: all
    parts sum to 1."""
    return 6 / (np.pi * number) ** 2


def is_worse(difference_g: NDArray[np.float64], level: float, seeds: SeedVariance | None = None) -> bool:
    """Whether a training is worse than a finished one by both of two tests at this level.

    Wilcoxon's signed-rank test (Wilcoxon 1945), one-sided, over what it contributes beyond the other by translation
    group (g; NaN where a group has no figure): could other questions have told them apart the other way round? And
    Student's t of the gap between them: could other seeds? Without `seeds` trained models are compared as they are.
    """
    from scipy.stats import wilcoxon  # takes a second to import

    difference_g = difference_g[~np.isnan(difference_g)]
    if not np.any(difference_g):
        return False
    if wilcoxon(difference_g, alternative="less", zero_method="zsplit").pvalue >= level:
        return False
    return seeds is None or p_beyond_seeds(-float(difference_g.mean()), seeds, 1) < level


def p_beyond_seeds(gap: float, seeds: SeedVariance, replicates: int) -> float:
    """One-sided p of a gap between one training and the mean of `replicates` others if both came from one setting."""
    from scipy.special import stdtr  # Student's t

    error = (seeds.variance * (1 + 1 / replicates)) ** 0.5
    if error == 0.0:
        return 0.0 if gap > 0 else 1.0
    return float(stdtr(seeds.df, -gap / error))
