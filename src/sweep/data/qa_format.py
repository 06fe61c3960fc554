"""SQuAD's format (1.1 and 2.0, with or without sentence_breaks), and what is wrong with a file that is not in it."""

from pathlib import Path
from typing import Annotated, Any

import pydantic_core
from pydantic import BaseModel, Field, StrictInt, ValidationError, model_validator

from sweep.data.utf8 import utf8_text
from sweep.errors import InputError

FORMAT = (
    '{"data": [{"paragraphs": [{"context": "…", "qas": '
    '[{"id": "…", "question": "…", "answers": [{"text": "…", "answer_start": 0}]}]}]}]}'
)
_FAULTS = {  # what pydantic calls a fault, and what a reader does
    "missing": "is missing",
    "string_too_short": "is empty",
    "too_short": 'is empty; a question without an answer is marked "is_impossible": true, and left out',
}


class Answer(BaseModel):
    """Where an answer begins in its context, in characters, and its text, which a file may leave out."""

    answer_start: StrictInt
    text: str | None = None


class Qa(BaseModel):
    """A question with its answers, of which the first counts; it has none if it `is_impossible` (SQuAD 2.0)."""

    id: Annotated[str, Field(min_length=1, coerce_numbers_to_str=True)]
    question: Annotated[str, Field(min_length=1)]
    is_impossible: bool = False
    answers: Annotated[list[Answer], Field(min_length=1)]
    negatives: list[Annotated[str, Field(min_length=1)]] = []

    @model_validator(mode="before")
    @classmethod
    def _impossible_needs_no_answer(cls, fields: Any) -> Any:
        impossible = isinstance(fields, dict) and fields.get("is_impossible") is True
        return {**fields, "answers": [{"answer_start": 0}]} if impossible else fields


class Paragraph(BaseModel):
    """A context with its questions; `sentence_breaks` are the [start, end) of each sentence in it, where known."""

    context: str
    qas: list[Qa]
    sentence_breaks: list[tuple[int, int]] | None = None


class Article(BaseModel):
    """Paragraphs of one text."""

    paragraphs: list[Paragraph]


class QaFile(BaseModel):
    """One file: the questions of one language."""

    data: list[Article]


def parsed(file: Path) -> QaFile:
    """A file's content. Raises InputError naming the file, the place, and what to do."""
    text = utf8_text(file)
    try:
        content = pydantic_core.from_json(text)
    except ValueError as error:
        raise InputError(f"{file}: {_json_fault(text, error)}") from error
    if not isinstance(content, dict) or "data" not in content:
        raise InputError(f"{file}: {_shape_fault(content)}")
    try:
        return QaFile.model_validate(content)
    except ValidationError as error:
        detail = error.errors()[0]
        fault = _FAULTS.get(detail["type"], detail["msg"][:1].lower() + detail["msg"][1:])
        raise InputError(f"{file}: {_place(content, detail['loc'])} {fault}") from error


def _json_fault(text: str, error: ValueError) -> str:
    first, _, others = text.strip().partition("\n")
    if not first:
        return "is empty"
    if others.strip() and _is_json(first):
        return f"is JSON Lines, one value a line; write its lines as one value as SQuAD does: {FORMAT}"
    if "EOF" in str(error):
        return f"Invalid JSON: {error}: it is cut short; fetch it again"
    return f"Invalid JSON: {error}"


def _is_json(text: str) -> bool:
    try:
        return isinstance(pydantic_core.from_json(text), dict)
    except ValueError:
        return False


def _shape_fault(content: Any) -> str:
    """What a JSON value lacks to be a file of this format."""
    item = content[0] if isinstance(content, list) and content else content
    keys = item.keys() if isinstance(item, dict) else ()
    many = isinstance(content, list)
    inside = "…" if many else "[…]"
    if "paragraphs" in keys:
        return f'is {"a list of articles" if many else "one article"}: write {{"data": {inside}}} around it'
    if "qas" in keys:
        kind = "a list of paragraphs" if many else "one paragraph"
        return f'is {kind}: write {{"data": [{{"paragraphs": {inside}}}]}} around it'
    return f"is not in SQuAD's format; it must read {FORMAT}"


def _place(content: Any, location: tuple[int | str, ...]) -> str:
    """Where in the file: "article 1, paragraph 2, question 'q7': answers"."""
    names = {"data": "article", "paragraphs": "paragraph", "qas": "question"}
    parts, rest, node = [], list(location), content
    while len(rest) > 1 and rest[0] in names and isinstance(rest[1], int):
        node = node[rest[0]][rest[1]]
        id_ = node.get("id") if isinstance(node, dict) and rest[0] == "qas" else None
        parts.append(f"{names[str(rest[0])]} {rest[1] + 1 if id_ is None else repr(id_)}")
        rest = rest[2:]
    field = ".".join(map(str, rest))
    return ": ".join(filter(None, (", ".join(parts), field)))
