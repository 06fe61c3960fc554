"""Toy benchmarks for the tests of ranks and metrics: given by hand, or random with ties and gaps."""

import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from slow_reference import Pool, Vector

from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.evaluation.cells import geometry_cells, rank_cells
from sweep.evaluation.monolingual_ranks import rank_monolingual
from sweep.evaluation.parallel_ranks import rank_parallel
from sweep.evaluation.ranking import Ranking
from sweep.evaluation.summarise import Members, summarise
from sweep.settings import SearchSettings

LANGUAGES = ("en", "de", "th")
EXACT = SearchSettings(index="exact", depth=1, lists=None, probes=1, neighbours=4)


def make_benchmark(
    pools: dict[str, list[str]],
    questions: list[tuple[str, str]],
    relevant: Mapping[str, set[str] | dict[str, int]],
    units: Mapping[str, str] | None = None,
) -> Benchmark:
    """`pools`: language -> passage ids; `questions`: (group, language); `units`: passage id -> unit."""
    return benchmark(
        "toy",
        tuple(pools),
        [Question(group, code, f"{group} {code}") for group, code in questions],
        [Passage(id_, code, id_, (units or {}).get(id_, "")) for code, ids in pools.items() for id_ in ids],
        {group: {id_: 1 for id_ in ids} if isinstance(ids, set) else ids for group, ids in relevant.items()},
    )


def of_pool(pool: Pool) -> Benchmark:
    """The same benchmark for the package."""
    return benchmark(
        "toy",
        tuple(pool.languages),
        [Question(group, code, f"{group} {code}") for group, code in pool.questions],
        [Passage(id_, code, id_, unit) for id_, code, unit in pool.passages],
        pool.grades,
        "monolingual" if pool.protocol == "monolingual" else "parallel",
        unanswered=True,
        one_sided=True,
    )


def rank_scores(bench: Benchmark, scores_qd: NDArray[np.float32]) -> Ranking:
    """Ranks for given scores (columns in the order of ids): questions as rows of scores, passages as unit vectors."""
    identity = np.eye(len(bench.passages), dtype=np.float32)
    scores_qd = np.ascontiguousarray(scores_qd, dtype=np.float32)
    if bench.protocol == "parallel":
        return rank_parallel(bench, scores_qd, identity, np.arange(len(bench.passages)))
    return rank_monolingual(bench, scores_qd, identity, np.arange(len(bench.passages)), EXACT, Path("unused"))


def scores_by_id(pool: Pool) -> NDArray[np.float32]:
    """The pool's scores with columns in the order of the passages' ids."""
    columns = sorted(range(len(pool.passages)), key=lambda place: pool.passages[place][0])
    return np.array([[row[place] for place in columns] for row in pool.scores], np.float32)


def rank_metrics(ranking: Ranking, tiers: Members | None = None) -> dict[str, float]:
    """All metrics of ranks, without the benchmark's name."""
    table, counts = rank_cells(ranking)
    return _short(summarise("toy", table, counts, {}, tiers or {}).metrics)


def geometry_metrics(
    ranking: Ranking, query_qh: NDArray[np.float32], tiers: Members | None = None
) -> dict[str, float]:
    """All metrics of geometry, without the benchmark's name."""
    table, uniformity = geometry_cells(ranking, query_qh)
    return _short(summarise("toy", table, {}, uniformity, tiers or {}).metrics)


def _short(metrics: dict[str, float]) -> dict[str, float]:
    assert all(key.startswith("toy/") for key in metrics)
    return {key.removeprefix("toy/"): value for key, value in metrics.items()}


def unit_vectors(rng: random.Random, size: int, width: int, signs_only: bool) -> list[Vector]:
    """Of length 1: random directions, or only +-1/sqrt(width), so that products are exact and many are equal."""
    vectors = []
    for _ in range(size):
        vector = [rng.choice((-1.0, 1.0)) if signs_only else rng.gauss(0, 1) for _ in range(width)]
        length = sum(value * value for value in vector) ** 0.5
        vectors.append([value / length for value in vector])
    return vectors


@st.composite
def random_questions(draw: st.DrawFn, rng: random.Random, least: int = 1) -> tuple[list[str], list[tuple[str, str]]]:
    """1-3 languages, each with at least one question, and the questions in random order; some groups have gaps."""
    languages = rng.sample(LANGUAGES, draw(st.integers(least, 3)))
    groups = [f"g{number}" for number in range(draw(st.integers(1, 6)))]
    missing = draw(st.sampled_from([0.0, 0.3]))
    questions = [(group, code) for group in groups for code in languages if rng.random() >= missing]
    questions += [(groups[0], code) for code in languages if all(language != code for _, language in questions)]
    rng.shuffle(questions)
    return languages, questions


@st.composite
def random_pools(draw: st.DrawFn, protocol: str = "parallel") -> Pool:
    """Small pools and pools beyond 100; ties (scores from few values); passages of no unit, of few or of many; one or
    many relevant passages a group, in all languages, in some or in none; languages of one side; grades; tiers
    with and without members."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    languages, questions = draw(random_questions(rng))
    most = draw(st.sampled_from([2, 6, 60]))
    units = ["", *(f"u{number}" for number in range(draw(st.sampled_from([0, 3, 14]))))]
    passages = [
        (f"{rng.randrange(100):02d}{code}{number}", code, rng.choice(units))
        for code in languages
        for number in range(rng.randint(1, most))
    ]
    if protocol == "parallel" and len(languages) > 1 and draw(st.booleans()):  # questions alone, passages alone
        passages = [passage for passage in passages if passage[1] != languages[0]]
        questions = [question for question in questions if question[1] != languages[-1]]
    rng.shuffle(passages)
    ids = [id_ for id_, _, _ in passages]
    best_grade = draw(st.sampled_from([1, 3]))
    fewest = draw(st.sampled_from([0, 1]))
    grades: dict[str, dict[str, int]] = {}
    for group in sorted({group for group, _ in questions}):
        chosen = rng.sample(ids, min(len(ids), rng.choice([fewest, 1, 3, 12])))
        grades[group] = {id_: rng.randint(1, best_grade) for id_ in chosen}
    if protocol == "monolingual":  # a group is one language's, and so are its passages
        language_of = {id_: code for id_, code, _ in passages}
        questions = [(f"{code}:{group}", code) for group, code in questions]
        grades = {
            f"{code}:{group}": {id_: grade for id_, grade in found.items() if language_of[id_] == code}
            for group, found in grades.items()
            for code in languages
        }
    levels = draw(st.sampled_from([1, 2, 4, 1000]))
    scores = [[rng.randrange(levels) / levels for _ in ids] for _ in questions]
    names = ["high", "mid", "low", "seen", "unseen"]
    tiers = {name: {code for code in languages if rng.random() < 0.4} for name in names}
    return Pool(languages, questions, passages, grades, scores, protocol, tiers)
