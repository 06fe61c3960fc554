"""Which texts each translation group has in each language, and sets of groups.

Shapes: g = translation groups, n = items of all groups, l = languages.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK = 512  # bytes of a set that are counted together


class Cells(NamedTuple):
    """Texts of one kind, such as all questions: the items of group g are `offset_g[g]:offset_g[g + 1]`, in the order
    of their languages (columns of the training set) and, within one, in that of the files.

    `weight_n` is what the loss of a row with this item is multiplied by; None if it is 1 everywhere.
    """

    offset_g: NDArray[np.int64]
    language_n: NDArray[np.int16]
    text_n: NDArray[np.int32]
    weight_n: NDArray[np.float32] | None = None

    def within(self, group: int, column: int) -> tuple[int, int]:
        """Where the items of one group in one language lie: the first, and the one after the last."""
        low, high = int(self.offset_g[group]), int(self.offset_g[group + 1])
        language_n = self.language_n[low:high]
        return low + int(language_n.searchsorted(column)), low + int(language_n.searchsorted(column, "right"))

    def of(self, group: int, column: int) -> NDArray[np.int32]:
        """Texts of one group in one language."""
        low, high = self.within(group, column)
        return self.text_n[low:high]

    def of_groups(self, group_b: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Texts of some groups in all languages, and the place in `group_b` that each belongs to."""
        size_b = self.offset_g[group_b + 1] - self.offset_g[group_b]
        place_n = np.repeat(np.arange(len(group_b)), size_b)
        first_b = size_b.cumsum() - size_b
        return place_n, self.text_n[np.arange(len(place_n)) + (self.offset_g[group_b] - first_b)[place_n]]

    def only(self, kept_n: NDArray[np.bool_]) -> "Cells":
        """The same with these items alone."""
        before_n = np.r_[np.int64(0), kept_n.cumsum(dtype=np.int64)]
        weight_n = None if self.weight_n is None else self.weight_n[kept_n]
        return Cells(before_n[self.offset_g], self.language_n[kept_n], self.text_n[kept_n], weight_n)

    @property
    def group_n(self) -> NDArray[np.int64]:
        """The group of each item."""
        return np.repeat(np.arange(len(self.offset_g) - 1), np.diff(self.offset_g))

    def present_lg(self, languages: int) -> NDArray[np.bool_]:
        """Whether a group has anything in a language."""
        present_lg = np.zeros((languages, len(self.offset_g) - 1), bool)
        present_lg[self.language_n, self.group_n] = True
        return present_lg


@dataclass(frozen=True, eq=False)
class GroupSet:
    """A set of groups, a bit each: one of 10 million groups takes a megabyte."""

    bits: NDArray[np.uint8]
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", int(np.bitwise_count(self.bits).sum(dtype=np.int64)))

    @classmethod
    def of(cls, member_g: NDArray[np.bool_]) -> "GroupSet":
        """The groups for which this is true."""
        return cls(np.packbits(member_g))

    def __len__(self) -> int:
        return self.size

    def __and__(self, other: "GroupSet") -> "GroupSet":
        return GroupSet(self.bits & other.bits)

    def at(self, place_n: NDArray[np.int64]) -> NDArray[np.int64]:
        """The members at these places, counted from the smallest group on."""
        block_n = self._before.searchsorted(place_n, side="right") - 1
        members = np.empty(len(place_n), np.int64)
        for block in np.unique(block_n):
            within = np.flatnonzero(np.unpackbits(self.bits[block * BLOCK : (block + 1) * BLOCK]))
            rows = block_n == block
            members[rows] = block * BLOCK * 8 + within[place_n[rows] - self._before[block]]
        return members

    @cached_property
    def _before(self) -> NDArray[np.int64]:
        """How many members lie before each block."""
        starts = np.arange(0, max(1, len(self.bits)), BLOCK)
        counts = np.add.reduceat(np.bitwise_count(self.bits), starts, dtype=np.int64) if len(self.bits) else starts
        before: NDArray[np.int64] = counts.cumsum() - counts
        return before
