"""Whether answers stand in their contexts where the file says so: offsets go wrong when texts are converted."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from sweep.data.paragraphs import Placed
from sweep.data.qa_format import Qa
from sweep.data.remarks import Remark, remark
from sweep.errors import InputError, shortened

MISPLACED = "answers that do not stand where answer_start says, taken as it says"
ABSENT = "answers that do not occur in their paragraph, taken to be answered by it"
_MOST = 0.9  # of the misplaced ones, for an explanation to be one
_SHOWN = 40  # characters of an answer in a message


class _Answer(NamedTuple):
    context: str
    start: int
    text: str

    @property
    def in_place(self) -> bool:
        return self.start >= 0 and self.context.startswith(self.text, self.start)


def _encoded(encoding: str, unit: int) -> Callable[[_Answer], bool]:
    """Whether the offset counts units of so many bytes of an encoding."""
    return lambda answer: (
        answer.start >= 0
        and answer.context.encode(encoding).startswith(answer.text.encode(encoding), answer.start * unit)
    )


def _composed(form: Literal["NFC", "NFD"]) -> Callable[[_Answer], bool]:
    """Whether the offset is that of another normal form of Unicode."""
    return lambda answer: (
        answer.start >= 0
        and unicodedata.normalize(form, answer.context).startswith(
            unicodedata.normalize(form, answer.text), answer.start
        )
    )


_EXPLANATIONS: dict[str, Callable[[_Answer], bool]] = {
    "offsets are in UTF-8 bytes and must be in characters": _encoded("utf-8", 1),
    "offsets are in UTF-16 units and must be in characters (Unicode code points)": _encoded("utf-16-le", 2),
    "offsets are those of the context in Unicode's form NFC": _composed("NFC"),
    "offsets are those of the context in Unicode's form NFD": _composed("NFD"),
}


def check_answers(
    paragraphs: Sequence[Placed], file: Path, language: str, most: float, key: str, whole: bool
) -> list[Remark]:
    """How many first answers do not stand where their offsets say, of those whose text the file has. Where candidates
    are `whole` paragraphs nothing depends on offsets: then, how many do not occur in their paragraph.

    Raises InputError if they are more than the share `most`, the setting `misplaced_answers` of section `key`; the
    message says what the offsets look like.
    """
    answers = [
        (question, _Answer(placed.paragraph.context, question.answers[0].answer_start, text))
        for placed in paragraphs
        for question in placed.questions
        if (text := question.answers[0].text)
    ]
    wrong = [
        (question, answer)
        for question, answer in answers
        if not (answer.text in answer.context if whole else answer.in_place)
    ]
    if len(wrong) > most * len(answers):
        looks = _looks([answer for _, answer in wrong])
        raise InputError(
            f"{file}: {len(wrong):,} of {len(answers):,} answers do not stand where answer_start says in their "
            f"context, the first: {_named(wrong[0][0])}, {_shown(wrong[0][1])}{looks}; correct the file, or allow a "
            f"larger share with {key}.misplaced_answers (it is {most:g})"
        )
    return remark(ABSENT if whole else MISPLACED, language, [_named(question) for question, _ in wrong], len(answers))


def _named(question: Qa) -> str:
    return f"question {shortened(repr(question.id))}"


def _shown(answer: _Answer) -> str:
    there = answer.context[answer.start :][: min(len(answer.text), _SHOWN)] if answer.start >= 0 else ""
    return f"{answer.text[:_SHOWN]!r}, where the context has {there!r}"


def _looks(wrong: Sequence[_Answer]) -> str:
    """What the offsets of misplaced answers have in common, if most of them do."""

    def most(count: int) -> bool:
        return count >= _MOST * len(wrong)

    if len(wrong) > 1 and all(answer.start == 0 for answer in wrong):
        return "; all of these offsets are 0"
    for text, explains in _EXPLANATIONS.items():
        if most(sum(map(explains, wrong))):
            return f"; it looks as if {text}"
    shifts = Counter(
        shift
        for answer in wrong
        for shift in {answer.start - match.start() for match in re.finditer(re.escape(answer.text), answer.context)}
    )
    likely = [shift for shift, count in shifts.items() if most(count)]
    if likely and len(wrong) > 1:
        return f"; it looks as if offsets were shifted by {min(likely, key=abs):+d}"
    if most(sum(answer.text not in answer.context for answer in wrong)):
        return "; these answers are nowhere in their contexts"
    return ""
