"""From the rows of a reader to the files of a training set, however many rows there are.

Texts go to disk as they come; of each, 16 bytes of hash stay in memory, and a few numbers that say what it is. So ten
million rows take about three gigabytes.
"""

from array import array
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.data.cells import Cells
from sweep.data.corpus_files import GROUPS, NO_GROUPS, TEXTS, content_digest, write_files
from sweep.data.remarks import Remark, remark_lines
from sweep.data.row_check import check_text
from sweep.data.stored_texts import StoredTexts, TextWriter, copy_texts
from sweep.data.texts import distinct_hashes, hashes, text_hash
from sweep.data.training_row import TrainingRow, TrainingRows
from sweep.errors import InputError, shortened

ROWS_PER_REPORT = 50_000
QUESTION, PASSAGE, NEGATIVE = range(3)
NOUNS = ("question", "passage", "negative")
AGAIN = "rows that add nothing to their translation group, kept once"

Ints = NDArray[np.int64]


class _Items:
    """What is known of each text, question, passage or negative, while the texts themselves go to disk."""

    def __init__(self, languages: tuple[str, ...]) -> None:
        self.column = {code: place for place, code in enumerate(languages)}
        self.hash = bytearray()
        self.role, self.language, self.row = array("b"), array("h"), array("i")
        self.group_hash = bytearray()  # of each row, as those below
        self.name, self.source, self.weight = array("i"), array("h"), array("f")
        self.sources: dict[str, int] = {}
        self.names = 0

    def add(self, row: TrainingRow, texts: TextWriter, names: TextWriter) -> None:
        """One row more. Raises InputError for a text that is none."""
        group = text_hash(row.group)
        if self.group_hash[-16:] != group:
            names.append(row.group)
            self.names += 1
        self.group_hash += group
        asked = self.column[row.language]
        answered = self.column[row.passage_language] if row.passage_language else asked
        self._add_text(row, QUESTION, asked, row.question, texts)
        self._add_text(row, PASSAGE, answered, row.passage, texts)
        for negative in row.negatives:
            self._add_text(row, NEGATIVE, answered, negative, texts)
        self.name.append(self.names - 1)
        self.source.append(self.sources.setdefault(row.source, len(self.sources)))
        self.weight.append(row.weight)

    def _add_text(self, row: TrainingRow, role: int, column: int, text: str, texts: TextWriter) -> None:
        check_text(row, NOUNS[role], text)
        texts.append(text)
        self.hash += text_hash(text)
        self.role.append(role)
        self.language.append(column)
        self.row.append(len(self.name))


def build(
    rows: TrainingRows,
    languages: tuple[str, ...],
    folder: Path,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> None:
    """Write the training set of all rows to a folder that is empty; `on_rows` is told how many were read.

    Groups are in the order of their first rows, and so are texts. Raises InputError for a text that is empty, too
    long, or no text, for two weights of one passage in a group, and for a language without any row.
    """
    items, remarks = _Items(languages), list[Remark]()
    staged, names = folder / "staged.arrow", folder / "names.arrow"
    with TextWriter(staged) as text_writer, TextWriter(names) as name_writer:
        for number, row in enumerate(rows.read(remarks), start=1):
            items.add(row, text_writer, name_writer)
            if number % ROWS_PER_REPORT == 0:
                on_rows(number)
    hash_i2, group_hash_r2 = hashes(items.hash), hashes(items.group_hash)
    first_g, group_r = distinct_hashes(group_hash_r2)
    first_u, text_i = distinct_hashes(hash_i2)
    copy_texts(StoredTexts(names), np.array(items.name, np.int32)[first_g], folder / GROUPS)
    copy_texts(StoredTexts(staged), first_u, folder / TEXTS)
    for file in (staged, names):
        file.unlink()
    cells, again_r = _cells(items, group_r, text_i, StoredTexts(folder / GROUPS), rows.title)
    _check_languages(cells, languages)
    remarks += _remarks_of_repeated(items, again_r, languages)
    source_g = np.array(items.source, np.int16)[first_g]
    parts = ("\0".join((*languages, *items.sources)).encode(), group_hash_r2[first_g], hash_i2[first_u])
    digest = content_digest(cells, source_g, *parts)
    notes = remark_lines(rows.title, remarks)
    write_files(folder, cells, source_g, list(items.sources), languages, digest, notes)


def _cells(
    items: _Items, group_r: Ints, text_i: Ints, groups: StoredTexts, title: str
) -> tuple[list[Cells], NDArray[np.bool_]]:
    """Questions, passages and negatives, each once in its cell, and which rows add nothing to their group."""
    role_i, row_i = np.array(items.role, np.int8), np.array(items.row, np.int32)
    language_i = np.array(items.language, np.int16)
    weight_r = np.array(items.weight, np.float32)
    weighted = bool((weight_r != 1).any())
    cells, adds_r = [], np.zeros(len(weight_r), bool)
    for role in (QUESTION, PASSAGE, NEGATIVE):
        of_role = np.flatnonzero(role_i == role)
        group, language, text = group_r[row_i[of_role]], language_i[of_role], text_i[of_role]
        order = np.lexsort((language, group))
        again = _again(group[order], language[order], text[order])
        kept = np.ones(len(order), bool)
        kept[again.later] = False
        of_kept = order[kept]
        adds_r[row_i[of_role[of_kept]]] = True
        weight = None
        if role == PASSAGE and weighted:
            weight = weight_r[row_i[of_role]][order]
            differing = again.later[weight[again.later] != weight[again.earlier]]
            if len(differing):
                name = shortened(groups[int(group[order][differing[0]])], 60)
                raise InputError(
                    f"{title}: a passage of the translation group {name!r} has two weights; give its rows one of them"
                )
            weight = weight[kept]
        counts = np.bincount(group[of_kept], minlength=len(groups))
        offset_g = np.r_[np.int64(0), counts.cumsum(dtype=np.int64)]
        cells.append(Cells(offset_g, language[of_kept], text[of_kept].astype(np.int32), weight))
    return cells, ~adds_r


class _Again(NamedTuple):
    """Items that occur again in their cell, and for each the one before it that is the same."""

    later: Ints
    earlier: Ints


def _again(group: Ints, language: NDArray[np.int16], text: Ints) -> _Again:
    """Of items that are ordered by group and language."""
    same_cell = (np.diff(group) == 0) & (np.diff(language) == 0)
    if not same_cell.any():
        return _Again(NO_GROUPS, NO_GROUPS)
    cell = np.r_[np.int64(0), (~same_cell).cumsum()]
    by_text = np.lexsort((text, cell))
    is_again = (np.diff(cell[by_text]) == 0) & (np.diff(text[by_text]) == 0)
    return _Again(by_text[1:][is_again], by_text[:-1][is_again])


def _check_languages(cells: list[Cells], languages: tuple[str, ...]) -> None:
    present = np.unique(np.concatenate([of_kind.language_n for of_kind in cells[:2]]))
    for place, code in enumerate(languages):
        if place not in present:
            raise InputError(f"language '{code}' has no training question; remove it from languages.train")


def _remarks_of_repeated(items: _Items, again_r: NDArray[np.bool_], languages: tuple[str, ...]) -> list[Remark]:
    asked_r = np.array(items.language, np.int16)[np.array(items.role, np.int8) == QUESTION]
    counts_l = np.bincount(asked_r[again_r], minlength=len(languages))
    rows_l = np.bincount(asked_r, minlength=len(languages))
    return [
        Remark(AGAIN, code, f"{count:,} of {rows:,}")
        for code, count, rows in zip(languages, counts_l.tolist(), rows_l.tolist(), strict=True)
        if count
    ]
