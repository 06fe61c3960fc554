"""Counts of training data, row by row: what is in which language, what goes with what, how long it is, what is there
again. A row is kept as 60 bytes of numbers, whatever its texts.

Texts are told apart by 64-bit hashes: of ten million, two are taken for one with a probability of 3 in a million.

Shapes: n = rows, i = items (distinct questions, or passages, of a language in a translation group), g = groups,
l = languages.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sweep.data.training_row import TrainingRow

Role = Literal["query", "passage"]
Hashes = NDArray[np.uint64]
CountTokens = Callable[[Sequence[str], Role], NDArray[np.int32]]  # the tokens of each text, special ones included

ROLES: tuple[Role, ...] = ("query", "passage")
_SIDE = [("language", "i2"), ("text", "u8"), ("characters", "i4"), ("tokens", "i4")]
_ROW = np.dtype([("group", "u8"), ("row", "u8"), ("query", _SIDE), ("passage", _SIDE)])
_TEXT, _LANGUAGE = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)  # odd: no two products are the same


def text_hash(text: str) -> int:
    """64 bits of a text's BLAKE2b."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


@dataclass(frozen=True, eq=False)
class Items:
    """The distinct texts of one role in each group and language: a group's number, a language's number, the text's
    hash, and its length. `tokens` are -1 where no tokenizer counts them."""

    group_i: NDArray[np.int64]
    language_i: NDArray[np.int16]
    text_i: Hashes
    characters_i: NDArray[np.int32]
    tokens_i: NDArray[np.int32]

    def of(self, language: int) -> NDArray[np.int64]:
        """The items of a language."""
        return np.flatnonzero(self.language_i == language)

    def table(self, groups: int, languages: int) -> csr_array:
        """How many items a group has in a language: (g, l)."""
        ones = np.ones(len(self.group_i), np.int64)
        table = csr_array((ones, (self.group_i, self.language_i)), (groups, languages))
        table.sum_duplicates()
        return table


@dataclass(frozen=True, eq=False)
class Counts:
    """What a census comes to. `languages` are in order of their codes, and numbered by it."""

    languages: tuple[str, ...]
    rows: int
    equal_rows: int
    groups: int
    queries: Items
    passages: Items
    rows_with_negatives: int
    negatives: int


class Census:
    """Counts rows a batch at a time."""

    def __init__(self, count_tokens: CountTokens | None) -> None:
        self._count_tokens = count_tokens
        self._parts: list[NDArray[np.void]] = []
        self._languages: dict[str, int] = {}
        self._rows_with_negatives = self._negatives = 0

    def add(self, rows: Sequence[TrainingRow]) -> None:
        """Take note of some rows."""
        part = np.empty(len(rows), _ROW)
        groups = {name: text_hash(name) for name in {row.group for row in rows}}
        part["group"] = [groups[row.group] for row in rows]
        part["row"] = [text_hash(repr(row._replace(place=""))) for row in rows]
        self._fill(part["query"], "query", [(row.language, row.question) for row in rows])
        self._fill(part["passage"], "passage", [(row.passage_language or row.language, row.passage) for row in rows])
        self._parts.append(part)
        self._rows_with_negatives += sum(bool(row.negatives) for row in rows)
        self._negatives += sum(len(row.negatives) for row in rows)

    def _fill(self, side: NDArray[np.void], role: Role, given: list[tuple[str, str]]) -> None:
        number = {text: index for index, text in enumerate(dict.fromkeys(text for _, text in given))}
        text_n = np.array([number[text] for _, text in given], np.int64)
        side["language"] = [self._languages.setdefault(code, len(self._languages)) for code, _ in given]
        side["text"] = np.array([text_hash(text) for text in number], np.uint64)[text_n]
        side["characters"] = np.array([len(text) for text in number], np.int32)[text_n]
        side["tokens"] = -1 if self._count_tokens is None else self._count_tokens(list(number), role)[text_n]

    def counts(self) -> Counts:
        """What all rows until now come to. They are sorted: it takes about twice their memory."""
        table = np.concatenate(self._parts) if self._parts else np.empty(0, _ROW)
        self._parts = [table]
        codes = sorted(self._languages)
        number = np.zeros(max(1, len(codes)), np.int16)
        number[list(self._languages.values())] = [codes.index(code) for code in self._languages]
        names, group_n = np.unique(table["group"], return_inverse=True)
        return Counts(
            tuple(codes),
            len(table),
            len(table) - len(np.unique(table["row"])),
            len(names),
            _items(table["query"], number, table["group"], group_n),
            _items(table["passage"], number, table["group"], group_n),
            self._rows_with_negatives,
            self._negatives,
        )


def _items(side: NDArray[np.void], number: NDArray[np.int16], name_n: Hashes, group_n: NDArray[np.int64]) -> Items:
    language_n = number[side["language"]]
    key_n = name_n + side["text"] * _TEXT + language_n.astype(np.uint64) * _LANGUAGE  # modulo 2^64
    _, first = np.unique(key_n, return_index=True)
    first.sort()
    item = side[first]
    return Items(group_n[first], language_n[first], item["text"], item["characters"], item["tokens"])


def pairs(counts: Counts) -> NDArray[np.int64]:
    """How many groups have a question in the first and a passage in the second language: (l, l)."""
    shape = counts.groups, len(counts.languages)
    asked_gl, answered_gl = (items.table(*shape) > 0 for items in (counts.queries, counts.passages))
    return np.asarray((asked_gl.astype(np.int64).T @ answered_gl.astype(np.int64)).toarray(), np.int64)


@dataclass(frozen=True)
class Repeats:
    """Texts of one role that are there again. `in_languages`: texts that a group has in two languages or more;
    `commonest`: the pair of languages that shares most of them, and how many. `in_groups`: distinct texts that two
    groups or more have; `most_groups`: as many as one text is in."""

    in_languages: int
    commonest: tuple[str, str, int] | None
    in_groups: int
    most_groups: int


def repeats(items: Items, languages: Sequence[str]) -> Repeats:
    """Equal texts within a group and between groups."""
    key_i = items.group_i.astype(np.uint64) * _LANGUAGE + items.text_i
    order = np.lexsort((items.language_i, key_i))
    key_i, language_i = key_i[order], items.language_i[order].astype(np.int64)
    _, first, size = np.unique(key_i, return_index=True, return_counts=True)
    in_languages, commonest = int((size > 1).sum()), None
    if in_languages:
        beside = np.flatnonzero(key_i[1:] == key_i[:-1])
        pair = language_i[beside] * len(languages) + language_i[beside + 1]
        kinds, often = np.unique(pair, return_counts=True)
        one, other = divmod(int(kinds[often.argmax()]), len(languages))
        commonest = languages[one], languages[other], int(often.max())
    _, groups = np.unique(items.text_i[order][first], return_counts=True)
    return Repeats(in_languages, commonest, int((groups > 1).sum()), int(groups.max(initial=0)))
