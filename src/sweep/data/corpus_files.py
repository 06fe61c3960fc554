"""The files of a training set in the cache: Arrow for texts, arrays for what belongs where, and sums of all of them.

All sums are in `corpus.json`, which is written last and sealed. A file that does not have its sum counts as missing.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sweep.data.cells import Cells
from sweep.data.stored_texts import StoredTexts
from sweep.records.sealed import DIGEST_BYTES, seal

MANIFEST, TEXTS, GROUPS, SOURCE = "corpus.json", "texts.arrow", "groups.arrow", "source"
KINDS = ("questions", "passages", "negatives")
NO_GROUPS: NDArray[np.int64] = np.empty(0, np.int64)


class CorpusFiles(NamedTuple):
    """What `read_files` maps; see `sweep.data.training_set.TrainingSet`."""

    languages: tuple[str, ...]
    groups: StoredTexts
    texts: StoredTexts
    questions: Cells
    passages: Cells
    negatives: Cells
    source_g: NDArray[np.int16]
    sources: tuple[str, ...]
    digest: str
    notes: tuple[str, ...]


def write_files(
    folder: Path,
    cells: Sequence[Cells],
    source_g: NDArray[np.int16],
    sources: Sequence[str],
    languages: Sequence[str],
    digest: str,
    notes: Sequence[str],
) -> None:
    """Write everything but the texts and the names of groups, which are there already."""
    for name, array in (*_arrays(cells), (SOURCE, source_g)):
        np.save(folder / f"{name}.npy", array)
    written = {
        "languages": list(languages),
        "sources": list(sources),
        "digest": digest,
        "notes": list(notes),
        "sha256": {file.name: _sum(file) for file in sorted(folder.iterdir())},
    }
    (folder / MANIFEST).write_text(json.dumps(written, indent=1), encoding="utf-8")
    seal(folder / MANIFEST)


def content_digest(cells: Sequence[Cells], source_g: NDArray[np.int16], *others: bytes | NDArray[Any]) -> str:
    """SHA-256 (hex) of what is in a training set, however its files come about."""
    digest = hashlib.sha256()
    for part in (*(array for _, array in _arrays(cells)), source_g, *others):
        digest.update(np.ascontiguousarray(part).tobytes() if isinstance(part, np.ndarray) else part)
    return digest.hexdigest()


def read_files(folder: Path) -> CorpusFiles | None:
    """The files of a training set, mapped; None if some are not there, or not as they were written."""
    try:
        content = (folder / MANIFEST).read_bytes()
        manifest = content[:-DIGEST_BYTES]
        if hashlib.sha256(manifest).digest() != content[-DIGEST_BYTES:]:
            return None
        written = json.loads(manifest)
        if any(_sum(folder / name) != expected for name, expected in written["sha256"].items()):
            return None
        return _read(folder, written)
    except (FileNotFoundError, NotADirectoryError):  # another process may be making it again
        return None


def _read(folder: Path, written: Mapping[str, Any]) -> CorpusFiles:
    return CorpusFiles(
        tuple(written["languages"]),
        StoredTexts(folder / GROUPS),
        StoredTexts(folder / TEXTS),
        _cells(folder, "questions"),
        _cells(folder, "passages"),
        _cells(folder, "negatives"),
        _mapped(folder, SOURCE),
        tuple(written["sources"]),
        written["digest"],
        tuple(written["notes"]),
    )


def _arrays(cells: Sequence[Cells]) -> Iterator[tuple[str, NDArray[Any]]]:
    for kind, of_kind in zip(KINDS, cells, strict=True):
        for name, array in of_kind._asdict().items():
            if array is not None:
                yield f"{kind}.{name}", array


def _cells(folder: Path, kind: str) -> Cells:
    weighted = (folder / f"{kind}.weight_n.npy").exists()
    return Cells(
        _mapped(folder, f"{kind}.offset_g"),
        _mapped(folder, f"{kind}.language_n"),
        _mapped(folder, f"{kind}.text_n"),
        _mapped(folder, f"{kind}.weight_n") if weighted else None,
    )


def _mapped(folder: Path, name: str) -> NDArray[Any]:
    array: NDArray[Any] = np.load(folder / f"{name}.npy", mmap_mode="r")
    return array


def _sum(file: Path) -> str:
    with file.open("rb") as content:  # read, not mapped: what is only looked at once need not stay in memory
        return hashlib.file_digest(content, "sha256").hexdigest()
