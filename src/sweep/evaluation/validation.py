"""Intermediate evaluation of a training, on what was held out of its data: a few figures, without intervals.

Shapes: q = questions, g = translation groups, u = distinct texts, h = hidden size.
"""

import time
from dataclasses import dataclass

import numpy as np
from accelerate import Accelerator
from numpy.typing import NDArray

from sweep.data.benchmark import Benchmark
from sweep.data.texts import Texts
from sweep.evaluation.cells import CellTable, rank_cells
from sweep.evaluation.columns import VALIDATION
from sweep.evaluation.encode import encode
from sweep.evaluation.parallel_ranks import rank_parallel
from sweep.evaluation.scoring import passage_texts, question_texts
from sweep.evaluation.script_groups import SCRIPT_GROUPS
from sweep.evaluation.summarise import Members, last_parts, summarise
from sweep.model.encoder import Retriever, Role
from sweep.model.token_cache import TokenCache
from sweep.settings.metric_key import MetricKey
from sweep.statistics.crossed import contributions


@dataclass(frozen=True, eq=False)
class Validation:
    """Figures after so many steps, by key: over all languages, by tier, by scripts. `timestamp_ms` is unix time."""

    step: int
    metrics: dict[str, float]
    timestamp_ms: int
    _table: CellTable
    _tiers: Members

    def values_g(self, key: str) -> NDArray[np.float64]:
        """What each translation group contributes to a figure (g): their mean is the figure."""
        wanted = MetricKey.parse(key)
        cells = self._table[wanted.family, wanted.metric]
        return contributions(cells.value_cg[last_parts(cells.names, self._tiers)[wanted.part]])


class Validator:
    """Evaluates a retriever on held-out groups, on all ranks together. Nothing random is drawn, so a training goes on
    as if it had not been evaluated. `objective` is the family and metric that is reported beside the usual ones."""

    def __init__(
        self,
        retriever: Retriever,
        benchmark: Benchmark,
        tiers: Members,
        accelerator: Accelerator,
        objective: tuple[str, str],
        tokens: TokenCache,
    ) -> None:
        self._retriever = retriever
        self._benchmark = benchmark
        self._tiers = tiers
        self._accelerator = accelerator
        usual = [column.key(benchmark.name) for column in VALIDATION]
        self._wanted = {*((key.family, key.metric) for key in usual), objective}
        self._tokens = tokens

    def __call__(self, step: int) -> Validation | None:
        """Rank 0's figures; the others get None. Raises TrialFailed (an embedding is not finite)."""
        queries, text_q = question_texts(self._benchmark)
        passages, text_d = passage_texts(self._benchmark)
        query_uh, passage_uh = self._embedded(queries, "query"), self._embedded(passages, "passage")
        self._retriever.encoder.train()
        if not self._accelerator.is_main_process:
            return None
        device = self._accelerator.device
        ranking = rank_parallel(self._benchmark, query_uh[text_q], passage_uh, text_d, device)
        table = {name: cells for name, cells in rank_cells(ranking)[0].items() if name in self._wanted}
        figures = summarise(self._benchmark.name, table, {}, {}, self._tiers).metrics
        parts = {"", *self._tiers, *SCRIPT_GROUPS}
        shown = {key: value for key, value in figures.items() if MetricKey.parse(key).part in parts}
        return Validation(step, shown, int(time.time() * 1000), table, self._tiers)

    def _embedded(self, texts: Texts, role: Role) -> NDArray[np.float32]:
        """Embeddings of the distinct texts (u, h)."""
        return encode(self._retriever, texts, role, self._accelerator, tokens=self._tokens).embedding_uh
