"""Lines of text files, plain or gzipped, with their place for messages."""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from sweep.errors import InputError

MOST_GRADE = 2**31 - 1  # ranks are kept with their grades in 32 bits
_GRADE = re.compile(r"-?[0-9]{1,10}")
_QUOTED = 60  # characters of a line in a message
_OTHER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # those of UTF-32 begin with them, or with two zero bytes
Record = TypeVar("Record", bound=BaseModel)


def _plain_id(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Id = Annotated[str, BeforeValidator(_plain_id), Field(min_length=1)]  # 17 is the id "17"
OptionalText = Annotated[str, BeforeValidator(lambda value: value or "")]  # null is no text


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


def numbered(file: Path) -> Iterator[tuple[int, str]]:
    """All lines with their numbers, from 1, and their ends, of a file in UTF-8 with or without a byte order mark.
    Raises InputError if the file cannot be read."""
    number = 0
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as source:
            for number, raw in enumerate(source, start=1):
                if number == 1 and (raw.startswith(_OTHER_MARKS) or b"\0" in raw[:4]):
                    raise InputError(f"{file}: is in UTF-16 or UTF-32; convert it to UTF-8: iconv -f UTF-16 -t UTF-8")
                yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{file}:{number}: byte {error.start + 1} is not UTF-8; convert the file, if it is in Latin-1 or "
            "Windows-1252 with iconv -f CP1252 -t UTF-8"
        ) from error
    except EOFError as error:
        raise InputError(f"{file}: ends after line {number}: it is cut short; fetch it again") from error
    except gzip.BadGzipFile as error:
        raise InputError(
            f"{file}: is not gzipped or is damaged ({error}); fetch it again, or if unpacked call it {file.stem}"
        ) from error
    except (OSError, zlib.error) as error:
        raise InputError(f"{file}: cannot be read ({error}); fetch it again if it is damaged") from error


def lines(file: Path) -> Iterator[Line]:
    """All lines that are not blank. Raises InputError as `numbered` does."""
    for number, text in numbered_lines(file):
        yield Line(f"{file}:{number}", text)


def numbered_lines(file: Path) -> Iterator[tuple[int, str]]:
    """As `lines`, for files of many millions of them: the number of each, from 1, instead of its place."""
    for number, text in numbered(file):
        if text.strip():
            yield number, text.rstrip("\r\n")


def every_line(file: Path) -> Iterator[Line]:
    """All lines, blank ones too. Raises InputError as `numbered` does."""
    for number, text in numbered(file):
        yield Line(f"{file}:{number}", text.rstrip("\r\n"))


def json_lines(file: Path, into: type[Record]) -> Iterator[tuple[str, Record]]:
    """The place and the record of each line. Raises InputError for a line that is not JSON or lacks a field."""
    for number, line in enumerate(lines(file), start=1):
        try:
            yield line.place, into.model_validate_json(line.text)
        except ValidationError as error:
            detail = error.errors()[0]
            if number == 1 and (line.text.lstrip().startswith("[") or detail["type"] == "json_invalid"):
                _refuse_json(file, line)
            where = ".".join(map(str, detail["loc"]))
            raise InputError(
                f"{line.place}: {where + ': ' if where else ''}{detail['msg']}: {line.text[:_QUOTED]}"
            ) from error


def _refuse_json(file: Path, first: Line) -> None:
    """Raise InputError if the file is one JSON document where each line should be a record."""
    if first.text.strip().startswith("[") or first.text.strip() == "{":
        raise InputError(
            f"{file}: is one JSON document, not JSON Lines, a record each line; convert it: jq -c '.[]' {file.name}"
        )


def judgement(line: Line, query: str, passage: str, grade: str) -> Judgement:
    """A judgement from the fields of a line. Raises InputError if the grade is no whole number of 32 bits in ASCII
    digits, and if an id is empty."""
    if not query.strip() or not passage.strip():
        raise InputError(f"{line.place}: has no query or no passage id")
    if not _GRADE.fullmatch(grade) or abs(int(grade)) > MOST_GRADE:
        raise InputError(
            f"{line.place}: the grade must be a whole number of at most {MOST_GRADE}, not {grade[:_QUOTED]!r}"
        )
    return Judgement(line.place, query, passage, int(grade))
