"""Exact copies of relevant passages: judged, merged or kept, in every pool."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from random_pools import rank_metrics

from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.data.twins import with_twins
from sweep.evaluation.parallel_ranks import rank_parallel
from sweep.settings import Twins

TEXTS = {  # by id, in both languages
    "a": "copy", "b": "copy", "c": "other", "d": "copy", "e": "alone", "f": "rejected", "g": "rejected",
}  # fmt: skip
LANGUAGES = ("en", "de")


def copied() -> Benchmark:
    """The relevant passage b has an unjudged copy before and after it, and one in another language; a copy of f was
    judged not to be relevant."""
    passages = [Passage(f"{code}:{id_}", code, text) for code in LANGUAGES for id_, text in TEXTS.items()]
    questions = [Question("q", "en", "?"), Question("r", "en", "!"), Question("s", "en", "-")]
    relevant = {"q": {"en:b": 2, "en:e": 1}, "r": {"en:e": 1}, "s": {"en:f": 1}}
    read = benchmark(
        "toy", LANGUAGES, [*questions, *(q._replace(language="de") for q in questions)], passages, relevant
    )
    row = read.passages.rows_of(["en:g"])["en:g"]
    nothing = np.empty(0, np.int64)
    return replace(read, rejected_q=(nothing, nothing, np.array([row])) * 2)


def judged(read: Benchmark, question: int) -> dict[str, int]:
    ids = [read.passages[row].id for row in read.relevant_q[question]]
    return dict(zip(ids, read.grade_q[question].tolist(), strict=True))


@pytest.mark.parametrize("how", get_args(Twins))
def test_what_copies_of_relevant_passages_are(how: Twins) -> None:
    read = with_twins(copied(), how)
    first = {
        "judged": {"en:a": 2, "en:b": 2, "en:d": 2, "en:e": 1},
        "merge": {"en:a": 2, "en:e": 1},
        "keep": {"en:b": 2, "en:e": 1},
    }
    for question in (0, 3):  # its translation has the same relevant passages
        assert judged(read, question) == first[how]
        assert judged(read, question + 1) == {"en:e": 1}
        assert judged(read, question + 2) == {"en:f": 1}
    assert int(read.candidate_d.sum()) == (8 if how == "merge" else 14)
    (note,) = read.notes
    assert f"evaluation.twins={how}" in note
    if how != "merge":
        assert "unjudged exact copies of relevant passages: 2, for 2 of 6 questions" in note


def test_a_benchmark_without_copies_stays_what_it_is() -> None:
    read = copied()
    once = benchmark("toy", ("en",), [Question("q", "en", "?")], [Passage("a", "en", "one")], {"q": {"a": 1}})
    for how in get_args(Twins):
        assert with_twins(once, how) is once
    assert with_twins(read, "keep").relevant_q is read.relevant_q


@pytest.mark.parametrize(("how", "recall"), [("judged", 0.5), ("merge", 1.0), ("keep", 0.0)])
def test_a_copy_with_a_smaller_id_costs_nothing_unless_it_is_kept(how: Twins, recall: float) -> None:
    passages = [Passage(id_, "en", text) for id_, text in (("a", "same"), ("b", "same"), ("c", "other"))]
    read = benchmark("toy", ("en",), [Question("q", "en", "?")], passages, {"q": {"b": 1}})
    embedding_dh = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    ranking = rank_parallel(with_twins(read, how), np.array([[1, 0]], np.float32), embedding_dh, np.arange(3))
    figures = rank_metrics(ranking)
    assert figures["mono/recall@1"] == recall
    assert figures["mono/map"] == (0.5 if how == "keep" else 1.0)
