"""Negatives of some rows of the training data: their questions' best passages, and the choice among these.

Shapes: r = rows, q = distinct questions of some rows, c = candidates of a pool, u = distinct texts, h = hidden size,
k = depth.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.evaluation.passage_index import DEEPEST_ON_GPU, scored_passages
from sweep.mining.choice import Chooser, Ranked, Row
from sweep.mining.pools import Numbers, Pools
from sweep.mining.relevance import Barred, NearCopies, Relevance
from sweep.settings import Mining, SearchSettings


class Mined(NamedTuple):
    """What was mined for consecutive rows: how many negatives of each (r), and one after another their candidates and
    scores; the scores of the rows' own passages (r); and what was refused, by reason."""

    size_r: Numbers
    candidate_n: Numbers
    score_n: NDArray[np.float32]
    positive_r: NDArray[np.float32]
    refused: Counter[str]


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Embeddings of the distinct questions and passages (u, h); of passages they may be in a mapped file."""

    query_uh: NDArray[np.float32]
    passage_uh: NDArray[np.float32]


class Miner:
    """Mines negatives for any rows of some training data. `folder` keeps the indexes of `ivf` and `hnsw`."""

    def __init__(self, pools: Pools, embeddings: Embeddings, how: Mining, folder: Path) -> None:
        self._pools, self._embeddings, self._how, self._folder = pools, embeddings, how, folder
        self._relevance = Relevance(pools)
        self._near = None if how.near_copies is None else NearCopies(pools, how.near_copies)

    def mine(self, rows: range) -> Mined:
        """The negatives of these rows, the same whatever else is mined."""
        chooser = Chooser(self._how, self._near)
        barred = [self._relevance.of(int(group)) for group in self._pools.group_r[rows.start : rows.stop]]
        lists = _Lists(self, self._pools, rows, self._how.ranks[1] + self._most_barred(barred))
        positive_r = self._positive(rows)
        sizes, taken = [], []
        for place, number in enumerate(rows):
            given = self._pools.negatives_of(number) if self._how.keep else np.zeros(0, np.int64)
            of_given = frozenset(self._pools.twin_u[given].tolist())
            row = Row(number, barred[place], float(positive_r[place]), of_given)
            languages = self.languages_of(number)
            wanted = self._wanted(number, languages, len(given))
            chosen = chooser.choose(row, [lists.of(place, language) for language in languages], wanted)
            sizes.append(len(chosen))
            taken += chosen
        candidates, scores = zip(*taken, strict=True) if taken else ((), ())
        return Mined(
            np.array(sizes, np.int64), np.array(candidates, np.int64), np.array(scores, np.float32), positive_r,
            chooser.refused,
        )  # fmt: skip

    def languages_of(self, row: int) -> list[int | None]:
        """The languages whose pools a row's negatives come from; None is the pool of all."""
        match self._how.language:
            case "passage":
                return [int(self._pools.spool.passage_language_r[row])]
            case "question":
                return [int(self._pools.spool.query_language_r[row])]
            case "any":
                return [None]
            case "balanced":
                return [code for code in range(len(self._pools.spool.languages)) if len(self._pools.candidates(code))]

    def best(self, queries: Numbers, language: int | None, depth: int) -> tuple[NDArray[np.float32], Numbers]:
        """Scores and candidates (q, k) of the best passages of a pool, -1 where there are fewer."""
        candidate_c = self._pools.candidates(language)
        if not len(candidate_c):
            return np.zeros((len(queries), 0), np.float32), np.zeros((len(queries), 0), np.int64)
        search = SearchSettings(depth=min(depth, DEEPEST_ON_GPU), **self._how.search.model_dump())
        score_qk, place_qk = scored_passages(
            self._embeddings.query_uh[queries], self._embeddings.passage_uh, self._pools.text_c[candidate_c], search,
            self._folder,
        )  # fmt: skip
        return score_qk, np.where(place_qk >= 0, candidate_c[place_qk], -1)

    def _positive(self, rows: range) -> NDArray[np.float32]:
        query_rh = self._embeddings.query_uh[self._pools.query_r[rows.start : rows.stop]]
        passage_rh = self._embeddings.passage_uh[self._pools.passage_r[rows.start : rows.stop]]
        positive_r: NDArray[np.float32] = np.einsum("rh,rh->r", query_rh, passage_rh)
        return positive_r

    def _most_barred(self, barred: Sequence[Barred]) -> int:
        """At least the most candidates, in all languages, that are no negatives of one of some rows."""
        every_w = self._candidates_of_twin
        kept = {answers: int(every_w[[*answers]].sum()) for of_row in set(barred) for answers in of_row.answers}
        return max(
            int(every_w[[*of_row.relevant, *of_row.translations]].sum()) + sum(kept[one] for one in of_row.answers)
            for of_row in set(barred)
        )

    @cached_property
    def _candidates_of_twin(self) -> NDArray[np.int64]:
        return np.bincount(self._pools.twin_u[self._pools.text_c])

    def _wanted(self, row: int, languages: Sequence[int | None], given: int) -> list[int]:
        """How many negatives of each language a row still lacks, as equal as can be with those it has; who gets one
        more is drawn."""
        lacking = max(0, self._how.negatives - given)
        if len(languages) == 1:
            return [lacking]
        own = int(self._pools.spool.passage_language_r[row])
        has = [given if language == own else 0 for language in languages]
        order = np.random.default_rng([self._how.seed, row, 1]).permutation(len(languages)).tolist()
        wanted = [0] * len(languages)
        for _ in range(lacking):
            least = min(order, key=lambda place: has[place] + wanted[place])
            wanted[least] += 1
        return wanted


class _Lists:
    """The best passages of the questions of some rows, in every pool that they need."""

    def __init__(self, miner: Miner, pools: Pools, rows: range, depth: int) -> None:
        self._pools = pools
        places_of: dict[int | None, list[int]] = {}
        for place, number in enumerate(rows):
            for language in miner.languages_of(number):
                places_of.setdefault(language, []).append(place)
        self._row_of: dict[int | None, dict[int, int]] = {}  # of a place, in the lists of its pool
        self._best: dict[int | None, tuple[NDArray[np.float32], Numbers]] = {}
        for language, places in places_of.items():
            queries, row_p = np.unique(pools.query_r[rows.start + np.array(places)], return_inverse=True)
            self._row_of[language] = dict(zip(places, row_p.tolist(), strict=True))
            self._best[language] = miner.best(queries, language, depth)

    def of(self, place: int, language: int | None) -> Ranked:
        """The list of a row in a pool."""
        score_qk, candidate_qk = self._best[language]
        row = self._row_of[language][place]
        present = candidate_qk[row] >= 0
        candidate_k, score_k = candidate_qk[row][present], score_qk[row][present]
        text_k = self._pools.text_c[candidate_k]
        return Ranked(text_k.tolist(), self._pools.twin_u[text_k].tolist(), candidate_k.tolist(), score_k.tolist())
