"""Character n-grams of texts as numbers, and which of a few texts a stream of many nearly repeats.

Only the few are kept. For a Jaccard similarity of at least t, two texts must share at least t of the n-grams of
either. So of any n-grams of a text, all but (1 - t) of the whole must be in the other: it is enough to look up the
rarest ones, which hardly any other text has (prefix filtering; Chaudhuri et al. 2006, Bayardo et al. 2007).

Shapes: c = characters of a batch, t = texts of a batch, n = its n-grams, b = the few texts, p = n-grams looked up.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SHINGLE = 5  # characters: languages without spaces between words are compared, too
BEYOND = 0.15  # share of a text's n-grams that are looked up besides those that may be missing
SLOTS = 16  # of the table for each n-gram that is looked up: one lookup of so many is in vain
MOST_SLOTS_LOG2 = 27
MOST_PAIRS = 8_000_000  # in memory at a time
EPSILON = 1e-9  # that 0.8 * 5 is not more than 4

Hashes = NDArray[np.uint64]
# Of the places in an n-gram; any odd numbers without a pattern would do.
_WEIGHTS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F], np.uint64
)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


class Grams(NamedTuple):
    """The n-grams of texts in their order, each as often as it occurs: text i has those from `start_t[i]` to
    `start_t[i + 1]`, at least one."""

    hash_n: Hashes
    start_t: NDArray[np.int64]

    def of(self, text: int) -> Hashes:
        """The distinct n-grams of one text, ascending."""
        return np.unique(self.hash_n[self.start_t[text] : self.start_t[text + 1]])


def shingles(text: str) -> set[str]:
    """The distinct n-grams of a text; a shorter text is one itself."""
    return {text[start : start + SHINGLE] for start in range(max(1, len(text) - SHINGLE + 1))}


def jaccard(one: str, other: str) -> float:
    """The similarity of two texts: of their n-grams, what both have out of what any has."""
    a, b = shingles(one), shingles(other)
    return len(a & b) / len(a | b)


def grams_of(texts: Sequence[str]) -> Grams:
    """The n-grams of texts as hashes of 64 bits."""
    whole = [text if len(text) >= SHINGLE else text.ljust(SHINGLE, "\0") for text in texts]
    characters = np.frombuffer("".join(whole).encode("utf-32-le", "surrogatepass"), np.uint32)
    end_t = np.cumsum(np.fromiter(map(len, whole), np.int64, len(whole)))
    places = max(0, len(characters) - SHINGLE + 1)
    hash_c = np.zeros(places, np.uint64)
    for place, weight in enumerate(_WEIGHTS):
        hash_c += characters[place : place + places] * weight
    hash_c ^= hash_c >> np.uint64(32)
    hash_c *= _MIX
    hash_c ^= hash_c >> np.uint64(29)
    within = np.ones(places, bool)
    for past in range(1, SHINGLE):  # those that begin in one text and end in the next
        within[end_t[:-1] - past] = False
    start_t = np.concatenate([[0], end_t - (SHINGLE - 1) * np.arange(1, len(whole) + 1)])
    return Grams(hash_c[within], start_t)


class Shortlist:
    """Finds pairs of a text of a batch and one of `texts` that may be similar by `threshold`, and misses none."""

    def __init__(self, texts: Sequence[str], threshold: float) -> None:
        self._threshold = threshold
        self.grams = _distinct(grams_of(texts))
        size_b = np.diff(self.grams.start_t)
        missing_b = size_b - np.ceil(threshold * size_b - EPSILON).astype(np.int64)
        looked_up_b = np.minimum(size_b, missing_b + 1 + np.floor(BEYOND * size_b).astype(np.int64))
        self._size_b = size_b
        self._needed_b = looked_up_b - missing_b
        key_p, text_p = _rarest(self.grams, looked_up_b)
        order = np.argsort(key_p, kind="stable")
        self._key_p, self._text_p = key_p[order], text_p[order]
        slots = math.ceil(math.log2(SLOTS * max(1, len(key_p))))
        self._shift = np.uint64(64 - min(MOST_SLOTS_LOG2, slots))
        self._table = np.zeros(1 << int(64 - self._shift), bool)
        self._table[self._key_p >> self._shift] = True

    def pairs(self, batch: Grams) -> Iterator[tuple[int, int, float]]:
        """The text of the batch, the text of the few, and their similarity by hashes, of pairs that reach the
        threshold by it."""
        candidates = self._candidates(batch)
        distinct = batch.of(0)
        last = 0
        for text, few in candidates:
            if text != last:
                distinct, last = batch.of(text), text
            size = int(self._size_b[few])
            if min(len(distinct), size) < self._threshold * max(len(distinct), size) - EPSILON:
                continue
            own = self.grams.hash_n[self.grams.start_t[few] : self.grams.start_t[few + 1]]
            shared = len(np.intersect1d(distinct, own, assume_unique=True))
            similarity = shared / (len(distinct) + size - shared)
            if similarity >= self._threshold - EPSILON:
                yield text, few, similarity

    def _candidates(self, batch: Grams) -> list[tuple[int, int]]:
        """Pairs that share as many of the n-grams that are looked up as they have to, text by text."""
        places = np.flatnonzero(self._table[batch.hash_n >> self._shift])
        hash_h = batch.hash_n[places]
        low_h, high_h = (np.searchsorted(self._key_p, hash_h, side) for side in ("left", "right"))
        is_there = high_h > low_h
        places, low_h, count_h = places[is_there], low_h[is_there], (high_h - low_h)[is_there]
        text_h = np.searchsorted(batch.start_t, places, "right") - 1
        candidates: list[tuple[int, int]] = []
        for start, end in _slices(text_h, count_h):
            rows = np.repeat(low_h[start:end] - _before(count_h[start:end]), count_h[start:end])
            few_k = self._text_p[rows + np.arange(len(rows))]
            pair_k = np.repeat(text_h[start:end], count_h[start:end]) * len(self._size_b) + few_k
            pairs, shared = np.unique(pair_k, return_counts=True)
            text_k, few_k = np.divmod(pairs, len(self._size_b))
            positions_k = batch.start_t[text_k + 1] - batch.start_t[text_k]
            kept = (shared >= self._needed_b[few_k]) & (
                positions_k >= self._threshold * self._size_b[few_k] - EPSILON
            )
            candidates += zip(text_k[kept].tolist(), few_k[kept].tolist(), strict=True)
        return candidates


def _distinct(grams: Grams) -> Grams:
    """The same without repetitions within a text, ascending within each."""
    text_n = np.repeat(np.arange(len(grams.start_t) - 1), np.diff(grams.start_t))
    order = np.lexsort((grams.hash_n, text_n))
    hash_n, text_n = grams.hash_n[order], text_n[order]
    new = np.ones(len(hash_n), bool)
    new[1:] = (hash_n[1:] != hash_n[:-1]) | (text_n[1:] != text_n[:-1])
    sizes = np.bincount(text_n[new], minlength=len(grams.start_t) - 1)
    return Grams(hash_n[new], np.concatenate([[0], np.cumsum(sizes)]))


def _rarest(grams: Grams, number_b: NDArray[np.int64]) -> tuple[Hashes, NDArray[np.int64]]:
    """Of every text so many of its n-grams, those that the fewest texts have: hashes, and which text each is of."""
    sizes = np.diff(grams.start_t)
    text_n = np.repeat(np.arange(len(sizes)), sizes)
    _, inverse, counts = np.unique(grams.hash_n, return_inverse=True, return_counts=True)
    order = np.lexsort((grams.hash_n, counts[inverse], text_n))
    rank_n = np.arange(len(order)) - np.repeat(grams.start_t[:-1], sizes)
    kept = order[rank_n < number_b[text_n]]
    return grams.hash_n[kept], text_n[kept]


def _before(count_h: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.cumsum(count_h) - count_h


def _slices(text_h: NDArray[np.int64], count_h: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of hits that hold whole texts, and few enough pairs for memory if more than one text."""
    if not len(text_h):
        return
    first_h = np.flatnonzero(np.concatenate([[True], text_h[1:] != text_h[:-1]]))
    before = np.concatenate([_before(count_h)[first_h], [count_h.sum()]])
    ends = np.concatenate([first_h[1:], [len(text_h)]])
    start = 0
    while start < len(first_h):
        end = max(start + 1, int(np.searchsorted(before, before[start] + MOST_PAIRS, "right")) - 1)
        yield int(first_h[start]), int(ends[end - 1])
        start = end
