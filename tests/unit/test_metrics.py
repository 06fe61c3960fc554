"""Metrics: tables worked out by hand, a slow reference on random pools, and the catalogue that describes them."""

import math
import re
from dataclasses import fields
from inspect import signature
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_pools import (
    geometry_metrics,
    make_benchmark,
    of_pool,
    random_pools,
    rank_metrics,
    rank_scores,
    scores_by_id,
)
from slow_reference import Pool, figures, rank_values, totals

from sweep.commands.score_encoder import main
from sweep.evaluation import quality
from sweep.evaluation.agreement import jaccard, rank_biased_overlap
from sweep.evaluation.catalogue import FIELDS, descriptions, markdown, metric_problem
from sweep.evaluation.chance import expected_by_chance
from sweep.evaluation.families import COUNTS, FAMILIES, POOLS, families_of
from sweep.evaluation.metrics import METRICS, metrics_of
from sweep.evaluation.ranking import FAR
from sweep.evaluation.tiers import tier_members
from sweep.evaluation.views import AnswersView, EmbeddingsView, LanguageView, PoolView, TranslationsView
from sweep.settings import Tiers

# Tables worked out by hand ------------------------------------------------------------------------------------
# Passages by id: a1 (en), a2 (en), b1 (de), b2 (de). Group g: relevant a2, b1. Group h: relevant a1 only.
# Units: a1 is p, a2 and b1 are q, b2 is a unit of its own.


@pytest.fixture(scope="module")
def table() -> dict[str, float]:
    bench = make_benchmark(
        {"en": ["a1", "a2"], "de": ["b1", "b2"]},
        [("g", "en"), ("g", "de"), ("h", "en"), ("h", "de")],
        {"g": {"a2", "b1"}, "h": {"a1"}},
        {"a1": "p", "a2": "q", "b1": "q"},
    )
    scores = [
        [0.9, 0.8, 0.1, 0.7],  # g en: a1 a2 b2 b1
        [0.5, 0.5, 0.5, 0.9],  # g de: b2, then a1 a2 b1 by id
        [0.9, 0.8, 0.1, 0.7],  # h en: a1 first
        [0.5, 0.6, 0.7, 0.9],  # h de: a1 last
    ]
    ranking = rank_scores(bench, np.array(scores))
    questions = np.array([[1, 0], [0.6, 0.8], [0, 1], [0, 1]], np.float32)  # as in scores
    tiers = tier_members(("en", "de"), Tiers(high=("en",), low=("de",)), ("en",))
    return rank_metrics(ranking, tiers) | geometry_metrics(ranking, questions, tiers)


SECOND = 1 / math.log2(3)  # the discount of rank 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        # mono en: g has a2 at 2, h has a1 at 1. mono de: g has b1 at 2 (b2 scores higher), h has none: left out.
        ("mono/map/en", (1 / 2 + 1) / 2),
        ("mono/map/de", 1 / 2),
        ("mono/map", (0.75 + 0.5) / 2),
        ("mono/questions/de", 1),
        ("mono/left_out/de", 1),
        ("mono/left_out", 1),
        ("mono/recall@1/en", 0.5),
        ("mono/recall@10/de", 1.0),
        ("mono/mrr@10/en", 0.75),
        ("mono/ndcg@10/en", (SECOND + 1) / 2),
        ("mono/ndcg@10/de", SECOND),
        # cross en-de: g asks for b1 among de: b2 .7, b1 .1 -> 2. h has none in de.
        ("cross/map/en-de", 1 / 2),
        ("cross/ndcg@10/en-de", SECOND),
        ("cross/left_out/en-de", 1),
        # cross de-en: g: a1 and a2 tie, a1 is before -> 2. h: a2 .6, a1 .5 -> 2.
        ("cross/map/de-en", 1 / 2),
        # pooled g en: a2 at 2, b1 at 4: AP = (1/2 + 2/4)/2. g de: a2 at 3, b1 at 4: AP = (1/3 + 2/4)/2.
        ("pooled/map/en", ((1 / 2 + 2 / 4) / 2 + 1) / 2),
        ("pooled/map/de", ((1 / 3 + 2 / 4) / 2 + 1 / 4) / 2),
        ("pooled/ndcg@10/en", ((SECOND + 1 / math.log2(5)) / (1 + SECOND) + 1) / 2),
        ("pooled/ndcg@10/de", ((1 / math.log2(4) + 1 / math.log2(5)) / (1 + SECOND) + 1 / math.log2(5)) / 2),
        # h has a relevant passage in one language alone: there is nothing for it to agree with.
        ("pooled/rank_distance/en", 2),
        ("pooled/rank_distance/de", 1),
        # consistency: g worst at 4 of 4 -> 0.
        ("pooled/alignment_consistency/en", 0.0),
        ("pooled/alignment_consistency/de", 0.0),
        ("pooled/alignment_consistency/low", 0.0),
        ("pooled/alignment_consistency/unseen", 0.0),
        ("pooled/alignment_consistency/seen", 0.0),
        # best relevant: g en a2 (own), g de a2 (not own).
        ("pooled/language_preference/en", 1.0),
        ("pooled/language_preference/de", 0.0),
        # own of all relevant ones: g en a2 of a2 b1, g de b1 of these.
        ("pooled/unbiased_preference/en", 1 / 2),
        ("pooled/unbiased_preference/de", 1 / 2),
        ("pooled/language_bias/en", 1 / 2),
        ("pooled/language_bias/de", -1 / 2),
        ("pooled/language_bias", 0.0),
        ("pooled/same_language@1/en", 1.0),
        ("pooled/same_language@1/de", 1.0),
        # units g: p q b2 and b2 p q: overlaps 0, 1/2, 3/3. h: p q b2 and b2 q p: overlaps 0, 1/2, 3/3.
        ("agreement/rbo/en-de", (0 + 0.9 * 1 / 2 + 0.81 * 1) / (1 + 0.9 + 0.81)),
        ("agreement/jaccard@10", 1.0),
        # h en has its a1 first, but h de, g en and g de begin with a passage that is not relevant.
        ("agreement/agree_correct@1", 0.0),
        # cosines of en g, h (rows) and de g, h: .6 0 / .8 1. Only de g has a nearer one than its translation, en h.
        ("geometry/bitext_accuracy/en-de", 3 / 4),
        ("geometry/mexa/en-de", 1 / 2),
        ("geometry/mexa/low", 1 / 2),
        # (1, 0) and (.6, .8): .16 + .64; (0, 1) twice: 0.
        ("geometry/alignment_loss", 0.8 / 2),
        # en: (1, 0) and (0, 1) have squared distance 2; de: (.6, .8) and (0, 1): .36 + .04.
        ("geometry/uniformity/en", -2 * 2),
        ("geometry/uniformity/de", -2 * 0.4),
        ("geometry/uniformity", (-4 - 0.8) / 2),
    ],
)
def test_the_hand_computed_table(table: dict[str, float], key: str, value: float) -> None:
    assert table[key] == pytest.approx(value)


def test_agreement_by_hand_in_three_languages() -> None:
    ids = [f"p{number:02d}" for number in range(12)]  # each a unit of its own
    bench = make_benchmark(
        {"en": ids[:4], "de": ids[4:8], "th": ids[8:]},
        [("g", "en"), ("g", "de"), ("g", "th")],
        {"g": {"p00", "p04", "p08"}},
    )
    in_order = [12 - place for place in range(12)]
    # de: p01 p00 p02 ... p07 p10 p11 p08 p09
    scores = [in_order, [11, 12, 10, 9, 8, 7, 6, 5, 2, 1, 4, 3], in_order]
    found = rank_metrics(rank_scores(bench, np.array(scores)), {"low": frozenset({"de"}), "high": frozenset({"en"})})
    # Common among the first 1, 2, ... 8: 0, 2, ... 8; then p08 and p10, p09 and p11 differ: 8 of 9, 8 of 10.
    shares = [0, 1, 1, 1, 1, 1, 1, 1, 8 / 9, 8 / 10]
    overlap = sum(0.9**place * share for place, share in enumerate(shares)) * 0.1 / (1 - 0.9**10)
    assert found["agreement/rbo/en-de"] == found["agreement/rbo/de-th"] == pytest.approx(overlap)
    assert found["agreement/rbo/en-th"] == pytest.approx(1)
    assert found["agreement/rbo/low"] == pytest.approx(overlap)
    assert found["agreement/rbo/high"] == pytest.approx((overlap + 1) / 2)
    assert found["agreement/jaccard@10"] == pytest.approx((8 / 12 + 1 + 8 / 12) / 3)
    # en and th begin with p00, which is relevant; de with p01.
    assert found["agreement/agree_correct@1"] == pytest.approx(1 / 3)
    assert found["agreement/agree_correct@1/en-th"] == 1


def test_ndcg_by_hand_with_grades_and_more_relevant_than_ten() -> None:
    ranks = np.array([[2, 11, 3], [1, 2, 0]], np.int32)
    grades = np.array([[3, 2, 1], [1, 2, 0]], np.int32)
    discount = [0, *(1 / math.log2(rank + 1) for rank in range(1, 13))]
    ideal = [3 * discount[1] + 2 * discount[2] + discount[3], 2 * discount[1] + discount[2]]
    reached = [3 * discount[2] + discount[3], discount[1] + 2 * discount[2]]
    assert quality.ndcg_at(ranks, grades, 10) == pytest.approx([reached[0] / ideal[0], reached[1] / ideal[1]])
    assert quality.ndcg_at(np.arange(1, 13, dtype=np.int32)[None], np.ones((1, 12), np.int32), 10) == pytest.approx(1)


def test_disjoint_and_identical_lists() -> None:
    one, other = np.arange(10, dtype=np.int32)[None], np.arange(10, 20, dtype=np.int32)[None]
    assert rank_biased_overlap(one, one) == pytest.approx(1)
    assert jaccard(one, one) == pytest.approx(1)
    assert rank_biased_overlap(one, other).tolist() == jaccard(one, other).tolist() == [0]


def test_an_empty_tier_and_an_empty_pool_report_nothing(table: dict[str, float]) -> None:
    assert not any(key.endswith("/mid") for key in table)
    bench = make_benchmark({"en": ["a"], "de": ["b"]}, [("g", "en"), ("h", "de")], {"g": {"a"}, "h": {"b"}})
    ranking = rank_scores(bench, np.eye(2))
    tiers = tier_members(("en", "de"), Tiers(), ())
    result = rank_metrics(ranking, tiers) | geometry_metrics(ranking, np.eye(2, dtype=np.float32), tiers)
    assert "cross/map" not in result
    assert result["cross/left_out/en-de"] == 1
    assert not any(key.endswith(("/seen", "/unseen")) for key in result)
    # No group in two languages, no two questions in one language, fewer groups than the probe has folds.
    assert not any(key.startswith(("agreement", "geometry")) for key in result)


def test_tiers_have_the_languages_of_the_benchmark_only() -> None:
    tiers = Tiers(high=("en",), mid=("fr",), low=("th", "de"))
    assert tier_members(("en", "de", "ru"), tiers, ("en", "fr")) == {
        "high": {"en"},
        "low": {"de"},
        "seen": {"en"},
        "unseen": {"de", "ru"},
    }
    assert set(tier_members(("en",), tiers, ("en",))) == {"high", "seen"}


def test_a_pair_belongs_to_the_tiers_of_both_of_its_languages(table: dict[str, float]) -> None:
    assert table["cross/map/high"] == table["cross/map/low"] == table["cross/map"]


def test_alignment_consistency_has_its_ends_and_its_middle() -> None:
    ranks = np.array([[1, 2, 3], [1, 2, 100], [1, 2, 17]], np.int32)
    expected = [1.0, 0.0, (math.log(100) - math.log(17)) / (math.log(100) - math.log(3))]
    assert quality.alignment_consistency(ranks, 100) == pytest.approx(expected)
    assert quality.alignment_consistency(np.array([[2, 1]], np.int32), 2).tolist() == [1.0]


def test_a_passage_that_no_search_found_counts_at_no_depth() -> None:
    ranks, grades = np.array([[FAR, 2, 0], [FAR, 0, 0], [0, 0, 0]], np.int32), np.array([[1, 1, 0]] * 3, np.int32)
    none = [0.0, math.nan]
    assert quality.recall_at(ranks, 100) == pytest.approx([1 / 2, *none], nan_ok=True)
    assert quality.reciprocal_rank_at(ranks, 10) == pytest.approx([1 / 2, *none], nan_ok=True)
    assert quality.ndcg_at(ranks, grades, 10) == pytest.approx([SECOND / (1 + SECOND), *none], nan_ok=True)


def test_a_question_without_a_relevant_passage_is_left_out_of_the_pool() -> None:
    pool = Pool(
        languages=["en", "de"],
        questions=[("g", "en"), ("g", "de"), ("h", "en"), ("h", "de")],
        passages=[("a", "en", ""), ("b", "de", "")],
        grades={"g": {"a": 1, "b": 1}},
        scores=[[2, 1], [2, 1], [1, 2], [1, 2]],
    )
    result = rank_metrics(rank_scores(of_pool(pool), scores_by_id(pool)))
    assert result["pooled/left_out"] == 2
    assert result["pooled/same_language@1/en"] == 1  # h en, whose first passage is b, does not count
    assert result["agreement/agree_correct@1"] == 1


# Random pools -------------------------------------------------------------------------------------------------


def check_against_the_reference(pool: Pool) -> None:
    values, counts = rank_values(pool)
    expected = figures(values, pool.tiers) | totals(counts, pool.tiers)
    members = {tier: frozenset(codes) for tier, codes in pool.tiers.items()}
    result = rank_metrics(rank_scores(of_pool(pool), scores_by_id(pool)), members)
    assert result.keys() == expected.keys()
    for key, value in expected.items():
        assert result[key] == pytest.approx(value, abs=1e-9), key


@settings(max_examples=150, deadline=None)
@given(random_pools())
def test_all_rank_metrics_equal_the_slow_reference(pool: Pool) -> None:
    check_against_the_reference(pool)


@settings(max_examples=40, deadline=None)
@given(random_pools("monolingual"))
def test_all_monolingual_metrics_equal_the_slow_reference(pool: Pool) -> None:
    check_against_the_reference(pool)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_rank_biased_overlap_is_symmetric_and_knows_only_the_first_ten(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 10))
    lists = [np.array([data.draw(st.permutations(range(12)))[:size] + [-1] * (10 - size)], np.int32) for _ in "ab"]
    one, other = lists
    assert rank_biased_overlap(one, other) == pytest.approx(rank_biased_overlap(other, one))
    assert 0 <= rank_biased_overlap(one, other)[0] <= 1 + 1e-12
    assert jaccard(one, one).tolist() == [1]


# The catalogue ------------------------------------------------------------------------------------------------


def names_in(family: str) -> list[str]:
    return [metric.name for metric in metrics_of(family)]


def evaluated_pool(protocol: str) -> tuple[dict[str, float], Pool]:
    """Metrics of a benchmark with enough groups for every one of them."""
    languages = ["en", "de", "th"]
    keys = [
        (f"g{number}" if protocol == "parallel" else f"{code}{number}", code)
        for number in range(8)
        for code in languages
    ]
    passages = [(f"{code}{number}", code, f"u{number}") for code in languages for number in range(8)]
    rng = np.random.default_rng(0)
    grades: dict[str, dict[str, int]] = {}
    for place, (group, code) in enumerate(keys):
        grades.setdefault(group, {})[f"{code}{place % 8}"] = 1
    pool = Pool(languages, keys, passages, grades, rng.integers(0, 9, (24, 24)).tolist(), protocol)
    pool.tiers = {"high": {"en"}, "low": {"th"}, "unseen": {"de", "th"}}
    members = {tier: frozenset(codes) for tier, codes in pool.tiers.items()}
    ranking = rank_scores(of_pool(pool), scores_by_id(pool))
    metrics = rank_metrics(ranking, members)
    if protocol == "parallel":
        query = rng.normal(size=(24, 8)).astype(np.float32)
        metrics |= geometry_metrics(ranking, query / np.linalg.norm(query, axis=1)[:, None], members)
    return metrics, pool


@pytest.mark.parametrize("protocol", ["parallel", "monolingual"])
def test_the_catalogue_has_exactly_what_is_measured(protocol: str) -> None:
    metrics, pool = evaluated_pool(protocol)
    emitted: dict[str, set[str]] = {}
    for key in metrics:
        family, metric, *_ = key.split("/")
        emitted.setdefault(family, set()).add(metric)
        assert metric_problem(f"toy/{key}", "toy", protocol, pool.languages, pool.tiers) is None
        for wrong in (f"toy/{key}x", f"toy/{key}/en/de", f"other/{key}", f"toy/{family}x/{metric}", f"toy/{metric}"):
            assert metric_problem(wrong, "toy", protocol, pool.languages, pool.tiers) is not None
    catalogued = {
        family: {*names_in(family), *(COUNTS if FAMILIES[family].has_pools else ())}
        for family in families_of(protocol)
    }
    assert emitted == catalogued


def test_every_accepted_last_part_is_measured_and_no_other() -> None:
    metrics, pool = evaluated_pool("parallel")
    parts = ["en", "de", "th", *(f"{a}-{b}" for a in pool.languages for b in pool.languages), "high", "mid", "low"]
    for family in FAMILIES:
        for metric in names_in(family):
            for part in parts:
                key = f"{family}/{metric}/{part}"
                problem = metric_problem(f"toy/{key}", "toy", "parallel", pool.languages, pool.tiers)
                assert (problem is None) == (key in metrics), key


def test_every_metric_is_described() -> None:
    described = descriptions()
    names = [metric.name for metric in METRICS]
    assert [name for one in described for name in one.metrics] == [*names, "questions", "left_out"]
    for one in described:
        assert one.summary.endswith("."), one.metrics
        assert tuple(one.fields) == FIELDS, one.metrics
        assert all(one.fields.values()), one.metrics
        for name in set(one.metrics) & set(names):
            assert one.families == tuple(family for family in FAMILIES if name in names_in(family))
            (metric,) = (metric for metric in METRICS if metric.name == name)
            assert one.fields["Better"].startswith({"target": "near "}.get(metric.better, metric.better)), name


def test_the_committed_documentation_is_what_the_registry_says(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    _, generated, _ = re.split(r"<!-- (?:begin|end) of what `[^`]+` prints -->\n", page)
    assert main(["--list-metrics", "--markdown"]) == 0
    assert generated == capsys.readouterr().out == markdown(), (
        "run `python -m sweep.evaluate --list-metrics --markdown` and put what it prints into docs/metrics.md"
    )
    assert main(["--markdown"]) == 2
    assert capsys.readouterr().err == "error: --markdown goes with --list-metrics\n"
    for family in FAMILIES.values():
        assert f"| `{family.name}` | {family.about} |" in page, family.name


def test_functions_ask_for_what_their_views_have() -> None:
    by_family: dict[str, type] = {**dict.fromkeys(POOLS, PoolView), "agreement": AnswersView}
    for metric in METRICS:
        view = by_family.get(metric.families[0], TranslationsView)
        if metric.cell == "language":
            view = EmbeddingsView if metric.is_mean else LanguageView
        known = {field.name for field in fields(view)} | ({"depth"} if metric.depth else set())
        assert signature(metric.function).parameters.keys() <= known, metric.name


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("cldr/pooled/alignment_consistency/low", None),
        ("cldr/mono/map", None),
        ("xquad_r/mono/map", "is not a metric of the benchmark 'cldr'"),
        ("cldr/mono/alignment_consistency", "metrics of mono are"),
        ("cldr/map", "second part must be one of mono, cross, pooled"),
        ("cldr/mono/map/en/de", "too many parts"),
        ("cldr/cross/map/en-de", None),
        ("cldr/cross/map/en", "there is no tier or pair 'en'"),
        ("cldr/cross/map/same_script", None),
        ("cldr/cross/left_out/same_script", None),
        ("cldr/agreement/rbo/same_script", None),
        ("cldr/cross/map/other_script", "no tier or pair 'other_script'; tiers are low, same_script; pairs en-de"),
        ("cldr/mono/map/same_script", "there is no tier or language 'same_script'"),
        ("cldr/geometry/uniformity/same_script", "there is no tier or language 'same_script'"),
        ("cldr/pooled/map/unseen", "there is no tier or language 'unseen'; tiers are low; languages en, de"),
        ("cldr/mono/left_out/en", None),
        ("cldr/agreement/left_out", "metrics of agreement are rbo, jaccard@10, agree_correct@1"),
        ("cldr/agreement/rbo/en-de", None),
        ("cldr/agreement/rbo/de-en", "there is no tier or pair 'de-en'"),
        ("cldr/geometry/mexa/en", "there is no tier or pair 'en'"),
        ("cldr/geometry/uniformity/en", None),
        ("cldr/geometry/language_probe/en-de", "there is no tier or language 'en-de'"),
    ],
)
def test_an_objective_is_checked_by_its_name(key: str, problem: str | None) -> None:
    found = metric_problem(key, "cldr", "parallel", ("en", "de"), ("low",))
    assert found is None if problem is None else problem in str(found)


@pytest.mark.parametrize("family", [family.name for family in FAMILIES.values() if family.parallel_only])
def test_a_monolingual_benchmark_has_no_figures_across_languages(family: str) -> None:
    key = f"miracl/{family}/{names_in(family)[0]}"
    found = metric_problem(key, "miracl", "monolingual", ("en", "de"), ())
    assert "second part must be one of mono, followed" in str(found)


ACROSS = ("alignment_consistency", "rank_distance", "language_preference", "unbiased_preference", "language_bias")


@pytest.mark.parametrize(
    ("pools", "relevant"),
    [
        ({"en": ["a", "b"]}, {"g": {"a"}, "h": {"a", "b"}}),  # one language
        ({"en": ["a", "b"], "de": ["c"]}, {"g": {"a"}, "h": {"a", "b"}}),  # no translation of either
    ],
)
def test_where_nothing_is_parallel_nothing_is_aligned(
    pools: dict[str, list[str]], relevant: dict[str, set[str]]
) -> None:
    questions = [("g", "en"), ("h", "en"), *(("i", code) for code in pools if code != "en")]
    bench = make_benchmark(pools, questions, relevant | ({"i": {"c"}} if "de" in pools else {}))
    scores_qd = np.arange(len(questions) * len(bench.passages), dtype=np.float32).reshape(len(questions), -1)
    ranking = rank_scores(bench, scores_qd)
    chance = {key.removeprefix("toy/") for key in expected_by_chance(bench, {"high": frozenset({"en"})})}
    for keys in (rank_metrics(ranking, {"high": frozenset({"en"})}).keys(), chance):
        assert {"mono/map", "pooled/map", "pooled/map/high"} <= keys
        names = {key.split("/")[1] for key in keys}
        assert not names & {*ACROSS, "rbo", "jaccard@10", "agree_correct@1"}
        assert ("same_language@1" in names) == (len(pools) > 1)
    assert not bench.is_parallel
    for metric in ACROSS:
        problem = metric_problem(f"toy/pooled/{metric}", "toy", "parallel", tuple(pools), (), is_parallel=False)
        assert "no question has relevant passages in two languages" in str(problem)


def test_a_single_language_has_no_pairs() -> None:
    assert "no pairs" in str(metric_problem("cldr/cross/map", "cldr", "parallel", ("en",), ()))
    assert "no pairs" in str(metric_problem("cldr/agreement/rbo", "cldr", "parallel", ("en",), ()))
    assert metric_problem("cldr/geometry/uniformity", "cldr", "parallel", ("en",), ()) is None


def test_an_objective_that_needs_more_depth_than_is_searched_is_refused() -> None:
    known = "miracl", "monolingual", ("en", "de"), ()
    for key, fits in (
        ("miracl/mono/map", False),
        ("miracl/mono/recall@100", False),
        ("miracl/mono/ndcg@10/en", True),
    ):
        problem = metric_problem(key, *known, depth=50)
        assert (problem is None) == fits
        assert fits or "needs more depth than search.depth=50" in str(problem)
        assert metric_problem(key, *known) is None
        assert metric_problem(key, "miracl", "parallel", *known[2:], depth=50) is None  # always ranked exactly
