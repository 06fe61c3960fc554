"""Rows of training data as they come, in a memory-mapped Arrow file: a corpus need not fit in memory.

Shapes: r = rows, n = the negatives of all rows, one after another.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sweep.data.remarks import Remark, remark_lines
from sweep.data.row_check import check_text
from sweep.data.training_row import TrainingRow, TrainingRows
from sweep.errors import InputError
from sweep.records.files import replacing_file, write_atomically
from sweep.records.sealed import seal, sealed_content

ROWS_PER_BATCH = 10_000
COLUMNS = pa.schema(
    [
        ("group", pa.large_string()),
        ("query_language", pa.int16()),
        ("query", pa.large_string()),
        ("passage_language", pa.int16()),
        ("passage", pa.large_string()),
        ("negatives", pa.large_list(pa.large_string())),
        ("weight", pa.float64()),
    ]
)


class Spool:
    """Rows of training data in the order of their reader. Languages are numbers, places in `languages`."""

    def __init__(self, table: pa.Table, languages: tuple[str, ...], notes: tuple[str, ...]) -> None:
        self._table = table
        self.languages = languages
        self.notes = notes
        self.query_language_r: NDArray[np.int16] = table["query_language"].to_numpy()
        self.passage_language_r: NDArray[np.int16] = table["passage_language"].to_numpy()
        sizes = [chunk.value_lengths().to_numpy() for chunk in table["negatives"].chunks]
        sizes_r = np.concatenate([np.zeros(1, np.int64), *sizes])
        self.negatives_offset_r: NDArray[np.int64] = np.cumsum(sizes_r)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def column(self, *names: str) -> "Column":
        """A column of text, or several, one behind the other; of `negatives`, those of all rows (n)."""
        chunks = [(name, chunk) for name in names for chunk in self._table[name].chunks]
        return Column([chunk.flatten() if name == "negatives" else chunk for name, chunk in chunks])

    def rows(self, low: int, high: int) -> Iterator[dict[str, Any]]:
        """These rows as mappings from column to value, a batch in memory at a time."""
        for batch in self._table.slice(low, high - low).to_batches(max_chunksize=ROWS_PER_BATCH):
            yield from batch.to_pylist()


class Column:
    """Texts in a mapped file. A ChunkedArray looks at every chunk for each text that is taken from it."""

    def __init__(self, chunks: Sequence[pa.Array]) -> None:
        self._chunks = chunks
        self._first = np.cumsum([0, *map(len, chunks)])

    def __iter__(self) -> Iterator[str]:
        """All texts, a batch in memory at a time."""
        for chunk in self._chunks:
            for low in range(0, len(chunk), ROWS_PER_BATCH):
                yield from chunk.slice(low, ROWS_PER_BATCH).to_pylist()

    def at(self, places: NDArray[np.int64]) -> list[str]:
        """The texts at these places."""
        chunk_n = np.searchsorted(self._first, places, side="right") - 1
        within_n = places - self._first[chunk_n]
        chunks = self._chunks
        return [chunks[chunk][row].as_py() for chunk, row in zip(chunk_n.tolist(), within_n.tolist(), strict=True)]


def spooled(rows: TrainingRows, languages: tuple[str, ...], folder: Path) -> Spool:
    """The rows of training data in this folder, read if they are not there or damaged. Raises InputError.

    Nobody else may write to the folder meanwhile.
    """
    file, notes = folder / "rows.arrow", folder / "notes.json"
    content = sealed_content(file)
    if content is None:
        remarks: list[Remark] = []
        with replacing_file(file, sole_writer=True) as draft:
            _write(draft, rows.read(remarks), languages)
            seal(draft)
            write_atomically(notes, json.dumps(remark_lines(rows.title, remarks)))
        content = sealed_content(file)
        assert content is not None
    table = pa.ipc.open_file(pa.BufferReader(content)).read_all()
    if not table.num_rows:
        raise InputError(f"{rows.title}: has no row in languages.train ({' '.join(languages)})")
    return Spool(table, languages, tuple(json.loads(notes.read_text(encoding="utf-8"))))


def _write(draft: Path, rows: Iterator[TrainingRow], languages: tuple[str, ...]) -> None:
    numbers = {code: number for number, code in enumerate(languages)}
    with pa.OSFile(str(draft), "wb") as sink, pa.ipc.new_file(sink, COLUMNS) as writer:
        while batch := list(islice(rows, ROWS_PER_BATCH)):
            writer.write_batch(_batch(batch, numbers))


def _batch(rows: Sequence[TrainingRow], numbers: Mapping[str, int]) -> pa.RecordBatch:
    for row in rows:
        _check(row)
    columns = (
        [row.group for row in rows],
        [numbers[row.language] for row in rows],
        [row.question for row in rows],
        [numbers[row.passage_language or row.language] for row in rows],
        [row.passage for row in rows],
        [row.negatives for row in rows],
        [row.weight for row in rows],
    )
    arrays = [pa.array(column, field.type) for column, field in zip(columns, COLUMNS, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=COLUMNS)


def _check(row: TrainingRow) -> None:
    """Raise InputError for a text that no training takes, before hours of mining."""
    check_text(row, "question", row.question)
    check_text(row, "passage", row.passage)
    for negative in row.negatives:
        check_text(row, "negative", negative)
