"""The rows form: a file with a question, a passage and their languages in each row, as JSON Lines or Parquet.

Its columns are `group`, `query_language`, `query`, `passage_language`, `passage`, `negatives` (a list of texts) and
`weight`.
"""

import gzip
import io
import json
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sweep.data.training_row import TrainingRow
from sweep.errors import InputError
from sweep.records.files import replacing_file

ENDS = (".jsonl", ".jsonl.gz", ".parquet")
BATCH = 10_000  # rows of a Parquet file that are compressed together
SCHEMA = pa.schema(
    [
        ("group", pa.string()),
        ("query_language", pa.string()),
        ("query", pa.string()),
        ("passage_language", pa.string()),
        ("passage", pa.string()),
        ("negatives", pa.list_(pa.string())),
        ("weight", pa.float64()),
    ]
)


def check_output(file: Path, read_from: Iterable[Path], ends: tuple[str, ...] = ENDS) -> None:
    """Raise InputError if no rows can be written there: its name says no format, it is a folder, there is no folder
    for it, or it is one of the files that the rows are read from."""
    if not file.name.endswith(ends):
        raise InputError(f"output={file}: its name must end in {', '.join(ends[:-1])} or {ends[-1]}")
    if file.is_dir() or not file.resolve().parent.is_dir():
        raise InputError(f"output={file}: must be a file in a folder that exists")
    if any(file.resolve() == source.resolve() for source in read_from):
        raise InputError(f"output={file}: is a file that the data are read from; choose another name")


def write_rows(rows: Iterable[TrainingRow], file: Path) -> int:
    """Write rows as they come, and return how many there were; the file is there as a whole or not at all.

    Raises InputError for a text that UTF-8 cannot hold, and whatever the reader raises.
    """
    with replacing_file(file) as draft:
        return (_write_parquet if file.suffix == ".parquet" else _write_lines)(rows, file, draft)


def _record(row: TrainingRow) -> dict[str, Any]:
    passage_language = row.passage_language or row.language
    values = row.group, row.language, row.question, passage_language, row.passage, list(row.negatives), row.weight
    return dict(zip(SCHEMA.names, values, strict=True))


def _checked(row: TrainingRow, write: Callable[[dict[str, Any]], object]) -> None:
    try:
        write(_record(row))
    except UnicodeEncodeError as error:
        place = row.place or f"group {row.group!r}"
        raise InputError(
            f"{place}: a text has half a character (a lone surrogate), which UTF-8 has no form of"
        ) from error


def _write_lines(rows: Iterable[TrainingRow], file: Path, draft: Path) -> int:
    count = 0
    with ExitStack() as stack:
        raw: Any = stack.enter_context(draft.open("wb"))
        if file.suffix == ".gz":  # equal rows, equal bytes: without the draft's name and the time
            raw = stack.enter_context(gzip.GzipFile("", "wb", 6, raw, mtime=0))
        target = stack.enter_context(io.BufferedWriter(raw, 2**20)) if file.suffix == ".gz" else raw
        for row in rows:
            _checked(row, lambda record: target.write(json.dumps(record, ensure_ascii=False).encode() + b"\n"))
            count += 1
    return count


def _write_parquet(rows: Iterable[TrainingRow], file: Path, draft: Path) -> int:
    count, read = 0, iter(rows)
    with pq.ParquetWriter(draft, SCHEMA, compression="zstd") as writer:
        while batch := list(islice(read, BATCH)):
            for row in batch:
                _checked(row, lambda record: json.dumps(record, ensure_ascii=False).encode())
            writer.write_table(pa.Table.from_pylist(list(map(_record, batch)), SCHEMA))
            count += len(batch)
    return count
