"""Benchmarks with questions in languages without passages: what there is a figure of, and what there is none of."""

import random
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_pools import (
    geometry_metrics,
    of_pool,
    random_pools,
    rank_metrics,
    rank_scores,
    scores_by_id,
    unit_vectors,
)
from slow_reference import Pool

from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.errors import InputError
from sweep.evaluation.catalogue import metric_problem
from sweep.evaluation.chance import expected_by_chance
from sweep.evaluation.families import COUNTS, FAMILIES
from sweep.evaluation.language_removal import removal_plan
from sweep.evaluation.metrics import metrics_of
from sweep.evaluation.reachable import reachable_cells
from sweep.settings import Debiasing

ACROSS = ("alignment_consistency", "rank_distance", "language_preference", "unbiased_preference", "language_bias")


def pivoted(third: str = "fr") -> Benchmark:
    """Questions in sw and fon, their translations into en and fr, and passages in these two alone."""
    questions = [
        Question("g", "sw", "g sw"), Question("g", "en", "g en"), Question("h", "sw", "h sw"),
        Question("h", "en", "h en"), Question("i", "fon", "i fon"), Question("i", third, "i fr"),
    ]  # fmt: skip
    passages = [Passage("a", "en", "a"), Passage("b", "en", "b"), Passage("c", third, "c")]
    languages = ("sw", "fon", "en", "fr") if third == "fr" else ("sw", "fon", "en")
    return benchmark(
        "toy", languages, questions, passages, {"g": {"a": 1}, "h": {"b": 1}, "i": {"c": 1}}, one_sided=True
    )


# sw: g at rank 2, h at rank 1; en: both at rank 1; fon at rank 1 of its own pool.
SCORES = np.array([[1, 2, 0], [3, 2, 1], [1, 3, 2], [1, 2, 3], [1, 2, 0], [1, 2, 3]], np.float32)


def test_each_language_has_the_pools_that_there_are() -> None:
    table = rank_metrics(rank_scores(pivoted(), SCORES))
    cells = {
        family: {key.split("/")[2] for key in table if key.startswith(f"{family}/map/")} - {"same_script"}
        for family in ("mono", "cross", "pooled")
    }
    assert cells == {
        "mono": {"en", "fr"},
        "cross": {"sw-en", "fon-fr"},
        "pooled": {"sw", "fon", "en", "fr"},
    }
    assert table["mono/questions/en"] == 2
    assert not any(key.endswith(("/sw", "/fon")) and key.startswith("mono/") for key in table)
    assert table["cross/questions/sw-en"] == 2
    assert table["cross/left_out/fon-en"] == 1  # there are passages, of which none answers it
    assert not any(key.endswith(("-sw", "-fon")) and key.startswith("cross/") for key in table)
    assert table["cross/map/sw-en"] == (1 / 2 + 1) / 2
    assert table["cross/map_gap/sw-en"] == (1 / 2 + 0) / 2  # (1 - 1/2) and (1 - 1)
    assert table["cross/map_gap/fon-fr"] == 0
    assert table["cross/map_gap"] == 1 / 8
    # sw and fon have no passage that could come first; nothing has two languages' passages.
    assert {key for key in table if "same_language" in key} == {
        f"pooled/same_language@1{c}" for c in ("", "/en", "/fr")
    }
    assert not any(name in key for key in table for name in ACROSS)
    assert {key for key in table if key.startswith("agreement/rbo/")} - {"agreement/rbo/same_script"} == {
        "agreement/rbo/sw-en", "agreement/rbo/fon-fr"
    }  # fmt: skip


def test_a_gap_is_of_the_same_questions() -> None:
    """An English question that no Swahili one translates has no part in it, though it has one in the mono pool."""
    whole = pivoted("en")
    table = rank_metrics(rank_scores(whole, SCORES))
    assert table["cross/map_gap/fon-en"] == 1 - 1 / 3
    assert table["cross/map_gap/fon-en"] != table["mono/map/en"] - table["cross/map/fon-en"]
    without = replace(
        whole, questions=whole.questions[:3], relevant_q=whole.relevant_q[:3], grade_q=whole.grade_q[:3],
        languages=("sw", "fon", "en"),
    )  # fmt: skip
    fewer = rank_metrics(rank_scores(without, SCORES[:3]))
    assert fewer["cross/questions/sw-en"] == 2
    assert fewer["cross/map_gap/sw-en"] == 1 / 2  # g alone has a translation here
    assert fewer["cross/map_gap/sw-en"] != table["cross/map_gap/sw-en"]


def test_chance_has_the_same_keys_and_no_gap() -> None:
    table = rank_metrics(rank_scores(pivoted(), SCORES))
    chance = {key.removeprefix("toy/"): value for key, value in expected_by_chance(pivoted(), {}).items()}
    families = ("mono/", "cross/", "pooled/")
    assert chance.keys() == {key for key in table if key.startswith(families) and key.split("/")[1] not in COUNTS}
    assert chance["cross/map_gap"] == 0


@settings(max_examples=80, deadline=None)
@given(random_pools(), st.integers(0, 2**32))
def test_what_is_reachable_is_what_is_measured(pool: Pool, seed: int) -> None:
    bench = of_pool(pool)
    ranking = rank_scores(bench, scores_by_id(pool))
    vectors = unit_vectors(random.Random(seed), len(pool.questions), 4, signs_only=False)
    table = rank_metrics(ranking) | geometry_metrics(ranking, np.array(vectors, np.float32))
    reachable = reachable_cells(bench)
    known = {f"{one}{mark}{other}" for one in pool.languages for mark in ("-", "") for other in (*pool.languages, "")}
    for family, kind in FAMILIES.items():
        names = [metric.name for metric in metrics_of(family) if metric.name not in (*ACROSS, "uniformity")]
        for name in [*names, *(COUNTS if kind.has_pools else ())]:
            if name == "language_probe":  # only with enough groups
                continue
            prefix = f"{family}/{name}/"
            measured = {key.removeprefix(prefix) for key in table if key.startswith(prefix)} & known
            assert measured == set(reachable.get(f"{family}/{name}", reachable[family])), (family, name)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("toy/mono/map", None),
        ("toy/mono/map/en", None),
        ("toy/mono/map/sw", "there is no tier or language 'sw'"),
        ("toy/cross/map/sw-en", None),
        ("toy/cross/map_gap/fon-fr", None),
        ("toy/cross/map/sw-fr", "there is no tier or pair 'sw-fr'; .*; pairs sw-en, fon-fr"),
        ("toy/cross/left_out/sw-fr", None),
        ("toy/cross/map/en-sw", "there is no tier or pair"),
        ("toy/pooled/map/sw", None),
        ("toy/pooled/same_language@1/en", None),
        ("toy/pooled/same_language@1/sw", "there is no tier or language 'sw'"),
        ("toy/pooled/alignment_consistency", "no question has relevant passages in two languages"),
        ("toy/agreement/rbo/sw-en", None),
        ("toy/geometry/mexa/sw-fon", "there is no tier or pair"),
        ("toy/geometry/uniformity/sw", None),
    ],
)
def test_an_objective_must_be_one_that_is_measured(key: str, problem: str | None) -> None:
    bench = pivoted()
    known = bench.name, bench.protocol, bench.languages, ("low",), None, bench.is_parallel, reachable_cells(bench)
    message = metric_problem(key, *known)
    assert (message is None) == (problem is None), message
    assert problem is None or re.search(problem, str(message)), message


def test_one_language_of_passages_has_no_language_to_prefer() -> None:
    bench = pivoted("en")
    reachable = reachable_cells(bench)
    message = metric_problem(
        "toy/pooled/same_language@1", "toy", "parallel", bench.languages, (), None, False, reachable
    )
    assert "no question of the benchmark has what it needs" in str(message)


def test_a_pivot_must_have_passages() -> None:
    settings_ = Debiasing(debias=("shift",), debias_on="pool", debias_pivot=None)
    languages = ("fon", "sw", "fr")
    plan = removal_plan(("shift",), settings_, languages, None, ("fr",))
    assert plan is not None
    assert plan.pivot == "fr"  # not fon, which is the first and has none
    with pytest.raises(InputError, match="debias_pivot=sw has no passages in the benchmark: take one of fr"):
        removal_plan(("shift",), settings_.model_copy(update={"debias_pivot": "sw"}), languages, None, ("fr",))


def test_a_language_with_neither_is_refused() -> None:
    with pytest.raises(InputError, match="language 'yo' has no question or passage"):
        benchmark(
            "toy",
            ("en", "yo"),
            [Question("g", "en", "x")],
            [Passage("a", "en", "a")],
            {"g": {"a": 1}},
            one_sided=True,
        )
    with pytest.raises(InputError, match="language 'sw' has no passage"):
        benchmark("toy", ("en", "sw"), [Question("g", "en", "x"), Question("g", "sw", "y")],
                  [Passage("a", "en", "a")], {"g": {"a": 1}})  # fmt: skip
