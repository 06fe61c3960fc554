"""Ids of queries and passages as numbers, so that millions of them fit into arrays."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

UNKNOWN = np.iinfo(np.int64).min  # no id has this number
_DIGITS = 18  # of a whole number that surely fits into 64 bits


class IdNumbers:
    """A number for each id. An id that is a whole number as it is written is its own number; any other, be it "007",
    "D12" or longer than 18 digits, is counted below zero and kept as text."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}
        self._ids: list[str] = []

    def of(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """The numbers of ids (n)."""
        return self._numbers(ids, self._added)

    def known(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """As `of`, for ids of which most are of no interest: what has no number yet is UNKNOWN (n)."""
        return self._numbers(ids, lambda id_: self._number.get(id_, UNKNOWN))

    def id(self, number: int) -> str:
        """The id that has this number."""
        return str(number) if number >= 0 else self._ids[-1 - number]

    def _numbers(self, ids: Sequence[str], other: Callable[[str], int]) -> NDArray[np.int64]:
        return np.fromiter((int(id_) if _is_number(id_) else other(id_) for id_ in ids), np.int64, len(ids))

    def _added(self, id_: str) -> int:
        number = self._number.setdefault(id_, -1 - len(self._ids))
        if -1 - number == len(self._ids):
            self._ids.append(id_)
        return number


def _is_number(id_: str) -> bool:
    return id_.isascii() and id_.isdecimal() and len(id_) <= _DIGITS and (id_[0] != "0" or id_ == "0")
