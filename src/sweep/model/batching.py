"""Batches of sequences of similar length: little padding, and memory that stays flat whatever the lengths."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def length_sorted_batches(lengths: Sequence[int], budget: int, padded: bool) -> list[NDArray[np.int64]]:
    """Indices in batches of similar length; a batch has at most `budget` tokens, unless a single text is longer.

    With `padded`, the batch's size times its longest text counts, else the sum of its lengths.
    """
    order = np.argsort(lengths, kind="stable")
    batches, start, tokens = [], 0, 0
    for position, row in enumerate(order):
        count = position - start + 1
        tokens = count * lengths[row] if padded else tokens + lengths[row]
        if tokens > budget and count > 1:
            batches.append(order[start:position])
            start, tokens = position, lengths[row]
    if len(order):
        batches.append(order[start:])
    return batches


def split_into(batches: Sequence[NDArray[np.int64]], number: int) -> list[NDArray[np.int64]]:
    """So many batches, in the same order, of at least as many sequences: the one with the most is halved, again and
    again."""
    split = list(batches)
    while len(split) < number:
        largest = max(range(len(split)), key=lambda place: len(split[place]))
        half = len(split[largest]) // 2
        split[largest : largest + 1] = [split[largest][:half], split[largest][half:]]
    return split
