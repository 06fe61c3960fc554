"""Embeddings of texts: every distinct text once, by length, split over accelerate's processes.

Texts go through in shards. With a folder, the embeddings are a memory-mapped file in it, every finished shard is
marked there, and a run that was killed goes on with the first one that is not.
Shapes: u = distinct texts, b = texts of a batch, h = hidden size.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from numpy.typing import NDArray

from sweep.data.texts import Texts
from sweep.errors import TrialFailed
from sweep.model.batching import length_sorted_batches
from sweep.model.distributed_tensors import is_sharded
from sweep.model.encoder import Retriever, Role, Tokenized
from sweep.model.token_cache import TokenCache, TokenIds
from sweep.records.files import write_atomically

TOKENS_PER_BATCH = 4096  # padding included if there is any; keeps memory flat whatever the lengths
TEXTS_PER_SHARD = 4096  # what a kill can cost

log = logging.getLogger("sweep")

Progress = Callable[[int, int], None]  # texts done, texts in all


@dataclass(frozen=True, eq=False)
class Encoded:
    """Embeddings (u, h) in the order of the texts, and how many texts were cut to the model's length."""

    embedding_uh: NDArray[np.float32]
    truncated: int


def encode(
    retriever: Retriever,
    texts: Texts,
    role: Role,
    accelerator: Accelerator,
    folder: Path | None = None,
    progress: Progress = lambda done, size: None,
    tokens: TokenCache | None = None,
) -> Encoded:
    """L2-normalised float32 embeddings, on every process; with a folder, on rank 0 alone (others have none: (0, h)).

    Every process encodes every n-th batch; batches are the same for any number of processes, so the embeddings are
    too. They are computed in `model.precision` on every device. With `tokens`, token ids are kept for other trials.
    Raises TrialFailed if an embedding is NaN or infinite.
    """
    retriever.encoder.to(accelerator.device).eval()
    shape = (texts.size, retriever.encoder.embedding_size)
    store = _InMemory(shape) if folder is None else _OnDisk(folder / role, shape, texts.digest, accelerator)
    kept: TokenIds | None = None
    for shard, low in enumerate(range(0, texts.size, TEXTS_PER_SHARD)):
        rows = slice(low, min(low + TEXTS_PER_SHARD, texts.size))
        if not store.has(shard):
            part = texts.read(np.arange(rows.start, rows.stop))
            on_done = partial(_report, progress, low, texts.size)
            if tokens is not None:
                kept = kept or tokens.of(texts, role)
            tokenized = retriever.tokenize(part, role) if kept is None else _of_rows(retriever, kept, rows)
            store.put(shard, rows, *_encode_shard(retriever, part, tokenized, role, accelerator, on_done))
        progress(rows.stop, texts.size)
    return Encoded(store.embedding_uh, store.truncated)


def _of_rows(retriever: Retriever, kept: TokenIds, rows: slice) -> Tokenized:
    return Tokenized(retriever.places(kept.of(np.arange(rows.start, rows.stop))), kept.truncated(rows))


def _report(progress: Progress, before: int, size: int, done: int) -> None:
    """Progress within a shard."""
    progress(before + done, size)


@torch.no_grad()  # not inference_mode: what FSDP puts together here, it uses in training, too
def _encode_shard(
    retriever: Retriever,
    texts: Sequence[str],
    tokenized: Tokenized,
    role: Role,
    accelerator: Accelerator,
    progress: Callable[[int], None],
) -> tuple[NDArray[np.float32], int]:
    ids = tokenized.ids
    part_bh = torch.zeros(len(texts), retriever.encoder.embedding_size)
    batches = length_sorted_batches(
        [len(sequence) for sequence in ids], TOKENS_PER_BATCH, padded=not retriever.encoder.packs
    )
    done = 0
    own = batches[accelerator.process_index :: accelerator.num_processes]
    for index in own:
        embedding_bh = retriever.encoder(retriever.collate([ids[row] for row in index], accelerator.device))
        part_bh[torch.from_numpy(index)] = embedding_bh.float().cpu()
        done += len(index) * accelerator.num_processes
        progress(min(done, len(texts)))
    if is_sharded(retriever.encoder) and len(own) < -(-len(batches) // accelerator.num_processes):
        # Ranks that have a batch more wait for this one's parts of the weights.
        retriever.encoder(retriever.collate([ids[batches[0][0]]], accelerator.device))
    if accelerator.num_processes > 1:
        # Each row is zero everywhere but on one process, so the sum is exact.
        part_bh = accelerator.reduce(part_bh.to(accelerator.device), reduction="sum").cpu()
    if not torch.isfinite(part_bh).all():
        bad = int((~torch.isfinite(part_bh).all(1)).nonzero()[0])
        raise TrialFailed(f"the embedding of a {role} is not finite (text: {texts[bad][:80]!r})")
    return part_bh.numpy(), tokenized.truncated


class _InMemory:
    """Embeddings that are gone with the process."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.embedding_uh: NDArray[np.float32] = np.zeros(shape, np.float32)
        self.truncated = 0

    def has(self, shard: int) -> bool:
        """Nothing is there before it is put."""
        return False

    def put(self, shard: int, rows: slice, part_bh: NDArray[np.float32], truncated: int) -> None:
        """Keep a shard's embeddings."""
        self.embedding_uh[rows] = part_bh
        self.truncated += truncated


class _OnDisk:
    """Embeddings in a memory-mapped file, with a mark for every finished shard. The file is rank 0's, which tells the
    others what is in it: they may be on nodes that do not see its folder, or have another of the same name."""

    def __init__(self, folder: Path, shape: tuple[int, int], digest: str, accelerator: Accelerator) -> None:
        self._file, self._marks = folder / "embeddings.npy", folder / "shards.json"
        self._accelerator = accelerator
        self._identity = {"digest": digest, "shape": list(shape), "texts_per_shard": TEXTS_PER_SHARD}
        self._truncated: dict[str, int] = {}  # shard -> texts that were cut
        self._digests: dict[str, str] = {}  # shard -> SHA-256 (hex) of its embeddings
        self.embedding_uh: NDArray[np.float32] = np.zeros((0, shape[1]), np.float32)
        if accelerator.is_main_process:
            folder.mkdir(parents=True, exist_ok=True)
            if not self._read_marks() or not self._drop_damaged(shape):
                self._truncated, self._digests = {}, {}
                np.lib.format.open_memmap(self._file, "w+", np.float32, shape).flush()
                _reserve(self._file)
                self._write_marks()
            self.embedding_uh = np.load(self._file, mmap_mode="r+")
        if accelerator.num_processes > 1:
            box = [self._truncated]
            broadcast_object_list(box, from_process=0)
            self._truncated = box[0]

    @property
    def truncated(self) -> int:
        """Texts that were cut, those of earlier runs included."""
        return sum(self._truncated.values())

    def _read_marks(self) -> bool:
        """Whether the folder has shards of these very texts; which ones is then known."""
        try:
            marks = json.loads(self._marks.read_text())
        except (FileNotFoundError, ValueError):
            return False
        if not isinstance(marks, dict) or marks.get("identity") != self._identity or not self._file.exists():
            return False
        self._digests = {shard: digest for shard, digest in dict(marks.get("digests", {})).items()}
        self._truncated = {shard: cut for shard, cut in marks["truncated"].items() if shard in self._digests}
        return True

    def _drop_damaged(self, shape: tuple[int, int]) -> bool:
        """Forget shards that do not verify; whether the file can be used at all."""
        try:
            kept_uh = np.load(self._file, mmap_mode="r")
        except (ValueError, EOFError):  # cut short
            return False
        if kept_uh.shape != shape or kept_uh.dtype != np.float32:
            return False
        damaged = {shard for shard, digest in self._digests.items() if _digest(kept_uh[_rows(shard)]) != digest}
        if damaged:
            log.warning("%d shards of embeddings in %s are damaged; encoding them again", len(damaged), self._file)
            for shard in damaged:
                del self._digests[shard], self._truncated[shard]
            self._write_marks()
        return True

    def _write_marks(self) -> None:
        marks = {"identity": self._identity, "truncated": self._truncated, "digests": self._digests}
        write_atomically(self._marks, json.dumps(marks))

    def has(self, shard: int) -> bool:
        """Whether this run or an earlier one finished the shard."""
        return str(shard) in self._truncated

    def put(self, shard: int, rows: slice, part_bh: NDArray[np.float32], truncated: int) -> None:
        """Mark a shard as finished, once its rows are on the disk."""
        self._truncated[str(shard)] = truncated
        if self._accelerator.is_main_process:
            self._digests[str(shard)] = _digest(part_bh)
            assert isinstance(self.embedding_uh, np.memmap)
            self.embedding_uh[rows] = part_bh
            self.embedding_uh.flush()
            self._write_marks()


def _rows(shard: str) -> slice:
    return slice(int(shard) * TEXTS_PER_SHARD, (int(shard) + 1) * TEXTS_PER_SHARD)


def _digest(part_bh: NDArray[np.float32]) -> str:
    return hashlib.sha256(np.ascontiguousarray(part_bh).data).hexdigest()


def _reserve(file: Path) -> None:
    """Have the disk keep room for all of a file. Writing to a mapped file that it has none for kills the process."""
    if hasattr(os, "posix_fallocate"):
        with file.open("r+b") as content:
            os.posix_fallocate(content.fileno(), 0, file.stat().st_size)
