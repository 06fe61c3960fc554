"""The paragraphs of a file with the questions that they answer, each once."""

from pathlib import Path
from typing import NamedTuple

from sweep.data.qa_format import Paragraph, Qa, QaFile
from sweep.data.remarks import Remark, remark
from sweep.errors import InputError

IMPOSSIBLE = "questions without an answer (is_impossible), left out"
QUESTIONS_TWICE = "questions given more than once, kept once"
PARAGRAPHS_TWICE = "paragraphs given more than once, kept once"


class Placed(NamedTuple):
    """A paragraph, its place in the file (from 0), and its questions that have an answer."""

    article: int
    number: int
    paragraph: Paragraph
    questions: list[Qa]

    @property
    def place(self) -> str:
        """For messages."""
        return f"article {self.article + 1}, paragraph {self.number + 1}"


def distinct_paragraphs(content: QaFile, file: Path, language: str) -> tuple[list[Placed], list[Remark]]:
    """Every paragraph once, at its first place, with the questions of all of its copies, and what was left out.

    Raises InputError naming the file for two questions of one id, and for two sets of sentence_breaks of one context.
    """
    kept: dict[str, Placed] = {}
    asked: dict[str, tuple[Qa, str]] = {}
    impossible: list[str] = []
    questions_twice: list[str] = []
    paragraphs_twice: list[str] = []
    for article, of_article in enumerate(content.data):
        for number, paragraph in enumerate(of_article.paragraphs):
            placed = Placed(article, number, paragraph, [])
            if paragraph.context in kept:
                first = kept[paragraph.context]
                if first.paragraph.sentence_breaks != paragraph.sentence_breaks:
                    raise InputError(
                        f"{file}: {placed.place} has the context of {first.place} with other sentence_breaks; "
                        "leave one of them out"
                    )
                paragraphs_twice.append(placed.place)
                placed = first
            kept[paragraph.context] = placed
            for question in paragraph.qas:
                if question.is_impossible:
                    impossible.append(f"question '{question.id}'")
                elif question.id not in asked:
                    asked[question.id] = question, paragraph.context
                    placed.questions.append(question)
                else:
                    _check_same(file, question, paragraph.context, *asked[question.id])
                    questions_twice.append(f"question '{question.id}'")
    questions = len(asked) + len(impossible)
    return list(kept.values()), [
        *remark(IMPOSSIBLE, language, impossible, questions),
        *remark(QUESTIONS_TWICE, language, questions_twice, questions + len(questions_twice)),
        *remark(PARAGRAPHS_TWICE, language, paragraphs_twice, len(kept) + len(paragraphs_twice)),
    ]


def _check_same(file: Path, question: Qa, context: str, earlier: Qa, its_context: str) -> None:
    differing = [
        what
        for what, one, other in (
            ("text", question.question, earlier.question),
            ("context", context, its_context),
            ("first answer", question.answers[0], earlier.answers[0]),
            ("negatives", question.negatives, earlier.negatives),
        )
        if one != other
    ]
    if differing:
        raise InputError(
            f"{file}: question id '{question.id}' occurs twice, the second time with another {differing[0]}; "
            "give each question an id of its own"
        )
