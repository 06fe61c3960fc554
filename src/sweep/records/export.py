"""A study's trials as one file for other programs."""

import shutil
import tempfile
from collections.abc import Sequence
from csv import reader
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv, parquet

from sweep.errors import InputError
from sweep.records.cells import as_texts
from sweep.records.files import replacing_file
from sweep.records.folder import StudyFolder
from sweep.records.table import TrialsTable, seal_of
from sweep.records.trial_record import TrialRecord

KNOWN = {
    "key": pa.string(),
    "number": pa.int64(),
    "seed": pa.int64(),
    "state": pa.string(),
    "duration_s": pa.float64(),
    "attempts": pa.int64(),
    "reason": pa.string(),
}
BLOCK_BYTES = 1 << 24  # of CSV text at once: memory stays flat however many trials there are


def export_trials(study: StudyFolder, records: Sequence[TrialRecord], file: Path) -> int:
    """Write the finished trials of `records` with all metrics to a `.csv` or `.parquet` file; how many they are.

    The study's own trials.csv is copied as far as it goes and not touched. Raises InputError for another type.
    """
    if file.suffix not in (".csv", ".parquet"):
        raise InputError(f"{file}: trials are exported to a file that ends in .csv or .parquet")
    if not file.parent.is_dir():
        raise InputError(f"{file}: no such folder: {file.parent}")
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".trials.") as folder, replacing_file(file) as draft:
        table = Path(folder) / "trials.csv"
        if study.trials_csv.exists():
            shutil.copyfile(study.trials_csv, table)
            if seal_of(study.trials_csv).exists():
                shutil.copyfile(seal_of(study.trials_csv), seal_of(table))
        rows = TrialsTable(table).update(records)
        if file.suffix == ".parquet":
            _write_parquet(table, records, draft)
        else:
            shutil.move(table, draft)
    return rows


def _write_parquet(table: Path, records: Sequence[TrialRecord], target: Path) -> None:
    with table.open(newline="") as lines:
        names = next(reader(lines))
    types = {name: KNOWN.get(name, pa.float64()) for name in names}
    for path in {path for record in records for path in record.parameters}:
        types[path] = _type_of([record.parameters[path] for record in records if path in record.parameters])
    options = csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True)
    blocks = csv.open_csv(table, read_options=csv.ReadOptions(block_size=BLOCK_BYTES), convert_options=options)
    with parquet.ParquetWriter(target, blocks.schema) as writer:
        for block in blocks:
            columns = [as_texts(column) if pa.types.is_string(column.type) else column for column in block.columns]
            writer.write_batch(pa.record_batch(columns, schema=block.schema))


def _type_of(values: list[Any]) -> pa.DataType:
    """The type of a searched value; text for lists, names and mixtures."""
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    return pa.float64() if kinds <= {int, float} else pa.string()
