"""Texts of some ids out of a collection of millions: read in one pass, kept on disk, looked up in any order.

Memory is needed for three numbers a wanted id, whatever the texts' length.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.data.id_numbers import IdNumbers
from sweep.errors import InputError

ROWS_PER_BATCH = 20_000
ABSENT = -1


class Located(NamedTuple):
    """A text of a collection with its id, and where it stands, as a number that the collection can name."""

    where: int
    id: str
    text: str


@contextmanager
def wanted_texts(wanted_w: NDArray[np.int64], numbers: IdNumbers, folder: Path) -> Iterator["WantedTexts"]:
    """None of the texts yet, and a file without a name for them: it is gone with the process, however that ends.

    Raises OSError naming the folder, if its disk is full, say.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryFile(dir=folder, buffering=1 << 20) as file:
            yield WantedTexts(wanted_w, numbers, file)
    except OSError as error:
        error.filename = error.filename or str(folder)
        raise


class WantedTexts:
    """The texts of `wanted` ids, which are numbers, distinct and ascending (w). `again`: ids that occurred more than
    once, with the same text."""

    def __init__(self, wanted_w: NDArray[np.int64], numbers: IdNumbers, file: IO[bytes]) -> None:
        self._wanted_w, self._numbers, self._file = wanted_w, numbers, file
        self._start_w = np.full(len(wanted_w), ABSENT, np.int64)
        self._bytes_w = np.zeros(len(wanted_w), np.int64)
        self._where_w = np.zeros(len(wanted_w), np.int64)
        self._written = 0
        self.again: list[str] = []

    def __len__(self) -> int:
        return len(self._wanted_w)

    def fill(self, noun: str, texts: Iterable[Located], place: Callable[[int], str]) -> None:
        """Keep the wanted ones of a collection's texts; `place` names where one stands.

        Raises InputError for a wanted id whose text is blank, and for one that occurs twice with different texts.
        """
        source = iter(texts)
        while batch := list(islice(source, ROWS_PER_BATCH)):
            number_n = self._numbers.known([one.id for one in batch])
            row_n = np.searchsorted(self._wanted_w, number_n)
            row_n[row_n == len(self._wanted_w)] = 0
            for index in np.flatnonzero(self._wanted_w[row_n] == number_n) if len(self._wanted_w) else ():
                self._keep(noun, int(row_n[index]), batch[index], place)
        self._file.flush()

    def rows(self, number_n: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where wanted ids are (n), for `at`."""
        return np.searchsorted(self._wanted_w, number_n)

    def absent(self) -> NDArray[np.int64]:
        """The wanted ids that the collection does not have."""
        absent_w: NDArray[np.int64] = self._wanted_w[self._start_w == ABSENT]
        return absent_w

    def at(self, row: int) -> str:
        """The text in a row."""
        return os.pread(self._file.fileno(), int(self._bytes_w[row]), int(self._start_w[row])).decode(
            "utf-8", "surrogatepass"
        )

    def _keep(self, noun: str, row: int, one: Located, place: Callable[[int], str]) -> None:
        if not one.text.strip():
            raise InputError(f"{place(one.where)}: {noun} '{one.id}' has no text")
        if self._start_w[row] == ABSENT:
            content = one.text.encode("utf-8", "surrogatepass")
            self._start_w[row], self._bytes_w[row], self._where_w[row] = self._written, len(content), one.where
            self._file.write(content)
            self._written += len(content)
            return
        self._file.flush()
        if self.at(row) != one.text:
            first = place(int(self._where_w[row]))
            raise InputError(f"{place(one.where)}: {noun} id '{one.id}' occurs twice, with another text at {first}")
        self.again.append(one.id)
