"""Two kinds of chance: the crossed design against scipy and by hand, and error rates by simulation."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from sweep.statistics.best import cross_fitted, may_be_best
from sweep.statistics.crossed import (
    SeedVariance,
    crossed_difference,
    estimate,
    moderated,
    paired_difference,
)
from sweep.statistics.looks import p_beyond_seeds, p_worse
from sweep.statistics.uncertainty import holm

Values = NDArray[np.float64]
RNG = np.random.default_rng(0)

# Against what is known ----------------------------------------------------------------------------------------


def test_with_one_seed_it_is_the_paired_t_test_over_groups() -> None:
    a_g, b_g = RNG.random(40), RNG.random(40)
    one = paired_difference(a_g[None], b_g[None], [a_g[None]] * 5)
    expected = stats.ttest_rel(b_g, a_g)
    assert (one.p, one.df, one.over_seeds) == (pytest.approx(expected.pvalue), 39, False)
    low, high = expected.confidence_interval()
    assert one.interval() == pytest.approx((low, high))


def test_where_all_groups_agree_it_is_the_t_test_over_seeds() -> None:
    a_s, b_s = RNG.random(6), RNG.random(6)
    a_sg, b_sg = (np.repeat(value_s[:, None], 30, 1) for value_s in (a_s, b_s))
    expected = stats.ttest_rel(b_s, a_s)
    assert paired_difference(a_sg, b_sg).p == pytest.approx(expected.pvalue)
    assert crossed_difference(a_sg, b_sg[:4]).p == pytest.approx(stats.ttest_ind(b_s[:4], a_s).pvalue)
    assert paired_difference(a_sg, b_sg).df == pytest.approx(5)


def test_the_worked_example() -> None:
    """As in docs/statistics.md: two seeds, three groups."""
    difference_sg = np.array([[0.03, 0.05, 0.01], [0.01, 0.02, 0.03]])
    one = estimate(difference_sg)
    # means of seeds .03, .02: var .00005, V_seed .000025
    # means of groups .02, .035, .02: var .000075, V_group .000025
    # residuals +-(.005, .010, -.015): sum of squares .0007, mean square .0007 / 2, V_res .0007 / 12
    assert one.value == pytest.approx(0.025)
    assert one.error**2 == pytest.approx(0.000025)  # V_group is less than V_res
    assert one.df == pytest.approx(1)
    assert one.interval() == pytest.approx((0.025 - 12.7062 * 0.005, 0.025 + 12.7062 * 0.005), abs=1e-5)
    difference_sg = np.array([[0.03, 0.09, 0.0], [0.01, 0.08, -0.01]])
    # means of seeds .04, .08/3; of groups .02, .085, -.005; residuals +-(1/3, -1/6, -1/6) / 100
    seed, group, residual = (0.04 / 3) ** 2 / 2 / 2, 0.0021583333333 / 3, 2 * (1 / 9 + 1 / 18) * 1e-4 / 2 / 6
    two = estimate(difference_sg)
    assert two.error**2 == pytest.approx(seed + group - residual)
    spread = seed**2 / 1 + group**2 / 2 + residual**2 / 2
    assert two.df == pytest.approx((seed + group - residual) ** 2 / spread)


def test_the_variance_between_seeds_is_drawn_towards_that_of_all_pairs() -> None:
    peers = [RNG.normal(size=(3, 1)) for _ in range(4)]
    pairs = [(peers[a] - peers[b])[:, 0].var(ddof=1) for a in range(4) for b in range(a)]
    both = moderated(0.5, peers)
    assert both.variance == pytest.approx((6 * np.mean(pairs) + 2 * 0.5) / 8)
    assert both.df == pytest.approx(16 * 2 / 6)
    assert moderated(0.5, peers[:2]).df == 2  # of a single pair nothing is gained


def test_degrees_of_freedom_of_the_moderated_variance() -> None:
    """From its own spread: a variance with df degrees of freedom has relative variance 2 / df."""
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(20_000):
        peers = list(rng.normal(size=(5, 3, 1)))
        drawn.append(moderated(float((peers[0] - peers[1])[:, 0].var(ddof=1)), peers).variance)
    assert 2 * np.mean(drawn) ** 2 / np.var(drawn) == pytest.approx(25 * 2 / 7, rel=0.04)


def test_two_systems_of_other_peers_or_two_seeds() -> None:
    systems = [RNG.normal(size=(2, 50)) for _ in range(3)]
    assert paired_difference(*systems[:2], systems).approximate
    assert not paired_difference(*systems[:2], systems[:2]).approximate
    assert paired_difference(*systems[:2], systems[:2]) == paired_difference(*systems[:2])
    longer = [RNG.normal(size=(3, 50)) for _ in range(3)]
    assert not paired_difference(*longer[:2], longer).approximate


def test_identical_systems_do_not_differ() -> None:
    value_sg = RNG.random((3, 20))
    for one in (paired_difference(value_sg, value_sg), paired_difference(value_sg[:1], value_sg[:1])):
        assert (one.value, one.p, one.interval()) == (0, 1, (0, 0))
        assert one.p_equivalent(0.01) == 0


def test_equivalence_is_two_tests() -> None:
    value_g = RNG.normal(0.002, 0.02, (1, 100))
    one = estimate(value_g)
    above = stats.ttest_1samp(value_g[0], -0.01, alternative="greater").pvalue
    below = stats.ttest_1samp(value_g[0], 0.01, alternative="less").pvalue
    assert one.p_equivalent(0.01) == pytest.approx(max(above, below))
    assert one.p_equivalent(1e-9) > 0.5


# Error rates: a fast version of benchmarks/calibration.py --------------------------------------------------------


def study(
    rng: np.random.Generator, seeds: int, effects: Sequence[float] = (0, 0, 0, 0), factors: Sequence[float] = (1,)
) -> list[Values]:
    """Ratios whose seeds differ so much that questions alone are wrong every third time."""
    ratios, groups = len(effects), 60
    factor_r11 = np.resize(np.array(factors, float), ratios)[:, None, None]
    value_rsg = (
        np.array(effects)[:, None, None]
        + rng.normal(0, 0.15, (1, 1, groups))
        + factor_r11 * rng.normal(0, 0.02, (ratios, seeds, 1))
        + factor_r11 * rng.normal(0, 0.01, (1, seeds, 1))
        + rng.normal(0, 0.10, (ratios, seeds, groups))
    )
    return list(value_rsg)


@pytest.mark.parametrize(("seeds", "factors"), [(2, (1,)), (3, (1,)), (5, (1,)), (3, (0.7, 1.4))])
def test_equal_ratios_are_called_different_as_often_as_it_says(seeds: int, factors: Sequence[float]) -> None:
    rng = np.random.default_rng(seeds)
    single, table, alone, covered, dropped, excess = [], [], [], [], [], []
    for _ in range(500):
        systems = study(rng, seeds, factors=factors)
        tests = [paired_difference(systems[a], systems[b], systems) for a in range(4) for b in range(a)]
        single += [test.p < 0.05 for test in tests]
        table.append(min(holm([test.p for test in tests])) < 0.05)
        alone.append(stats.ttest_rel(systems[0].mean(0), systems[1].mean(0)).pvalue < 0.05)
        low, high = tests[0].interval()
        covered.append((low <= 0 <= high) == (tests[0].p >= 0.05))
        looks = [([other[:look] for other in systems[1:]], systems[0][:look]) for look in range(1, seeds)]
        dropped.append(any(p_worse(own_sg, rivals, 3, seeds) < 0.05 for rivals, own_sg in looks))
        excess.append(cross_fitted(systems, splits=2))
    assert 0.03 <= np.mean(single) <= 0.07
    assert np.mean(table) <= 0.07
    assert np.mean(alone) > 0.1  # what counting questions alone comes to
    assert all(covered)
    assert np.mean(dropped) <= 0.06
    assert abs(np.mean(excess)) < 3 * np.std(excess) / len(excess) ** 0.5
    assert np.mean([max(value_sg.mean() for value_sg in study(rng, seeds)) for _ in range(100)]) > 0.004


def test_systems_with_other_seeds() -> None:
    rng = np.random.default_rng(4)
    wrong, covered = [], []
    for _ in range(1000):
        a_sg, b_sg = (study(rng, seeds)[0] for seeds in (3, 4))
        shared_g = rng.normal(0, 0.3, 60)  # the same questions
        one = crossed_difference(a_sg + shared_g, b_sg + shared_g)
        wrong.append(one.p < 0.05)
        low, high = one.interval()
        covered.append(low <= 0 <= high)
    assert 0.03 <= np.mean(wrong) <= 0.07
    assert 0.93 <= np.mean(covered) <= 0.97


def test_one_systems_interval_covers_its_figure() -> None:
    rng = np.random.default_rng(5)
    ends = [estimate(study(rng, seeds=4)[0]).interval() for _ in range(1000)]
    assert 0.92 <= np.mean([low <= 0 <= high for low, high in ends]) <= 0.975


def test_the_set_holds_the_best_and_leaves_out_what_is_worse() -> None:
    rng = np.random.default_rng(6)
    kept = [may_be_best(study(rng, 3, (0.0, 0.02, 0.03, -0.3))) for _ in range(400)]
    assert np.mean([2 in places for places in kept]) >= 0.95
    assert np.mean([3 in places for places in kept]) < 0.05
    assert np.mean([1 in places for places in kept]) > 0.5
    assert may_be_best(study(rng, 3)[:1]) == [0]


def test_the_cross_fitted_figure_of_a_clear_best_is_its_own() -> None:
    systems = study(RNG, 3, (0.0, 0.0, 0.5, 0.0))
    assert cross_fitted(systems) == pytest.approx(systems[2].mean())
    assert cross_fitted([value_sg[:1] for value_sg in systems]) == pytest.approx(systems[2][0].mean())


# Giving up ----------------------------------------------------------------------------------------------------


def test_one_seed_gives_nothing_up_and_corrections_are_for_all_points_and_looks() -> None:
    own_sg, *others = study(RNG, 4, (-0.05, 0, 0, 0))
    assert p_worse(own_sg[:1], [other[:1] for other in others], 3, 4) == 1
    assert p_worse(own_sg, [], 0, 4) == 1
    best = max(others, key=lambda other: float(other.mean()))
    one = paired_difference(own_sg, best, [own_sg, *others]).p_above(0)
    assert p_worse(own_sg, others, 3, 4) == pytest.approx(min(1, one * 3 * 2))
    assert p_worse(own_sg, others, 50, 2) == pytest.approx(min(1, one * 50))


def test_a_gap_beyond_the_seeds() -> None:
    seeds = SeedVariance(0.01**2, 4)
    assert p_beyond_seeds(0.0, seeds, 1) == pytest.approx(0.5)
    assert p_beyond_seeds(0.05, seeds, 1) == pytest.approx(stats.t.sf(0.05 / (0.01 * 2**0.5), 4))
    assert p_beyond_seeds(0.05, SeedVariance(0, 4), 1) == 0
    assert p_beyond_seeds(-0.05, SeedVariance(0, 4), 1) == 1
