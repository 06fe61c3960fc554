"""Training rows with their negatives as a file: JSON Lines or Parquet, there as a whole or not at all."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sweep.errors import InputError, SweepError
from sweep.records.files import replacing_file

SCHEMA = pa.schema(
    [
        ("group", pa.string()),
        ("query_language", pa.string()),
        ("query", pa.string()),
        ("passage_language", pa.string()),
        ("passage", pa.string()),
        ("negatives", pa.list_(pa.string())),
        ("negative_languages", pa.list_(pa.string())),
        ("weight", pa.float64()),
    ]
)

Rows = Iterable[list[dict[str, Any]]]  # as mappings from column to value, some at a time


def check_output(output: Path) -> None:
    """Raise InputError if no file of rows can be written there, as far as its name tells."""
    if output.suffix not in _WRITERS:
        raise InputError(f"output={output}: a file of rows ends in {' or '.join(_WRITERS)}")
    if output.is_dir() or not output.resolve().parent.is_dir():
        raise InputError(f"output={output}: must be a file in a folder that exists")


def write_rows(output: Path, rows: Rows) -> None:
    """Write all rows, in the order of the schema, and only then put the file into its place. Raises SweepError."""
    try:
        with replacing_file(output) as draft:
            _WRITERS[output.suffix](draft, rows)
    except OSError as error:
        raise SweepError(f"output={output}: cannot be written ({error.strerror or error})") from error


def _write_json_lines(draft: Path, rows: Rows) -> None:
    with draft.open("w", encoding="utf-8", newline="\n") as file:
        for part in rows:
            file.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in part)


def _write_parquet(draft: Path, rows: Rows) -> None:
    with pq.ParquetWriter(draft, SCHEMA, compression="zstd") as writer:
        for part in rows:
            writer.write_table(pa.Table.from_pylist(part, SCHEMA))


_WRITERS: dict[str, Callable[[Path, Rows], None]] = {".jsonl": _write_json_lines, ".parquet": _write_parquet}
