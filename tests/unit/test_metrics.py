"""Metrics and ranks: hand-computed tables, slow references on random pools, and pytrec_eval as the oracle."""

import math
from collections import defaultdict

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.evaluation import metrics
from sweep.evaluation.evaluate import metrics_from_ranks
from sweep.evaluation.names import metric_problem
from sweep.evaluation.ranks import Ranks, rank
from sweep.settings import Tiers

NO_TIERS = Tiers()


def make_benchmark(
    pools: dict[str, list[str]], questions: list[tuple[str, str]], relevant: dict[str, set[str]]
) -> Benchmark:
    """`pools`: language -> passage ids; `questions`: (group, language)."""
    return benchmark(
        "toy",
        tuple(pools),
        [Question(group, code, f"{group} {code}") for group, code in questions],
        [Passage(id_, code, id_) for code, ids in pools.items() for id_ in ids],
        relevant,
    )


def rank_scores(bench: Benchmark, scores_qd: NDArray[np.float32]) -> Ranks:
    """Ranks for given scores: questions as rows of scores, passages as unit vectors."""
    identity = np.eye(len(bench.passages), dtype=np.float32)
    return rank(bench, np.ascontiguousarray(scores_qd, dtype=np.float32), identity, np.arange(len(bench.passages)))


# A table worked out by hand -----------------------------------------------------------------------------------
# Passages by id: a1 (en), a2 (en), b1 (de), b2 (de). Group g: relevant a2, b1. Group h: relevant a1 only.


@pytest.fixture
def table() -> dict[str, float]:
    bench = make_benchmark(
        {"en": ["a1", "a2"], "de": ["b1", "b2"]},
        [("g", "en"), ("g", "de"), ("h", "en"), ("h", "de")],
        {"g": {"a2", "b1"}, "h": {"a1"}},
    )
    scores = [
        [0.9, 0.8, 0.1, 0.7],  # g en: a1 a2 b2 b1
        [0.5, 0.5, 0.5, 0.9],  # g de: b2, then a1 a2 b1 by id
        [0.9, 0.8, 0.1, 0.7],  # h en: a1 first
        [0.5, 0.6, 0.7, 0.9],  # h de: a1 last
    ]
    return metrics_from_ranks(bench, rank_scores(bench, np.array(scores)), Tiers(high=("en",), low=("de",)), ("en",))


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
        # cross en-de: g asks for b1 among de: b2 .7, b1 .1 -> 2. h has none in de.
        ("cross/map/en-de", 1 / 2),
        ("cross/left_out/en-de", 1),
        # cross de-en: g: a1 and a2 tie, a1 is before -> 2. h: a2 .6, a1 .5 -> 2.
        ("cross/map/de-en", 1 / 2),
        # pooled g en: a2 at 2, b1 at 4: AP = (1/2 + 2/4)/2. g de: a2 at 3, b1 at 4: AP = (1/3 + 2/4)/2.
        ("pooled/map/en", ((1 / 2 + 2 / 4) / 2 + 1) / 2),
        ("pooled/map/de", ((1 / 3 + 2 / 4) / 2 + 1 / 4) / 2),
        ("pooled/rank_distance/en", (2 + 0) / 2),
        ("pooled/rank_distance/de", (1 + 0) / 2),
        # consistency: g worst at 4 of 4 -> 0; h en at 1 -> 1; h de at 4 of 4 -> 0.
        ("pooled/alignment_consistency/en", 0.5),
        ("pooled/alignment_consistency/de", 0.0),
        ("pooled/alignment_consistency/low", 0.0),
        ("pooled/alignment_consistency/unseen", 0.0),
        ("pooled/alignment_consistency/seen", 0.5),
        # best relevant: g en a2 (own), g de a2 (not own), h en a1 (own), h de a1 (not own).
        ("pooled/language_preference/en", 1.0),
        ("pooled/language_preference/de", 0.0),
        ("pooled/same_language@1/en", 1.0),
        ("pooled/same_language@1/de", 1.0),
    ],
)
def test_the_hand_computed_table(table: dict[str, float], key: str, value: float) -> None:
    assert table[f"toy/{key}"] == pytest.approx(value)


def test_an_empty_tier_and_an_empty_pool_report_nothing(table: dict[str, float]) -> None:
    assert not any(key.endswith("/mid") for key in table)
    bench = make_benchmark({"en": ["a"], "de": ["b"]}, [("g", "en"), ("h", "de")], {"g": {"a"}, "h": {"b"}})
    result = metrics_from_ranks(bench, rank_scores(bench, np.eye(2)), NO_TIERS, ())
    assert "toy/cross/map" not in result
    assert result["toy/cross/left_out/en-de"] == 1
    assert not any(key.endswith(("/seen", "/unseen")) for key in result)


def test_a_pair_belongs_to_the_tiers_of_both_of_its_languages(table: dict[str, float]) -> None:
    assert table["toy/cross/map/high"] == table["toy/cross/map/low"] == table["toy/cross/map"]


def test_alignment_consistency_has_its_ends_and_its_middle() -> None:
    ranks = np.array([[1, 2, 3], [1, 2, 100], [1, 2, 17]], np.int32)
    expected = [1.0, 0.0, (math.log(100) - math.log(17)) / (math.log(100) - math.log(3))]
    assert metrics.alignment_consistency(ranks, 100) == pytest.approx(expected)
    assert metrics.alignment_consistency(np.array([[2, 1]], np.int32), 2).tolist() == [1.0]


def test_ties_go_to_the_smaller_id_across_languages() -> None:
    bench = make_benchmark({"en": ["m", "z"], "de": ["a", "n"]}, [("g", "en"), ("g", "de")], {"g": {"m", "n"}})
    ranks = rank_scores(bench, np.full((2, 4), 0.5))
    # All tie: a (de), m (en), n (de), z (en).
    assert sorted(ranks.pooled_qr[0].tolist()) == [2, 3]
    assert ranks.own_qr[0].tolist() == [1, 2]  # m first of en, n second of de


def test_passages_of_equal_text_tie_exactly() -> None:
    rng = np.random.default_rng(0)
    bench = make_benchmark({"en": [f"p{n:02d}" for n in range(40)]}, [("g", "en")], {"g": {"p20"}})
    text_d = np.array([3 if n == 20 else n for n in range(40)])
    passage = rng.normal(size=(40, 16)).astype(np.float32)
    query = passage[3:4].copy()
    ranks = rank(bench, query / np.linalg.norm(query), passage / np.linalg.norm(passage, axis=1)[:, None], text_d)
    assert ranks.pooled_qr.tolist() == [[2]]  # p03 has the same text and the smaller id


# Random pools -------------------------------------------------------------------------------------------------


@st.composite
def random_pools(draw: st.DrawFn) -> tuple[Benchmark, NDArray[np.float32]]:
    """2-3 languages, ties (scores from few values), missing answers, one or many relevant passages a language."""
    languages = ["en", "de", "th"][: draw(st.integers(2, 3))]
    pools = {
        code: [f"{draw(st.integers(0, 99)):02d}{code}{n}" for n in range(draw(st.integers(1, 6)))]
        for code in languages
    }
    ids = [id_ for found in pools.values() for id_ in found]
    groups = [f"g{n}" for n in range(draw(st.integers(1, 4)))]
    relevant = {group: set(draw(st.lists(st.sampled_from(ids), min_size=1, max_size=5))) for group in groups}
    questions = [(group, code) for group in groups for code in languages]
    bench = make_benchmark(pools, questions, relevant)
    levels = draw(st.sampled_from([2, 4, 1000]))
    seed = draw(st.integers(0, 2**16))
    scores = np.random.default_rng(seed).integers(0, levels, (len(questions), len(ids))) / levels
    return bench, scores.astype(np.float32)


def slow_order(bench: Benchmark, scores_d: NDArray[np.float32], language: str | None) -> list[Passage]:
    """The pool's passages, best first, from the definition."""
    scored = [(-float(score), p.id, p) for score, p in zip(scores_d, bench.passages, strict=True)]
    return [p for _, _, p in sorted(scored, key=lambda item: item[:2]) if language in (None, p.language)]


def slow_quality(order: list[Passage], relevant: set[str]) -> dict[str, float]:
    """All metrics of retrieval quality for one question, as loops over the ranked list."""
    found, precision, first = 0, 0.0, 0
    hits = {1: 0, 10: 0, 100: 0}
    for position, passage in enumerate(order, start=1):
        if passage.id in relevant:
            found += 1
            precision += found / position
            first = first or position
            for depth in hits:
                hits[depth] += position <= depth
    result = {f"recall@{depth}": count / found for depth, count in hits.items()}
    return {**result, "map": precision / found, "mrr@10": 1 / first if first <= 10 else 0.0}


def slow_metrics(bench: Benchmark, scores_qd: NDArray[np.float32]) -> dict[str, float]:
    """Every metric by language and pair, from METRICS, in plain Python."""
    values: dict[str, list[float]] = defaultdict(list)
    for question, scores_d, found in zip(bench.questions, scores_qd, bench.relevant_q, strict=True):
        relevant = {bench.passages[index].id for index in found}
        language_of = {p.id: p.language for p in bench.passages}
        for code in bench.languages:
            family = f"mono/{{}}/{code}" if code == question.language else f"cross/{{}}/{question.language}-{code}"
            here = {id_ for id_ in relevant if language_of[id_] == code}
            values[family.format("left_out")].append(not here)
            if here:
                for metric, value in slow_quality(slow_order(bench, scores_d, code), here).items():
                    values[family.format(metric)].append(value)
        order = slow_order(bench, scores_d, None)
        for metric, value in slow_quality(order, relevant).items():
            values[f"pooled/{metric}/{question.language}"].append(value)
        ranks = sorted((order.index(p) + 1, p.language) for p in order if p.id in relevant)
        size, many = len(order), len(ranks)
        consistency = 1.0 if many == size else math.log(size / ranks[-1][0]) / math.log(size / many)
        for metric, value in {
            "alignment_consistency": consistency,
            "rank_distance": ranks[-1][0] - ranks[0][0],
            "language_preference": ranks[0][1] == question.language,
            "same_language@1": order[0].language == question.language,
        }.items():
            values[f"pooled/{metric}/{question.language}"].append(float(value))
    return {key: (sum if "left_out" in key else np.mean)(found) for key, found in values.items()}


@settings(max_examples=150, deadline=None)
@given(random_pools())
def test_all_metrics_equal_the_slow_reference(case: tuple[Benchmark, NDArray[np.float32]]) -> None:
    bench, scores = case
    result = metrics_from_ranks(bench, rank_scores(bench, scores), NO_TIERS, ())
    for key, expected in slow_metrics(bench, scores).items():
        assert result[f"toy/{key}"] == pytest.approx(expected, abs=1e-6), key
    for family in ("mono", "cross", "pooled"):
        for metric in ("map", "recall@10"):
            cells = [v for k, v in result.items() if k.startswith(f"toy/{family}/{metric}/")]
            assert not cells or result[f"toy/{family}/{metric}"] == pytest.approx(np.mean(cells))


@settings(max_examples=60, deadline=None)
@given(random_pools())
def test_quality_agrees_with_pytrec_eval(case: tuple[Benchmark, NDArray[np.float32]]) -> None:
    bench, scores = case
    result = metrics_from_ranks(bench, rank_scores(bench, scores), NO_TIERS, ())
    measures = {"map": "map", "recall_1": "recall@1", "recall_10": "recall@10", "recall_100": "recall@100"}
    for code in bench.languages:
        run, judged = {}, {}
        for row, question in enumerate(bench.questions):
            if question.language == code:
                # trec_eval breaks ties by descending id, so it is given the order that METRICS defines.
                order = slow_order(bench, scores[row], None)
                run[str(row)] = {p.id: float(len(order) - place) for place, p in enumerate(order)}
                judged[str(row)] = {bench.passages[index].id: 1 for index in bench.relevant_q[row]}
        evaluated = pytrec_eval.RelevanceEvaluator(judged, {"map", "recall.1,10,100"}).evaluate(run)
        for theirs, ours in measures.items():
            expected = np.mean([found[theirs] for found in evaluated.values()])
            assert result[f"toy/pooled/{ours}/{code}"] == pytest.approx(expected)


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
        ("cldr/pooled/map/unseen", "there is no tier or language 'unseen'; tiers are low; languages en, de"),
    ],
)
def test_an_objective_is_checked_by_its_name(key: str, problem: str | None) -> None:
    found = metric_problem(key, "cldr", ("en", "de"), ("low",))
    assert found is None if problem is None else problem in str(found)
