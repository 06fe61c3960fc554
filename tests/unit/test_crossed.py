"""Two kinds of chance: the crossed design against scipy and by hand."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from sweep.statistics.crossed import crossed_difference, estimate, figure_of, paired_difference
from sweep.statistics.looks import is_worse, p_beyond_seeds, p_worse, share_of_look
from sweep.statistics.moderated import SeedVariance, moderated_difference, moderated_figure, pooled_within

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


def test_the_worked_example_can_be_computed_without_the_product(capsys: pytest.CaptureFixture[str]) -> None:
    """The lines of docs/statistics.md, as a reader runs them, print what the product says of the same values."""
    text = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text()
    exec(text.partition("```python\n")[2].partition("```")[0], {})
    one = estimate(np.array([[0.03, 0.09, 0.00], [0.01, 0.08, -0.01]]))
    assert list(map(float, capsys.readouterr().out.split())) == pytest.approx([one.error, one.df, one.p])
    assert (round(one.error, 4), round(one.df, 2), round(one.p, 2)) == (0.0276, 2.22, 0.34)


def test_the_variance_between_seeds_is_drawn_towards_that_of_all_pairs() -> None:
    peers = [RNG.normal(size=(3, 1)) for _ in range(4)]
    pairs = [(peers[a] - peers[b])[:, 0].var(ddof=1) for a in range(4) for b in range(a)]
    both = moderated_difference(0.5, peers)
    assert both.variance == pytest.approx((3 * np.mean(pairs) + 2 * 0.5) / 5)
    assert both.df == pytest.approx(2 / ((1 - 0.6 * 2 / 3) ** 2 + 2 * 0.6**2 / 9))
    figures = [peer[:, 0].var(ddof=1) for peer in peers]
    assert moderated_figure(0.5, peers).variance == pytest.approx((3 * np.mean(figures) + 2 * 0.5) / 5)


def test_with_many_seeds_the_others_weigh_little() -> None:
    peers = [RNG.normal(size=(100, 1)) for _ in range(5)]
    assert moderated_difference(0.0, peers).variance < 0.04 * 2


@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_degrees_of_freedom_of_the_moderated_variance(seeds: int) -> None:
    """From its own spread: a variance with df degrees of freedom has relative variance 2 / df."""
    rng = np.random.default_rng(1)
    pairs, figures = [], []
    for _ in range(5_000):
        peers = list(rng.normal(size=(5, seeds, 1)))
        pairs.append(moderated_difference(float((peers[0] - peers[1])[:, 0].var(ddof=1)), peers))
        figures.append(moderated_figure(float(peers[0][:, 0].var(ddof=1)), peers))
    for drawn in (pairs, figures):
        variances = [one.variance for one in drawn]
        df = np.mean([one.df for one in drawn])
        assert 2 * np.mean(variances) ** 2 / np.var(variances) == pytest.approx(df, rel=0.12)
    assert len({one.df for one in pairs}) == 1


def test_seeds_that_do_the_same_to_all_ratios_teach_nothing_about_a_figure() -> None:
    same_sg = RNG.normal(size=(2, 1))
    drawn = moderated_figure(float(same_sg[:, 0].var(ddof=1)), [same_sg + shift for shift in (0, 1, 2)])
    assert (drawn.variance, drawn.df) == (pytest.approx(same_sg[:, 0].var(ddof=1)), pytest.approx(1))


def test_one_systems_figure_leans_on_others_with_two_seeds_only() -> None:
    for seeds in (1, 2, 3):
        peers = [RNG.normal(size=(seeds, 50)) for _ in range(4)]
        assert (figure_of(peers[0], peers) == estimate(peers[0])) == (seeds != 2)
        assert figure_of(peers[0], peers[:2]) == estimate(peers[0])


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


# Giving up ----------------------------------------------------------------------------------------------------


def test_one_seed_gives_nothing_up_and_corrections_are_for_all_points_and_looks() -> None:
    own_sg, *others = (RNG.normal(mean, 0.1, (4, 60)) for mean in (-0.05, 0, 0, 0))
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


def test_a_training_is_worse_by_its_questions_and_beyond_its_seeds() -> None:
    worse_g = np.append(RNG.normal(-0.05, 0.05, 80), np.nan)
    assert is_worse(worse_g, 0.05)
    assert not is_worse(-worse_g, 0.05)
    assert not is_worse(np.zeros(80), 0.05)
    assert is_worse(worse_g, 0.05, SeedVariance(0.005**2, 4))
    assert not is_worse(worse_g, 0.05, SeedVariance(0.05**2, 4))


def test_looks_share_the_error_rate() -> None:
    assert sum(map(share_of_look, range(1, 10_000))) == pytest.approx(1, abs=1e-3)
    assert pooled_within([[1.0], [2.0]]) is None
    assert pooled_within([[1.0, 3.0], [2.0], [5.0, 5.0, 8.0]]) == SeedVariance(pytest.approx((2 + 6) / 3), 3)


def test_seeds_that_happen_to_agree_do_not_make_an_interval_of_any_length() -> None:
    """The residual is taken off the groups' variance: where little is left, so few degrees of freedom were, too, that
    the interval was some 1e20 long."""
    widest = 0.0
    for draw in range(2000):
        value_sg = np.random.default_rng(draw).normal(size=(2, 12))
        value_sg -= value_sg.mean(1, keepdims=True)  # both seeds have the same figure
        low, high = estimate(value_sg).interval()
        widest = max(widest, high - low)
    assert 0 < widest < 25  # Student's t with one degree of freedom at most: 12.7 errors each way
