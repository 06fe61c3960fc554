"""How many seeds would show a difference: checked by simulating studies that have so many."""

from math import inf

import numpy as np
import pytest

from sweep.statistics.crossed import Estimate, Parts, crossed_difference, paired_difference
from sweep.statistics.power import (
    MOST_SEEDS,
    Noise,
    noise_of,
    power,
    questions_needed,
    seeds_needed,
    smallest_difference,
)

GROUPS, RATIOS, COMPARISONS = 60, 5, 10
SEED, QUESTION, RESIDUAL = 0.015, 0.04, 0.06  # standard deviations, of one ratio
TRUE = Noise(2 * (SEED**2 + RESIDUAL**2 / GROUPS), 2 * QUESTION**2 / GROUPS, GROUPS, RATIOS, COMPARISONS)


def study(rng: np.random.Generator, seeds: int, difference: float) -> list[np.ndarray]:
    """Ratios of which the second one is better than the first."""
    value_rsg = (
        rng.normal(0, 0.2, (1, 1, GROUPS))
        + rng.normal(0, QUESTION, (RATIOS, 1, GROUPS))
        + rng.normal(0, SEED, (RATIOS, seeds, 1))
        + rng.normal(0, RESIDUAL, (RATIOS, seeds, GROUPS))
    )
    value_rsg[1] += difference
    return list(value_rsg)


def shown(seeds: int, difference: float, studies: int = 600) -> float:
    """How often the difference is called one at Bonferroni's level."""
    rng = np.random.default_rng(seeds)
    seen = 0
    for _ in range(studies):
        systems = study(rng, seeds, difference)
        one = paired_difference(systems[0], systems[1], systems)
        seen += one.p < 0.05 / COMPARISONS and one.value > 0
    return seen / studies


@pytest.mark.parametrize("difference", [0.03, 0.045])
def test_the_seeds_that_are_needed_see_the_difference_as_often_as_promised(difference: float) -> None:
    needed = seeds_needed(difference, TRUE)
    assert needed is not None
    assert needed > 2
    assert power(difference, TRUE, needed - 1) < 0.8 <= power(difference, TRUE, needed)
    assert shown(needed, difference) == pytest.approx(power(difference, TRUE, needed), abs=0.055)
    assert shown(max(2, needed // 2), difference) < 0.72


@pytest.mark.parametrize("seeds", [3, 8])
def test_the_smallest_difference_is_seen_as_often_as_promised(seeds: int) -> None:
    smallest = smallest_difference(TRUE, seeds)
    assert power(smallest, TRUE, seeds) == pytest.approx(0.8, abs=1e-6)
    assert shown(seeds, smallest) == pytest.approx(0.8, abs=0.06)


def test_measured_noise_is_near_the_true_one() -> None:
    rng = np.random.default_rng(0)
    systems = study(rng, 40, 0.0)
    pairs = [paired_difference(systems[a], systems[b], systems) for a in range(RATIOS) for b in range(a)]
    measured = noise_of(pairs, RATIOS, COMPARISONS)
    assert measured is not None
    assert measured.by_seed == pytest.approx(TRUE.by_seed, rel=0.25)
    assert measured.by_questions == pytest.approx(TRUE.by_questions, rel=0.35)
    assert (measured.groups, measured.systems, measured.comparisons) == (GROUPS, RATIOS, COMPARISONS)
    for pair in pairs:
        assert pair.parts is not None
        assert pair.parts.by_seeds + pair.parts.by_questions == pytest.approx(pair.error**2)
        assert pair.parts.seeds == 40


@pytest.mark.parametrize(("one", "other"), [(4, 4), (2, 20), (20, 2)])
def test_noise_of_systems_with_other_seeds_is_that_of_one_seed_each(one: int, other: int) -> None:
    rng = np.random.default_rng(1)
    measured = []
    for _ in range(200):
        shared = rng.normal(0, 0.2, (1, GROUPS))
        systems = [
            shared
            + rng.normal(0, QUESTION, (1, GROUPS))
            + rng.normal(0, SEED, (seeds, 1))
            + rng.normal(0, RESIDUAL, (seeds, GROUPS))
            for seeds in (one, other)
        ]
        hidden = noise_of([crossed_difference(*systems)], 2, 1)
        assert hidden is not None
        measured.append(hidden.by_seed)
    assert np.mean(measured) == pytest.approx(TRUE.by_seed, rel=0.1)


def test_no_number_of_seeds_is_enough_where_the_questions_alone_hide_it() -> None:
    hidden = Noise(TRUE.by_seed, TRUE.by_questions * 100, GROUPS, RATIOS, COMPARISONS)
    assert power(0.03, hidden, inf) < 0.8
    assert seeds_needed(0.03, hidden) is None
    groups = questions_needed(0.03, hidden)
    assert groups > GROUPS
    more = Noise(hidden.by_seed, hidden.by_questions * GROUPS / groups, groups, RATIOS, COMPARISONS)
    assert power(0.03, more, inf) >= 0.8
    assert seeds_needed(0.031, more) is not None
    assert smallest_difference(hidden, inf) > 0.03


def test_more_of_anything_sees_more() -> None:
    by_seeds = [power(0.03, TRUE, seeds) for seeds in (2, 3, 5, 20, MOST_SEEDS, inf)]
    assert by_seeds == sorted(by_seeds)
    smallest = [smallest_difference(TRUE, seeds) for seeds in (2, 3, 5, 20, inf)]
    assert smallest == sorted(smallest, reverse=True)
    alone = Noise(TRUE.by_seed, TRUE.by_questions, GROUPS, RATIOS, 1)
    assert power(0.02, alone, 5) > power(0.02, TRUE, 5)  # Holm costs power


def test_ratios_without_noise_show_everything_and_one_seed_says_nothing() -> None:
    silent = Noise(0.0, 0.0, GROUPS)
    assert seeds_needed(0.001, silent) == 2
    assert smallest_difference(silent, 2) == 0.0
    assert power(0.0, silent, 2) == 0.0
    one_seed = Estimate(0.1, 0.01, 9, over_seeds=False)
    assert noise_of([one_seed], 2, 1) is None
    assert noise_of([one_seed, Estimate(0.1, 1.0, 3, True, parts=Parts(0.5, 0.5, 4, 9))], 2, 1) == Noise(
        2.0, 0.5, 9, 2, 1
    )
