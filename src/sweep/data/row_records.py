"""The training rows of a table's record: its questions with its passages, which are one translation group's.

All questions of a group are answered by all its passages, so a column that is named for both has one role in a
record, by a hash of it and the group (as `sweep.data.bitext` gives languages their roles): half of these columns ask,
half answer. No row then has a text as its own passage.
"""

import hashlib
import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from sweep.data.columns import Columns
from sweep.data.training_row import TrainingRow
from sweep.errors import InputError, shortened
from sweep.settings.wording import excerpt

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SKIP = "data.incomplete=skip passes rows without one over"
Record = Mapping[str, Any]
LanguageOf = Callable[[Any, str], str]  # the name of a language as it is written, and where that is


class Text(NamedTuple):
    """A question or a passage of a record: its language and column, and hard negatives in its language."""

    language: str
    text: str
    column: str
    negatives: tuple[str, ...] = ()


class RecordReader:
    """The training rows of records. `asked` and `answered` are the languages of questions and of passages that no
    column names, "" if nothing else does; a passage's is then the question's. `language_of` gives the name of a
    language, "" for one that is not trained on. With `skips` a record has no rows if it lacks a question or a
    passage."""

    def __init__(self, columns: Columns, asked: str, answered: str, language_of: LanguageOf, skips: bool) -> None:
        self.columns, self.asked, self.answered = columns, asked, answered
        self.language_of, self.skips = language_of, skips
        self.one_language = columns.passage_language == columns.query_language and "" in columns.query
        self.is_wide = "" not in columns.query or "" not in columns.passage
        self.of_both = frozenset(columns.query.values()) & frozenset(columns.passage.values())

    def rows(self, record: Record, place: str, group: str) -> list[TrainingRow]:
        """The rows of a record, of `group` if it names none of its own: each question with a passage in its language
        if there is one, and each passage with a question. None if its languages are not trained on. Raises InputError
        for a value of the wrong type."""
        columns = self.columns
        if columns.group is not None:
            group = _id(record[columns.group], columns.group, place)
        weight = 1.0 if columns.weight is None else _weight(record[columns.weight], columns.weight, place)
        asked = self._language(record, columns.query_language, self.asked, "", place) if "" in columns.query else ""
        answered = asked
        if not self.one_language and "" in columns.passage:
            answered = self._language(record, columns.passage_language, self.answered, asked, place)
        question, passage = (None, None) if self.is_wide else (record[columns.query[""]], record[columns.passage[""]])
        if type(question) is str and type(passage) is str:  # as in most rows, and several times as fast
            if not (asked and answered):
                return []
            if not (question.strip() and passage.strip()):
                if self.skips:
                    return []
                raise _empty(columns.passage[""] if question.strip() else columns.query[""], place)
            hard = self._hard(record, "", place) if columns.negatives else ()
            other = "" if answered == asked else answered
            return [TrainingRow(group, asked, question, passage, hard, other, weight, place)]
        return self._every(record, asked, answered, TrainingRow(group, "", "", "", weight=weight, place=place))

    def _every(self, record: Record, asked: str, answered: str, row: TrainingRow) -> list[TrainingRow]:
        """The rows of a record with several questions or passages, as `row` in the rest."""
        questions = self._side(record, self.columns.query, asked, row.place)
        passages = self._side(record, self.columns.passage, answered, row.place, True)
        if self.of_both:
            questions, passages = _with_roles(questions, passages, self.of_both, row.group)
        return [
            row._replace(
                language=question.language,
                question=question.text,
                passage=passage.text,
                negatives=passage.negatives,
                passage_language="" if passage.language == question.language else passage.language,
            )
            for question, passage in _pairs(questions, passages)
        ]

    def _language(self, record: Record, column: str | None, of_all: str, otherwise: str, place: str) -> str:
        """The language in a column; without one that of all records; or another where nothing says which."""
        if column is None:
            return self.language_of(of_all, place) if of_all else otherwise
        written = record[column]
        return otherwise if otherwise and written in (None, "") else self.language_of(written, place)

    def _side(
        self, record: Record, columns: Mapping[str, str], of_row: str, place: str, answers: bool = False
    ) -> list[Text]:
        """The questions or the passages of a record in languages that are trained on."""
        texts = []
        for code, column in columns.items():
            value = record[column]
            if (code or self.skips) and _is_nothing(value):
                continue
            language = self.language_of(code, place) if code else of_row
            if language:
                hard = self._hard(record, code, place) if answers else ()
                texts += [Text(language, text, column, hard) for text in _texts(value, column, place)]
        return texts

    def _hard(self, record: Record, code: str, place: str) -> tuple[str, ...]:
        """The hard negatives of the passages in a language."""
        names = self.columns.negatives.get(code, ())
        lists = [_texts(record[name], name, place) for name in names if not _is_nothing(record[name])]
        return tuple(text for texts in lists for text in texts)


def _with_roles(
    questions: list[Text], passages: list[Text], of_both: Collection[str], group: str
) -> tuple[list[Text], list[Text]]:
    """The questions and the passages in which each of the columns `of_both` has one role. Of an odd number of them a
    hash says which half is larger, unless a half has no other column."""

    def key(column: str) -> bytes:
        return hashlib.sha256(f"{group} {column}".encode("utf-8", "surrogatepass")).digest()

    asking, answering = ({text.column for text in side} for side in (questions, passages))
    divided = sorted(asking & answering & set(of_both), key=key)
    half = (len(divided) + key("")[0] % 2) // 2
    if not asking.difference(divided):
        half = max(half, 1)
    if not answering.difference(divided):
        half = min(half, len(divided) - 1)
    silent, unasked = set(divided[half:]), set(divided[:half])
    return (
        [text for text in questions if text.column not in silent],
        [text for text in passages if text.column not in unasked],
    )


def _pairs(questions: list[Text], passages: list[Text]) -> list[tuple[Text, Text]]:
    """Each question with a passage, and each passage with a question: in one language where there is one."""
    if not questions or not passages:
        return []
    pairs = []
    used = set()
    for question in questions:
        same = (number for number, passage in enumerate(passages) if passage.language == question.language)
        number = next(same, 0)
        used.add(number)
        pairs.append((question, passages[number]))
    for number, passage in enumerate(passages):
        if number not in used:
            asked = (one for one in questions if one.language == passage.language)
            pairs.append((next(asked, questions[0]), passage))
    return pairs


def _is_nothing(value: Any) -> bool:
    """Whether nothing is in a cell: null, an empty text or list, or what pandas writes for it."""
    return value is None or value == [] or value != value or (isinstance(value, str) and not value.strip())


def _texts(value: Any, column: str, place: str) -> list[str]:
    """A text, or those of a list, neither of which may be empty."""
    if type(value) is str:
        if not value.strip():
            raise _empty(column, place)
        return [value]
    if isinstance(value, list) and value:
        for number, text in enumerate(value, start=1):
            if not isinstance(text, str):
                raise InputError(f"{place}: {_name(column)} must be a list of texts; item {number} is {_what(text)}")
        return value
    fix = f"; {_SKIP}" if _is_nothing(value) else ""
    raise InputError(f"{place}: {_name(column)} must be a text or a list of texts, not {_what(value)}{fix}")


def _empty(column: str, place: str) -> InputError:
    return InputError(f"{place}: {_name(column)} is empty; {_SKIP}")


def _id(value: Any, column: str, place: str) -> str:
    if type(value) is str and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise InputError(f"{place}: {_name(column)} must name a group, by a text or a whole number, not {_what(value)}")


def _weight(value: Any, column: str, place: str) -> float:
    if value in (None, ""):
        return 1.0
    number = value
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        number = float(value)
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number < math.inf:
        raise InputError(f"{place}: {_name(column)} must be a number of at least 0, not {_what(value)}")
    return float(number)


def _name(column: str) -> str:
    return f"column '{excerpt(column)}'"


def _what(value: Any) -> str:
    """A wrong value as a message quotes it."""
    if value is None:
        return "null"
    if isinstance(value, (list, dict)) and not value:
        return "an empty list" if isinstance(value, list) else "{}"
    return f"{shortened(repr(value), 40)} ({type(value).__name__})"
