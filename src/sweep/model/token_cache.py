"""Token ids in memory-mapped Arrow files: a text is tokenised once, for all trials, workers and ranks.

A file's name is the SHA-256 of all that the ids depend on, so it can never be stale. It is a sealed Arrow stream of
batches of texts.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import tokenizers
from filelock import FileLock
from numpy.typing import NDArray

from sweep.data.texts import Texts
from sweep.model.encoder import Retriever, Role
from sweep.model.tokenizer import tokenizer_fingerprint
from sweep.records.files import replacing_file
from sweep.records.sealed import seal, sealed_content

LAYOUT_VERSION = "2"  # part of the file's name: a change to the layout makes old files unused
TEXTS_PER_BATCH = 4096
SCHEMA = pa.schema([("ids", pa.large_list(pa.field("id", pa.int32(), nullable=False))), ("cut", pa.bool_())])


class TokenIds:
    """Token ids of some texts, by row, of the full vocabulary. They lie in a mapped file, read-only."""

    def __init__(self, batches: Sequence[pa.RecordBatch]) -> None:
        columns = [batch.column("ids") for batch in batches]
        self._offsets = [column.offsets.to_numpy() for column in columns]
        self._ids: list[NDArray[np.int32]] = [column.values.to_numpy() for column in columns]
        cut = [batch.column("cut").to_numpy(zero_copy_only=False) for batch in batches]
        self._cut: NDArray[np.bool_] = np.concatenate(cut) if cut else np.zeros(0, bool)

    def __len__(self) -> int:
        return len(self._cut)

    def of(self, rows: NDArray[np.int64]) -> list[NDArray[np.int32]]:
        """Token ids of the texts in these rows."""
        return [self._one(*divmod(int(row), TEXTS_PER_BATCH)) for row in rows]

    def _one(self, batch: int, row: int) -> NDArray[np.int32]:
        offsets = self._offsets[batch]
        return self._ids[batch][offsets[row] : offsets[row + 1]]

    def truncated(self, rows: slice = slice(None)) -> int:
        """How many of these texts were longer than the limit and were cut."""
        return int(self._cut[rows].sum())

    def distinct(self) -> NDArray[np.int32]:
        """Every token that occurs, ascending."""
        return np.unique(np.concatenate([np.zeros(0, np.int32), *(np.unique(ids) for ids in self._ids)]))


class TokenCache:
    """Token ids of texts as one retriever's tokenizer, prefixes and limits make them, kept in a folder.

    Safe when several processes ask for the same texts at once: one builds, the others wait and map its file. A build
    that is killed leaves nothing that counts; a damaged file is named to `on_note` and built again.
    """

    def __init__(self, retriever: Retriever, folder: Path, on_note: Callable[[str], None] = print) -> None:
        self._retriever = retriever
        self._folder = folder
        self._on_note = on_note
        self._tokenizer = tokenizer_fingerprint(retriever.tokenizer)

    def of(self, texts: Texts, role: Role) -> TokenIds:
        """Token ids of the texts in a role, prefix included, cut to the role's maximal number of tokens."""
        parts = (LAYOUT_VERSION, TEXTS_PER_BATCH, tokenizers.__version__, self._tokenizer, role)
        key = json.dumps([*parts, *self._retriever.prefix_and_limit(role), texts.digest, *self._missing_rows()])
        file = self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.arrow"
        kept = self._read(file, texts.size)
        if kept is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(file.with_suffix(".lock")):
                kept = self._read(file, texts.size)  # another process may have built it meanwhile
                if kept is None:
                    if file.exists():
                        self._on_note(f"token ids in {file} are damaged; tokenising again")
                    _write(file, self._batches(texts, role))
                    self._on_note(f"tokenised {texts.size:,} distinct {role} texts")
                    kept = self._read(file, texts.size)
        assert kept is not None
        return kept

    def _missing_rows(self) -> tuple[int, ...]:
        """From which token on there are no embeddings, so that another one stands in; nothing if all have one."""
        rows = self._retriever.rows
        return (rows,) if len(self._retriever.tokenizer) > rows else ()

    def _batches(self, texts: Texts, role: Role) -> Iterator[pa.RecordBatch]:
        for low in range(0, texts.size, TEXTS_PER_BATCH):
            part = texts.read(np.arange(low, min(low + TEXTS_PER_BATCH, texts.size)))
            tokenized = self._retriever.tokenize_whole(part, role)
            yield pa.record_batch(
                [pa.array(tokenized.ids, SCHEMA.field("ids").type), pa.array(tokenized.cut)], schema=SCHEMA
            )

    @staticmethod
    def _read(file: Path, size: int) -> TokenIds | None:
        """The ids in the file; None if it is not there or damaged."""
        stream = sealed_content(file)
        if stream is None:
            return None
        ids = TokenIds(list(pa.ipc.open_stream(stream)))
        return ids if len(ids) == size else None


def _write(file: Path, batches: Iterator[pa.RecordBatch]) -> None:
    """The file is there as a whole or not at all. Called by one process at a time."""
    with replacing_file(file, sole_writer=True) as draft:
        with pa.OSFile(str(draft), "wb") as sink, pa.ipc.new_stream(sink, SCHEMA) as writer:
            for batch in batches:
                writer.write_batch(batch)
        seal(draft)
