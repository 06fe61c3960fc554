"""Intervals of an evaluation: coverage by simulation; contributions of groups; and Holm's procedure step by step."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sweep.evaluation.cells import Cells, Counts
from sweep.evaluation.summarise import Evaluated, summarise
from sweep.statistics.crossed import contributions
from sweep.statistics.uncertainty import (
    Interval,
    cell_means,
    holm,
    percentile_intervals,
    resampled_cell_means,
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


# Contributions of groups
# -------------------------------------------------------------------------------------------------------


@st.composite
def ragged(draw: st.DrawFn) -> Values:
    """Cells by groups with missing values; at least one value."""
    cells, groups = draw(st.integers(1, 5)), draw(st.integers(1, 8))
    value = st.one_of(st.just(float("nan")), st.floats(-1e3, 1e3))
    value_cg = np.array(draw(st.lists(value, min_size=cells * groups, max_size=cells * groups)))
    value_cg[draw(st.integers(0, cells * groups - 1))] = 1.5
    return value_cg.reshape(cells, groups)


@given(ragged())
def test_the_mean_of_the_contributions_is_the_mean_of_means(value_cg: Values) -> None:
    means = []
    for values_g in value_cg.tolist():
        present = [value for value in values_g if value == value]
        if present:
            means.append(sum(present) / len(present))
    value_g = contributions(value_cg)
    assert len(value_g) == (~np.isnan(value_cg)).any(0).sum()  # groups without any value have no part in it
    assert value_g.mean() == pytest.approx(sum(means) / len(means), abs=1e-9)
    kept_cg = value_cg[~np.isnan(value_cg).all(1)]
    assert value_g.mean() == pytest.approx(cell_means(kept_cg).mean(), abs=1e-9)


def test_contributions_of_whole_groups_are_their_means_and_gaps_are_no_spread() -> None:
    value_cg = np.random.default_rng(0).random((3, 20))
    np.testing.assert_allclose(contributions(value_cg), value_cg.mean(0))
    level_cg = np.full((2, 20), 0.5)
    level_cg[1, ::3] = np.nan
    np.testing.assert_allclose(contributions(level_cg), 0.5)


def test_the_error_of_contributions_is_that_of_the_bootstrap() -> None:
    value_cg = clustered(np.random.default_rng(3), 1)
    spread = resampled_cell_means(value_cg, weights(GROUPS, 0, 4000)).mean(1).std()
    value_g = contributions(value_cg)
    assert value_g.std(ddof=1) / len(value_g) ** 0.5 == pytest.approx(spread, rel=0.05)


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
