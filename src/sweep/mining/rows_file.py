"""Training rows with their negatives as a file: JSON Lines or Parquet, there as a whole or not at all."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sweep.data import row_writer
from sweep.errors import SweepError
from sweep.records.files import replacing_file

ENDS = JSON_LINES, PARQUET = ".jsonl", ".parquet"
SCHEMA = row_writer.SCHEMA.insert(
    row_writer.SCHEMA.get_field_index("weight"), pa.field("negative_languages", pa.list_(pa.string()))
)

Rows = Iterable[list[dict[str, Any]]]  # as mappings from column to value, some at a time


def write_rows(output: Path, rows: Rows) -> None:
    """Write all rows, in the order of the schema, and only then put the file into its place. Raises SweepError."""
    try:
        with replacing_file(output) as draft:
            write = _write_parquet if output.name.endswith(PARQUET) else _write_json_lines
            write(draft, rows)
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
