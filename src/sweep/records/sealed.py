"""Files of a cache with the SHA-256 of their content behind it: what does not verify is made again.

A cache file may be cut short by a full disk, damaged by it, or changed by somebody who shares the cache.
"""

import hashlib
import os
from pathlib import Path

import pyarrow as pa

DIGEST_BYTES = 32


def seal(file: Path) -> None:
    """Put the SHA-256 of a file's content behind it."""
    with file.open("rb+") as content:
        digest = hashlib.file_digest(content, "sha256").digest()
        content.seek(0, os.SEEK_END)
        content.write(digest)


def sealed_content(file: Path) -> pa.Buffer | None:
    """The content of a sealed file, mapped and without its digest; None if it is not there or damaged."""
    try:
        whole = pa.memory_map(str(file)).read_buffer()
    except (FileNotFoundError, pa.ArrowInvalid):  # an empty file cannot be mapped
        return None
    content = whole.slice(0, max(0, whole.size - DIGEST_BYTES))
    if hashlib.sha256(memoryview(content)).digest() != whole.slice(content.size).to_pybytes():
        return None
    return content
