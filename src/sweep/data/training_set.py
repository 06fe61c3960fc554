"""The training data of a study: translation groups with their texts in each language, mapped from the cache."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sweep.data.cells import Cells, GroupSet
from sweep.data.corpus_build import build
from sweep.data.corpus_files import NO_GROUPS, CorpusFiles, read_files
from sweep.data.stored_texts import StoredTexts
from sweep.data.training_row import TrainingRow, TrainingRows


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Questions and relevant passages that are translations of each other.

    `groups` names the translation groups, `texts` holds every distinct text once. `questions`, `passages` and
    `negatives` say which texts a group has in which language. A question and a passage of one group in one language
    are a training row of that language; a question in language a and a passage in language b are a cross-lingual row.
    Negatives look relevant to the questions of their group and are not; they stand where the passage of their row
    does, in whatever language they are. `source_g` is the source of each group, of `sources`, if there are several.
    `digest` is the SHA-256 (hex) of the whole content. `notes` are what a reader should know of the files it comes
    from, a line each. Groups in `left_out` belong to no row.
    """

    languages: tuple[str, ...]
    groups: StoredTexts
    texts: StoredTexts
    questions: Cells
    passages: Cells
    negatives: Cells
    source_g: NDArray[np.int16]
    sources: tuple[str, ...]
    digest: str
    notes: tuple[str, ...] = ()
    left_out: NDArray[np.int64] = field(default_factory=lambda: NO_GROUPS)

    def rows(self, question_language: str, passage_language: str, source: str | None = None) -> GroupSet:
        """Groups that have a question in the first and a passage in the second language, of one source or of all."""
        asked, answered = (self.languages.index(code) for code in (question_language, passage_language))
        groups = self._asked_l[asked] & self._answered_l[answered]
        return groups if source is None else groups & self._of_source[source]

    @cached_property
    def _asked_l(self) -> list[GroupSet]:
        return [GroupSet.of(present_g & self.kept_g) for present_g in self.questions.present_lg(len(self.languages))]

    @cached_property
    def _answered_l(self) -> list[GroupSet]:
        return [GroupSet.of(present_g) for present_g in self.passages.present_lg(len(self.languages))]

    @cached_property
    def _of_source(self) -> dict[str, GroupSet]:
        return {name: GroupSet.of(self.source_g == number) for number, name in enumerate(self.sources)}

    @property
    def kept_g(self) -> NDArray[np.bool_]:
        """Which groups are not left out."""
        kept_g = np.ones(len(self.groups), bool)
        kept_g[self.left_out] = False
        return kept_g

    def names(self) -> Iterator[str]:
        """The names of all groups as their own sources call them."""
        for name, source in zip(self.groups, self.source_g.tolist(), strict=True):
            yield name.removeprefix(f"{self.sources[source]}/") if self.sources[source] else name

    def without(self, groups: NDArray[np.int64]) -> "TrainingSet":
        """The same but for these groups, whose texts stay among `texts`. What they ask and answer is no hard negative
        of the others any more."""
        held_out = np.zeros(len(self.texts), bool)
        for cells in (self.questions, self.passages):
            held_out[cells.of_groups(groups)[1]] = True
        negatives = self.negatives.only(~held_out[self.negatives.text_n])
        return replace(self, left_out=np.union1d(self.left_out, groups), negatives=negatives)

    def texts_of(self, role: Literal["query", "passage"]) -> NDArray[np.int32]:
        """Distinct texts of all questions, or of all relevant passages and hard negatives, ascending."""
        used = np.zeros(len(self.texts), bool)
        for cells in (self.questions,) if role == "query" else (self.passages, self.negatives):
            used[cells.text_n[self.kept_g[cells.group_n]] if len(self.left_out) else cells.text_n] = True
        return np.flatnonzero(used).astype(np.int32)

    def passages_in(self, language: str) -> NDArray[np.int32]:
        """Distinct texts of the relevant passages in a language, ascending."""
        cells = self.passages
        in_language = cells.language_n == self.languages.index(language)
        if len(self.left_out):
            in_language &= self.kept_g[cells.group_n]
        return np.unique(cells.text_n[in_language])

    def relevant_bn(self, group_b: NDArray[np.int64], text_n: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which text is a relevant passage of which group, in whatever language: bool (b, n)."""
        distinct_u, number_n = np.unique(text_n, return_inverse=True)
        row_i, relevant_i = self.passages.of_groups(group_b)
        place_i = distinct_u.searchsorted(relevant_i)
        is_there = place_i < len(distinct_u)
        is_there[is_there] = distinct_u[place_i[is_there]] == relevant_i[is_there]
        relevant_bu = np.zeros((len(group_b), len(distinct_u)), bool)
        relevant_bu[row_i[is_there], place_i[is_there]] = True
        return relevant_bu[:, number_n]


def opened(folder: Path) -> TrainingSet | None:
    """The training set in a folder that `build` made; None if it is not there or damaged."""
    files = read_files(folder)
    return None if files is None else _training_set(files)


def training_set(rows: Iterable[TrainingRow], languages: tuple[str, ...]) -> TrainingSet:
    """A training set of rows that are made or given, of which nothing is kept. Raises InputError as `build` does."""
    made = TrainingRows("rows", (), lambda remarks: iter(rows))
    return training_set_of(made, languages)


def training_set_of(rows: TrainingRows, languages: tuple[str, ...]) -> TrainingSet:
    """A training set that is kept nowhere; its files stay mapped after they are gone. Raises InputError."""
    with TemporaryDirectory() as folder:
        build(rows, languages, Path(folder))
        files = read_files(Path(folder))
        assert files is not None
        return _training_set(files)


def _training_set(files: CorpusFiles) -> TrainingSet:
    return TrainingSet(**files._asdict())
