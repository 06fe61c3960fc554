"""Passages that are no candidates: those with the query's own id, and copies that are merged."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from random_pools import EXACT, rank_metrics

from sweep.data.benchmark import Benchmark, Passage, Question, benchmark, rows_by_question
from sweep.data.load import load_benchmark
from sweep.evaluation.cells import rank_cells
from sweep.evaluation.chance import expected_by_chance
from sweep.evaluation.monolingual_ranks import rank_monolingual
from sweep.evaluation.ngrams import match_ngrams
from sweep.evaluation.parallel_ranks import rank_parallel
from sweep.evaluation.rank_file import read_ranking, write_ranking
from sweep.evaluation.ranking import PAD, Ranking
from sweep.settings import Protocol
from sweep.settings.compose import Composer
from sweep.settings.load import load_evaluate_settings
from sweep.settings.overrides import assignment

LANGUAGES = ("de", "en")
SIZE = 12  # passages of a language


def arguments(protocol: Protocol) -> Benchmark:
    """Every query is a passage of the corpus, and the one after it answers it, in every language."""
    prefix = {code: "" if protocol == "parallel" else f"{code}:" for code in LANGUAGES}
    questions = [
        Question(f"{prefix[code]}{n:02d}", code, f"argument {n}") for code in LANGUAGES for n in range(SIZE - 1)
    ]
    passages = [Passage(f"{code}:{n:02d}", code, f"argument {n}") for code in LANGUAGES for n in range(SIZE)]
    relevant: dict[str, dict[str, int]] = {}
    for question in questions:
        relevant.setdefault(question.group, {})[f"{question.language}:{int(question.group[-2:]) + 1:02d}"] = 1
    bench = benchmark("toy", LANGUAGES, questions, passages, relevant, protocol)
    own = {question.group: [f"{code}:{question.group[-2:]}" for code in LANGUAGES] for question in questions}
    if protocol == "monolingual":
        own = {group: [group] for group in own}
    return replace(bench, ignored_q=rows_by_question(bench, own))


def by_sorting(bench: Benchmark, scores_qd: NDArray[np.float32], row: int, language: str | None) -> list[int]:
    """The candidates of a question in order: from the definition."""
    candidates = [
        place
        for place, passage in enumerate(bench.passages)
        if language in (None, passage.language)
        and place not in bench.ignored_q[row]
        and place not in bench.merged.tolist()
    ]
    return sorted(candidates, key=lambda place: (-scores_qd[row, place], place))


def embeddings(bench: Benchmark, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Coarse ones, so that many passages tie; the query's own passage is the nearest."""
    rng = np.random.default_rng(seed)
    passage_dh = rng.integers(-1, 2, (len(bench.passages), 3)).astype(np.float32)
    query_qh = rng.integers(-1, 2, (len(bench.questions), 3)).astype(np.float32)
    return query_qh, passage_dh


@pytest.mark.parametrize("way", ["parallel", "exact", "flat"])
@pytest.mark.parametrize("merged", [(), (2, 3, 20)])
def test_ranks_are_those_of_the_pool_without_what_is_left_out(
    way: str, merged: tuple[int, ...], tmp_path: Path
) -> None:
    bench = arguments("parallel" if way == "parallel" else "monolingual")
    kept = [tuple(np.setdiff1d(rows, merged) for rows in of_all) for of_all in (bench.relevant_q, bench.ignored_q)]
    grades = tuple(np.ones(len(rows), np.int64) for rows in kept[0])
    bench = replace(bench, merged=np.array(merged, np.int64), relevant_q=kept[0], ignored_q=kept[1], grade_q=grades)
    for seed in range(3):
        query_qh, passage_dh = embeddings(bench, seed)
        text_d = np.arange(len(bench.passages))
        if way == "parallel":
            ranking = rank_parallel(bench, query_qh, passage_dh, text_d)
        else:
            search = EXACT.model_copy(update={"index": way, "depth": SIZE - 1, "probes": 50})
            ranking = rank_monolingual(bench, query_qh, passage_dh, text_d, search, tmp_path)
        languages = [LANGUAGES[place] for place in bench.passages.language_d]
        for row, relevant in enumerate(bench.relevant_q):
            own = [by_sorting(bench, query_qh @ passage_dh.T, row, languages[d]).index(d) + 1 for d in relevant]
            assert ranking.own_qr[row][ranking.own_qr[row] != PAD].tolist() == own, (seed, row)
            if ranking.pooled is not None:
                order = by_sorting(bench, query_qh @ passage_dh.T, row, None)
                pooled = ranking.pooled
                assert [rank for rank in pooled.rank_qr[row] if rank != PAD] == [order.index(d) + 1 for d in relevant]
                assert LANGUAGES[pooled.top_language_q[row]] == languages[order[0]]
                numbers = np.flatnonzero(bench.candidate_d).tolist()  # each passage is a unit of its own
                assert pooled.units_qk[row].tolist() == [numbers.index(place) for place in order[:10]]


@pytest.mark.parametrize("protocol", ["parallel", "monolingual"])
def test_a_query_that_is_in_the_corpus_finds_its_answer_first(protocol: Protocol, tmp_path: Path) -> None:
    """Every query's embedding is that of its own passage, and the answer's is the second nearest."""
    bench = arguments(protocol)
    angle_d = np.array([int(passage.id[-2:]) for passage in bench.passages]) ** 0.9 / 10
    angle_q = np.array([int(question.group[-2:]) for question in bench.questions]) ** 0.9 / 10

    def on_circle(angle_n: NDArray[np.float64]) -> NDArray[np.float32]:
        return np.stack([np.cos(angle_n), np.sin(angle_n)], axis=1).astype(np.float32)

    def ranked(bench: Benchmark) -> Ranking:
        query_qh, passage_dh, text_d = on_circle(angle_q), on_circle(angle_d), np.arange(len(bench.passages))
        if protocol == "parallel":
            return rank_parallel(bench, query_qh, passage_dh, text_d)
        return rank_monolingual(bench, query_qh, passage_dh, text_d, EXACT, tmp_path)

    ranking = ranked(bench)
    figures = rank_metrics(ranking)
    assert figures["mono/map"] == 1
    write_ranking(tmp_path / "ranks.parquet", ranking, {})
    assert rank_metrics(read_ranking(tmp_path / "ranks.parquet")[0]) == figures
    assert rank_metrics(ranked(replace(bench, ignored_q=())))["mono/map"] < 0.6


def test_pools_of_chance_and_ngrams_lack_the_passage_too() -> None:
    bench = arguments("parallel")
    recalled = expected_by_chance(bench, {})
    assert recalled["toy/mono/recall@1"] == pytest.approx(1 / (SIZE - 1))
    assert recalled["toy/pooled/recall@1"] == pytest.approx(1 / (2 * SIZE - 2))
    assert recalled["toy/pooled/same_language@1"] == pytest.approx(0.5)
    matched = match_ngrams(bench, {})
    assert matched.ranking.pool_size_l.tolist() == [SIZE, SIZE]
    first_q = matched.ranking.own_qr.min(1, where=matched.ranking.own_qr != PAD, initial=SIZE)
    everything = match_ngrams(replace(bench, ignored_q=()), {}).ranking.own_qr
    assert (first_q < everything.min(1, where=everything != PAD, initial=SIZE)).all()
    table, _ = rank_cells(matched.ranking)
    assert np.nanmin(table["pooled", "alignment_consistency"].value_cg) >= 0


@pytest.mark.parametrize(("ignore", "ignored"), [(True, [1, 0]), (False, [])])
def test_the_corpus_has_the_query_under_its_own_id(tmp_path: Path, ignore: bool, ignored: list[int]) -> None:
    """One that is judged relevant stays a candidate: two numberings that have nothing to do with each other."""
    folder = tmp_path / "data" / "en"
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": id_, "text": f"text {id_}"} for id_ in ("a", "b", "c")]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, rows[:2])))
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\na\tc\t1\nb\tb\t1\n")
    overrides = [
        "model.path=x",
        "evaluation=beir",
        assignment("evaluation.path", str(tmp_path / "data")),
        assignment("paths.cache", str(tmp_path / "cache")),
        f"evaluation.ignore_identical_ids={ignore}",
    ]
    bench = load_benchmark(load_evaluate_settings(Composer("evaluate", overrides)))
    assert [len(rows) for rows in bench.ignored_q] == ignored
    assert bench.notes == (
        (
            "beir: 1 of 2 questions have a passage of their own id, which is no candidate for them "
            "(evaluation.ignore_identical_ids=true).",
        )
        if ignore
        else ()
    )
