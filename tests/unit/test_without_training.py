"""What needs no training: chance, n-grams, and removing the language from embeddings."""

import numpy as np
import pytest
from numpy.typing import NDArray

from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.errors import InputError
from sweep.evaluation.cells import rank_cells
from sweep.evaluation.chance import expected_by_chance
from sweep.evaluation.language_removal import PassageSample, fit, removal_plan
from sweep.evaluation.ngrams import match_ngrams
from sweep.evaluation.parallel_ranks import rank_parallel
from sweep.evaluation.summarise import summarise
from sweep.settings import Debiasing

LANGUAGES = ("en", "de", "sw")
POOL = Debiasing(debias=("lir",), debias_on="pool", debias_pivot=None)


def small_benchmark() -> Benchmark:
    """Questions with one to four relevant passages, graded, in pools of 5, 7 and 6 passages."""
    sizes = {"en": 5, "de": 7, "sw": 6}
    passages = [
        Passage(f"{code}{number}", code, f"{code} {number}") for code, size in sizes.items() for number in range(size)
    ]
    relevant = {
        "a": {"en0": 1, "de0": 1, "sw0": 1},
        "b": {"en1": 2, "en2": 1, "de1": 1, "sw1": 3},
        "c": {"de2": 1},
    }
    questions = [Question(group, code, f"{group} {code}") for group in relevant for code in LANGUAGES]
    return benchmark("small", LANGUAGES, questions, passages, relevant)


def test_chance_is_the_mean_over_random_rankings() -> None:
    """Against 600 evaluations of random embeddings, within five standard errors of each figure."""
    pool = small_benchmark()
    tiers = {"low": frozenset({"sw"})}
    expected = expected_by_chance(pool, tiers)
    rng = np.random.default_rng(0)
    draws: dict[str, list[float]] = {key: [] for key in expected}
    for _ in range(600):
        query_qh = rng.normal(size=(len(pool.questions), 8)).astype(np.float32)
        passage_dh = rng.normal(size=(len(pool.passages), 8)).astype(np.float32)
        for embedding_nh in (query_qh, passage_dh):
            embedding_nh /= np.linalg.norm(embedding_nh, axis=1, keepdims=True)
        table, _ = rank_cells(rank_parallel(pool, query_qh, passage_dh, np.arange(len(pool.passages))))
        figures = summarise("small", table, {}, {}, tiers).metrics
        for key, values in draws.items():
            values.append(figures[key])
    assert len(expected) > 100
    for key, values in draws.items():
        error = float(np.std(values)) / len(values) ** 0.5
        assert abs(float(np.mean(values)) - expected[key]) <= 5 * error + 1e-9, key


def test_ngrams_find_the_strings_of_a_question() -> None:
    texts = {"en": ["red apples", "green pears"], "de": ["rote Trauben", "blaue Pflaumen"]}
    passages = [
        Passage(f"{code}{number}", code, f"about {text}")
        for code, of_code in texts.items()
        for number, text in enumerate(of_code)
    ]
    relevant = {str(number): {f"en{number}": 1, f"de{number}": 1} for number in range(2)}
    questions = [
        Question(str(number), code, text) for code, of_code in texts.items() for number, text in enumerate(of_code)
    ]
    pool = benchmark("fruit", ("en", "de"), questions, passages, relevant)
    evaluation = match_ngrams(pool, {})
    assert evaluation.metrics["fruit/mono/map"] == 1.0
    assert evaluation.metrics["fruit/pooled/same_language@1"] == 1.0


def unit(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    embedding_nh = rng.normal(size=shape) + np.arange(shape[-1])
    return (embedding_nh / np.linalg.norm(embedding_nh, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture
def sample() -> PassageSample:
    """30 passages of each language, moved away by a vector of the language's own."""
    rng = np.random.default_rng(1)
    language_d = np.repeat(np.arange(3), 30)
    embedding_dh = unit(rng, 90, 6) + unit(rng, 3, 6)[language_d]
    embedding_dh /= np.linalg.norm(embedding_dh, axis=1, keepdims=True)
    return PassageSample(embedding_dh.astype(np.float32), language_d)


def by_hand(
    method: str, x: NDArray[np.float64], mean_lh: NDArray[np.float64], part_dh: NDArray[np.float64], place: int
) -> NDArray[np.float64]:
    if method == "center":
        x = x - mean_lh[place] + mean_lh.mean(0)
    elif method == "shift":
        x = x - (mean_lh[place] - mean_lh[1])
    else:
        direction = np.linalg.svd(part_dh)[2][0]
        x = x - (x @ direction) * direction
    return x / np.linalg.norm(x)


@pytest.mark.parametrize("method", ["center", "shift", "lir"])
def test_removal_is_its_formula(method: str, sample: PassageSample) -> None:
    """Row by row with numpy's singular vectors; questions are left alone by shift."""
    removal = fit(method, sample, LANGUAGES, "de")  # type: ignore[arg-type]
    passage_dh = np.asarray(sample.embedding_dh, np.float64)
    parts = [passage_dh[sample.language_d == place] for place in range(3)]
    mean_lh = np.stack([part_dh.mean(0) for part_dh in parts])
    free_dh = removal.of(sample.embedding_dh, sample.language_d, "passage")
    for row, place in enumerate(sample.language_d):
        expected_h = by_hand(method, passage_dh[row], mean_lh, parts[place], place)
        assert free_dh[row] == pytest.approx(expected_h, abs=1e-6)
    questions = removal.of(sample.embedding_dh, sample.language_d, "query")
    assert np.array_equal(questions, sample.embedding_dh if method == "shift" else free_dh)


@pytest.mark.parametrize("method", ["center", "shift", "lir"])
def test_a_language_without_passages_stays_as_it_is(method: str, sample: PassageSample) -> None:
    known = sample.language_d != 2
    fewer = PassageSample(sample.embedding_dh[known], sample.language_d[known])
    removal = fit(method, fewer, LANGUAGES, "en")  # type: ignore[arg-type]
    free_dh = removal.of(sample.embedding_dh, sample.language_d, "passage")
    assert free_dh[~known] == pytest.approx(sample.embedding_dh[~known], abs=1e-6)
    assert np.abs(free_dh[known] - sample.embedding_dh[known]).max() > 0.01


def test_a_pivot_must_be_a_language_of_the_benchmark() -> None:
    assert removal_plan((), POOL, LANGUAGES) is None
    plan = removal_plan(("shift",), POOL, ("de", "sw"))
    assert plan is not None
    assert plan.pivot == "de"
    with pytest.raises(InputError, match="debias_pivot=fr is no language of the benchmark, which has en de sw"):
        removal_plan(("shift",), POOL.model_copy(update={"debias_pivot": "fr"}), LANGUAGES)
    with pytest.raises(InputError, match="needs a study"):
        removal_plan(("shift",), POOL.model_copy(update={"debias_on": "train"}), LANGUAGES)
