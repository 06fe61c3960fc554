"""Evaluate a retriever on a benchmark: embeddings, ranks, metrics by language, pair and tier, and their intervals."""

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from numpy.typing import NDArray

from sweep.data.benchmark import Benchmark
from sweep.data.texts import Texts, distinct, texts_in_memory
from sweep.evaluation.cells import Plain, geometry_cells, rank_cells, searched_metrics
from sweep.evaluation.encode import Progress, encode
from sweep.evaluation.families import POOLS
from sweep.evaluation.halves import Wanted, evaluated_halves
from sweep.evaluation.metrics import metrics_of
from sweep.evaluation.monolingual_ranks import rank_monolingual
from sweep.evaluation.parallel_ranks import rank_parallel
from sweep.evaluation.rank_file import write_ranking
from sweep.evaluation.ranking import Ranking
from sweep.evaluation.summarise import Evaluated, Members, summarise
from sweep.model.encoder import Retriever
from sweep.model.token_cache import TokenCache
from sweep.records.files import write_atomically
from sweep.settings import EvaluationSettings
from sweep.settings.metric_key import MetricKey

IN_MEMORY_TEXTS = 200_000  # more embeddings than these are kept in a file


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What an evaluation gives: figures, the ranks that they come from, and what a reader must know about them."""

    evaluated: Evaluated
    ranking: Ranking
    tiers: dict[str, frozenset[str]]
    truncated: dict[str, int]  # texts longer than the model's limit, of "query" and "passage"

    def write(self, metrics: Path, details: Path, ranks: Path) -> None:
        """Write the three files of an evaluation; the metrics last, so that where they are the others are too."""
        write_ranking(ranks, self.ranking, self.tiers)
        write_atomically(details, json.dumps(self.details(), indent=1))
        write_atomically(metrics, json.dumps(self.evaluated.metrics, indent=1))

    def details(self) -> dict[str, Any]:
        """Everything but the metrics and the ranks, for a JSON file."""
        return {
            "intervals": self.evaluated.intervals,
            "search": asdict(self.ranking.search),
            "not_computed": self._not_computed(),
            "truncated": self.truncated,
        }

    def _not_computed(self) -> list[str]:
        known = searched_metrics(self.ranking)
        return [metric.name for metric in metrics_of("mono") if metric.name not in known]

    def notes(self) -> list[str]:
        """What was left out or cut, one sentence each."""
        notes = []
        for role, count in self.truncated.items():
            if count:
                notes.append(f"{count:,} distinct {role} texts are longer than model.max_{role}_tokens and were cut.")
        keys = [MetricKey(self.ranking.benchmark, family, "left_out") for family in POOLS]
        left_out = int(sum(self.evaluated.metrics.get(str(key), 0) for key in keys))
        if left_out:
            notes.append(f"Left out, having no relevant passage in the pool: {left_out:,} questions over all pools.")
        search = self.ranking.search
        if search.depth is not None:
            quality = (
                "all passages compared" if search.index == "flat" else "approximate: some passages may be missed"
            )
            notes.append(f"Searched to depth {search.depth:,} with FAISS {search.index} ({quality}).")
        if self._not_computed():
            notes.append(f"Not computed, needing more depth than was searched: {', '.join(self._not_computed())}.")
        return notes


def evaluate(
    retriever: Retriever,
    benchmark: Benchmark,
    settings: EvaluationSettings,
    tiers: Members,
    accelerator: Accelerator,
    folder: Path | None = None,
    progress: Progress = lambda done, size: None,
    tokens: TokenCache | None = None,
    halves: Wanted | None = None,
) -> Evaluation | None:
    """Evaluate on all processes together; the result is rank 0's, the others get None.

    With a `folder`, embeddings and indexes are kept there, and what an earlier run finished is used; with
    `tokens`, token ids are. `halves`: keys that halves of the questions have figures of, too.
    Raises TrialFailed (an embedding is not finite).
    """
    queries, text_q = question_texts(benchmark)
    passages, text_d = passage_texts(benchmark)
    with tempfile.TemporaryDirectory() as temporary:
        if folder is not None:
            folder /= retriever.fingerprint()[:24] + f"-{accelerator.device.type}"
        kept = _part(folder, passages.digest)
        query = encode(retriever, queries, "query", accelerator, _part(folder, queries.digest), tokens=tokens)
        passage = encode(retriever, passages, "passage", accelerator, kept, progress, tokens)
        if not accelerator.is_main_process:
            return None
        query_qh = query.embedding_uh[text_q]
        if benchmark.protocol == "monolingual" and settings.search is not None:
            indexes = (kept or Path(temporary)) / "index"
            ranking = rank_monolingual(benchmark, query_qh, passage.embedding_uh, text_d, settings.search, indexes)
        else:
            ranking = rank_parallel(benchmark, query_qh, passage.embedding_uh, text_d)
    truncated = {"query": query.truncated, "passage": passage.truncated}
    return _evaluation(ranking, query_qh, tiers, truncated, halves or {})


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
