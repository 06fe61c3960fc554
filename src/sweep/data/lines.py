"""Lines of text files, plain or gzipped, with their place for messages."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from sweep.errors import InputError

Record = TypeVar("Record", bound=BaseModel)


class Line(NamedTuple):
    """A line without its end, and its place as "file:number"."""

    place: str
    text: str


class Judgement(NamedTuple):
    """One line of qrels: how relevant a passage is to a query (0: not)."""

    place: str
    query: str
    passage: str
    grade: int


def lines(file: Path) -> Iterator[Line]:
    """All lines that are not blank. Raises InputError if the file cannot be read."""
    try:
        with (
            gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as source
        ):
            for number, text in enumerate(source, start=1):
                if text.strip():
                    yield Line(f"{file}:{number}", text.rstrip("\r\n"))
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(f"{file}: cannot be read ({error})") from error


def json_lines(file: Path, into: type[Record]) -> Iterator[tuple[str, Record]]:
    """The place and the record of each line. Raises InputError for a line that is not JSON or lacks a field."""
    for line in lines(file):
        try:
            yield line.place, into.model_validate_json(line.text)
        except ValidationError as error:
            detail = error.errors()[0]
            where = ".".join(map(str, detail["loc"]))
            raise InputError(f"{line.place}: {where + ': ' if where else ''}{detail['msg']}") from error


def judgement(line: Line, query: str, passage: str, grade: str) -> Judgement:
    """A judgement from the fields of a line. Raises InputError if the grade is no whole number."""
    try:
        return Judgement(line.place, query, passage, int(grade))
    except ValueError as error:
        raise InputError(f"{line.place}: the grade must be a whole number, not {grade!r}") from error
