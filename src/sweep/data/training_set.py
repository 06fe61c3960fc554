"""The training data of a study, as one table of translation groups by languages."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sweep.data.remarks import Remark, remark_lines
from sweep.data.training_row import TrainingRow, TrainingRows
from sweep.errors import InputError

ABSENT = -1


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Questions and relevant passages that are translations of each other.

    `groups` names the translation groups, `texts` holds every distinct text once. `question_gl` and `passage_gl`
    (groups x languages, int32) point into `texts`; -1 where a translation group lacks a language. A cell of both is
    one training row of that language; a question cell in language a and a passage cell in language b of the same
    group is one cross-lingual row. `negatives` has, for a cell (group, language column) with hard negatives, their
    texts (n, int32): passages of that language that look relevant to the group's question and are not. `notes` are
    what a reader should know of the files it comes from, a line each.
    """

    languages: tuple[str, ...]
    groups: tuple[str, ...]
    texts: tuple[str, ...]
    question_gl: NDArray[np.int32]
    passage_gl: NDArray[np.int32]
    negatives: Mapping[tuple[int, int], NDArray[np.int32]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def rows(self, question_language: str, passage_language: str) -> NDArray[np.int64]:
        """Groups that have a question in the first and a passage in the second language."""
        question_g = self.question_gl[:, self.languages.index(question_language)]
        passage_g = self.passage_gl[:, self.languages.index(passage_language)]
        return np.flatnonzero((question_g != ABSENT) & (passage_g != ABSENT))

    def texts_of(self, role: Literal["query", "passage"]) -> NDArray[np.int32]:
        """Distinct texts of all questions, or of all relevant passages and hard negatives, ascending."""
        cells = self.question_gl if role == "query" else self.passage_gl
        hard = self.negatives.values() if role == "passage" else ()
        return np.unique(np.concatenate([cells[cells != ABSENT], *hard]))

    def relevant_bn(self, group_b: NDArray[np.int64], text_n: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which text is a relevant passage of which group, in whatever language: bool (b, n)."""
        relevant_bn = np.zeros((len(group_b), len(text_n)), bool)
        for passage_g in self.passage_gl.T:
            relevant_bn |= passage_g[group_b][:, None] == text_n
        return relevant_bn


def training_set(rows: list[TrainingRow], languages: tuple[str, ...]) -> TrainingSet:
    """Tabulate rows; groups keep the order of their first row. Raises InputError if a language has no row."""
    group_index: dict[str, int] = {}
    text_index: dict[str, int] = {}
    for row in rows:
        group_index.setdefault(row.group, len(group_index))
        text_index.setdefault(row.question, len(text_index))
        for text in (row.passage, *row.negatives):
            text_index.setdefault(text, len(text_index))
    question_gl = np.full((len(group_index), len(languages)), ABSENT, np.int32)
    passage_gl = np.full((len(group_index), len(languages)), ABSENT, np.int32)
    columns = {code: column for column, code in enumerate(languages)}
    negatives: dict[tuple[int, int], NDArray[np.int32]] = {}
    for row in rows:
        group = group_index[row.group]
        question_gl[group, columns[row.language]] = text_index[row.question]
        cell = group, columns[row.passage_language or row.language]
        passage_gl[cell] = text_index[row.passage]
        if row.negatives:
            distinct = dict.fromkeys(row.negatives)
            negatives[cell] = np.array([text_index[text] for text in distinct], np.int32)
    for code, column in columns.items():
        if not (question_gl[:, column] != ABSENT).any():
            raise InputError(f"language '{code}' has no training question; remove it from languages.train")
    return TrainingSet(languages, tuple(group_index), tuple(text_index), question_gl, passage_gl, negatives)


def training_set_of(rows: TrainingRows, languages: tuple[str, ...]) -> TrainingSet:
    """The rows of training data, tabulated, with what a reader should know of their files. Raises InputError."""
    remarks: list[Remark] = []
    data = training_set(list(rows.read(remarks)), languages)
    return replace(data, notes=remark_lines(rows.title, remarks))
