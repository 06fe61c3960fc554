"""Training data in rows of the user's own: which files, and which column is what."""

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from sweep.settings.base import Language, Section, matching
from sweep.settings.language import language_setting
from sweep.settings.wording import written

AUTO = "auto"  # a column by one of its usual names, if there is one
Column = Annotated[str, Field(min_length=1)]
OfLanguages = dict[str, Column]  # wide tables: a column for each language


def _columns(value: Any) -> Any:
    """Refuse in words what names no column, before the types of a union are tried one after another."""
    names = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"{written(value)} names no column; write a column's name, or {{LANGUAGE: COLUMN, ...}}")
    if isinstance(value, dict):
        columns = {language_setting(code): name for code, name in value.items()}
        if len(columns) < len(value):
            raise ValueError(f"{written(value)} has two columns for a language; leave one")
        return columns
    return tuple(value) if isinstance(value, list) else value


def _pattern(text: str) -> str:
    """Check a pattern of file names for what is replaced in it."""
    unknown = [name for name in re.findall(r"\{(.*?)\}", text) if name != "language"]
    if unknown or text.count("{") != text.count("}"):
        raise ValueError(f"{text!r}: only {{language}} is replaced in a pattern, by each language of languages.train")
    return text


class RowsColumns(Section):
    """The columns of a file, by what is in them. `auto` is a column of that name or of another usual one, if there
    is one; null is none. `query`, `passage` and `negatives` may be a column for each language."""

    group: Column | None
    language: Column | None
    query_language: Column | None
    passage_language: Column | None
    query: Annotated[Column | OfLanguages, BeforeValidator(_columns)]
    passage: Annotated[Column | OfLanguages, BeforeValidator(_columns)]
    negatives: Annotated[Column | tuple[Column, ...] | OfLanguages, BeforeValidator(_columns)] | None
    weight: Column | None

    @model_validator(mode="after")
    def _each_language_has_its_own(self) -> "RowsColumns":
        wide = isinstance(self.passage, dict)
        if isinstance(self.negatives, dict) and not wide:
            raise ValueError("negatives has a column for each language, and passage has one for all; name them alike")
        if wide and self.negatives not in (AUTO, None) and not isinstance(self.negatives, dict):
            raise ValueError("passage has a column for each language; name those of negatives so, too, or null")
        return self


class RowsData(Section):
    """Training data in rows: JSON Lines, CSV, TSV, Parquet or Arrow.

    They lie at `path`, a file, a folder, a pattern of names or a URL, or in a data set of the Hugging Face hub,
    `repository` at the commit `revision`, whose `files` are patterns. `language` is that of files without a column
    for it. `format`, `delimiter` and `quotes` are taken from the file's ending where they are auto. `repeats` is what
    becomes of several questions or passages of a translation group in one language, `incomplete` what becomes of rows
    without a question or a passage; in a table with a column for each language they need not be in all of them.
    """

    corpus: ClassVar[None] = None

    kind: Literal["rows"]
    path: str | None
    repository: Annotated[str, matching("[^/]+/[^/]+", "OWNER/NAME")] | None
    revision: Annotated[str, matching("[0-9a-f]{40}", "a commit, of 40 hex digits")] | None
    files: tuple[Annotated[str, AfterValidator(_pattern)], ...]
    format: Literal["auto", "jsonl", "csv", "tsv", "parquet", "arrow"]
    language: Language | None
    columns: RowsColumns
    delimiter: Annotated[str, matching('auto|[^\r\n"]', "auto or one character")]
    quotes: Literal["auto", "double", "none"]
    repeats: Literal["several", "refuse"]
    incomplete: Literal["refuse", "skip"]

    @property
    def title(self) -> str:
        """What a model card calls it."""
        if self.repository is not None:
            return f"rows of {self.repository} ({str(self.revision)[:12]})"
        return f"rows of {self.path}"

    @model_validator(mode="after")
    def _one_source(self) -> "RowsData":
        if (self.path is None) == (self.repository is None):
            more = "such as data.path=pairs.jsonl" if self.path is None else "not both"
            raise ValueError(
                "rows need their files: a path (a file, folder, pattern or URL), or a repository of the hub with its "
                f"revision and files, {more}"
            )
        if self.repository is not None and not (self.revision and self.files):
            raise ValueError(
                f"repository {self.repository!r} needs a revision (a commit, of 40 hex digits) and files, such as "
                "['data/{language}.parquet']"
            )
        return self
