"""The plan of batches: a pure function, with the rates, languages and rows that the settings ask for."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from sweep.data.training_row import TrainingRow
from sweep.data.training_set import TrainingSet, training_set
from sweep.errors import InputError
from sweep.settings import RatioSettings
from sweep.settings.ratio import NO_SWITCH
from sweep.training.draw import BLOCK, EvenDraw
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
    fields = {"schedule": "constant", "monolingual_end": None, "stairs": 4, "draw": "even", "few_rows": "smaller"}
    fields |= {
        "language_weights": {},
        "pair_weights": {},
        "source_weights": {},
        "code_switch": NO_SWITCH,
        "mix": "batches",
        **schedule,
    }
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


# Even draws -----------------------------------------------------------------------------------------------------


EDGES = np.array([0.0, 0.2, 0.7, 1.0])


def kinds(plan: BatchPlan, steps: int) -> list[bool]:
    return [plan.batch(step).kind == "monolingual" for step in range(steps)]


@pytest.mark.parametrize("alpha", [0.0, 0.03, 0.25, 0.5, 0.72, 1.0])
def test_every_block_has_its_share_of_monolingual_batches(alpha: float) -> None:
    for seed in range(5):
        monolingual = np.reshape(kinds(BatchPlan(DATA, ratio(alpha), 4, seed, 400), 400), (-1, BLOCK))
        assert np.abs(monolingual.sum(1) - alpha * BLOCK).max() < 1
        if 0 < alpha < 1:
            assert len({tuple(block) for block in monolingual.tolist()}) > 1  # not the same steps in every block
    independent = np.reshape(kinds(BatchPlan(DATA, ratio(alpha, draw="independent"), 4, 0, 400), 400), (-1, BLOCK))
    assert np.abs(independent.sum(1) - alpha * BLOCK).max() >= 1 or alpha in (0, 1)


@pytest.mark.parametrize("draw", ["even", "independent"])
def test_at_every_step_the_ratio_is_the_probability(draw: str) -> None:
    """Over seeds, as every claim about expectations needs it."""
    draws = [EvenDraw(seed) if draw == "even" else None for seed in range(2000)]
    for step in (0, 7, 19, 20, 53):
        uniform = [
            np.random.default_rng([seed, step]).random() if one is None else one.of_kind(step, -1.0)
            for seed, one in enumerate(draws)
        ]
        assert kstest(uniform, "uniform").pvalue > 1e-3
    for step in (0, 33):
        for size in (1, 5):
            at_even = [one.of_units(step, "cross-lingual", EDGES, np.zeros(size))[size // 2] for one in draws if one]
            assert draw == "independent" or kstest(at_even, "uniform").pvalue > 1e-3
            # Given the kind, too: otherwise a ratio would have languages of its own.
            low = [at for at, one in zip(at_even, filter(None, draws), strict=True) if one.of_kind(step, 0) < 0.3]
            assert draw == "independent" or kstest(low, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("cross", ["pair", "mixed"])
def test_kinds_and_languages_are_nested_over_the_ratio(cross: str) -> None:
    """Two ratios train on the very same batch wherever they have the same kind of it."""
    alphas = (0.0, 0.2, 0.5, 0.55, 1.0)
    plans = [BatchPlan(DATA, ratio(alpha, cross=cross), 8, seed=2, steps=200) for alpha in alphas]
    for step in range(100):
        batches = [plan.batch(step) for plan in plans]
        monolingual = [batch.kind == "monolingual" for batch in batches]
        assert monolingual == sorted(monolingual)
        for kind in (False, True):
            alike = [batch for batch, is_mono in zip(batches, monolingual, strict=True) if is_mono == kind]
            assert all(same(batch, alike[0]) for batch in alike)


@pytest.mark.parametrize("sampling", ["uniform", "size", "temperature"])
@pytest.mark.parametrize("alpha", [0.9, 0.5, 0.25, 0.1])
def test_languages_are_drawn_evenly(alpha: float, sampling: str) -> None:
    """Every language has its share of the batches of either kind, as question's and as passage's, within a few."""
    sizes = {code: 4 + 3 * place for place, code in enumerate(["en", "de", "sw", "th", "el", "fi", "te", "bn"])}
    data = toy(sizes)
    strayed: dict[str, list[float]] = {"even": [], "independent": []}
    cross_lingual, monolingual = unit_weights(data, sampling)
    for draw, differences in strayed.items():
        for seed in range(3):
            plan = BatchPlan(data, ratio(alpha, sampling, draw=draw), 2, seed, 400)
            drawn = [plan.batch(step).pairs[0] for step in range(400)]
            for weights, side in ((monolingual, 0), (cross_lingual, 0), (cross_lingual, 1)):
                kind = [pair for pair in drawn if pair in weights]
                for code in sizes:
                    share = sum(weight for pair, weight in weights.items() if pair[side] == code)
                    differences.append([pair[side] for pair in kind].count(code) - share * len(kind))
    assert np.abs(strayed["even"]).max() < 8
    assert np.var(strayed["even"]) < np.var(strayed["independent"]) / 3


def unit_weights(data: TrainingSet, sampling: str) -> tuple[dict[tuple[str, str], float], ...]:
    """The probabilities of pairs in cross-lingual batches, and in monolingual ones."""
    exponent = {"uniform": 0.0, "size": 1.0, "temperature": 0.5}[sampling]
    units = pairs(data), [(code, code) for code in data.languages]
    weights = [{unit: len(data.rows(*unit)) ** exponent for unit in kind} for kind in units]
    return tuple({unit: weight / sum(kind.values()) for unit, weight in kind.items()} for kind in weights)


def test_pairs_of_mixed_batches_are_drawn_evenly_within_a_batch_and_over_batches() -> None:
    data = toy(dict.fromkeys(["en", "de", "sw", "th"], 300))
    plan = BatchPlan(data, ratio(0.0, cross="mixed"), 30, 1, 100)
    counts_sp = np.array([[plan.batch(step).pairs.count(pair) for pair in pairs(data)] for step in range(60)])
    assert np.abs(counts_sp - 30 / 12).max() < 1
    assert np.abs(counts_sp.cumsum(0) - np.arange(1, 61)[:, None] * 30 / 12).max() < 4
    orders = [[plan.batch(step).pairs.index(pair) for pair in pairs(data)] for step in range(2)]
    assert orders[0] != orders[1]


def pairs(data: TrainingSet) -> list[tuple[str, str]]:
    return [(one, other) for one in data.languages for other in data.languages if one != other]


@pytest.mark.parametrize("cross", ["pair", "mixed"])
def test_rows_are_those_of_an_independent_plan_where_kind_and_language_are(cross: str) -> None:
    """In two languages, so that they often are."""
    data = toy({"en": 60, "de": 40})
    even, independent = (
        BatchPlan(data, ratio(0.5, cross=cross, draw=draw), 2, 3, 300) for draw in ("even", "independent")
    )
    alike = 0
    for step in range(300):
        one, other = even.batch(step), independent.batch(step)
        if (one.kind, one.pairs) == (other.kind, other.pairs):
            assert same(one, other)
            alike += 1
    assert alike > 40


@pytest.mark.parametrize("cross", ["pair", "mixed"])
@pytest.mark.parametrize("sampling", ["uniform", "size", "temperature"])
def test_an_independent_plan_is_that_of_the_previous_version(sampling: str, cross: str) -> None:
    """The draws as version 0.1 wrote them."""
    plan = BatchPlan(DATA, ratio(0.4, sampling, cross, draw="independent"), 12, 6, 200)
    exponent = {"uniform": 0.0, "size": 1.0, "temperature": 0.5}[sampling]
    for step in range(100):
        rng, batch = np.random.default_rng([6, step]), plan.batch(step)
        monolingual = rng.random() < 0.4
        units = [(code, code) for code in DATA.languages] if monolingual else pairs(DATA)
        sets = [DATA.rows(*unit) for unit in units]
        rows = [groups.at(np.arange(len(groups))) for groups in sets]
        weight = np.array([len(groups) for groups in rows], float) ** exponent
        if monolingual or cross == "pair":
            unit = rng.choice(len(units), p=weight / weight.sum())
            size = min(12, len(rows[unit]))
            assert batch.pairs == (units[unit],) * size
            assert batch.group_b.tolist() == rng.choice(rows[unit], size, replace=False).tolist()
            continue
        chosen = {}
        for unit in rng.choice(len(units), 12, p=weight / weight.sum()):
            unused = [group for group in rng.permutation(rows[unit]).tolist() if group not in chosen]
            chosen |= {unused[0]: units[unit]} if unused else {}
        assert (batch.group_b.tolist(), batch.pairs) == (list(chosen), tuple(chosen.values()))
