"""Geometry of parallel questions: a slow reference, duplicates that must tie exactly, and the probe's folds."""

import random
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_pools import geometry_metrics, make_benchmark, random_questions, rank_scores, unit_vectors
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from slow_reference import Vector, figures, geometry_values

from sweep.evaluation.cells import geometry_cells
from sweep.evaluation.geometry import language_probe
from sweep.evaluation.ranking import Ranking


@dataclass
class Asked:
    languages: list[str]
    questions: list[tuple[str, str]]  # group, language
    vectors: list[Vector]
    tiers: dict[str, set[str]]


@st.composite
def random_embeddings(draw: st.DrawFn) -> Asked:
    """Random unit vectors, or few different ones with exactly equal cosines; some questions are duplicates."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    languages, questions = draw(random_questions(rng))
    vectors = unit_vectors(rng, len(questions), draw(st.sampled_from([4, 16, 64])), draw(st.booleans()))
    for place in range(len(vectors)):
        if rng.random() < 0.2:
            vectors[place] = vectors[rng.randrange(len(vectors))]
    tiers = {name: {code for code in languages if rng.random() < 0.4} for name in ("high", "low", "seen")}
    return Asked(languages, questions, vectors, tiers)


def ranking_of(languages: list[str], questions: list[tuple[str, str]]) -> Ranking:
    """Any ranking of these questions: geometry looks at no passages."""
    pools = {code: [f"{code}0"] for code in languages}
    relevant = {group: {f"{languages[0]}0"} for group, _ in questions}
    return rank_scores(make_benchmark(pools, questions, relevant), np.zeros((len(questions), len(languages))))


@settings(max_examples=150, deadline=None)
@given(random_embeddings())
def test_geometry_equals_the_slow_reference(asked: Asked) -> None:
    expected = figures(geometry_values(asked.questions, asked.languages, asked.vectors), asked.tiers)
    members = {tier: frozenset(codes) for tier, codes in asked.tiers.items()}
    result = geometry_metrics(
        ranking_of(asked.languages, asked.questions), np.array(asked.vectors, np.float32), members
    )
    assert {key for key in result if "language_probe" not in key} == expected.keys()
    for key, value in expected.items():
        assert result[key] == pytest.approx(value, abs=2e-6), key


@pytest.mark.parametrize("size", [7, 18, 33, 50, 119])
@pytest.mark.parametrize("width", [32, 100, 384])
def test_duplicate_questions_are_missed_whatever_the_matrix_product_rounds(size: int, width: int) -> None:
    rng = np.random.default_rng(size * width)
    english = rng.normal(size=(size, width)).astype(np.float32)
    german = english + rng.normal(scale=0.01, size=(size, width)).astype(np.float32)
    twins = [0, size // 2, size - 1]  # the same German question three times
    german[twins] = german[0]
    english[twins[1:]] += english[0] * 5  # all three English ones are nearest to it
    query = np.concatenate([english, german])
    query /= np.linalg.norm(query, axis=1)[:, None]
    query[size:][twins] = query[size]
    questions = [(f"g{number:03d}", code) for code in ("en", "de") for number in range(size)]
    table, _ = geometry_cells(ranking_of(["en", "de"], questions), query)
    mexa_g = table["geometry", "mexa"].value_cg[0]
    bitext_g = table["geometry", "bitext_accuracy"].value_cg[0]
    assert mexa_g[twins].tolist() == [0, 0, 0]
    assert (bitext_g[twins] <= 0.5).all()  # English to German is a tie
    assert mexa_g.sum() == bitext_g[[place for place in range(size) if place not in twins]].sum() == size - 3


def test_perfect_and_reversed_alignment() -> None:
    questions = [(group, code) for code in ("en", "de") for group in "abc"]
    eye = np.eye(3, dtype=np.float32)
    perfect = geometry_metrics(ranking_of(["en", "de"], questions), np.concatenate([eye, eye]))
    assert perfect["geometry/bitext_accuracy"] == perfect["geometry/mexa"] == 1
    assert perfect["geometry/alignment_loss"] == 0
    opposite = geometry_metrics(ranking_of(["en", "de"], questions), np.concatenate([eye, -eye]))
    assert opposite["geometry/bitext_accuracy"] == opposite["geometry/mexa"] == 0
    assert opposite["geometry/alignment_loss"] == pytest.approx(4)


# The probe ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_the_probe_equals_logistic_regression_in_five_folds_of_groups(seed: int) -> None:
    rng = np.random.default_rng(seed)
    languages = ["en", "de", "th"]
    questions = [(f"g{number:02d}", code) for number in range(12) for code in languages if rng.random() > 0.2]
    code_q = np.array([languages.index(code) for _, code in questions])
    group_q = np.array([int(group[1:]) for group, _ in questions])
    query = (rng.normal(size=(len(questions), 6)) + np.eye(3, 6)[code_q]).astype(np.float32)
    query /= np.linalg.norm(query, axis=1)[:, None]
    right = np.full(len(questions), np.nan)
    for train, test in GroupKFold(5).split(query, code_q, group_q):
        assert not set(group_q[train]) & set(group_q[test])
        model = LogisticRegression(C=1.0, max_iter=10_000).fit(query[train], code_q[train])
        right[test] = model.predict(query[test]) == code_q[test]
    result = geometry_metrics(ranking_of(languages, questions), query, {"low": frozenset({"de", "th"})})
    means = [right[code_q == place].mean() for place in range(3)]
    assert 0.3 < np.mean(means) < 1
    for code, mean in zip(languages, means, strict=True):
        assert result[f"geometry/language_probe/{code}"] == pytest.approx(mean)
    assert result["geometry/language_probe"] == pytest.approx(np.mean(means))
    assert result["geometry/language_probe/low"] == pytest.approx(np.mean(means[1:]))


def test_the_probe_learns_nothing_from_a_question_s_own_translations() -> None:
    # Each group has a direction of its own; whether its end is English or German is drawn. Only with the one end in
    # the training fold is the other one's language known.
    groups, rng = 40, np.random.default_rng(0)
    sign_g = rng.choice([-1.0, 1.0], groups).astype(np.float32)
    query = np.concatenate([np.diag(sign_g), -np.diag(sign_g)])
    language_q, group_q = np.repeat([0, 1], groups), np.tile(np.arange(groups), 2)
    assert np.mean(language_probe(query, language_q, group_q)) == pytest.approx(0.5, abs=0.1)
    leaking = LogisticRegression().fit(query[:-1], language_q[:-1])
    assert leaking.predict(query[-1:]) == language_q[-1]


def test_the_probe_reads_a_language_that_is_there_and_none_that_is_not() -> None:
    rng = np.random.default_rng(1)
    language_q, group_q = np.tile([0, 1], 60), np.repeat(np.arange(60), 2)
    noise = rng.normal(size=(120, 4)).astype(np.float32)
    marked = noise + 6 * language_q[:, None].astype(np.float32)
    assert np.mean(language_probe(marked, language_q, group_q)) > 0.95
    assert 0.3 < np.mean(language_probe(noise, language_q, group_q)) < 0.7


def test_too_few_groups_for_five_folds_give_no_figure() -> None:
    for groups, there in ((4, False), (5, True)):
        questions = [(f"g{number}", code) for number in range(groups) for code in ("en", "de")]
        query = np.tile(np.eye(2, dtype=np.float32), (groups, 1))
        result = geometry_metrics(ranking_of(["en", "de"], questions), query)
        assert ("geometry/language_probe" in result) == there
