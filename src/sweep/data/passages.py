"""Candidate passages as one Arrow table: in memory, or memory-mapped when a corpus is larger than memory likes.

Rows are in ascending order of their ids, so the row number breaks ties.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock
from numpy.typing import NDArray

from sweep.data.file_states import file_states
from sweep.errors import InputError
from sweep.records.files import replacing_file
from sweep.records.sealed import seal, sealed_content

ROWS_PER_BATCH = 50_000
LAYOUT_VERSION = "2"  # part of the file's name: a change to the layout makes old files unused

log = logging.getLogger("sweep")


class Passage(NamedTuple):
    """A candidate. Ids are unique over all languages. The unit is what is parallel across languages (a paragraph,
    a record); empty: the passage itself."""

    id: str
    language: str
    text: str
    unit: str = ""


class Passages(Sequence[Passage]):
    """Passages in ascending order of their ids. Columns: id, language (int16), unit, text."""

    def __init__(self, table: pa.Table, languages: tuple[str, ...]) -> None:
        self._table = table
        self._languages = languages
        self.language_d: NDArray[np.int64] = table["language"].to_numpy().astype(np.int64)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @overload
    def __getitem__(self, index: int) -> Passage: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Passage]: ...
    def __getitem__(self, index: int | slice) -> Passage | Sequence[Passage]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        language = self._languages[self.language_d[row]]
        return Passage(self.id(row), language, self._table["text"][row].as_py(), self._table["unit"][row].as_py())

    def __iter__(self) -> Iterator[Passage]:
        for batch in self._table.to_batches(max_chunksize=ROWS_PER_BATCH):
            columns = batch.to_pydict()
            for id_, language, unit, text in zip(*(columns[name] for name in NAMES), strict=True):
                yield Passage(id_, self._languages[language], text, unit)

    def id(self, row: int) -> str:
        """The id of one passage."""
        return str(self._table["id"][row].as_py())

    def texts(self) -> Iterator[str]:
        """All texts in order, a batch of rows in memory at a time."""
        for batch in self._table.to_batches(max_chunksize=ROWS_PER_BATCH):
            yield from batch.column("text").to_pylist()

    def texts_at(self, rows: NDArray[np.int64]) -> list[str]:
        """The texts of the given rows."""
        return list(self._table["text"].take(pa.array(rows)).to_pylist())

    def with_text(self, texts: Collection[str]) -> Iterator[tuple[int, str]]:
        """Row and text of every passage that has one of these texts; the corpus need not fit in memory."""
        wanted, low = pa.array(list(texts), pa.large_string()), 0
        for batch in self._table.select(["text"]).to_batches(max_chunksize=ROWS_PER_BATCH):
            rows = np.flatnonzero(pc.is_in(batch.column(0), value_set=wanted).to_numpy(zero_copy_only=False))
            yield from zip((low + rows).tolist(), batch.column(0).take(pa.array(rows)).to_pylist(), strict=True)
            low += batch.num_rows

    @property
    def unit_d(self) -> NDArray[np.int64]:
        """A number for each passage's unit; a passage without one is a unit of its own."""
        unit = self._table["unit"]
        nothing = pa.scalar("", pa.large_string())
        own = pc.binary_join_element_wise(pa.scalar("\0", pa.large_string()), self._table["id"], nothing)
        encoded = pc.if_else(pc.equal(unit, ""), own, unit).combine_chunks().dictionary_encode()
        return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), np.int64)

    def rows_of(self, ids: Iterable[str]) -> dict[str, int]:
        """The row of every id that exists; one pass over the ids, no index of the corpus in memory."""
        wanted = pc.is_in(self._table["id"], value_set=pa.array(list(ids), pa.large_string()))
        rows = np.flatnonzero(wanted.to_numpy())
        return {self.id(row): row for row in rows.tolist()}

    @property
    def repeated(self) -> tuple[str, ...]:
        """Ids of passages that the source files have more than once; here they are once."""
        return tuple(json.loads((self._table.schema.metadata or {}).get(REPEATED, b"[]")))

    def again(self) -> NDArray[np.int64]:
        """Rows that repeat the row before. Raises InputError if only their ids are the same."""
        ids = self._table["id"]
        rows = 1 + np.flatnonzero(pc.equal(ids[1:], ids[:-1]).to_numpy())
        for row in rows.tolist():
            if self[row] != self[row - 1]:
                raise InputError(f"passage id '{self.id(row)}' occurs twice")
        return rows


REPEATED = b"sweep.repeated"  # in the schema's metadata
NAMES = ("id", "language", "unit", "text")
SCHEMA = pa.schema(
    [("id", pa.large_string()), ("language", pa.int16()), ("unit", pa.large_string()), ("text", pa.large_string())]
)


def _batches(passages: Iterable[Passage], languages: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    index = {code: place for place, code in enumerate(languages)}
    source = iter(passages)
    while rows := list(islice(source, ROWS_PER_BATCH)):
        languages_d = [index[passage.language] for passage in rows]
        columns = ([p.id for p in rows], languages_d, [p.unit for p in rows], [p.text for p in rows])
        yield pa.RecordBatch.from_arrays(
            [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
        )


def _order(table: pa.Table) -> pa.Array:
    return pc.sort_indices(table, sort_keys=[("id", "ascending")])


def passages_in_memory(passages: Iterable[Passage], languages: tuple[str, ...]) -> Passages:
    """A table in memory. Raises InputError if an id occurs twice."""
    table = pa.Table.from_batches(_batches(passages, languages), SCHEMA)
    return _checked(Passages(table.take(_order(table)).combine_chunks(), languages))


def passages_on_disk(
    passages: Iterable[Passage], languages: tuple[str, ...], sources: Sequence[Path], cache: Path
) -> Passages:
    """A memory-mapped table in the cache, made once for the same source files (path, size and time of change).

    Safe when several processes ask for it at once; a killed build leaves nothing behind that a later one would use.
    A passage that occurs again is kept once. Raises InputError if one id has two texts.
    """
    states = file_states(sources)
    name = hashlib.sha256(repr((LAYOUT_VERSION, languages, states)).encode()).hexdigest()[:24]
    folder = cache / "passages"
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"{name}.arrow"
    with FileLock(folder / f"{name}.lock"):
        table = _sealed_table(final)
        if table is None:
            if final.exists():
                log.warning("the passages in %s are damaged; reading them again", final)
            _make(final, passages, languages)
            table = _sealed_table(final)
            assert table is not None
    return Passages(table, languages)


def _make(final: Path, passages: Iterable[Passage], languages: tuple[str, ...]) -> None:
    """Write the passages in ascending order of their ids, each once."""
    for leftover in final.parent.glob(f"{final.stem}-*"):  # of a build that was killed
        shutil.rmtree(leftover)
    beside_it = TemporaryDirectory(dir=final.parent, prefix=f"{final.stem}-")
    with replacing_file(final, sole_writer=True) as draft, beside_it as beside:
        other = Path(beside, "passages.arrow")
        _write(other, _batches(passages, languages))
        unsorted = _mapped(other)
        order = _order(unsorted).to_numpy()
        parts = (unsorted.take(order[low : low + ROWS_PER_BATCH]) for low in range(0, len(order), ROWS_PER_BATCH))
        _write(draft, (batch for part in parts for batch in part.combine_chunks().to_batches()))
        other.unlink()
        _write_once(draft, other, languages)
        seal(draft)


def _write_once(draft: Path, other: Path, languages: tuple[str, ...]) -> None:
    """Leave each passage of the sorted draft there once, and the ids of those that were there again."""
    passages = Passages(_mapped(draft), languages)
    again = passages.again()
    if not len(again):
        return
    kept = np.setdiff1d(np.arange(len(passages)), again)
    schema = SCHEMA.with_metadata({REPEATED: json.dumps([passages.id(row) for row in again.tolist()])})
    parts = (_mapped(draft).take(kept[low : low + ROWS_PER_BATCH]) for low in range(0, len(kept), ROWS_PER_BATCH))
    batches = (batch for part in parts for batch in part.combine_chunks().to_batches())
    _write(other, (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in batches), schema)
    other.replace(draft)


def _write(file: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema = SCHEMA) -> None:
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)


def _mapped(file: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(file))).read_all()


def _sealed_table(file: Path) -> pa.Table | None:
    content = sealed_content(file)
    return None if content is None else pa.ipc.open_file(pa.BufferReader(content)).read_all()


def _checked(passages: Passages) -> Passages:
    again = passages.again()
    if len(again):
        raise InputError(f"passage id '{passages.id(int(again[0]))}' occurs twice")
    return passages
