"""Passages that may not become negatives of a question, whoever ranks them high.

A relevant passage of the question's translation group, in any language; a passage that is equal to one but for case
and whitespace; a translation of one that another group has: two groups may share a passage and be in different
languages, as in MLQA; and what answers the very same question in another group: rows of a file without groups are a
group each, and a question with two answers has two of them. Passages are compared by their twin numbers, see
`sweep.mining.pools`.
"""

from collections import OrderedDict
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.data.leakage import normalised
from sweep.data.shingles import Hashes, grams_of
from sweep.mining.pools import Numbers, Pools

KEPT = 20_000  # groups, or texts, of which something is kept for the next row


class Barred(NamedTuple):
    """What is no negative of a translation group: texts of its relevant passages, their twin numbers, the twin
    numbers of translations that only other groups have, and those of what answers each of its questions in other
    groups."""

    texts: frozenset[int]
    relevant: frozenset[int]
    translations: frozenset[int]
    answers: tuple[frozenset[int], ...]

    def reason(self, text: int, twin: int) -> str:
        """Why a passage is no negative: "relevant", "twin", "translation", "same question"; empty if it may be."""
        if twin in self.relevant:
            return "relevant" if text in self.texts else "twin"
        if twin in self.translations:
            return "translation"
        return "same question" if any(twin in of_question for of_question in self.answers) else ""


class Relevance:
    """Which passages are relevant to the questions of each translation group."""

    def __init__(self, pools: Pools) -> None:
        texts = len(pools.twin_u)
        self._texts = _Lists(np.unique(pools.group_r * texts + pools.passage_r), texts)
        self._twins = _Lists(np.unique(pools.group_r * texts + pools.twin_u[pools.passage_r]), texts)
        groups = int(pools.group_r.max()) + 1
        self._groups = _Lists(np.unique(pools.twin_u[pools.passage_r] * groups + pools.group_r), groups)
        self._questions = _Lists(np.unique(pools.group_r * pools.queries.size + pools.query_r), pools.queries.size)
        self._asking = _Lists(np.unique(pools.query_r * groups + pools.group_r), groups)
        self._parallel_g = _one_passage_a_language(pools, groups)
        self.of = lru_cache(KEPT)(self._of)
        self._translations = lru_cache(KEPT)(self._translations_of)
        self._answers = lru_cache(KEPT)(self._answers_of)

    def _of(self, group: int) -> Barred:
        twins = self._twins.of(group).tolist()
        relevant = frozenset(twins)
        others = frozenset[int]().union(*map(self._translations, twins))
        answers = map(self._answers, self._questions.of(group).tolist())
        return Barred(
            frozenset(self._texts.of(group).tolist()), relevant, others - relevant, tuple(filter(None, answers))
        )

    def _answers_of(self, question: int) -> frozenset[int]:
        """Passages of all groups that have this question, with their translations; none if only one group has it. The
        groups share the set: each with one of its own, a question of many groups would fill the memory."""
        groups = self._asking.of(question).tolist()
        if len(groups) == 1:
            return frozenset()
        twins = frozenset[int]().union(*(self._twins.of(group).tolist() for group in groups))
        return twins.union(*map(self._translations, twins))

    def _translations_of(self, twin: int) -> frozenset[int]:
        """Passages of the groups that have this one and no second in any language: so all are translations of it."""
        groups = self._groups.of(twin)
        others = [self._twins.of(group) for group in groups[self._parallel_g[groups]].tolist()]
        return frozenset(np.unique(np.concatenate(others)).tolist()) if others else frozenset()


class _Lists:
    """Ascending numbers of each owner, from pairs `owner * base + number` in ascending order."""

    def __init__(self, pair_n: Numbers, base: int) -> None:
        owner_n = pair_n // base
        self._number_n = pair_n % base
        self._offset = np.searchsorted(owner_n, np.arange(int(owner_n.max(initial=-1)) + 2))

    def of(self, owner: int) -> Numbers:
        """The numbers of one owner; none if it has none."""
        if owner + 1 >= len(self._offset):
            return self._number_n[:0]
        return self._number_n[self._offset[owner] : self._offset[owner + 1]]


def _one_passage_a_language(pools: Pools, groups: int) -> NDArray[np.bool_]:
    """Which groups have at most one passage in each language (g)."""
    languages, texts = len(pools.spool.languages), len(pools.twin_u)
    cell_r = pools.group_r * languages + pools.spool.passage_language_r
    cell_n = np.unique(cell_r * texts + pools.twin_u[pools.passage_r]) // texts
    several = cell_n[1:][cell_n[1:] == cell_n[:-1]] // languages
    parallel_g = np.ones(groups, bool)
    parallel_g[several] = False
    return parallel_g


class NearCopies:
    """Passages nearly equal to others: the Jaccard similarity of their character 5-grams is at least `threshold`."""

    def __init__(self, pools: Pools, threshold: float) -> None:
        self._pools, self._threshold = pools, threshold
        self._kept: OrderedDict[int, Hashes] = OrderedDict()

    def any_of(self, text: int, others: frozenset[int]) -> bool:
        """Whether a passage text is a near copy of one of these."""
        mine = self._shingles(text)
        return any(self._alike(mine, self._shingles(other)) for other in others)

    def _alike(self, one: Hashes, other: Hashes) -> bool:
        # Sets of such different sizes are not alike whatever is in them.
        small, large = sorted((len(one), len(other)))
        if small < self._threshold * large:
            return False
        shared = len(np.intersect1d(one, other, assume_unique=True))
        return shared >= self._threshold * (len(one) + len(other) - shared)

    def _shingles(self, text: int) -> Hashes:
        kept = self._kept.pop(text, None)
        if kept is None:
            kept = grams_of([normalised(self._pools.passages.read(np.array([text]))[0])]).of(0)
            if len(self._kept) >= KEPT:
                self._kept.popitem(last=False)
        self._kept[text] = kept
        return kept
