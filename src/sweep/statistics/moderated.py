"""A variance between few seeds, steadied by that of other systems with the same seeds (docs/statistics.md).

With k = 3 seeds a variance has 2 degrees of freedom, and in a table of many pairs there is always one whose seeds
happen to agree. Drawn towards the mean over all systems it cannot be as small as that; the others' weight is limited,
so that with many seeds a system is judged by its own. Shapes: s = seeds, g = translation groups, r = systems.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
FEWEST_PEERS = 3  # systems with the same seeds that a variance is drawn to the mean of
PRIOR = 3  # degrees of freedom that the mean counts for, beside the k - 1 of a system's own


@dataclass(frozen=True)
class SeedVariance:
    """A variance between seeds, and its degrees of freedom."""

    variance: float
    df: float


def moderated_difference(own: float, peers: Sequence[Values]) -> SeedVariance:
    """The variance between seeds of the difference of two of R systems:

        s2 = w s0 + (1 - w) s,   w = d0 / (d0 + k - 1),   d0 = min(PRIOR, (R - 1)(k - 1))

    `own` is the pair's s = var_s(mean_g d), s0 the mean of the same over all pairs. s0 holds s, too; so if the seeds
    of all systems spread alike, s2 has the degrees of freedom (Satterthwaite 1946)

        (k - 1) / ((1 - w (R - 2) / (R - 1))^2 + (R - 2) w^2 / (R - 1)^2)
    """
    systems, spare = len(peers), len(peers[0]) - 1
    mean_rs = _means(peers)
    pooled = 2 * _interaction(mean_rs)
    weight = _weight(systems, spare)
    return SeedVariance(weight * pooled + (1 - weight) * own, df_of_difference(systems, spare + 1))


def df_of_difference(systems: int, seeds: int) -> float:
    """The degrees of freedom of the variance between seeds of a difference: those of `moderated_difference` from
    FEWEST_PEERS systems on, else those of the pair's own."""
    spare = seeds - 1
    if systems < FEWEST_PEERS:
        return spare
    weight, others = _weight(systems, spare), (systems - 2) / (systems - 1)
    return spare / ((1 - weight * others) ** 2 + others * weight**2 / (systems - 1))


def moderated_figure(own: float, peers: Sequence[Values]) -> SeedVariance:
    """The variance between seeds of one system's figure, `own`, drawn likewise towards the mean over R systems.

    The same seed may do the same to all systems, which leaves the mean fewer degrees of freedom: with r the
    correlation of two systems over seeds (estimated), its variance is c = (1 + (R - 1) r^2) / R of a single one's.
    """
    systems, spare = len(peers), len(peers[0]) - 1
    mean_rs = _means(peers)
    pooled = float(mean_rs.var(1, ddof=1).mean())
    alike = max(0.0, 1 - _interaction(mean_rs) / pooled) if pooled else 0.0
    weight = _weight(systems, spare)
    of_mean = (1 + (systems - 1) * alike**2) / systems
    share = of_mean * (1 - (1 - weight) ** 2) + (1 - weight) ** 2
    return SeedVariance(weight * pooled + (1 - weight) * own, spare / share)


def pooled_within(points: Iterable[Sequence[float]]) -> SeedVariance | None:
    """The variance of a figure between the seeds of one point, pooled over points; None without replicates."""
    replicates = [np.asarray(figures) for figures in points]
    df = sum(len(figures) - 1 for figures in replicates)
    return SeedVariance(sum(float(figures.var()) * len(figures) for figures in replicates) / df, df) if df else None


def _means(peers: Sequence[Values]) -> Values:
    return np.stack([value_sg.mean(1) for value_sg in peers])


def _interaction(mean_rs: Values) -> float:
    """The mean square of what is left when systems and seeds are taken out: half of what pairs differ by."""
    left_rs = mean_rs - mean_rs.mean(0) - mean_rs.mean(1, keepdims=True) + mean_rs.mean()
    return float((left_rs**2).sum() / ((len(mean_rs) - 1) * (mean_rs.shape[1] - 1)))


def _weight(systems: int, spare: int) -> float:
    prior = min(PRIOR, (systems - 1) * spare)
    return prior / (prior + spare)
