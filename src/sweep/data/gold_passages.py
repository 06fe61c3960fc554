"""The files of AfriQA's gold passages (arXiv 2305.06897) and their rows, as published.

A file `gold_span_passages.afriqa.<code>.<pivot>.<split>.json` has a JSON object a line: a question in the language of
the code, its human translation into the pivot language (en, or fr for Fon), and a passage in the pivot language.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator

from sweep.data.lines import Id, json_lines
from sweep.data.remarks import Remark, remark
from sweep.errors import InputError
from sweep.settings.language import named_language

NOTHING = "rows without a question, its translation or a passage, left out"
AGAIN = "rows given more than once, kept once"
_NAME = re.compile(r"gold_span_passages\.afriqa\.([a-z]{2,3})\.([a-z]{2,3})\.(train|dev|test)\.json(?:\.gz)?")
# A language's own folder, a folder of these, and a clone of the repository.
_PLACES = ("", "*/", "data/gold_passages/*/")


def _text(value: Any) -> Any:
    """The published files have null and NaN in place of what is missing."""
    return "" if value is None or value != value else value


_Text = Annotated[str, BeforeValidator(_text)]


class _Record(BaseModel):
    id: Id
    question_lang: _Text
    question_translated: _Text
    context: _Text


class GoldFile(NamedTuple):
    """A file, and what its name says of it."""

    language: str
    pivot: str
    split: str
    file: Path


class GoldRow(NamedTuple):
    """A question, its translation into the pivot language, and a passage in that language that answers both."""

    id: str
    question: str
    translation: str
    passage: str
    place: str


def named_files(files: Iterable[Path]) -> list[GoldFile]:
    """Those with such a name, in the order of language and split. Raises InputError for a language with two files of
    one split."""
    named: dict[tuple[str, str], GoldFile] = {}
    for file in sorted(files):
        parts = _NAME.fullmatch(file.name)
        codes = [named_language(parts[place]) for place in (1, 2)] if parts else [None]
        if parts is None or None in codes:
            continue
        gold = GoldFile(str(codes[0]), str(codes[1]), parts[3], file)
        other = named.setdefault((gold.language, gold.split), gold)
        if other is not gold:
            raise InputError(
                f"{other.file} and {file} are both the {gold.split} split of '{gold.language}'; leave one"
            )
    return [named[key] for key in sorted(named)]


def gold_files(folder: Path) -> list[GoldFile]:
    """The files of a folder, or of a clone of the repository. Raises InputError as `named_files` does."""
    return named_files(file for place in _PLACES for file in folder.glob(f"{place}gold_span_passages.afriqa.*.json*"))


def gold_rows(gold: GoldFile, remarks: list[Remark]) -> Iterator[GoldRow]:
    """The rows of a file, each once. Those that lack something, and those that occur again, are counted in `remarks`.

    Raises InputError naming file and line for a line that is not such an object, and for two rows of one id.
    """
    place_of: dict[str, tuple[str, int]] = {}
    seen: set[int] = set()
    nothing, again, total = [], [], 0
    for place, record in json_lines(gold.file, _Record):
        row = GoldRow(
            record.id,
            record.question_lang.strip(),
            record.question_translated.strip(),
            record.context.strip(),
            place,
        )
        content, total = hash(row[1:4]), total + 1
        first, other = place_of.setdefault(row.id, (place, content))
        if other != content:
            raise InputError(f"{place}: id '{row.id}' occurs twice, with another content at {first}")
        if not all(row[1:4]):
            nothing.append(place)
        elif content in seen:
            again.append(place)
        else:
            seen.add(content)
            yield row
    remarks += remark(NOTHING, gold.language, nothing, total)
    remarks += remark(AGAIN, gold.language, again, total)
