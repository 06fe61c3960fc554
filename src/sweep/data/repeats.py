"""Translation groups with several questions or passages in a language: counted, with the place of the first.

16 bytes and a few are kept of each row, which a billion rows would fill a machine with and ten million do not.
"""

from array import array
from typing import NamedTuple

import numpy as np

from sweep.data.remarks import Remark
from sweep.data.training_row import TrainingRow

SEVERAL = "translation groups with several questions or passages in a language"


class Repeat(NamedTuple):
    """The row whose group already had another question or passage in the language."""

    language: str
    file: int  # number
    row: int  # number in the file


class Repeats:
    """Rows that were seen, by hashes of 64 bits of their groups and texts: among ten million rows two are taken for
    one in three of a million runs."""

    def __init__(self) -> None:
        self._group = array("q")
        self._texts = array("q")
        self._language = array("H")
        self._row = array("I")
        self._starts: list[int] = []  # of each file
        self._languages: dict[tuple[str, str], int] = {}

    def begin_file(self) -> None:
        """What is added from now on is of the next file."""
        self._starts.append(len(self._group))

    def add(self, row: TrainingRow, number: int) -> None:
        """Another row, with its number in its file."""
        languages = row.language, row.passage_language
        self._group.append(hash((row.group, languages)))
        self._texts.append(hash((row.question, row.passage)))
        self._language.append(self._languages.setdefault(languages, len(self._languages)))
        self._row.append(number)

    def each(self) -> tuple[dict[str, int], Repeat | None]:
        """How many groups have several questions or passages, by the question's language, and the first row that
        makes one of them so."""
        group, texts = np.frombuffer(self._group, np.int64), np.frombuffer(self._texts, np.int64)
        order = np.argsort(group, kind="stable")
        sorted_group, sorted_texts = group[order], texts[order]
        begins = np.append(True, sorted_group[1:] != sorted_group[:-1])
        first = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
        other = sorted_texts != sorted_texts[first]  # than the first of its group
        if not other.any():
            return {}, None
        _, one_each = np.unique(sorted_group[other], return_index=True)
        numbers = order[other]
        language_n = np.frombuffer(self._language, np.uint16)[numbers[one_each]]
        names = [question for question, _ in self._languages]
        counts: dict[str, int] = {}
        for language, count in zip(*np.unique(language_n, return_counts=True), strict=True):
            counts[names[language]] = counts.get(names[language], 0) + int(count)
        earliest = int(numbers.min())
        file = int(np.searchsorted(self._starts, earliest, side="right")) - 1
        return counts, Repeat(names[self._language[earliest]], file, self._row[earliest])


def repeat_remarks(counts: dict[str, int], place: str) -> list[Remark]:
    """A remark on these groups, with the place of the first row."""
    return [Remark(SEVERAL, language, f"{count:,}", place) for language, count in sorted(counts.items())]
