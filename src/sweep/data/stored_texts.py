"""Texts in an Arrow file that is memory-mapped: as many as there are, read when they are needed."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

ROWS_PER_BATCH = 16_384
SCHEMA = pa.schema([("text", pa.large_string())])


class StoredTexts(Sequence[str]):
    """The texts of a file that a `TextWriter` wrote, by number."""

    def __init__(self, file: Path) -> None:
        mapped = pa.ipc.open_file(pa.memory_map(str(file)))
        batches = (mapped.get_batch(number) for number in range(mapped.num_record_batches))
        self._parts: list[pa.LargeStringArray] = [batch.column(0) for batch in batches]

    def __len__(self) -> int:
        return (len(self._parts) - 1) * ROWS_PER_BATCH + len(self._parts[-1]) if self._parts else 0

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return self.read(np.arange(*index.indices(len(self))))
        part, row = divmod(range(len(self))[index], ROWS_PER_BATCH)
        return str(self._parts[part][row].as_py())

    def __iter__(self) -> Iterator[str]:
        for part in self._parts:
            yield from part.to_pylist()

    def read(self, rows: NDArray[np.integer]) -> list[str]:
        """The texts with these numbers, which are quickest to read in ascending order."""
        texts: list[str] = []
        for part, alike in groupby(rows.tolist(), lambda row: row // ROWS_PER_BATCH):
            texts += self._parts[part].take(pa.array([row % ROWS_PER_BATCH for row in alike], pa.int64())).to_pylist()
        return texts


class TextWriter:
    """Writes texts as they come; only a batch of them is in memory. To be closed by `with`."""

    def __init__(self, file: Path) -> None:
        self._sink = pa.OSFile(str(file), "wb")
        self._writer = pa.ipc.new_file(self._sink, SCHEMA)
        self._part: list[str] = []

    def __enter__(self) -> "TextWriter":
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is None:
                self._flush()
            self._writer.close()
        finally:
            self._sink.close()

    def append(self, text: str) -> None:
        """One text more."""
        self._part.append(text)
        if len(self._part) == ROWS_PER_BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._part:
            batch = pa.record_batch([pa.array(self._part, pa.large_string())], schema=SCHEMA)
            self._writer.write_batch(batch)
            self._part = []


def copy_texts(texts: StoredTexts, rows: NDArray[np.integer], file: Path) -> None:
    """Write some of the texts, whose numbers are ascending, to another file."""
    with TextWriter(file) as writer:
        for low in range(0, len(rows), ROWS_PER_BATCH):
            for text in texts.read(rows[low : low + ROWS_PER_BATCH]):
                writer.append(text)
