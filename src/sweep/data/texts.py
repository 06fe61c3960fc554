"""Distinct texts, each read when it is needed, so that a corpus need not fit in memory.

Shapes: d = texts, u = distinct texts.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Texts:
    """Distinct texts, read when they are needed: `read` gives those of some rows. `digest` is of all of them."""

    size: int
    read: Callable[[NDArray[np.int64]], Sequence[str]]
    digest: str


class Distinct(NamedTuple):
    """Where each distinct thing occurs first (u), in the order in which they come, and which of them each is (d)."""

    first_u: NDArray[np.int64]
    number_d: NDArray[np.int64]


def distinct(texts: Iterable[str]) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Where each distinct text occurs first (u), which of them each text is (d), and a digest of all.

    Only a hash of each text is kept, so that a corpus need not fit in memory.
    """
    joined = bytearray()
    for text in texts:  # a list of hashes would take three times the memory
        joined += text_hash(text)
    hash_d2 = hashes(joined)
    first_u, number_d = distinct_hashes(hash_d2)
    return first_u, number_d, hashlib.sha256(hash_d2[first_u].tobytes()).hexdigest()


def hashes(joined: bytes | bytearray) -> NDArray[np.uint64]:
    """Hashes one after another as two numbers each (d, 2)."""
    return np.frombuffer(joined, "<u8").reshape(-1, 2)


def distinct_hashes(hash_d2: NDArray[np.uint64]) -> Distinct:
    """Which of the hashes are equal. Memory: about 40 bytes for each."""
    order = np.argsort(hash_d2[:, 0], kind="stable")
    same_half = np.diff(hash_d2[order, 0]) == 0
    if (same_half & (np.diff(hash_d2[order, 1]) != 0)).any():  # one in 2^64 pairs
        order = np.lexsort((hash_d2[:, 1], hash_d2[:, 0]))
        same_half = (np.diff(hash_d2[order], axis=0) == 0).all(1)
    is_new = np.r_[True, ~same_half][: len(order)]
    first = order[is_new]
    rank = np.empty(len(first), np.int64)
    by_place = np.argsort(first)  # as they come, not by hash
    rank[by_place] = np.arange(len(first))
    number_d = np.empty(len(order), np.int64)
    number_d[order] = rank[is_new.cumsum() - 1]
    return Distinct(first[by_place], number_d)


def texts_in_memory(texts: Sequence[str]) -> tuple[Texts, NDArray[np.int64]]:
    """Distinct texts, and which of them each text is (d)."""
    first_u, text_d, digest = distinct(texts)
    return Texts(len(first_u), lambda rows: [texts[index] for index in first_u[rows]], digest), text_d


def text_hash(text: str) -> bytes:
    """128 bits: of a billion texts, no two that differ have the same."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
