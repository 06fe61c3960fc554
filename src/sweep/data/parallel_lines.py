"""Sentences that are translations of each other, one after the other, whatever files they come from."""

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from sweep.data.lines import Line, every_line
from sweep.data.parallel_files import ParallelFiles
from sweep.errors import InputError


class Unit(NamedTuple):
    """A sentence in several languages: its number (from 1), its document, and by language its text, where there is
    one, and the place of that ("file:line")."""

    number: int
    document: str
    texts: dict[str, str]
    places: dict[str, str]


class Source(NamedTuple):
    """Units that can be read again and again. `name` tells the sources of a folder apart; `by_language` are its files
    of one language each, `others` those of all. `read` takes the languages to read; None: all that there are."""

    name: str
    by_language: Mapping[str, Path]
    others: tuple[Path, ...]
    read: Callable[[Collection[str] | None], Iterator[Unit]]

    def files(self, languages: Collection[str] | None) -> tuple[Path, ...]:
        """The files that are read for these languages."""
        return (
            *(file for code, file in self.by_language.items() if languages is None or code in languages),
            *self.others,
        )


def line_source(given: ParallelFiles, with_documents: bool) -> Source:
    """Units from line-parallel files: line n of each. Without documents, they are one."""
    documents = given.documents if with_documents else None

    def read(languages: Collection[str] | None) -> Iterator[Unit]:
        files = {code: file for code, file in given.files.items() if languages is None or code in languages}
        return _units(given.name, files, documents)

    return Source(given.name, given.files, (documents,) if documents else (), read)


def _units(name: str, files: Mapping[str, Path], documents: Path | None) -> Iterator[Unit]:
    """Raises InputError if the files have different numbers of lines, and for a line without a document's name."""
    named = documents is not None
    columns = [documents, *files.values()] if documents is not None else [*files.values()]
    readers = [every_line(file) for file in columns]
    for number, row in enumerate(zip_longest(*readers), start=1):
        if None in row:
            _refuse_counts(columns, readers, row, number)
        document = name
        if named:
            document = row[0].text.split("\t")[0].strip()
            if not document:
                raise InputError(f"{row[0].place}: names no document")
        texts, places = {}, {}
        for code, line in zip(files, row[named:], strict=True):
            places[code] = line.place
            text = line.text.strip()
            if text:
                texts[code] = text
        yield Unit(number, document, texts, places)


def _refuse_counts(
    columns: list[Path], readers: list[Iterator[Line]], row: tuple[Line | None, ...], number: int
) -> None:
    """Raise InputError naming two files and how many lines each has."""
    count = {
        file: number - 1 if line is None else number + sum(1 for _ in reader)
        for file, reader, line in zip(columns, readers, row, strict=True)
    }
    short, long = min(count, key=count.__getitem__), max(count, key=count.__getitem__)
    raise InputError(
        f"{short}: has {count[short]:,} lines, and {long} has {count[long]:,}: they are not parallel line by line; "
        "fetch them again, or leave a blank line where a translation is missing"
    )
