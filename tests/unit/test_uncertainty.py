"""Intervals and tests: coverage by simulation, exact enumeration, scipy, and Holm's procedure step by step."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import kstest, permutation_test

from sweep.evaluation.cells import Cells, Counts
from sweep.evaluation.summarise import Evaluated, summarise
from sweep.statistics.uncertainty import (
    PERMUTATIONS,
    Interval,
    cell_means,
    group_shares,
    holm,
    percentile_interval,
    percentile_intervals,
    resampled_cell_means,
    resampled_figures,
    sign_flip_p,
    weights,
)

Values = NDArray[np.float64]

# Coverage: how often intervals of simulated data contain the mean that the data were drawn with ----------------

GROUPS = 200
MEANS = np.array([0.2, 0.5, 0.6, 0.9])  # of each language
MISSING = np.array([0.0, 0.1, 0.3, 0.6])  # share of the groups that a language has no question in
TRUE_MEAN = MEANS.mean()


def clustered(rng: np.random.Generator, data_sets: int) -> Values:
    """Values (languages of all data sets, groups): a group's questions share most of what makes them hard."""
    shared = rng.gamma(2, 0.2, (data_sets, 1, GROUPS)) - 0.4  # skewed, mean 0
    own = rng.normal(0, 0.1, (data_sets, len(MEANS), GROUPS))
    value_dcg = MEANS[:, None] + shared + own
    value_dcg[rng.random(value_dcg.shape) < MISSING[:, None]] = np.nan
    return value_dcg.reshape(-1, GROUPS)


def languages_of(data_sets: int) -> list[NDArray[np.int64]]:
    return list(np.arange(data_sets * len(MEANS)).reshape(data_sets, -1))


def coverage(found: Sequence[Interval], truth: float) -> float:
    return float(np.mean([low <= truth <= high for low, high in found]))


def test_intervals_cover_the_mean_when_groups_are_drawn_and_do_not_when_questions_are() -> None:
    by_group: list[Interval] = []
    by_question: list[Interval] = []
    for batch in range(40):
        value_cg = clustered(np.random.default_rng([7, batch]), 50)
        by_group += percentile_intervals(resampled_cell_means(value_cg, weights(GROUPS, batch)), languages_of(50))
        resampled_bc = np.empty((1000, len(value_cg)))
        for language in range(len(MEANS)):
            drawn_bg = weights(GROUPS, 1000 + batch * len(MEANS) + language)  # every language draws for itself
            resampled_bc[:, language :: len(MEANS)] = resampled_cell_means(value_cg[language :: len(MEANS)], drawn_bg)
        by_question += percentile_intervals(resampled_bc, languages_of(50))
    assert len(by_group) == len(by_question) == 2000
    assert coverage(by_group, TRUE_MEAN) == pytest.approx(0.95, abs=0.02)
    assert coverage(by_question, TRUE_MEAN) < 0.85


def test_intervals_over_seeds_cover_the_mean_and_do_not_when_each_seed_draws_its_own_groups() -> None:
    seeds, groups, languages, resamples = 20, 80, 2, 300
    rng = np.random.default_rng(11)
    drawn_sbg = [weights(groups, 10_000 + place, resamples) for place in range(seeds)]
    shared: list[Interval] = []
    apart: list[Interval] = []
    of_the_mean: list[Interval] = []
    for data_set in range(1000):
        value_scg = (
            0.5
            + rng.normal(0, 0.2, (1, 1, groups))  # what a group has in all languages, whatever the seed
            + rng.normal(0, 0.055, (seeds, 1, 1))  # what a seed has in all groups
            + rng.normal(0, 0.1, (seeds, languages, groups))
        )
        figure_b = resampled_figures(list(value_scg), data_set, resamples)
        shared.append(percentile_interval(figure_b))
        if data_set >= 400:  # enough to show that the others do not
            continue
        resampled_bs = np.stack(
            [resampled_cell_means(value_scg[place], drawn_sbg[place]).mean(1) for place in range(seeds)], axis=1
        )
        place_bs = rng.integers(0, seeds, resampled_bs.shape)
        apart.append(percentile_interval(np.take_along_axis(resampled_bs, place_bs, axis=1).mean(1)))
        of_the_mean.append(percentile_interval(resampled_figures([value_scg.mean(0)], data_set, resamples)))
    assert coverage(shared, 0.5) == pytest.approx(0.95, abs=0.02)
    assert coverage(apart, 0.5) < 0.85
    assert coverage(of_the_mean, 0.5) < 0.925  # as if there were no other seeds


# Intervals of an evaluation -----------------------------------------------------------------------------------


def evaluated(value_cg: Values, names: tuple[str, ...], seed: int = 0) -> Evaluated:
    table = {("mono", "map"): Cells(names, value_cg)}
    counts = {"mono": Counts(dict.fromkeys(names, 1), dict.fromkeys(names, 0))}
    return summarise("toy", table, counts, {}, {"low": frozenset(names[1:]), "none": frozenset({"xx"})}, seed)


def test_intervals_contain_their_figures_and_repeat() -> None:
    value_cg = np.random.default_rng(0).random((3, 80))
    value_cg[1, 10:50] = np.nan
    found = evaluated(value_cg, ("en", "de", "th"))
    assert set(found.intervals) == {f"toy/mono/map{part}" for part in ("", "/low", "/en", "/de", "/th")}
    for key, (low, high) in found.intervals.items():
        assert low < found.metrics[key] < high
    assert found.metrics["toy/mono/map/low"] == pytest.approx((np.nanmean(value_cg[1]) + value_cg[2].mean()) / 2)
    en, de = (np.diff(found.intervals[f"toy/mono/map/{name}"])[0] for name in ("en", "de"))
    assert de > 1.2 * en  # half as many questions
    assert evaluated(value_cg, ("en", "de", "th")).intervals == found.intervals
    assert evaluated(value_cg, ("en", "de", "th"), seed=1).intervals != found.intervals


def test_a_cell_of_equal_values_has_an_interval_without_width() -> None:
    value_cg = np.stack([np.full(30, 0.25), np.random.default_rng(0).random(30)])
    found = evaluated(value_cg, ("en", "de"))
    assert found.intervals["toy/mono/map/en"] == (0.25, 0.25)
    low, high = found.intervals["toy/mono/map/de"]
    assert high > low


def test_a_single_group_is_its_own_interval() -> None:
    found = evaluated(np.array([[0.5], [1.0]]), ("en", "de"))
    assert found.metrics["toy/mono/map"] == 0.75
    assert found.intervals["toy/mono/map"] == (0.75, 0.75)


def test_cells_without_any_value_have_no_key_and_are_no_part_of_a_mean() -> None:
    value_cg = np.array([[0.0, 1.0, 0.5, 0.5], [np.nan] * 4, [1.0, 1.0, np.nan, np.nan]])
    found = evaluated(value_cg, ("en", "de", "th"))
    assert found.metrics["toy/mono/map"] == 0.75
    assert found.metrics["toy/mono/map/low"] == 1.0
    assert "toy/mono/map/de" not in found.metrics
    assert "toy/mono/map/de" not in found.intervals
    assert "toy/mono/questions/de" in found.metrics
    nothing = evaluated(np.full((2, 4), np.nan), ("en", "de"))
    assert nothing.intervals == {}
    assert not any("/map" in key for key in nothing.metrics)


def test_a_resample_without_any_group_of_a_cell_is_left_out_of_its_interval() -> None:
    value_cg = np.full((2, 5), np.nan)
    value_cg[0] = [0.0, 0.25, 0.5, 0.75, 1.0]
    value_cg[1, 3] = 0.75  # a third of the resamples do not draw it
    assert np.isnan(resampled_cell_means(value_cg, weights(5, 0))).any()
    found = evaluated(value_cg, ("en", "de"))
    assert found.intervals["toy/mono/map/de"] == (0.75, 0.75)
    low, high = found.intervals["toy/mono/map"]
    assert low < found.metrics["toy/mono/map"] == 0.625 < high


def test_every_resample_draws_as_many_groups_as_there_are() -> None:
    drawn_bg = weights(30, 5)
    assert drawn_bg.shape == (1000, 30)
    assert set(drawn_bg.sum(1)) == {30.0}
    np.testing.assert_allclose(drawn_bg.mean(0), 1, atol=0.15)
    assert weights(0, 5).shape == (1000, 0)


def test_resampled_means_are_means_over_the_drawn_groups() -> None:
    value_cg = np.random.default_rng(3).random((2, 6))
    value_cg[1, [0, 4]] = np.nan
    drawn_bg = weights(6, 1, 50)
    for row_g, mean_c in zip(drawn_bg, resampled_cell_means(value_cg, drawn_bg), strict=True):
        for values_g, mean in zip(value_cg, mean_c, strict=True):
            drawn = [value for value, times in zip(values_g, row_g, strict=True) for _ in range(int(times))]
            assert mean == pytest.approx(np.mean([value for value in drawn if not np.isnan(value)]))


def test_figures_of_two_systems_have_the_same_draws() -> None:
    """So a system that is better by the same amount in every question is better by it in every resample."""
    value_cg = np.random.default_rng(0).random((2, 40))
    difference_b = resampled_figures([value_cg + 0.25, value_cg + 0.25]) - resampled_figures([value_cg, value_cg])
    np.testing.assert_allclose(difference_b, 0.25)
    assert np.ptp(resampled_figures([value_cg, value_cg])) > 0.05


# Shares -------------------------------------------------------------------------------------------------------


@st.composite
def ragged(draw: st.DrawFn) -> Values:
    """Cells by groups with missing values; at least one value."""
    cells, groups = draw(st.integers(1, 5)), draw(st.integers(1, 8))
    value = st.one_of(st.just(float("nan")), st.floats(-1e3, 1e3))
    value_cg = np.array(draw(st.lists(value, min_size=cells * groups, max_size=cells * groups)))
    value_cg[draw(st.integers(0, cells * groups - 1))] = 1.5
    return value_cg.reshape(cells, groups)


@given(ragged())
def test_the_shares_of_groups_sum_to_the_mean_of_means(value_cg: Values) -> None:
    means = []
    for values_g in value_cg.tolist():
        present = [value for value in values_g if value == value]
        if present:
            means.append(sum(present) / len(present))
    share_g = group_shares(value_cg)
    assert share_g.shape == (value_cg.shape[1],)
    assert share_g.sum() == pytest.approx(sum(means) / len(means), abs=1e-9)
    kept_cg = value_cg[~np.isnan(value_cg).all(1)]
    assert share_g.sum() == pytest.approx(cell_means(kept_cg).mean(), abs=1e-9)


def test_the_share_of_a_group_grows_with_its_cells_and_shrinks_with_their_groups() -> None:
    value_cg = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, np.nan, 1.0, np.nan]])
    np.testing.assert_allclose(group_shares(value_cg), [0.375, 0.125, 0.375, 0.125])


# Sign flips ---------------------------------------------------------------------------------------------------


def exact_p(differences: Sequence[int]) -> float:
    """Over all 2^n flips, in whole numbers."""
    observed = abs(sum(differences))
    flips = list(product((-1, 1), repeat=len(differences)))
    extreme = sum(
        abs(sum(sign * value for sign, value in zip(flip, differences, strict=True))) >= observed for flip in flips
    )
    return extreme / len(flips)


def monte_carlo_error(p: float) -> float:
    """Five standard errors of a share of all permutations."""
    return 5 * (p * (1 - p) / PERMUTATIONS) ** 0.5 + 2 / PERMUTATIONS


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
@settings(max_examples=60, deadline=None)
def test_p_against_all_flips(tenths: list[int]) -> None:
    """Tenths have no exact floating-point numbers: sums that are equal round differently."""
    p = exact_p(tenths)
    assert sign_flip_p(np.array(tenths) / 10) == pytest.approx(p, abs=monte_carlo_error(p))


def test_sums_that_cancel_are_no_evidence_however_they_round() -> None:
    for differences in ([0.1, 0.1, 0.1, -0.3], [0.1, 0.2, -0.3], [0.7, -0.6, -0.1]):
        assert sign_flip_p(np.array(differences)) == 1.0


@pytest.mark.parametrize("shift", [0.0, 0.15, 0.3])
def test_p_against_scipy(shift: float) -> None:
    rng = np.random.default_rng(5)
    one_g = rng.random(60)
    other_g = one_g - shift + rng.normal(0, 0.5, 60)
    expected = permutation_test(
        (one_g, other_g), lambda one, other, axis: (one - other).mean(axis), permutation_type="samples",
        vectorized=True, n_resamples=PERMUTATIONS, rng=np.random.default_rng(1),
    ).pvalue  # fmt: skip
    p = sign_flip_p(one_g - other_g)
    assert p == pytest.approx(expected, abs=2 * monte_carlo_error(expected))
    assert p == sign_flip_p(other_g - one_g)


def test_p_is_uniform_when_nothing_differs() -> None:
    rng = np.random.default_rng(2)
    p_values = [sign_flip_p(rng.normal(0, 1, 40), seed, 999) for seed in range(2000)]
    assert kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.015)
    shifted = [sign_flip_p(rng.normal(0.3, 1, 40), seed, 999) for seed in range(200)]
    assert np.mean(np.array(shifted) <= 0.05) > 0.25


def test_the_ends_of_p() -> None:
    assert sign_flip_p(np.zeros(50)) == 1.0
    assert sign_flip_p(np.ones(50)) == 1 / (PERMUTATIONS + 1)
    assert sign_flip_p(-np.ones(50)) == 1 / (PERMUTATIONS + 1)
    assert sign_flip_p(np.array([3.0])) == 1.0  # one group can never be evidence
    assert sign_flip_p(np.ones(50), permutations=1500) == 1 / 1501


def test_equal_groups_change_nothing_in_p() -> None:
    difference_g = np.array([0.5, -0.25, 0.75, 1.0, 0.125])
    assert sign_flip_p(difference_g) == sign_flip_p(np.r_[0.0, difference_g, np.zeros(100)])
    assert sign_flip_p(difference_g, seed=0) != sign_flip_p(difference_g, seed=1)


# Holm ---------------------------------------------------------------------------------------------------------


def test_holm_by_hand() -> None:
    # Ascending: .005 * 4 = .02, .01 * 3 = .03, .03 * 2 = .06, .04 * 1 = .04 -> .06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.4]) == pytest.approx([0.8, 0.8])
    assert holm([0.02, 0.02, 0.02]) == pytest.approx([0.06, 0.06, 0.06])
    assert holm([0.9, 0.8, 0.7]) == [1.0, 1.0, 1.0]
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


def rejected(p_values: Sequence[float], level: float) -> list[bool]:
    """Holm 1979: up from the smallest p, until one is above the level over the tests that are left."""
    left, decided = list(range(len(p_values))), [False] * len(p_values)
    while left:
        smallest = min(left, key=lambda index: p_values[index])
        if p_values[smallest] > level / len(left):
            break
        decided[smallest] = True
        left.remove(smallest)
    return decided


@given(st.lists(st.integers(1, 100), min_size=1, max_size=8), st.integers(1, 99))
def test_holm_against_the_procedure(percents: list[int], level: int) -> None:
    """Levels between the values that adjusted p can have, so that rounding decides nothing."""
    p_values = [percent / 100 for percent in percents]
    adjusted = holm(p_values)
    assert [value <= (level + 0.5) / 100 for value in adjusted] == rejected(p_values, (level + 0.5) / 100)
    assert all(p <= value <= 1 for p, value in zip(p_values, adjusted, strict=True))
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    assert [adjusted[index] for index in order] == sorted(adjusted)
