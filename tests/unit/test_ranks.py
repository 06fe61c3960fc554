"""Ranks: ties, units, pytrec_eval as the oracle, pools read in blocks, and FAISS indexes of every kind."""

import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from random_pools import (
    EXACT,
    make_benchmark,
    of_pool,
    random_pools,
    rank_metrics,
    rank_scores,
    scores_by_id,
    unit_vectors,
)
from slow_reference import Pool, first_units

from sweep.data.benchmark import Benchmark
from sweep.evaluation import counting, monolingual_ranks, parallel_ranks, passage_index
from sweep.evaluation.counting import count_ahead, count_ahead_in_order
from sweep.evaluation.monolingual_ranks import exact_ranks, rank_monolingual
from sweep.evaluation.parallel_ranks import rank_parallel
from sweep.evaluation.passage_index import best_passages
from sweep.evaluation.ranking import FAR, NO_UNIT, PAD, Ranking
from sweep.settings import SearchSettings

# Ties ---------------------------------------------------------------------------------------------------------


def test_ties_go_to_the_smaller_id_across_languages() -> None:
    bench = make_benchmark({"en": ["m", "z"], "de": ["a", "n"]}, [("g", "en"), ("g", "de")], {"g": {"m", "n"}})
    ranking = rank_scores(bench, np.full((2, 4), 0.5))
    assert ranking.pooled is not None
    # All tie: a (de), m (en), n (de), z (en).
    assert sorted(ranking.pooled.rank_qr[0].tolist()) == [2, 3]
    assert ranking.own_qr[0].tolist() == [1, 2]  # m first of en, n second of de
    assert ranking.pooled.top_language_q.tolist() == [1, 1]
    assert ranking.pooled.top_relevant_q.tolist() == [False, False]
    assert ranking.pooled.units_qk[0, :4].tolist() == np.argsort(np.argsort(["a", "m", "n", "z"])).tolist()


def test_passages_of_equal_text_tie_exactly() -> None:
    rng = np.random.default_rng(0)
    bench = make_benchmark({"en": [f"p{n:02d}" for n in range(40)]}, [("g", "en")], {"g": {"p20"}})
    text_d = np.array([3 if n == 20 else n for n in range(40)])
    passage = rng.normal(size=(40, 16)).astype(np.float32)
    query = passage[3:4].copy()
    query /= np.linalg.norm(query)
    passage /= np.linalg.norm(passage, axis=1)[:, None]
    ranking = rank_parallel(bench, query, passage, text_d)
    assert ranking.pooled is not None
    assert ranking.pooled.rank_qr.tolist() == [[2]]  # p03 has the same text and the smaller id
    assert rank_monolingual(bench, query, passage, text_d, EXACT, Path("unused")).own_qr.tolist() == [[2]]


def test_texts_of_equal_embeddings_tie_exactly() -> None:
    rng = np.random.default_rng(1)
    ids = [f"p{n:03d}" for n in range(119)]
    passage = rng.normal(size=(119, 100)).astype(np.float32)
    passage[[20, 60, 118]] = passage[20]
    query = passage[[20, 60]] + rng.normal(scale=0.01, size=(2, 100)).astype(np.float32)
    bench = make_benchmark({"en": ids}, [("g", "en"), ("h", "en")], {"g": {"p060"}, "h": {"p118"}})
    ranking = rank_parallel(bench, query, passage, np.arange(119))
    assert ranking.own_qr.tolist() == [[2], [3]]


def test_a_passage_is_not_ahead_of_itself() -> None:
    scores = np.array([[0.5, 0.5, 0.1, 0.9]], np.float32)
    ascending, passages = np.sort(scores, axis=1), np.array([4, 7, 8, 9])
    for relevant, here, ahead in ((4, True, 1), (7, True, 2), (5, False, 2), (9, False, 3)):
        found = count_ahead(
            scores, ascending, passages, np.array([[0.5]], np.float32), np.array([[relevant]]), np.array([[here]])
        )
        assert found.tolist() == [[ahead]], relevant
    for column, ahead in ((0, 1), (1, 2), (-3, 1), (9, 3)):  # of this block, of an earlier one, of a later one
        found = count_ahead_in_order(scores, np.array([[0.5]], np.float32), np.array([[column]]), np.array([[True]]))
        assert found.tolist() == [[ahead]], column


@settings(max_examples=80, deadline=None)
@given(random_pools())
def test_ranks_and_units_are_those_of_the_sorted_pool(pool: Pool) -> None:
    bench = of_pool(pool)
    with pytest.MonkeyPatch.context() as patch:  # several blocks of several parts
        patch.setattr(parallel_ranks, "BLOCK_BYTES", 4 * len(pool.passages) * 3)
        patch.setattr(counting, "CACHE_BYTES", 4 * len(pool.passages) * 2)
        ranking = rank_scores(bench, scores_by_id(pool))
    assert ranking.pooled is not None
    unit_d, language_of = bench.passages.unit_d, {id_: code for id_, code, _ in pool.passages}
    number_of = {p.unit or f"passage {p.id}": unit for p, unit in zip(bench.passages, unit_d.tolist(), strict=True)}
    for row, (group, _) in enumerate(pool.questions):
        order = pool.order(row)
        relevant = sorted(pool.grades[group])
        pooled = [order.index(id_) + 1 for id_ in relevant]
        own = [pool.order(row, language_of[id_]).index(id_) + 1 for id_ in relevant]
        padding = [PAD] * (ranking.own_qr.shape[1] - len(relevant))
        assert ranking.pooled.rank_qr[row].tolist() == pooled + padding
        assert ranking.own_qr[row].tolist() == own + padding
        units = [number_of[unit] for unit in first_units(pool, row)]
        assert ranking.pooled.units_qk[row].tolist() == units + [NO_UNIT] * (10 - len(units))
        assert ranking.pooled.top_relevant_q[row] == (order[0] in relevant)
        assert pool.languages[ranking.pooled.top_language_q[row]] == language_of[order[0]]
    assert ranking.pool_size == len(pool.passages)


@pytest.mark.parametrize("seed", range(8))
def test_a_tie_at_the_tenth_unit_goes_to_the_smaller_id(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = [f"p{number:02d}" for number in range(28)]
    units = rng.permutation(28) % 14
    bench = make_benchmark(
        {"en": ids}, [("g", "en")], {"g": {"p00"}}, {id_: f"u{unit}" for id_, unit in zip(ids, units, strict=True)}
    )
    score_u = rng.permutation(14).astype(np.float32)
    score_u[score_u == 3] = 4  # the tenth unit, 4, and the eleventh are equal
    best = [rng.choice(np.flatnonzero(units == unit)) for unit in range(14)]  # each unit's best passage
    scores = np.full((1, 28), -1, np.float32)
    scores[0, best] = score_u
    order = sorted(range(14), key=lambda unit: (-score_u[unit], best[unit]))
    pooled = rank_scores(bench, scores).pooled
    assert pooled is not None
    unit_d = bench.passages.unit_d
    assert pooled.units_qk[0].tolist() == [unit_d[best[unit]] for unit in order[:10]]


# pytrec_eval --------------------------------------------------------------------------------------------------

MEASURES = {
    "map": "map",
    "recall_1": "recall@1",
    "recall_10": "recall@10",
    "recall_100": "recall@100",
    "ndcg_cut_10": "ndcg@10",
    "recip_rank": "mrr@10",
}


@settings(max_examples=60, deadline=None)
@given(random_pools())
def test_quality_agrees_with_pytrec_eval(pool: Pool) -> None:
    result = rank_metrics(rank_scores(of_pool(pool), scores_by_id(pool)))
    language_of = {id_: code for id_, code, _ in pool.passages}
    for family in ("pooled", "mono"):
        for code in pool.languages:
            run: dict[str, dict[str, float]] = {}
            judged: dict[str, dict[str, int]] = {}
            for row, (group, language) in enumerate(pool.questions):
                answers = {
                    id_: grade
                    for id_, grade in pool.grades[group].items()
                    if family == "pooled" or language_of[id_] == code
                }
                if language == code and answers:
                    # trec_eval breaks ties by descending id, so it is given the order that docs/metrics.md defines.
                    order = pool.order(row, None if family == "pooled" else code)
                    run[str(row)] = {id_: float(len(order) - place) for place, id_ in enumerate(order)}
                    judged[str(row)] = answers
            measures = {"map", "recall.1,10,100", "ndcg_cut.10", "recip_rank"}
            evaluated = pytrec_eval.RelevanceEvaluator(judged, measures).evaluate(run) if run else {}
            for found in evaluated.values():
                found["recip_rank"] = found["recip_rank"] if found["recip_rank"] > 1 / 10.5 else 0.0
            for theirs, ours in MEASURES.items():
                key = f"{family}/{ours}/{code}"
                assert (key in result) == bool(run)
                if run:
                    assert result[key] == pytest.approx(np.mean([found[theirs] for found in evaluated.values()]))


# A language's own pool, in blocks -----------------------------------------------------------------------------


@dataclass
class Embedded:
    """A monolingual benchmark with embeddings; several passages may have the same text."""

    bench: Benchmark
    query_qh: NDArray[np.float32]
    passage_uh: NDArray[np.float32]
    text_d: NDArray[np.int64]
    pool: Pool = field(repr=False)

    def ranked(self, search: SearchSettings = EXACT, folder: Path = Path("unused")) -> Ranking:
        return rank_monolingual(self.bench, self.query_qh, self.passage_uh, self.text_d, search, folder)


def embedded(
    seed: int, passages: int, questions: int, width: int, signs_only: bool, repeated: float, relevant: int = 4
) -> Embedded:
    """A pool for each of two languages; `repeated` is the share of passages with another one's text."""
    rng = random.Random(seed)
    languages = ["en", "sw"]
    ids = [(f"{rng.randrange(10_000):04d}{number}", languages[number % 2], "") for number in range(passages)]
    keys = [(f"{languages[number % 2]}{number}", languages[number % 2]) for number in range(questions)]
    passage_of = {code: [id_ for id_, language, _ in ids if language == code] for code in languages}
    grades = {
        group: {id_: 1 for id_ in rng.sample(passage_of[code], rng.randint(0, min(relevant, len(passage_of[code]))))}
        for group, code in keys
    }
    vectors = unit_vectors(rng, passages + questions, width, signs_only)
    texts = list(range(passages))
    for place in range(passages):
        if rng.random() < repeated:
            texts[place] = texts[rng.randrange(passages)]
    for group, _ in keys:  # two relevant passages of one text
        if len(grades[group]) > 1 and rng.random() < repeated:
            one, other, *_ = (next(place for place, p in enumerate(ids) if p[0] == id_) for id_ in grades[group])
            texts[one] = texts[other]
    scores = [
        [sum(a * b for a, b in zip(query, vectors[text], strict=True)) for text in texts]
        for query in vectors[passages:]
    ]
    pool = Pool(languages, keys, ids, grades, scores, "monolingual")
    order = sorted(range(passages), key=lambda place: ids[place][0])
    as_array = np.array(vectors, np.float32)
    text_d = np.array([texts[place] for place in order])
    return Embedded(of_pool(pool), as_array[passages:], as_array[:passages], text_d, pool)


def slow_ranks(case: Embedded) -> list[list[int]]:
    """Ranks of each question's relevant passages in the order of their ids."""
    return [
        [case.pool.order(row, code).index(id_) + 1 for id_ in sorted(case.pool.grades[group])]
        for row, (group, code) in enumerate(case.pool.questions)
    ]


def unpadded(ranks_qr: NDArray[np.int32]) -> list[list[int]]:
    return [[rank for rank in ranks_r if rank != PAD] for ranks_r in ranks_qr.tolist()]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    passages=st.integers(2, 50),
    signs_only=st.booleans(),
    repeated=st.sampled_from([0.0, 0.4]),
    blocks=st.tuples(st.integers(1, 30), st.integers(1, 5), st.integers(1, 200), st.integers(1, 1000)),
)
def test_exact_monolingual_ranks_in_blocks(
    seed: int, passages: int, signs_only: bool, repeated: float, blocks: tuple[int, int, int, int]
) -> None:
    case = embedded(seed, passages, 6, 16, signs_only, repeated)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(monolingual_ranks, "PASSAGES_PER_BLOCK", blocks[0])
        patch.setattr(monolingual_ranks, "QUESTIONS_PER_BLOCK", blocks[1])
        patch.setattr(counting, "CACHE_BYTES", blocks[2])
        patch.setattr(parallel_ranks, "BLOCK_BYTES", blocks[3])
        ranking = case.ranked()
        parallel = rank_parallel(case.bench, case.query_qh, case.passage_uh, case.text_d)
    assert unpadded(ranking.own_qr) == slow_ranks(case)
    assert (ranking.own_qr == parallel.own_qr).all()
    assert (ranking.protocol, ranking.pooled, ranking.search.depth) == ("monolingual", None, None)


@pytest.mark.parametrize("width", [33, 100, 384])
@pytest.mark.parametrize("repeats", [2, 3, 7, 13])
def test_several_relevant_passages_of_one_text_tie_exactly(width: int, repeats: int) -> None:
    rng = np.random.default_rng(width)
    ids = [f"p{number:02d}" for number in range(40)]
    relevant = set(ids[5 : 5 + repeats])
    questions = [(f"g{number}", "en") for number in range(20)]
    bench = make_benchmark({"en": ids}, questions, {group: relevant for group, _ in questions})
    passage = rng.normal(size=(40, width)).astype(np.float32)
    text_d = np.arange(40)
    text_d[5 : 5 + repeats] = 5
    query = passage[5] + rng.normal(scale=0.01, size=(20, width)).astype(np.float32)
    ranking = rank_monolingual(bench, query, passage, text_d, EXACT, Path("unused"))
    assert ranking.own_qr.tolist() == [list(range(1, repeats + 1))] * 20


# FAISS --------------------------------------------------------------------------------------------------------


def searching(index: str, depth: int, lists: int | None = None, probes: int = 64) -> SearchSettings:
    return SearchSettings.model_validate(
        {"index": index, "depth": depth, "lists": lists, "probes": probes, "neighbours": 32}
    )


def cut(ranks_qr: NDArray[np.int32], depth: int) -> NDArray[np.int32]:
    return np.where(ranks_qr > depth, FAR, ranks_qr)


@pytest.fixture
def large() -> Embedded:
    """Two pools of 300 passages in random directions."""
    return embedded(3, 600, 40, 16, signs_only=False, repeated=0.0, relevant=12)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), passages=st.integers(2, 50), block=st.integers(1, 40))
def test_a_flat_index_searched_to_the_end_gives_exact_ranks(seed: int, passages: int, block: int) -> None:
    case = embedded(seed, passages, 6, 16, signs_only=True, repeated=0.4)  # with ties
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passage_index, "PASSAGES_PER_BLOCK", block)
        ranking = case.ranked(searching("flat", 50))
    assert unpadded(ranking.own_qr) == slow_ranks(case)


@pytest.mark.parametrize("block", [7, 64, 1000])
@pytest.mark.parametrize("depth", [1, 10, 50, 299])
def test_a_flat_index_finds_the_ranks_within_its_depth(
    large: Embedded, monkeypatch: pytest.MonkeyPatch, depth: int, block: int
) -> None:
    monkeypatch.setattr(passage_index, "PASSAGES_PER_BLOCK", block)
    exact, found = large.ranked(), large.ranked(searching("flat", depth))
    assert (found.own_qr == cut(exact.own_qr, depth)).all()
    assert (found.own_qr == FAR).any()
    assert (found.search.index, found.search.depth) == ("flat", depth)


@pytest.mark.parametrize(
    ("depth", "left_out"),
    [
        (1, {"map", "recall@10", "recall@100", "mrr@10", "ndcg@10"}),
        (10, {"map", "recall@100"}),
        (99, {"map", "recall@100"}),
        (100, {"map"}),
    ],
)
def test_metrics_that_need_more_depth_are_left_out(large: Embedded, depth: int, left_out: set[str]) -> None:
    exact, found = rank_metrics(large.ranked()), rank_metrics(large.ranked(searching("flat", depth)))
    assert found.keys() == {key for key in exact if key.split("/")[1] not in left_out}
    assert {key.split("/")[1] for key in exact.keys() - found.keys()} == left_out
    for key, value in found.items():
        assert value == pytest.approx(exact[key]), key


@pytest.mark.parametrize("block", [100, 1000])
def test_all_clusters_give_what_a_flat_index_gives(
    large: Embedded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(passage_index, "PASSAGES_PER_BLOCK", block)
    flat = large.ranked(searching("flat", 50))
    for lists in (5, None):
        assert (large.ranked(searching("ivf", 50, lists), tmp_path).own_qr == flat.own_qr).all()
    few = large.ranked(searching("ivf", 50, 5, probes=1), tmp_path)
    assert (few.own_qr != flat.own_qr).any()  # so that it is the clusters' number that makes them equal


@pytest.mark.parametrize("block", [100, 1000])
def test_a_graph_finds_nearly_all(
    large: Embedded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(passage_index, "PASSAGES_PER_BLOCK", block)
    flat, graph = large.ranked(searching("flat", 50)), large.ranked(searching("hnsw", 50), tmp_path)
    within = (flat.own_qr != PAD) & (flat.own_qr != FAR)
    assert np.mean(graph.own_qr[within] == flat.own_qr[within]) > 0.95


@pytest.mark.parametrize("index", ["ivf", "hnsw"])
def test_finished_blocks_are_kept_and_missing_ones_built_again(
    large: Embedded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    monkeypatch.setattr(passage_index, "PASSAGES_PER_BLOCK", 100)
    search = searching(index, 50, probes=2)
    first = large.ranked(search, tmp_path)
    files = sorted(file for file in tmp_path.rglob("*") if file.is_file())
    assert sorted(file.name for file in files if "block" in file.name) == sorted(
        2 * [f"block-{low:010d}.faiss" for low in (0, 100, 200)]
    )
    times = {file: file.stat().st_mtime_ns for file in files}
    assert (large.ranked(search, tmp_path).own_qr == first.own_qr).all()
    assert {file: file.stat().st_mtime_ns for file in files} == times
    lost = next(file for file in files if file.name == "block-0000000100.faiss")
    lost.unlink()
    assert (large.ranked(search, tmp_path).own_qr == first.own_qr).all()
    assert sorted(file for file in tmp_path.rglob("*") if file.is_file()) == files
    assert {file for file in files if file.stat().st_mtime_ns != times[file]} == {lost}


def test_an_index_is_not_used_for_other_passages_with_the_same_texts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    passage = rng.normal(size=(60, 8)).astype(np.float32)
    one, other = np.r_[np.arange(60), 0], np.r_[np.arange(60), 1]  # the last passage has the first, the second text
    query = passage[[0, 1]]
    for text_d in (one, other):
        found = best_passages(query, passage, text_d, searching("hnsw", 61), tmp_path)
        exact = best_passages(query, passage, text_d, searching("flat", 61), tmp_path)
        assert (found[:, :5] == exact[:, :5]).all()


def test_fewer_passages_than_the_depth_are_no_misses() -> None:
    passage = np.eye(3, dtype=np.float32)
    best = best_passages(passage[:2], passage, np.arange(3), searching("flat", 10), Path("unused"))
    assert best.tolist() == [[0, 1, 2], [1, 0, 2]]


def test_different_texts_with_the_same_embedding_tie_in_a_monolingual_pool() -> None:
    """Texts that are equal up to the model's length, in blocks of their own."""
    rng = np.random.default_rng(3)
    passages = rng.normal(size=(300, 24)).astype(np.float32)
    passages /= np.linalg.norm(passages, axis=1, keepdims=True)
    passages[[3, 120, 299]] = passages[200]
    questions = passages[200] + 0.1 * rng.normal(size=(50, 24)).astype(np.float32)
    relevant = np.tile([200, 299], (50, 1))
    ranks = exact_ranks(questions, passages, np.arange(300), relevant)
    assert (ranks - ranks[:, :1] == [0, 1]).all()
    others = np.delete(passages, [3, 120, 200, 299], axis=0) @ questions.T
    assert (ranks[:, 0] == 3 + (others > passages[200] @ questions.T).sum(0)).all()
