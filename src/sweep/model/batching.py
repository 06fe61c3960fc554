"""Batches of sequences of similar length: little padding, and memory that stays flat whatever the lengths."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def length_sorted_batches(lengths: Sequence[int], budget: int) -> list[NDArray[np.int64]]:
    """Indices in batches of similar length; a batch's size times its longest text stays within `budget` tokens,
    unless a single text is longer."""
    order = np.argsort(lengths, kind="stable")
    batches, start = [], 0
    for position in range(1, len(order) + 1):
        full = position == len(order) or (position + 1 - start) * lengths[order[position]] > budget
        if full:
            batches.append(order[start:position])
            start = position
    return batches
