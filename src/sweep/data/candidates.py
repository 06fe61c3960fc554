"""The candidates of a file in SQuAD's format: its sentences, and which questions each of them answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sweep.data.answers import check_answers
from sweep.data.paragraphs import Placed, distinct_paragraphs
from sweep.data.qa_format import Qa, QaFile
from sweep.data.remarks import Remark
from sweep.errors import InputError
from sweep.settings import SquadReading


class Sentence(NamedTuple):
    """A candidate: its place in the file, its text (with context if asked for), and the questions it answers."""

    article: int
    paragraph: int
    sentence: int
    text: str
    questions: tuple[tuple[str, str], ...]  # (id, question)
    negatives: tuple[tuple[str, ...], ...]  # hard negatives of each of these

    @property
    def place(self) -> str:
        """Sorts as the file does."""
        return f"{self.article:05d}.{self.paragraph:04d}.{self.sentence:04d}"

    @property
    def paragraph_place(self) -> str:
        """The paragraph's place, the same in all languages of a parallel corpus."""
        return f"{self.article:05d}.{self.paragraph:04d}"


def candidates(
    content: QaFile, file: Path, language: str, settings: SquadReading, key: str
) -> tuple[list[Sentence], list[Remark]]:
    """All candidates of one language's file, and what a reader should know of it. `key` is the section of `settings`.

    Raises InputError naming the file and what is wrong in it.
    """
    paragraphs, remarks = distinct_paragraphs(content, file, language)
    remarks += check_answers(paragraphs, file, language, settings.misplaced_answers, key)
    sentences = []
    for placed in paragraphs:
        for index, (text, asked) in enumerate(_split(placed, settings.context, file)):
            questions = tuple((question.id, question.question) for question in asked)
            negatives = tuple(tuple(question.negatives) for question in asked)
            sentences.append(Sentence(placed.article, placed.number, index, text, questions, negatives))
    return sentences, remarks


def _split(placed: Placed, context: bool, file: Path) -> Iterator[tuple[str, tuple[Qa, ...]]]:
    """Text and questions of every sentence of a paragraph."""
    paragraph = placed.paragraph
    answered: dict[int, list[Qa]] = {}
    for question in placed.questions:
        start = question.answers[0].answer_start
        holders = [index for index, (low, high) in enumerate(paragraph.sentence_breaks) if low <= start < high]
        if not holders:
            raise InputError(f"{file}: question '{question.id}': its answer at offset {start} lies in no sentence")
        answered.setdefault(holders[0], []).append(question)
    for index, (low, high) in enumerate(paragraph.sentence_breaks):
        sentence = paragraph.context[low:high]
        if not 0 <= low < high <= len(paragraph.context) or not sentence.strip():
            raise InputError(f"{file}: {placed.place}: sentence_breaks [{low}, {high}] holds no text of its context")
        text = f"{sentence} {paragraph.context}" if context else sentence
        yield text, tuple(answered.get(index, ()))
