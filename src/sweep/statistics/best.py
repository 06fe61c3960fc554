"""Which of several systems may be the best, and what the best one's figure is (docs/statistics.md).

All systems have the same seeds and answer the same questions; a larger value is better.
Shapes: s = seeds, g = translation groups, r = systems.
"""

from collections.abc import Sequence

import numpy as np

from sweep.statistics.crossed import Values, paired_difference
from sweep.statistics.uncertainty import LEVEL

SPLITS = 20  # random halves of the groups that a cross-fitted figure is averaged over


def may_be_best(systems: Sequence[Values], level: float = LEVEL) -> list[int]:
    """Places of the systems that are not shown to be worse than some other one.

    Multiple comparisons with the best (Hsu 1984, Annals of Statistics 12(3)): one-sided tests against every other,
    with Bonferroni's correction for their number. Holds the truly best one with probability `level`.
    """
    kept = []
    for place, own_sg in enumerate(systems):
        others = [other_sg for other, other_sg in enumerate(systems) if other != place]
        p_values = [paired_difference(own_sg, other_sg, systems).p_above(0.0) for other_sg in others]
        if not p_values or min(p_values) * len(p_values) > 1 - level:
            kept.append(place)
    return kept


def cross_fitted(systems: Sequence[Values], splits: int = SPLITS) -> float:
    """The figure of the best system, without the flattery of choosing the maximum of noisy figures.

    The best is chosen on one half of the groups with all seeds but one, and scored on the other half with the seed
    left out; the mean over seeds, both halves and `splits` random halvings. With one seed only the groups are split.
    """
    value_rsg = np.stack(systems)
    _, seeds, groups = value_rsg.shape
    rng = np.random.default_rng(0xC405)
    scores = []
    for _ in range(splits):
        first_g = np.zeros(groups, bool)
        first_g[rng.permutation(groups)[: groups // 2]] = True
        halves_rs = [value_rsg[:, :, half_g].mean(2) for half_g in (first_g, ~first_g)]
        for chosen_rs, scored_rs in (halves_rs, halves_rs[::-1]):
            total_r = chosen_rs.sum(1)
            for left_out in range(seeds):
                rest_r = total_r - chosen_rs[:, left_out] if seeds > 1 else total_r
                scores.append(scored_rs[int(rest_r.argmax()), left_out])
    return float(np.mean(scores))
