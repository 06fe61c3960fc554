"""Texts that are hardly what they were meant to be: empty ones, markup, characters that a wrong encoding leaves."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sweep.data.training_row import TrainingRow

LONGEST_BYTES = 2**20
_ANY = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd\ud800-\udfff]|<[A-Za-z/!][^<>]*>|&#?\w+;|[ÃÂâÐ]")
_TESTS: dict[str, Callable[[str], object]] = {
    "empty": lambda text: not text.strip(),
    "over 1 MB": lambda text: len(text) * 4 > LONGEST_BYTES and len(text.encode(errors="replace")) > LONGEST_BYTES,
    "half a character (a lone surrogate)": re.compile(r"[\ud800-\udfff]").search,
    "NUL or another control character": re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]").search,
    "a replacement character (U+FFFD), which a wrong encoding leaves": re.compile("\ufffd").search,
    "UTF-8 read as Latin-1 (such as Ã© for é)": re.compile(r"Ã[\x80-\xbf]|Â[\xa0-\xbf]|â€|Ð[\x80-\xbf]").search,
    "HTML (a tag such as <br>, or an entity such as &amp;)": re.compile(
        r"</?(?:a|b|br|div|em|font|h[1-6]|i|img|li|p|ref|span|strong|su[bp]|t[dr]|table|u|ul)(?:\s[^<>]*)?/?>"
        r"|&(?:amp|lt|gt|quot|apos|nbsp|#\d+|#x[0-9A-Fa-f]+);"
    ).search,
}
_EQUAL, _NEGATIVE = "a question that is equal to its passage", "a negative that is equal to the passage"


@dataclass(frozen=True)
class Suspect:
    """What is suspicious, in how many rows, and the place of the first of them, with its language."""

    text: str
    rows: int
    language: str
    first: str


class Suspects:
    """Counts rows with suspicious texts."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._first: dict[str, tuple[str, str]] = {}

    def add(self, rows: Sequence[TrainingRow]) -> None:
        """Look at some rows."""
        faults: dict[str, tuple[str, ...]] = {}
        for row in rows:
            seen = set[str]()
            for text in (row.question, row.passage, *row.negatives):
                if text not in faults:
                    faults[text] = _faults(text)
                seen.update(faults[text])
            if row.question == row.passage:
                seen.add(_EQUAL)
            if row.passage in row.negatives:
                seen.add(_NEGATIVE)
            for fault in seen:
                self._rows[fault] = self._rows.get(fault, 0) + 1
                self._first.setdefault(fault, (row.language, row.place or f"group '{row.group}'"))

    def suspects(self) -> tuple[Suspect, ...]:
        """All that there was, in a fixed order."""
        order = [fault for fault in (*_TESTS, _EQUAL, _NEGATIVE) if fault in self._rows]
        return tuple(Suspect(fault, self._rows[fault], *self._first[fault]) for fault in order)


def _faults(text: str) -> tuple[str, ...]:
    if text.strip() and len(text) * 4 <= LONGEST_BYTES and not _ANY.search(text):
        return ()
    return tuple(fault for fault, test in _TESTS.items() if test(text))
