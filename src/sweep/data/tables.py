"""Records of tables: JSON Lines, CSV and TSV (each also gzipped), Parquet and Arrow; read a batch at a time.

A record is a mapping from its columns to what is in them, with its place: "file:line", or "file: row number" (from 1)
in files without lines.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic_core import from_json

from sweep.data.lines import numbered
from sweep.errors import InputError, shortened
from sweep.settings import RowsData
from sweep.settings.rows import AUTO
from sweep.settings.wording import excerpt

FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}  # by the file's ending
BATCH = 1024  # records
LONGEST_FIELD = 4 * 2**20  # characters; a quotation mark that is not closed would take all that follows
_FEATHER_1 = b"FEA1"
Record = dict[str, Any]
# Of the columns of a table, which are named at a place, those that are read; raises InputError.
Needed = Callable[[tuple[str, ...], str], Sequence[str]]


class Placed(NamedTuple):
    """A record and its place, with its number in the file: of its line or its row, from 1."""

    place: str
    number: int
    record: Record


def format_of(name: str) -> str | None:
    """The format that a file's ending says; None if it says none."""
    endings = Path(name.lower().removesuffix(".gz")).suffix
    format = FORMATS.get(endings)
    return None if name.lower().endswith(".gz") and format in ("parquet", "arrow") else format


def records(file: Path, format: str, settings: RowsData, needed: Needed) -> Iterator[Placed]:
    """The records of a file in a format. Raises InputError for what cannot be read, and if there is no record."""
    match format:
        case "jsonl":
            read = _json_records(file)
        case "csv" | "tsv":
            read = _delimited(file, format, settings, needed)
        case "parquet":
            read = _rows(file, _parquet_batches(file, needed))
        case _:
            read = _rows(file, _arrow_batches(file, needed))
    placed = None
    for placed in read:
        yield placed
    if placed is None:
        raise InputError(f"{file}: is empty: there is no row in it")


def _json_records(file: Path) -> Iterator[Placed]:
    prefix = f"{file}:"
    for number, text in numbered(file):
        if text.isspace():
            continue
        try:
            record = from_json(text)  # NaN is what pandas writes for nothing
        except ValueError as error:
            _refuse_document(file, number, text)
            problem = str(error).replace("at line 1 column", "at character")
            raise InputError(f"{prefix}{number}: is not JSON ({problem}): {excerpt(text)}") from error
        if not isinstance(record, dict):
            _refuse_document(file, number, text)
            raise InputError(f"{prefix}{number}: must be an object, {{column: value}}, not {excerpt(text)}")
        yield Placed(f"{prefix}{number}", number, record)


def _refuse_document(file: Path, number: int, text: str) -> None:
    """Raise InputError if the file is one JSON document where each line should be a record."""
    if number == 1 and (text.startswith("[") or text.strip() == "{"):
        raise InputError(
            f"{file}: is one JSON document, not JSON Lines, a record each line; convert it: jq -c '.[]' {file.name}"
        )


def _delimited(file: Path, format: str, settings: RowsData, needed: Needed) -> Iterator[Placed]:
    """Rows of CSV or TSV, whose first line names the columns."""
    delimiter = settings.delimiter if settings.delimiter != AUTO else "," if format == "csv" else "\t"
    quoted = settings.quotes == "double" or (settings.quotes == AUTO and format == "csv")
    csv.field_size_limit(LONGEST_FIELD)
    fields = csv.reader(
        (_without_nul(file, number, text) for number, text in numbered(file)),
        delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        strict=True,
    )
    names: list[str] = []
    number = 1
    try:
        for row in fields:
            place, number = f"{file}:{number}", fields.line_num + 1
            if not names:
                names = _header(row, place, delimiter)
                needed(tuple(names), place) if names else ()
            elif len(row) == len(names):
                yield Placed(place, number - 1, dict(zip(names, row, strict=True)))
            elif row:
                fix = "a line break or a delimiter in a text needs quotation marks (data.quotes=double)"
                raise InputError(
                    f"{place}: has {len(row)} fields, and the first line names {len(names)} columns; "
                    f"{'a quotation mark may be missing' if quoted else fix}"
                )
    except csv.Error as error:
        problem, fix = _problem(str(error), quoted, number, file)
        raise InputError(f"{file}:{number}: is not {format.upper()} ({problem}); {fix}") from error


def _problem(error: str, quoted: bool, number: int, file: Path) -> tuple[str, str]:
    """What is wrong with a row, by the module's message, and what to do."""
    if error.startswith("new-line"):
        if number == 1:
            return "lines end in CR alone", f"end them in LF: tr '\\r' '\\n' <{file.name}"
        other = "put the text in quotation marks" if quoted else "set data.quotes=double and quote the text"
        return "a carriage return that ends no line", f"remove it: tr -d '\\r' <{file.name}; or {other}"
    if error.startswith("field larger"):
        return f"a text of more than {LONGEST_FIELD:,} characters", (
            "a quotation mark may be missing" if quoted else "leave the row out, or divide the text"
        )
    return error, "write a quotation mark within a quoted text twice, or set data.quotes=none if they are only text"


def _without_nul(file: Path, number: int, text: str) -> str:
    if "\0" in text:
        raise InputError(f"{file}:{number}: has a NUL character; the file is damaged or no text")
    return text


def _header(row: list[str], place: str, delimiter: str) -> list[str]:
    names = [name.strip() for name in row]
    if not any(names):
        return []
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{place}: two columns are called {excerpt(twice[0])!r}; rename one")
    other = [mark for mark in ",;\t|" if mark in names[0]]
    if len(names) == 1 and other and other[0] != delimiter:
        raise InputError(f"{place}: the fields are not separated by {delimiter!r}; set data.delimiter={other[0]!r}")
    return names


def _parquet_batches(file: Path, needed: Needed) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(file, pre_buffer=False) as table:
        yield from table.iter_batches(BATCH, columns=_chosen(table.schema_arrow, file, needed))


def _arrow_batches(file: Path, needed: Needed) -> Iterator[pa.RecordBatch]:
    """Batches of Arrow's file format, which Feather is, too, or of its stream format."""
    with pa.memory_map(str(file)) as source:  # a batch may be the whole file, however large
        mark = source.read(6)
        source.seek(0)
        if mark.startswith(_FEATHER_1):
            raise InputError(f"{file}: is Feather of version 1; write it again with pyarrow.feather.write_feather")
        if mark == b"ARROW1":
            table = pa.ipc.open_file(source)
            batches = (table.get_batch(number) for number in range(table.num_record_batches))
        else:
            batches = table = pa.ipc.open_stream(source)
        chosen = _chosen(table.schema, file, needed)
        for batch in batches:
            batch = batch.select(chosen)
            _check_whole(file, source.size())
            batch.validate(full=True)  # which reading Arrow does not, and a damaged one may end the process
            for start in range(0, batch.num_rows, BATCH):
                _check_whole(file, source.size())
                yield batch.slice(start, BATCH)


def _check_whole(file: Path, size: int) -> None:
    """Raise InputError if a mapped file was cut: reading what is gone would end the process."""
    if file.stat().st_size < size:
        raise InputError(f"{file}: was changed while it was read; run again when it is complete")


def _chosen(schema: pa.Schema, file: Path, needed: Needed) -> list[str]:
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise InputError(f"{file}: two columns are called {excerpt(twice[0])!r}; rename one")
    return list(needed(tuple(schema.names), str(file)))


def _rows(file: Path, batches: Iterator[pa.RecordBatch]) -> Iterator[Placed]:
    """The records of batches, with their numbers. Raises InputError for what cannot be read."""
    number = 0
    try:
        for batch in batches:
            for record in _plain(batch, file, number):
                number += 1
                yield Placed(f"{file}: row {number}", number, record)
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except (pa.ArrowException, OSError, ValueError) as error:  # the last of names that are not UTF-8
        problem = shortened(" ".join(str(error).split()), 160)
        raise InputError(f"{file}: cannot be read after row {number} ({problem}); fetch it again") from error


def _plain(batch: pa.RecordBatch, file: Path, before: int) -> list[Record]:
    """A batch's records as plain values. Raises InputError for a value without one, and for what is not UTF-8."""
    try:
        plain: list[Record] = batch.to_pylist()
        return plain
    except (ValueError, OverflowError):
        for number, row in enumerate(range(batch.num_rows), start=before + 1):
            for name in batch.schema.names:
                try:
                    batch.column(name)[row].as_py()
                except (ValueError, OverflowError) as error:
                    why = "is not UTF-8" if isinstance(error, UnicodeDecodeError) else f"cannot be read ({error})"
                    raise InputError(f"{file}: row {number}: column '{excerpt(name)}' {why}") from error
        raise
