"""Checksums of a folder's files, in the format of `sha256sum`: what was changed afterwards is damaged."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from sweep.records.files import write_atomically

SUMS = "SHA256SUMS"


def digest_of(file: Path) -> str:
    """SHA-256 (hex) of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def write_checksums(folder: Path, digests: Mapping[str, str]) -> None:
    """Keep the digests of files of a folder, by their names."""
    write_atomically(folder / SUMS, "".join(f"{digest}  {name}\n" for name, digest in digests.items()))


def weights_problem(folder: Path, every_byte: bool = True) -> str | None:
    """What is wrong with weights that were kept for merges, such as "encoder.safetensors is damaged"; None if nothing
    is. Without `every_byte` only that they are there is looked at."""
    if not folder.is_dir():
        return "its weights are no longer there"
    return damaged_file(folder, every_byte) if (folder / SUMS).is_file() else f"{SUMS} is missing"


def damaged_file(folder: Path, every_byte: bool = True) -> str | None:
    """What is wrong with the first file that is not as it was written, such as "ranks.parquet is missing"; None if
    all are, or if the folder has no checksums. Without `every_byte` only that they are there is looked at."""
    sums = folder / SUMS
    if not sums.exists():
        return None
    for line in sums.read_text(encoding="utf-8", errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        if not name or "/" in name:
            return f"{SUMS} is damaged"
        if not (folder / name).is_file():
            return f"{name} is missing"
        if every_byte and digest_of(folder / name) != digest:
            return f"{name} is damaged"
    return None
