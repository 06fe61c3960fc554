"""Distinct texts, each read when it is needed, so that a corpus need not fit in memory.

Shapes: d = texts, u = distinct texts.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Texts:
    """Distinct texts, read when they are needed: `read` gives those of some rows. `digest` is of all of them."""

    size: int
    read: Callable[[NDArray[np.int64]], Sequence[str]]
    digest: str


def distinct(texts: Iterable[str]) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Where each distinct text occurs first (u), which of them each text is (d), and a digest of all.

    Only a hash of each text is kept, so that a corpus need not fit in memory.
    """
    hashes = np.frombuffer(b"".join(_hash(text) for text in texts), dtype=[("high", "<u8"), ("low", "<u8")])
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")  # as they come, not by hash
    number = np.empty(len(order), np.int64)
    number[order] = np.arange(len(order))
    return first[order], number[inverse], hashlib.sha256(hashes[first[order]].tobytes()).hexdigest()


def texts_in_memory(texts: Sequence[str]) -> tuple[Texts, NDArray[np.int64]]:
    """Distinct texts, and which of them each text is (d)."""
    first_u, text_d, digest = distinct(texts)
    return Texts(len(first_u), lambda rows: [texts[index] for index in first_u[rows]], digest), text_d


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
