"""Which passages of a ranked list become the negatives of a row."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from sweep.mining.relevance import Barred, NearCopies
from sweep.settings import Mining


class Ranked(NamedTuple):
    """Passages of a pool, best first: text, twin number, candidate, and score (cosine)."""

    texts: Sequence[int]
    twins: Sequence[int]
    candidates: Sequence[int]
    scores: Sequence[float]


class Row(NamedTuple):
    """What is known of a row: its number, what is no negative of its group, the score of its own passage, and the
    twin numbers of the negatives that it has already."""

    number: int
    barred: Barred
    positive: float
    given: frozenset[int]


class Chooser:
    """Draws negatives from ranked lists, by the settings. `refused` counts by reason what was looked at in vain."""

    def __init__(self, how: Mining, near_copies: NearCopies | None) -> None:
        self.refused: Counter[str] = Counter()
        self._how, self._near_copies = how, near_copies

    def choose(self, row: Row, pools: Sequence[Ranked], wanted: Sequence[int]) -> list[tuple[int, float]]:
        """Negatives (candidate, score) of a row: so many of each pool, fewer where there are no more."""
        taken: list[tuple[int, float]] = []
        twins = set(row.given)
        for pool, most in zip(pools, wanted, strict=True):
            of_pool = 0
            for place in self._window(row, pool):
                if of_pool == most:
                    break
                text, twin, score = pool.texts[place], pool.twins[place], pool.scores[place]
                if reason := self._refusal(row, text, twin, score, twins):
                    self.refused[reason] += 1
                    continue
                twins.add(twin)
                taken.append((pool.candidates[place], score))
                of_pool += 1
        return taken

    def _window(self, row: Row, pool: Ranked) -> Iterator[int]:
        """The places to look at, in order: those of the wanted ranks, where what is relevant has none."""
        if self._how.draw == "top":
            return self._ranked(row, pool)
        window = list(self._ranked(row, pool))
        order = np.random.default_rng([self._how.seed, row.number]).permutation(len(window))
        return (window[place] for place in order.tolist())

    def _ranked(self, row: Row, pool: Ranked) -> Iterator[int]:
        """The same from the best one on."""
        low, high = self._how.ranks
        rank = 0
        for place, (text, twin) in enumerate(zip(pool.texts, pool.twins, strict=True)):
            if reason := row.barred.reason(text, twin):
                self.refused[reason] += 1
                continue
            rank += 1
            if rank >= low:
                yield place
            if rank == high:
                return

    def _refusal(self, row: Row, text: int, twin: int, score: float, twins: set[int]) -> str:
        """Why a passage of the window is not taken; empty if it is."""
        if self._how.margin is not None and score > row.positive - self._how.margin:
            return "margin"
        # Of a negative score, a share would be more.
        if self._how.relative is not None and score > row.positive - (1 - self._how.relative) * abs(row.positive):
            return "relative"
        if twin in twins:
            return "repeated"
        if self._near_copies is not None and self._near_copies.any_of(text, row.barred.texts):
            return "near copy"
        return ""
