"""Evaluate a retriever on a benchmark: embeddings, ranks, metrics by language, pair and tier, and their intervals."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from sweep.data.benchmark import Benchmark
from sweep.data.texts import Texts, distinct, texts_in_memory
from sweep.evaluation.cells import Plain, geometry_cells, rank_cells
from sweep.evaluation.encode import Progress, encode
from sweep.evaluation.halves import Wanted, evaluated_halves
from sweep.evaluation.language_removal import PassageSample, RemovalPlan, fit
from sweep.evaluation.monolingual_ranks import rank_monolingual
from sweep.evaluation.outcome import Debiased, Evaluation
from sweep.evaluation.parallel_ranks import rank_parallel
from sweep.evaluation.ranking import Ranking
from sweep.evaluation.summarise import Evaluated, Members, summarise
from sweep.model.encoder import Retriever
from sweep.model.token_cache import TokenCache
from sweep.settings import Debias, EvaluationSettings

IN_MEMORY_TEXTS = 200_000  # more embeddings than these are kept in a file


def evaluate(
    retriever: Retriever,
    benchmark: Benchmark,
    settings: EvaluationSettings,
    tiers: Members,
    accelerator: Accelerator,
    folder: Path | None = None,
    progress: Progress = lambda done, size: None,
    tokens: TokenCache | None = None,
    removals: RemovalPlan | None = None,
    halves: Wanted | None = None,
) -> Evaluation | None:
    """Evaluate on all processes together; the result is rank 0's, the others get None.

    With a `folder`, embeddings and indexes are kept there, and what an earlier run finished is used; with
    `tokens`, token ids are. `removals`: how the language is removed for evaluations besides, which only a benchmark
    whose languages are ranked together has. `halves`: keys that halves of the questions have figures of, too.
    Raises TrialFailed (an embedding is not finite).
    """
    queries, text_q = question_texts(benchmark)
    passages, text_d = passage_texts(benchmark)
    with tempfile.TemporaryDirectory() as temporary:
        if folder is not None:
            folder /= retriever.fingerprint()[:24] + f"-{accelerator.device.type}"
        kept = _part(folder, passages.digest)
        on_query, on_passage = _parts_of(progress, queries.size, passages.size)
        query = encode(retriever, queries, "query", accelerator, _part(folder, queries.digest), on_query, tokens)
        passage = encode(retriever, passages, "passage", accelerator, kept, on_passage, tokens)
        sample = None
        if removals is not None and removals.sample is not None:
            part = _part(folder, removals.sample.texts.digest)
            sample = encode(retriever, removals.sample.texts, "passage", accelerator, part, tokens=tokens)
        if not accelerator.is_main_process:
            return None
        query_qh = query.embedding_uh[text_q]
        indexes = (kept or Path(temporary)) / "index"
        device = accelerator.device
        ranking = _ranked(benchmark, query_qh, passage.embedding_uh, text_d, settings, indexes, device)
        truncated = {"query": query.truncated, "passage": passage.truncated}
        evaluation = _evaluation(ranking, query_qh, tiers, truncated, halves or {})
        if removals is None:
            return evaluation
        passage_dh = passage.embedding_uh[text_d]
        estimated = PassageSample(passage_dh, benchmark.passages.language_d)
        if removals.sample is not None and sample is not None:
            estimated = PassageSample(sample.embedding_uh[removals.sample.text_n], removals.sample.language_n)
        debiased = _debiased(
            benchmark, query_qh, passage_dh, removals, estimated, tiers, truncated, halves or {}, device
        )
        return replace(evaluation, debiased=debiased)


def _ranked(
    benchmark: Benchmark,
    query_qh: NDArray[np.float32],
    passage_uh: NDArray[np.float32],
    text_d: NDArray[np.int64],
    settings: EvaluationSettings,
    indexes: Path,
    device: torch.device,
) -> Ranking:
    if benchmark.protocol == "monolingual" and settings.search is not None:
        return rank_monolingual(benchmark, query_qh, passage_uh, text_d, settings.search, indexes, device)
    return rank_parallel(benchmark, query_qh, passage_uh, text_d, device)


def _debiased(
    benchmark: Benchmark,
    query_qh: NDArray[np.float32],
    passage_dh: NDArray[np.float32],
    removals: RemovalPlan,
    estimated: PassageSample,
    tiers: Members,
    truncated: dict[str, int],
    halves: Wanted,
    device: torch.device,
) -> dict[Debias, Debiased]:
    """The evaluations without the language, by method."""
    debiased: dict[Debias, Debiased] = {}
    for method in removals.methods:
        removal = fit(method, estimated, benchmark.languages, removals.pivot)
        free_qh = removal.of(query_qh, benchmark.question_language_q, "query")
        free_dh = removal.of(passage_dh, benchmark.passages.language_d, "passage")
        ranking = rank_parallel(benchmark, free_qh, free_dh, np.arange(len(free_dh)), device)
        debiased[method] = Debiased(_evaluation(ranking, free_qh, tiers, truncated, halves), removal)
    return debiased


def _parts_of(progress: Progress, queries: int, passages: int) -> tuple[Progress, Progress]:
    """The progress of two encodings as one: so many queries, and then so many passages."""
    size = queries + passages
    return lambda done, _: progress(done, size), lambda done, _: progress(queries + done, size)


def _part(folder: Path | None, digest: str) -> Path | None:
    return None if folder is None else folder / digest[:24]


def question_texts(benchmark: Benchmark) -> tuple[Texts, NDArray[np.int64]]:
    """Distinct texts of the questions, and which of them each question is."""
    return texts_in_memory([question.text for question in benchmark.questions])


def passage_texts(benchmark: Benchmark) -> tuple[Texts, NDArray[np.int64]]:
    """Distinct texts of the passages, read when they are needed, and which of them each passage is."""
    first_u, text_d, digest = distinct(benchmark.passages.texts())
    return Texts(len(first_u), lambda rows: benchmark.passages.texts_at(first_u[rows]), digest), text_d


def _evaluation(
    ranking: Ranking, query_qh: np.ndarray[Any, Any], tiers: Members, truncated: dict[str, int], halves: Wanted
) -> Evaluation:
    table, counts = rank_cells(ranking)
    plain: Plain = {}
    if ranking.protocol == "parallel":
        geometry, plain = geometry_cells(ranking, query_qh)
        table |= geometry
    whole = summarise(ranking.benchmark, table, counts, plain, tiers)
    parts = evaluated_halves(ranking, tiers, halves, query_qh)
    evaluated = Evaluated(whole.metrics | parts.metrics, whole.intervals | parts.intervals)
    return Evaluation(evaluated, ranking, dict(tiers), truncated)
