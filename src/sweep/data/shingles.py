"""How like two texts are: character n-grams, which need no word boundaries, and the share of them in common."""

import numpy as np
from numpy.typing import NDArray

SHINGLE = 5  # characters: languages without spaces between words are compared, too
_FACTOR, _MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)  # odd; what overflows is cut off
_HALF = np.uint64(32)


def shingles(text: str) -> NDArray[np.uint32]:
    """Hashes of a text's n-grams, each once and ascending: as strings, those of a corpus take hundreds of megabytes.
    A shorter text is one n-gram."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    if len(points) < SHINGLE:
        points = np.pad(points, (0, SHINGLE - len(points)))
    grams = len(points) - SHINGLE + 1
    hashes = np.zeros(grams, np.uint64)
    for place in range(SHINGLE):
        hashes = hashes * _FACTOR + points[place : place + grams]
    hashes = (hashes ^ (hashes >> _HALF)) * _MIX
    ordered = np.sort((hashes >> _HALF).astype(np.uint32))  # np.unique takes ten times as long for so few
    distinct: NDArray[np.uint32] = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]
    return distinct


def jaccard(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> float:
    """The share of the n-grams of both that they have in common, in [0, 1]."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)
