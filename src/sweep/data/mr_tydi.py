"""Mr. TyDi's training files (arXiv 2108.08787): in each line a question, its passages and BM25's hard negatives.

A group is of one language: such data take part in monolingual batches only.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from sweep.data.corpora import corpus_folder
from sweep.data.file_patterns import files_by_language, matching_files
from sweep.data.language_files import what_is_there
from sweep.data.lines import Id, OptionalText, json_lines
from sweep.data.once import OneText
from sweep.data.remarks import Remark, remark
from sweep.data.training_row import TrainingRow, TrainingRows
from sweep.errors import InputError
from sweep.settings import LANGUAGE, LanguageSettings, MrTydiData


class _Passage(BaseModel):
    docid: Id
    title: OptionalText = ""
    text: str

    @property
    def whole(self) -> str:
        """The article's title stands before the text."""
        return f"{self.title} {self.text}".strip()


class _Question(BaseModel):
    query_id: Id
    query: str
    positive_passages: list[_Passage]
    negative_passages: list[_Passage]


class MrTydiTraining:
    """Reader of `data.kind=mr_tydi`."""

    def languages(self, settings: MrTydiData) -> tuple[str, ...]:
        """Those of the folder or the origin. Raises InputError if there are none."""
        if settings.path is None:
            return settings.corpus.languages
        folder = corpus_folder(settings.corpus, settings.path, (), Path(), "data", settings.split)
        there = tuple(sorted(files_by_language(folder, _pattern(settings), settings.corpus)))
        if not there:
            raise InputError(
                f"data '{settings.title}': {folder} has no {_pattern(settings).replace(LANGUAGE, '<language>')} "
                f"(there: {what_is_there(folder)}); give the folder that holds them, or another data.split"
            )
        return there

    def open(self, settings: MrTydiData, languages: LanguageSettings, cache: Path) -> TrainingRows:
        """From the user's folder or the corpus' origin. Raises InputError."""
        corpus = settings.corpus
        folder = corpus_folder(corpus, settings.path, languages.train, cache, "data", settings.split)
        pattern = _pattern(settings)
        files = matching_files(folder, pattern, languages.train, corpus, f"data.split={settings.split}")

        def read(remarks: list[Remark]) -> Iterator[TrainingRow]:
            for code, file in files.items():
                yield from _rows(code, file, settings, remarks)

        return TrainingRows(f"data '{settings.title}'", tuple(files.values()), read)


def _pattern(settings: MrTydiData) -> str:
    return f"mrtydi-v1.1-{LANGUAGE}/{settings.split}.jsonl.gz"


def _rows(code: str, file: Path, settings: MrTydiData, remarks: list[Remark]) -> Iterator[TrainingRow]:
    """A row for each question and passage of a language; the first one of a question has its hard negatives.

    Raises InputError naming file and line.
    """
    kept = None if settings.max_questions is None else _kept(file, settings.max_questions)
    questions, passages = OneText("query"), OneText("passage")
    again, unanswered, both, total = [], [], [], 0
    for place, one in json_lines(file, _Question):
        if kept is not None and one.query_id not in kept:
            continue
        total += 1
        for passage in (*one.positive_passages, *one.negative_passages):
            passages.is_new(place, passage.docid, passage.whole)
        answers = "\n".join(sorted(passage.docid for passage in one.positive_passages))
        if not questions.is_new(place, one.query_id, f"{one.query}\n{answers}"):
            again.append(one.query_id)
        elif not one.positive_passages:
            unanswered.append(one.query_id)
        else:
            positive = {passage.docid for passage in one.positive_passages}
            negatives = [passage for passage in one.negative_passages if passage.docid not in positive]
            both += [one.query_id] if len(negatives) < len(one.negative_passages) else []
            yield from _question_rows(code, place, one, negatives[: settings.max_negatives], settings.split)
    if not total:
        raise InputError(f"{file}: has no question")
    remarks += remark("queries that occur again, kept once", code, again, total)
    remarks += remark("questions without a relevant passage, left out", code, unanswered, total)
    remarks += remark("questions whose hard negatives have a relevant passage, left out of them", code, both, total)


def _question_rows(
    code: str, place: str, one: _Question, rejected: list[_Passage], split: str
) -> Iterator[TrainingRow]:
    negatives = tuple(passage.whole for passage in rejected)
    for passage in one.positive_passages:
        group = f"{code}:{split}:{one.query_id}"
        yield TrainingRow(group, code, one.query, passage.whole, negatives, place=place)
        negatives = ()


def _kept(file: Path, limit: int) -> set[str]:
    """As many questions with a relevant passage, the same ones in whatever order they come."""
    ids = {one.query_id for _, one in json_lines(file, _Question) if one.positive_passages}
    return set(sorted(ids, key=lambda id_: hashlib.sha256(id_.encode()).digest())[:limit])
