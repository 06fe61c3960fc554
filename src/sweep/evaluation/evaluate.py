"""Evaluate a retriever on a benchmark: embeddings, exact ranks, metrics by language, pair and tier."""

from collections.abc import Callable

import numpy as np
from accelerate import Accelerator
from numpy.typing import NDArray

from sweep.data.benchmark import Benchmark
from sweep.evaluation import metrics as per_question
from sweep.evaluation.encode import encode
from sweep.evaluation.ranks import PAD, Ranks, rank
from sweep.evaluation.tiers import tier_members
from sweep.model.encoder import Retriever
from sweep.settings import Tiers

Metrics = dict[str, float]
QUALITY: dict[str, Callable[[NDArray[np.int32]], NDArray[np.float64]]] = {
    "map": per_question.average_precision,
    "recall@1": lambda ranks_qr: per_question.recall_at(ranks_qr, 1),
    "recall@10": lambda ranks_qr: per_question.recall_at(ranks_qr, 10),
    "recall@100": lambda ranks_qr: per_question.recall_at(ranks_qr, 100),
    "mrr@10": lambda ranks_qr: per_question.reciprocal_rank_at(ranks_qr, 10),
}


def evaluate(
    retriever: Retriever,
    benchmark: Benchmark,
    tiers: Tiers,
    trained_languages: tuple[str, ...],
    accelerator: Accelerator,
) -> Metrics:
    """All metrics by their keys (METRICS, section 7), the same on every process."""
    ranks = rank_benchmark(retriever, benchmark, accelerator)
    return metrics_from_ranks(benchmark, ranks, tiers, trained_languages)


def rank_benchmark(retriever: Retriever, benchmark: Benchmark, accelerator: Accelerator) -> Ranks:
    """Encode every distinct question and passage once and rank the relevant passages of every question."""
    query_texts, text_q = _distinct([question.text for question in benchmark.questions])
    passage_texts, text_d = _distinct([passage.text for passage in benchmark.passages])
    query_uh = encode(retriever, query_texts, "query", accelerator)
    passage_uh = encode(retriever, passage_texts, "passage", accelerator)
    return rank(benchmark, query_uh[text_q], passage_uh, text_d)


def _distinct(texts: list[str]) -> tuple[list[str], NDArray[np.int64]]:
    index: dict[str, int] = {}
    places = np.array([index.setdefault(text, len(index)) for text in texts])
    return list(index), places


def metrics_from_ranks(
    benchmark: Benchmark, ranks: Ranks, tiers: Tiers, trained_languages: tuple[str, ...]
) -> Metrics:
    """Means over questions within a language or pair, then unweighted means over those (METRICS, section 1)."""
    cells = {
        "mono": _retrieval_cells(benchmark, ranks, cross=False),
        "cross": _retrieval_cells(benchmark, ranks, cross=True),
        "pooled": _pooled_cells(benchmark, ranks),
    }
    memberships = tier_members(benchmark.languages, tiers, trained_languages)
    result: Metrics = {}
    for family, family_cells in cells.items():
        for metric, by_cell in family_cells.items():
            key = f"{benchmark.name}/{family}/{metric}"
            result |= _summarised(key, by_cell, memberships, total=metric in ("questions", "left_out"))
    return result


def _summarised(key: str, by_cell: dict[str, float], memberships: dict[str, frozenset[str]], total: bool) -> Metrics:
    """The value of every cell (language "en" or pair "en-de"), its mean (or total) over all and over each tier.

    A pair belongs to a tier if at least one of its languages does. An empty tier has no entry.
    """
    combine = sum if total else (lambda values: float(np.mean(values)))
    result: Metrics = {}
    if by_cell:
        result[key] = float(combine(list(by_cell.values())))
    for tier, members in memberships.items():
        values = [value for cell, value in by_cell.items() if members & set(cell.split("-"))]
        if values:
            result[f"{key}/{tier}"] = float(combine(values))
    return result | {f"{key}/{cell}": value for cell, value in by_cell.items()}


def _retrieval_cells(benchmark: Benchmark, ranks: Ranks, cross: bool) -> dict[str, dict[str, float]]:
    """metric -> "en" or "en-de" -> mean, in the pools of one language each."""
    cells: dict[str, dict[str, float]] = {}
    for asked, asked_name in enumerate(benchmark.languages):
        rows = benchmark.question_language_q == asked
        for answered, answered_name in enumerate(benchmark.languages):
            if (asked != answered) != cross:
                continue
            in_pool_qr = np.where(ranks.language_qr[rows] == answered, ranks.own_qr[rows], PAD)
            name = f"{asked_name}-{answered_name}" if cross else asked_name
            _add_quality(cells, name, in_pool_qr)
    return cells


def _add_quality(cells: dict[str, dict[str, float]], name: str, ranks_qr: NDArray[np.int32]) -> None:
    """Add the mean of every quality metric over the questions that have a relevant passage in this pool."""
    answered = int(np.count_nonzero((ranks_qr != PAD).any(1)))
    if answered:
        for metric, function in QUALITY.items():
            cells.setdefault(metric, {})[name] = float(np.nanmean(function(ranks_qr)))
    cells.setdefault("questions", {})[name] = answered
    cells.setdefault("left_out", {})[name] = len(ranks_qr) - answered


def _pooled_cells(benchmark: Benchmark, ranks: Ranks) -> dict[str, dict[str, float]]:
    """metric -> question language -> mean, in the pool of all languages."""
    language_q = benchmark.question_language_q
    per_language = {
        "alignment_consistency": per_question.alignment_consistency(ranks.pooled_qr, len(benchmark.passages)),
        "rank_distance": per_question.rank_distance(ranks.pooled_qr),
        "language_preference": per_question.prefers_own_language(ranks.pooled_qr, ranks.language_qr, language_q),
        "same_language@1": (ranks.top_language_q == language_q).astype(float),
    }
    cells: dict[str, dict[str, float]] = {}
    for index, name in enumerate(benchmark.languages):
        rows = language_q == index
        _add_quality(cells, name, ranks.pooled_qr[rows])
        for metric, value_q in per_language.items():
            cells.setdefault(metric, {})[name] = float(np.nanmean(value_q[rows]))
    return cells
