"""The plan of batches: a pure function, with the rates, languages and rows that the settings ask for."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from sweep.data.training_set import TrainingRow, TrainingSet, training_set
from sweep.errors import InputError
from sweep.settings import RatioSettings
from sweep.training.plan import Batch, BatchPlan, rank_slice


def toy(sizes: dict[str, int]) -> TrainingSet:
    """Group g exists in a language if the language's size is larger than g."""
    rows = [
        TrainingRow(f"g{group:04d}", code, f"q {group} {code}", f"p {group} {code}")
        for group in range(max(sizes.values()))
        for code, size in sizes.items()
        if group < size
    ]
    return training_set(rows, tuple(sizes))


def ratio(
    alpha: float, sampling: str = "uniform", cross: str = "pair", temperature: float = 2.0, **schedule: Any
) -> RatioSettings:
    fields = {"schedule": "constant", "monolingual_end": None, "stairs": 4, **schedule}
    return RatioSettings.model_validate(
        {
            "monolingual": alpha,
            "language_sampling": sampling,
            "temperature": temperature,
            "cross_batch": cross,
            **fields,
        }
    )


def same(first: Batch, second: Batch) -> bool:
    arrays = ("group_b", "question_b", "passage_b")
    equal = all(np.array_equal(getattr(first, name), getattr(second, name)) for name in arrays)
    return equal and (first.kind, first.pairs) == (second.kind, second.pairs)


DATA = toy({"en": 200, "de": 100, "sw": 40})


@pytest.mark.parametrize("cross", ["pair", "mixed"])
def test_a_step_is_a_pure_function_of_seed_and_step(cross: str) -> None:
    in_sequence = [BatchPlan(DATA, ratio(0.5, cross=cross), 16, seed=3, steps=4000).batch(step) for step in range(50)]
    for step in (0, 7, 49):
        assert same(BatchPlan(DATA, ratio(0.5, cross=cross), 16, seed=3, steps=4000).batch(step), in_sequence[step])
    other_seed = BatchPlan(DATA, ratio(0.5, cross=cross), 16, seed=4, steps=4000)
    assert not all(same(other_seed.batch(step), in_sequence[step]) for step in range(5))


@pytest.mark.parametrize("alpha", [0.0, 0.25, 0.7, 1.0])
def test_alpha_is_the_share_of_monolingual_batches(alpha: float) -> None:
    plan = BatchPlan(DATA, ratio(alpha), 4, seed=0, steps=4000)
    monolingual = sum(plan.batch(step).kind == "monolingual" for step in range(4000))
    assert (
        monolingual == (4000 if alpha == 1 else 0)
        or chisquare([monolingual, 4000 - monolingual], [4000 * alpha, 4000 * (1 - alpha)]).pvalue > 1e-3
    )


@pytest.mark.parametrize(
    ("sampling", "weights"),
    [
        ("uniform", {"en": 1.0, "de": 1.0, "sw": 1.0}),
        ("size", {"en": 200.0, "de": 100.0, "sw": 40.0}),
        ("temperature", {"en": 200**0.5, "de": 100**0.5, "sw": 40**0.5}),
    ],
)
def test_languages_of_monolingual_batches(sampling: str, weights: dict[str, float]) -> None:
    plan = BatchPlan(DATA, ratio(1.0, sampling), 4, seed=1, steps=4000)
    drawn = [plan.batch(step).pairs[0][0] for step in range(3000)]
    expected = np.array(list(weights.values())) / sum(weights.values()) * len(drawn)
    assert chisquare([drawn.count(code) for code in weights], expected).pvalue > 1e-3


@pytest.mark.parametrize("cross", ["pair", "mixed"])
@pytest.mark.parametrize(
    ("sampling", "weights"),
    [
        ("uniform", [1.0] * 6),
        ("size", [100.0, 40.0, 100.0, 40.0, 40.0, 40.0]),
    ],
)
def test_pairs_of_cross_lingual_batches(cross: str, sampling: str, weights: list[float]) -> None:
    pairs = [("en", "de"), ("en", "sw"), ("de", "en"), ("de", "sw"), ("sw", "en"), ("sw", "de")]
    plan = BatchPlan(DATA, ratio(0.0, sampling, cross), 4, seed=2, steps=4000)
    drawn = [plan.batch(step).pairs[0] for step in range(3000)]
    expected = np.array(weights) / sum(weights) * len(drawn)
    assert chisquare([drawn.count(pair) for pair in pairs], expected).pvalue > 1e-3


@pytest.mark.parametrize("cross", ["pair", "mixed"])
def test_batches_hold_parallel_rows_without_repeats(cross: str) -> None:
    plan = BatchPlan(DATA, ratio(0.4, cross=cross), 32, seed=5, steps=4000)
    kinds = set()
    for step in range(200):
        batch = plan.batch(step)
        kinds.add(batch.kind)
        assert len(set(batch.group_b.tolist())) == len(batch.group_b) == len(batch.pairs) <= 32
        if cross == "pair" or batch.kind == "monolingual":
            assert len(set(batch.pairs)) == 1
        for group, question, passage, (asked, answered) in zip(
            batch.group_b, batch.question_b, batch.passage_b, batch.pairs, strict=True
        ):
            assert DATA.texts[question] == f"q {group} {asked}"
            assert DATA.texts[passage] == f"p {group} {answered}"
            assert (asked == answered) == (batch.kind == "monolingual")
    assert kinds == {"monolingual", "cross-lingual"}


def test_mixed_batches_mix_pairs() -> None:
    batch = BatchPlan(DATA, ratio(0.0, cross="mixed"), 32, seed=0, steps=4000).batch(0)
    assert len(set(batch.pairs)) > 3


def test_a_small_language_gives_a_smaller_batch() -> None:
    plan = BatchPlan(toy({"en": 50, "sw": 5}), ratio(1.0), 16, seed=0, steps=4000)
    sizes = {plan.batch(step).pairs[0][0]: len(plan.batch(step).group_b) for step in range(20)}
    assert sizes == {"en": 16, "sw": 5}


def test_a_kind_without_rows_is_refused() -> None:
    alone = training_set(
        [TrainingRow(f"g{n}", "en" if n % 2 else "de", f"q{n}", f"p{n}") for n in range(10)], ("en", "de")
    )
    with pytest.raises(InputError, match="asks for cross-lingual batches"):
        BatchPlan(alone, ratio(0.5), 4, seed=0, steps=4000)
    assert BatchPlan(alone, ratio(1.0), 4, seed=0, steps=4000).batch(0).kind == "monolingual"


@pytest.mark.parametrize("size", [1, 2, 5, 16, 33])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_take_equal_disjoint_slices_that_join_to_the_batch(size: int, ranks: int) -> None:
    slices = [rank_slice(size, rank, ranks) for rank in range(ranks)]
    assert len({len(part) for part in slices}) == 1
    assert np.concatenate(slices)[:size].tolist() == list(range(size))


# Schedules ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [0.2, 0.4, 0.6, 0.8, 1.0]),
        ("cosine", [0.2, 0.2 + 0.4 * (1 - 0.5**0.5), 0.6, 0.6 + 0.4 * 0.5**0.5, 1.0]),
        ("steps", [0.2, 0.2, 0.6, 0.6, 1.0]),
    ],
)
def test_a_schedule_goes_from_one_ratio_to_the_other(schedule: str, expected: list[float]) -> None:
    found = ratio(0.2, schedule=schedule, monolingual_end=1.0, stairs=3)
    assert [found.monolingual_at(step, 5) for step in range(5)] == pytest.approx(expected)
    assert found.monolingual_at(0, 1) == 0.2
    assert ratio(0.2).monolingual_at(3, 5) == 0.2


@pytest.mark.parametrize("schedule", ["linear", "cosine", "steps"])
def test_batches_follow_the_schedule(schedule: str) -> None:
    found = ratio(0.9, schedule=schedule, monolingual_end=0.1)
    plan = BatchPlan(DATA, found, 4, seed=0, steps=4000)
    for low in range(0, 4000, 1000):
        expected = sum(found.monolingual_at(step, 4000) for step in range(low, low + 1000))
        monolingual = sum(plan.batch(step).kind == "monolingual" for step in range(low, low + 1000))
        assert chisquare([monolingual, 1000 - monolingual], [expected, 1000 - expected]).pvalue > 1e-3


def test_a_schedule_needs_an_end_and_a_constant_has_none() -> None:
    for wrong in ({"schedule": "linear"}, {"monolingual_end": 0.5}):
        with pytest.raises(ValueError, match="monolingual_end says where a schedule ends"):
            ratio(0.5, **wrong)


def test_a_schedule_that_comes_to_cross_lingual_batches_needs_them() -> None:
    with pytest.raises(InputError, match="asks for cross-lingual batches"):
        BatchPlan(toy({"en": 20}), ratio(1.0, schedule="linear", monolingual_end=0.5), 4, seed=0, steps=10)


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_take_the_same_global_batches_apart(ranks: int) -> None:
    plans = [BatchPlan(DATA, ratio(0.5, cross="mixed"), 30, seed=1, steps=10) for _ in range(ranks)]
    for step in range(10):
        batches = [plan.batch(step) for plan in plans]
        assert all(same(batch, batches[0]) for batch in batches)
        size = len(batches[0].group_b)
        rows = np.concatenate([rank_slice(size, rank, ranks) for rank in range(ranks)])
        assert rows[:size].tolist() == list(range(size))
        assert set(rows[size:]) <= {size - 1}
