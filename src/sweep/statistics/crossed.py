"""What can be said about a figure that depends on which questions were asked and on which seeds were trained.

Two-way crossed random effects. A system's figure with seed s and translation group g is z[s,g]; the figure of a seed
is the mean over groups. With k seeds and G groups, for one system, or for the difference d = z_B - z_A of two systems
that were trained with the same seeds (docs/statistics.md has the reasons, an example and measured error rates):

    V_seed  = var_s(mean_g d) / k           df k - 1
    V_group = var_g(mean_s d) / G           df G - 1
    V_res   = residual mean square / (k G)  df (k - 1)(G - 1)
    V       = V_seed + max(0, V_group - V_res)

V_seed and V_group both hold the residual once, so it is taken off once. t = D / sqrt(V) has Satterthwaite's degrees
of freedom (Satterthwaite 1946, Biometrics Bulletin 2(6)). Intervals and tests come from the same V, so that they
cannot contradict each other. For systems with different seeds groups are crossed and seeds nested in systems.
Shapes: s = seeds, g = translation groups, r = systems (ratios), c = cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sweep.statistics.moderated import FEWEST_PEERS, SeedVariance, moderated_difference, moderated_figure
from sweep.statistics.uncertainty import LEVEL

Values = NDArray[np.float64]
OWN_ENOUGH = 3  # seeds from which on nothing is called approximate


@dataclass(frozen=True)
class Parts:
    """What the squared error of an estimate is the sum of: V_seed, which further seeds make smaller, and max(0,
    V_group - V_res), which only further questions do. `seeds`: k, of two systems with different numbers their
    harmonic mean, so that by_seeds * seeds is the variance of a difference with one seed of each."""

    by_seeds: float
    by_questions: float
    seeds: float
    groups: int


@dataclass(frozen=True)
class Estimate:
    """A figure or a difference, with its standard error and the degrees of freedom of t.

    `over_seeds` is False if a system had one seed only: then the error is that of the questions alone, and the
    estimate says nothing about other trainings. `approximate`: two seeds, whose variance leans on that of the other
    systems. `parts` of its variance are known only over seeds.
    """

    value: float
    error: float
    df: float
    over_seeds: bool
    approximate: bool = False
    parts: Parts | None = None

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """The two-sided confidence interval."""
        from scipy.special import stdtrit  # Student's t, as scipy.stats has it, which takes a second to import

        half = float(stdtrit(self.df, (1 + level) / 2)) * self.error if self.error else 0.0
        return self.value - half, self.value + half

    @property
    def p(self) -> float:
        """Two-sided p of no difference, in [0, 1]."""
        return min(1.0, 2 * min(self.p_above(0.0), self.p_below(0.0)))

    def p_above(self, bound: float) -> float:
        """One-sided p of the hypothesis that the true value is at most `bound`."""
        return self._tail(self.value - bound)

    def p_below(self, bound: float) -> float:
        """One-sided p of the hypothesis that the true value is at least `bound`."""
        return self._tail(bound - self.value)

    def p_equivalent(self, margin: float) -> float:
        """p of two one-sided tests (Schuirmann 1987): small if the true value is within (-margin, margin)."""
        return max(self.p_above(-margin), self.p_below(margin))

    def _tail(self, distance: float) -> float:
        from scipy.special import stdtr

        if self.error == 0.0:  # identical systems, or a difference that is the same everywhere
            return 0.0 if distance > 0 else 1.0
        return float(stdtr(self.df, -distance / self.error))


def contributions(value_cg: Values) -> Values:
    """What each group with any value contributes to a figure (g), so that their mean is the figure: the mean over
    cells of the cells' means. A group that has not all cells counts by those it has (linearised, so that a cell with
    few groups is no reason for them to differ)."""
    present_cg = ~np.isnan(value_cg)
    present_cg = present_cg[present_cg.any(1)]
    value_cg = value_cg[(~np.isnan(value_cg)).any(1)]
    count_c1 = present_cg.sum(1, keepdims=True)
    mean_c1 = np.nansum(value_cg, axis=1, keepdims=True) / count_c1
    share_cg = np.where(present_cg, value_cg - mean_c1, 0.0) / count_c1
    kept_g = present_cg.any(0)
    return np.asarray(mean_c1.mean() + kept_g.sum() * share_cg.mean(0)[kept_g])


def estimate(value_sg: Values, seeds: SeedVariance | None = None) -> Estimate:
    """The mean of one system's values, or of the paired differences of two.

    `seeds` replaces the values' own variance between seeds. With one seed the questions alone are counted.
    """
    parts = _Terms.of(value_sg)
    if seeds is not None and parts.seeds > 1:
        parts = parts.with_seeds(seeds)
    return _combined(float(value_sg.mean()), parts, approximate=seeds is not None and parts.seeds < OWN_ENOUGH)


def figure_of(value_sg: Values, peers: Sequence[Values] = ()) -> Estimate:
    """The mean of one system's values. `peers` are all systems of the study with these seeds, it among them: of two
    seeds the variance is moderated with theirs (`moderated_figure`), since one degree of freedom is too few to be
    added to what the questions do."""
    if len(peers) < FEWEST_PEERS or not 1 < len(value_sg) < OWN_ENOUGH:
        return estimate(value_sg)
    return estimate(value_sg, moderated_figure(float(value_sg.mean(1).var(ddof=1)), peers))


def paired_difference(a_sg: Values, b_sg: Values, peers: Sequence[Values] = ()) -> Estimate:
    """B minus A for systems with the same seeds, in the same order.

    `peers` are all systems of the study with these seeds, A and B among them. From three on the pair's own variance
    between seeds is moderated with theirs (`moderated_difference`).
    """
    difference_sg = b_sg - a_sg
    if len(peers) < FEWEST_PEERS or len(difference_sg) < 2:
        return estimate(difference_sg)
    return estimate(difference_sg, moderated_difference(float(difference_sg.mean(1).var(ddof=1)), peers))


def crossed_difference(a_sg: Values, b_sg: Values) -> Estimate:
    """B minus A for systems that were trained with different seeds: groups are crossed, seeds nested in systems."""
    parts = _Terms.of(a_sg), _Terms.of(b_sg)
    seeds = min(part.seeds for part in parts)
    df = sum(part.seeds - 1 for part in parts)
    per_group_g = b_sg.mean(0) - a_sg.mean(0)
    both = _Terms(
        seeds=seeds,
        groups=a_sg.shape[1],
        seed_variance=sum(part.seed_variance * (part.seeds - 1) for part in parts) / max(df, 1),
        group_variance=float(per_group_g.var(ddof=1)) if len(per_group_g) > 1 else 0.0,
        residual=sum(part.residual * (part.seeds - 1) for part in parts) / max(df, 1),
        per_seed=sum(1 / part.seeds for part in parts),
        seed_df=df,
        residual_df=df * (a_sg.shape[1] - 1),
    )
    one = _combined(float(b_sg.mean() - a_sg.mean()), both)
    return one if one.parts is None else replace(one, parts=replace(one.parts, seeds=2 / both.per_seed))


@dataclass(frozen=True)
class _Terms:
    """Variances of one table of values. `per_seed` is what the variance between seeds is multiplied by: 1/k."""

    seeds: int
    groups: int
    seed_variance: float
    group_variance: float
    residual: float
    per_seed: float
    seed_df: float
    residual_df: float

    @classmethod
    def of(cls, value_sg: Values) -> "_Terms":
        seeds, groups = value_sg.shape
        per_seed_s, per_group_g = value_sg.mean(1), value_sg.mean(0)
        residual_sg = value_sg - per_seed_s[:, None] - per_group_g + value_sg.mean()
        df = (seeds - 1) * (groups - 1)
        return cls(
            seeds,
            groups,
            float(per_seed_s.var(ddof=1)) if seeds > 1 else 0.0,
            float(per_group_g.var(ddof=1)) if groups > 1 else 0.0,
            float((residual_sg**2).sum() / df) if df else 0.0,
            1 / seeds,
            seeds - 1,
            df,
        )

    def with_seeds(self, seeds: SeedVariance) -> "_Terms":
        return replace(self, seed_variance=seeds.variance, seed_df=seeds.df)


def _combined(value: float, parts: _Terms, approximate: bool = False) -> Estimate:
    group = parts.group_variance / parts.groups
    if parts.seeds == 1:
        return Estimate(value, group**0.5, max(parts.groups - 1, 1), over_seeds=False)
    seed = parts.seed_variance * parts.per_seed
    residual = parts.residual * parts.per_seed / parts.groups
    terms = [(seed, parts.seed_df)]
    if group > residual:
        terms += [(group, parts.groups - 1), (-residual, parts.residual_df)]
    total = sum(term for term, _ in terms)
    counted = Parts(seed, max(0.0, group - residual), parts.seeds, parts.groups)
    spread = sum(term**2 / df for term, df in terms if df)
    if total < 1e-30 * max(1.0, value**2):  # only rounding is left
        return Estimate(value, 0.0, 1.0, over_seeds=True, approximate=approximate, parts=counted)
    # Satterthwaite's df lie between the smallest and the sum of those that are combined, if nothing is taken off.
    # What is taken off must not make them less: intervals would be of any length.
    df = max(total**2 / spread, min(df for term, df in terms if term > 0))
    return Estimate(value, total**0.5, df, True, approximate, counted)
