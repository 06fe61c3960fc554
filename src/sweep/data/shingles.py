"""Character n-grams of texts as numbers, and which of a few texts a stream of many nearly repeats.

Only the few are kept. For a Jaccard similarity of at least t, two texts must share at least t of the n-grams of
either. So if the n-grams of both are put in one order, the rarest first, the first (1 - t) + k of them have at least
k in common: only these few, which hardly any other text has, are looked up (prefix filtering; Chaudhuri et al. 2006,
Bayardo et al. 2007, with k as of Wang et al. 2012).

Shapes: c = characters of a batch, t = its texts, n = its n-grams, b = the few texts, u = distinct n-grams of these,
p = those of them that are looked up, k = pairs of a text of the batch and one of the few.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SHINGLE = 5  # characters: languages without spaces between words are compared, too
BEYOND = 0.15  # k, as a share of a text's n-grams
HASH_BITS = 51  # of an n-gram; beside it 13 bits have the number of its text
MOST_TEXTS = 1 << (64 - HASH_BITS)  # in a batch
MOST_PAIRS = 4_000_000  # in memory at a time
EPSILON = 1e-9  # that 0.8 * 5 is not more than 4

Numbers = NDArray[np.int64]
Hashes = NDArray[np.uint64]
# Of the places in an n-gram; any odd numbers without a pattern would do.
_WEIGHTS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F], np.uint64
)
_MIX = np.uint64(0xBF58476D1CE4E5B9)


class Grams(NamedTuple):
    """The distinct n-grams of texts: text i has those from `start_t[i]` to `start_t[i + 1]`, at least one."""

    gram_n: NDArray[Any]  # hashes (uint64), or places in the order of n-grams (int64)
    start_t: Numbers

    @property
    def size_t(self) -> Numbers:
        """How many each text has."""
        return np.diff(self.start_t)

    @property
    def text_n(self) -> Numbers:
        """Which text each is of."""
        return np.repeat(np.arange(len(self.start_t) - 1), self.size_t)

    def of(self, text: int) -> NDArray[Any]:
        """Those of one text."""
        return self.gram_n[self.start_t[text] : self.start_t[text + 1]]


def shingles(text: str) -> set[str]:
    """The distinct n-grams of a text; a shorter text is one itself."""
    return {text[start : start + SHINGLE] for start in range(max(1, len(text) - SHINGLE + 1))}


def jaccard(one: str, other: str) -> float:
    """The similarity of two texts: of their n-grams, what both have out of what any has."""
    a, b = shingles(one), shingles(other)
    return len(a & b) / len(a | b)


def grams_of(texts: Sequence[str]) -> Grams:
    """The n-grams of up to MOST_TEXTS texts, as hashes. Raises ValueError for more."""
    if len(texts) > MOST_TEXTS:
        raise ValueError(f"{len(texts)} texts at once, more than {MOST_TEXTS}")
    whole = [text if len(text) >= SHINGLE else text.ljust(SHINGLE, "\0") for text in texts]
    characters = np.frombuffer("".join(whole).encode("utf-32-le", "surrogatepass"), np.uint32)
    length_t = np.fromiter(map(len, whole), np.int64, len(whole))
    places = max(0, len(characters) - SHINGLE + 1)
    hash_c = np.zeros(places, np.uint64)
    for place, weight in enumerate(_WEIGHTS):
        hash_c += characters[place : place + places] * weight
    hash_c ^= hash_c >> np.uint64(32)
    hash_c *= _MIX
    hash_c ^= hash_c >> np.uint64(29)
    hash_c >>= np.uint64(64 - HASH_BITS)
    hash_c |= np.repeat(np.arange(len(whole), dtype=np.uint64) << np.uint64(HASH_BITS), length_t)[:places]
    within = np.ones(places, bool)
    for past in range(1, SHINGLE):  # those that begin in one text and end in the next
        within[np.cumsum(length_t)[:-1] - past] = False
    numbered_n = hash_c[within]
    numbered_n.sort()
    numbered_n = numbered_n[_starts(numbered_n)]
    size_t = np.bincount((numbered_n >> np.uint64(HASH_BITS)).astype(np.int64), minlength=len(whole))
    return Grams(numbered_n & np.uint64((1 << HASH_BITS) - 1), np.concatenate([[0], np.cumsum(size_t)]))


class Shortlist:
    """Finds pairs of a text of a batch and one of `texts` that are similar by `threshold`, and misses none."""

    def __init__(self, texts: Sequence[str], threshold: float) -> None:
        self._threshold = threshold
        parts = [grams_of(texts[low : low + MOST_TEXTS]) for low in range(0, len(texts), MOST_TEXTS)]
        self._size_b = np.concatenate([part.size_t for part in parts])
        every = np.concatenate([part.gram_n for part in parts])
        self._order = _Order(every)
        self._grams = _ascending(Grams(self._order.ranks(every), np.concatenate([[0], np.cumsum(self._size_b)])))
        first = self._looked_up(self._grams)
        rank_p, text_p = self._grams.gram_n[first], self._grams.text_n[first]
        self._text_p = text_p[np.argsort(rank_p, kind="stable")]
        number_u = np.bincount(rank_p, minlength=self._order.size)
        self._start_u = np.concatenate([[0], np.cumsum(number_u)])

    def pairs(self, batch: Grams) -> Iterator[tuple[int, int, float]]:
        """The text of the batch, the text of the few, and their similarity by hashes."""
        rank_n = self._order.ranks(batch.gram_n)
        known_t = np.add.reduceat(rank_n >= 0, batch.start_t[:-1])
        kept_t = known_t >= self._threshold * batch.size_t - EPSILON  # of others too much is in none of the few
        kept_n = np.repeat(kept_t, batch.size_t)
        start_t = np.concatenate([[0], np.cumsum(batch.size_t[kept_t])])
        numbers = np.flatnonzero(kept_t)
        if len(numbers):
            ranked = _ascending(Grams(rank_n[kept_n], start_t))
            for text, few in self._candidates(ranked):
                size = int(start_t[text + 1] - start_t[text])
                own = ranked.of(text)
                shared = len(np.intersect1d(own[own >= 0], self._grams.of(few), assume_unique=True))
                similarity = shared / (size + int(self._size_b[few]) - shared)
                if similarity >= self._threshold - EPSILON:
                    yield int(numbers[text]), few, similarity

    def _beyond(self, size_t: Numbers) -> Numbers:
        """How many of the n-grams that are looked up two texts must share, at least."""
        beyond: Numbers = 1 + np.floor(BEYOND * size_t).astype(np.int64)
        return beyond

    def _looked_up(self, grams: Grams) -> NDArray[np.bool_]:
        """Which n-grams of ascending ones are looked up (n)."""
        size_t = grams.size_t
        number_t = size_t - np.ceil(self._threshold * size_t - EPSILON).astype(np.int64) + self._beyond(size_t)
        rank_n = np.arange(len(grams.gram_n)) - np.repeat(grams.start_t[:-1], size_t)
        return rank_n < np.repeat(number_t, size_t)

    def _candidates(self, batch: Grams) -> Iterator[tuple[int, int]]:
        """Pairs of fitting sizes that share as many of the n-grams that are looked up as they have to."""
        asked = self._looked_up(batch) & (batch.gram_n >= 0)
        rank_h, text_h = batch.gram_n[asked], batch.text_n[asked]
        low_h = self._start_u[rank_h]
        count_h = self._start_u[rank_h + 1] - low_h
        size_t, size_b = batch.size_t, self._size_b
        needed_t, needed_b = self._beyond(size_t), self._beyond(size_b)
        for start, end in _slices(text_h, count_h):
            counts = count_h[start:end]
            places = np.repeat(low_h[start:end] - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
            few_k, text_k = self._text_p[places], np.repeat(text_h[start:end], counts)
            least, most = np.minimum(size_t[text_k], size_b[few_k]), np.maximum(size_t[text_k], size_b[few_k])
            fits = least >= self._threshold * most - EPSILON
            pair_k = text_k[fits] * len(size_b) + few_k[fits]
            pair_k.sort()
            first = np.flatnonzero(_starts(pair_k))
            shared = np.diff(first, append=len(pair_k))
            text_k, few_k = np.divmod(pair_k[first], len(size_b))
            enough = shared >= np.minimum(needed_t[text_k], needed_b[few_k])
            yield from zip(text_k[enough].tolist(), few_k[enough].tolist(), strict=True)


class _Order:
    """The order of n-grams that texts have, the rarest first: each is known by its place in it."""

    def __init__(self, hash_n: Hashes) -> None:
        ascending = np.sort(hash_n)
        first = np.flatnonzero(_starts(ascending))
        number_u = np.diff(first, append=len(ascending))
        self._hash_u = ascending[first]
        self.size = len(first)
        self._rank_u = np.empty(self.size, np.int64)
        self._rank_u[np.argsort(number_u, kind="stable")] = np.arange(self.size)
        bits = min(26, math.ceil(math.log2(4 * self.size)))
        self._shift = np.uint64(HASH_BITS - bits)
        slots = np.bincount((self._hash_u >> self._shift).astype(np.int64), minlength=1 << bits)
        self._start = np.concatenate([[0], np.cumsum(slots)]).astype(np.int32)

    def ranks(self, hash_n: Hashes) -> Numbers:
        """The places of n-grams, -1 for those that are not in the order."""
        slot_n = (hash_n >> self._shift).astype(np.int64)
        low_n, high_n = self._start[slot_n], self._start[slot_n + 1]
        rank_n = np.full(len(hash_n), -1, np.int64)
        active = np.flatnonzero(low_n < high_n)
        low, high, wanted = low_n[active], high_n[active], hash_n[active]
        while len(active):
            is_it = self._hash_u[low] == wanted
            rank_n[active[is_it]] = self._rank_u[low[is_it]]
            low += 1
            on = ~is_it & (low < high)
            active, low, high, wanted = active[on], low[on], high[on], wanted[on]
        return rank_n


def _starts(ascending: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which elements of an ascending array are not those before them."""
    starts = np.ones(len(ascending), bool)
    np.not_equal(ascending[1:], ascending[:-1], out=starts[1:])
    return starts


def _ascending(grams: Grams) -> Grams:
    """The places of n-grams in ascending order within each text."""
    numbered = (grams.text_n << 32) | (grams.gram_n + 1)
    numbered.sort()
    return Grams((numbered & 0xFFFFFFFF) - 1, grams.start_t)


def _slices(text_h: Numbers, count_h: Numbers) -> Iterator[tuple[int, int]]:
    """Ranges of hits that hold whole texts, and few enough pairs for memory if more than one text."""
    first_h = np.flatnonzero(np.diff(text_h, prepend=-1))
    before = np.concatenate([(np.cumsum(count_h) - count_h)[first_h], [count_h.sum()]])
    ends = np.concatenate([first_h[1:], [len(text_h)]])
    start = 0
    while start < len(first_h):
        end = max(start + 1, int(np.searchsorted(before, before[start] + MOST_PAIRS, "right")) - 1)
        yield int(first_h[start]), int(ends[end - 1])
        start = end
