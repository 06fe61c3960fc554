"""Translation groups with several questions or passages in a language: counted, with the place of the first.

Questions and passages count apart, each with its own language: a row in other languages may repeat one of the two.
Some 40 bytes are kept of each row, which a billion rows would fill a machine with and ten million do not.
"""

from array import array
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.data.remarks import Remark
from sweep.data.training_row import TrainingRow

SEVERAL = "translation groups with several questions or passages in a language"
Ints = NDArray[np.int64]


class Repeat(NamedTuple):
    """The row whose group already had another question or passage in the language."""

    language: str
    file: int  # number
    row: int  # number in the file


class _Texts:
    """The questions, or the passages, of all rows, by hashes of 64 bits: of the group and the language, and of the
    text."""

    def __init__(self) -> None:
        self._cell = array("q")
        self._text = array("q")
        self._language = array("H")

    def add(self, group: str, language: str, number: int, text: str) -> None:
        self._cell.append(hash((group, language)))
        self._text.append(hash(text))
        self._language.append(number)

    def others(self) -> tuple[Ints, Ints]:
        """Rows with another text than the first one of their group in their language: hashes of these two, and the
        rows' numbers."""
        cell, text = np.frombuffer(self._cell, np.int64), np.frombuffer(self._text, np.int64)
        order = np.argsort(cell, kind="stable")
        sorted_cell, sorted_text = cell[order], text[order]
        begins = np.append(True, sorted_cell[1:] != sorted_cell[:-1])
        first = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
        other = sorted_text != sorted_text[first]
        return sorted_cell[other], order[other]

    def languages(self, rows: Ints) -> Ints:
        """The language's number in each of these rows."""
        return np.frombuffer(self._language, np.uint16)[rows].astype(np.int64)


class Repeats:
    """Rows that were seen. Among ten million rows hashes take two texts for one in three of a million runs."""

    def __init__(self) -> None:
        self._questions, self._passages = _Texts(), _Texts()
        self._row = array("I")
        self._starts: list[int] = []  # of each file
        self._languages: dict[str, int] = {}

    def begin_file(self) -> None:
        """What is added from now on is of the next file."""
        self._starts.append(len(self._row))

    def add(self, row: TrainingRow, number: int) -> None:
        """Another row, with its number in its file."""
        answered = row.passage_language or row.language
        for texts, language, text in (
            (self._questions, row.language, row.question),
            (self._passages, answered, row.passage),
        ):
            texts.add(row.group, language, self._languages.setdefault(language, len(self._languages)), text)
        self._row.append(number)

    def each(self) -> tuple[dict[str, int], Repeat | None]:
        """How many groups have several questions or passages, by the language of these, and the first row that makes
        one of them so."""
        cells, languages = np.empty(0, np.int64), np.empty(0, np.int64)
        firsts: list[tuple[int, int]] = []  # a row, and the language of its question or passage
        for texts in (self._questions, self._passages):
            cell, rows = texts.others()
            if len(rows):
                language = texts.languages(rows)
                firsts.append((int(rows.min()), int(language[rows.argmin()])))
                cells, languages = np.append(cells, cell), np.append(languages, language)
        if not firsts:
            return {}, None
        _, one_each = np.unique(cells, return_index=True)
        names = list(self._languages)
        numbers, amounts = np.unique(languages[one_each], return_counts=True)
        counts = {names[number]: int(amount) for number, amount in zip(numbers, amounts, strict=True)}
        earliest, language_n = min(firsts, key=lambda first: first[0])
        file = int(np.searchsorted(self._starts, earliest, side="right")) - 1
        return counts, Repeat(names[language_n], file, self._row[earliest])


def repeat_remarks(counts: dict[str, int], place: str) -> list[Remark]:
    """A remark on these groups, with the place of the first row."""
    return [Remark(SEVERAL, language, f"{count:,}", place) for language, count in sorted(counts.items())]
