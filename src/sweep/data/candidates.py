"""The candidates of a file in SQuAD's format, sentences or paragraphs, and which questions each of them answers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from sweep.data.answers import check_answers
from sweep.data.paragraphs import Placed, distinct_paragraphs
from sweep.data.qa_format import Qa, QaFile
from sweep.data.remarks import Remark, remark
from sweep.data.splitting import SPLITTER, sentence_spans
from sweep.errors import InputError
from sweep.settings import SquadReading

SPLIT = f"paragraphs without sentence_breaks, split by {SPLITTER}"
CROSSING = "answers that go on in the sentence after, which is not taken to be relevant"


class Sentence(NamedTuple):
    """A candidate: its place in the file, its text (with context if asked for), and the questions it answers. A whole
    paragraph is one sentence."""

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


def whole_paragraphs(contents: Mapping[Path, QaFile], settings: SquadReading, key: str) -> bool:
    """Whether candidates are whole paragraphs and not sentences: as `candidates` of section `key` says, or, if that
    is auto, if there are no sentence_breaks.

    Raises InputError if some paragraphs have them and others do not, or if there is no context beside a candidate.
    """
    whole = settings.candidates == "paragraph"
    if settings.candidates == "auto":
        split: dict[bool, str] = {}
        for file, content in contents.items():
            for article, of_article in enumerate(content.data, start=1):
                for number, paragraph in enumerate(of_article.paragraphs, start=1):
                    place = f"{file}, article {article}, paragraph {number}"
                    split.setdefault(paragraph.sentence_breaks is not None, place)
        if len(split) == 2:
            raise InputError(
                f"{split[False]}: has no sentence_breaks, and {split[True]} has some; candidates must be alike: set "
                f"{key}.candidates=sentence, which splits the others, or {key}.candidates=paragraph"
            )
        whole = True not in split
    if whole and settings.context:
        raise InputError(
            f"{key}.context=true: candidates are whole paragraphs here, and have no context; set "
            f"{key}.context=false, or {key}.candidates=sentence"
        )
    return whole


def candidates(
    content: QaFile, file: Path, language: str, settings: SquadReading, key: str, whole: bool
) -> tuple[list[Sentence], list[Remark]]:
    """All candidates of one language's file, `whole` paragraphs or sentences, and what a reader should know of it.
    `key` is the section of `settings`.

    Raises InputError naming the file and what is wrong in it.
    """
    paragraphs, remarks = distinct_paragraphs(content, file, language)
    remarks += check_answers(paragraphs, file, language, settings.misplaced_answers, key, whole)
    sentences = []
    split = pieces = 0
    crossing: list[str] = []
    for placed in paragraphs:
        context, breaks = placed.paragraph.context, placed.paragraph.sentence_breaks
        if whole:
            parts = [(context, tuple(placed.questions))] if context.strip() or placed.questions else []
        elif breaks is not None:
            parts = list(_parts(placed, breaks, file))
        else:
            spans = sentence_spans(context, language)
            parts = [(text.strip(), asked) for text, asked in _parts(placed, spans, file)]
            crossing += _crossing(spans, parts)
            split, pieces = split + 1, pieces + len(spans)
        for index, (text, asked) in enumerate(parts):
            questions = tuple((question.id, question.question) for question in asked)
            negatives = tuple(tuple(question.negatives) for question in asked)
            text = f"{text} {context}" if settings.context else text
            sentences.append(Sentence(placed.article, placed.number, index, text, questions, negatives))
    if split:
        remarks.append(Remark(SPLIT, language, f"{split:,} into {pieces:,} sentences"))
    remarks += remark(CROSSING, language, crossing, sum(len(sentence.questions) for sentence in sentences))
    return sentences, remarks


_Parts = Iterator[tuple[str, tuple[Qa, ...]]]


def _parts(placed: Placed, spans: list[tuple[int, int]], file: Path) -> _Parts:
    """Text and questions of every sentence of a paragraph."""
    context = placed.paragraph.context
    answered: dict[int, list[Qa]] = {}
    for question in placed.questions:
        start = question.answers[0].answer_start
        holders = [index for index, (low, high) in enumerate(spans) if low <= start < high]
        if not holders:
            raise InputError(f"{file}: question '{question.id}': its answer at offset {start} lies in no sentence")
        answered.setdefault(holders[0], []).append(question)
    for index, (low, high) in enumerate(spans):
        sentence = context[low:high]
        if not 0 <= low < high <= len(context) or not sentence.strip():
            raise InputError(f"{file}: {placed.place}: sentence_breaks [{low}, {high}] holds no text of its context")
        yield sentence, tuple(answered.get(index, ()))


def _crossing(spans: list[tuple[int, int]], parts: list[tuple[str, tuple[Qa, ...]]]) -> list[str]:
    """The questions whose answers go on beyond the sentence in which they begin."""
    return [
        f"question '{question.id}'"
        for (_, high), (_, asked) in zip(spans, parts, strict=True)
        for question in asked
        if question.answers[0].answer_start + len((question.answers[0].text or "").rstrip()) > high
    ]
