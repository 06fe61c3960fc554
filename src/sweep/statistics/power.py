"""How many seeds would show a difference, and how small a difference a study could have seen.

The error of a difference D of two ratios with k seeds (sweep.statistics.crossed) has two parts: V = s2 / k + V_q. s2
is what one seed more or less changes, V_q what the choice of questions leaves however many seeds there are. If the
true difference is d, D / sqrt(V) has the noncentral t distribution with noncentrality d / sqrt(V) and Satterthwaite's
degrees of freedom, so that a two-sided test at level a sees d, with its sign, with probability

    power = P(T > t(1 - a / 2)),   T noncentral t with df, d / sqrt(V)        (Cohen 1988, chapter 2)

a is .05 divided by the number of comparisons that the table shows: Bonferroni's level. Holm's is never smaller, so
the real power is this one or more. Measured variances stand for the true ones, which few seeds know badly: with 3
seeds of 5 ratios the number of seeds that comes out is .4 to 1.6 times the right one in four studies of five
(simulated). Where d is hardly more than what any number of seeds could see with these questions, it may be anything,
or none (docs/statistics.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sweep.statistics.crossed import Estimate
from sweep.statistics.moderated import df_of_difference
from sweep.statistics.uncertainty import LEVEL

POWER = 0.8
MOST_SEEDS = 1000


@dataclass(frozen=True)
class Noise:
    """What hides a difference between two of a study's ratios.

    Attributes:
        by_seed: s2, the variance between seeds of a difference that one seed of each ratio gives.
        by_questions: V_q, the variance of a difference that remains with any number of seeds.
        groups: translation groups that V_q is of.
        systems: ratios with the same seeds, which a variance between seeds is drawn towards.
        comparisons: differences that are tested together.
    """

    by_seed: float
    by_questions: float
    groups: int
    systems: int = 2
    comparisons: int = 1


def noise_of(differences: Sequence[Estimate], systems: int, comparisons: int) -> Noise | None:
    """The noise of a typical pair: the mean over differences of trained systems. None if none of them is over
    seeds."""
    parts = [one.parts for one in differences if one.over_seeds and one.parts is not None]
    if not parts:
        return None
    return Noise(
        sum(part.by_seeds * part.seeds for part in parts) / len(parts),
        sum(part.by_questions for part in parts) / len(parts),
        max(part.groups for part in parts),
        systems,
        comparisons,
    )


def power(difference: float, noise: Noise, seeds: float) -> float:
    """The probability in [0, 1] that a true difference would be shown, with the right sign, by so many seeds (2 or
    more; infinity: what the questions allow at best)."""
    from scipy.special import nctdtr, stdtrit

    terms = [(noise.by_questions, float(max(noise.groups - 1, 1)))]
    if seeds != float("inf"):
        terms.append((noise.by_seed / seeds, df_of_difference(noise.systems, int(seeds))))
    variance = sum(term for term, _ in terms)
    if variance == 0.0:
        return float(difference != 0.0)
    df = variance**2 / sum(term**2 / own for term, own in terms)
    critical = stdtrit(df, 1 - (1 - LEVEL) / 2 / noise.comparisons)
    return float(1 - nctdtr(df, abs(difference) / variance**0.5, critical))


def seeds_needed(difference: float, noise: Noise, probability: float = POWER) -> int | None:
    """The fewest seeds of each ratio, 2 to MOST_SEEDS, with which a true difference would be shown with this
    probability. None if that many are not enough, above all where the questions alone hide it: then only more
    questions help."""
    if power(difference, noise, MOST_SEEDS) < probability:
        return None
    low, high = 1, MOST_SEEDS  # too few, and enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(difference, noise, middle) >= probability else (middle, high)
    return high


def smallest_difference(noise: Noise, seeds: float, probability: float = POWER) -> float:
    """The smallest true difference that so many seeds (2 or more, or infinity) would show with this probability."""
    high = float((noise.by_questions + noise.by_seed) ** 0.5)
    if high == 0.0:
        return 0.0
    while power(high, noise, seeds) < probability:
        high *= 2
    low = 0.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle, noise, seeds) >= probability else (middle, high)
    return high


def questions_needed(difference: float, noise: Noise, probability: float = POWER) -> int:
    """The fewest translation groups with which a true difference could be shown with this probability, if there were
    seeds without end."""
    low, high = 1, noise.groups
    while power(difference, _asked(noise, high), float("inf")) < probability:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        enough = power(difference, _asked(noise, middle), float("inf")) >= probability
        low, high = (low, middle) if enough else (middle, high)
    return high


def _asked(noise: Noise, groups: int) -> Noise:
    return replace(noise, by_questions=noise.by_questions * noise.groups / groups, groups=groups)
