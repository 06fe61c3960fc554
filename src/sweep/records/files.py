"""Files that are there as a whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replacing(file: Path) -> Iterator[IO[str]]:
    """A file to write to that takes the place of `file` at the end, as a whole or (after an error) not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", dir=file.parent, prefix=f".{file.name}.", delete=False, encoding="utf-8", newline=""
    ) as unfinished:
        try:
            yield unfinished
            unfinished.flush()
            os.fsync(unfinished.fileno())
        except BaseException:
            os.unlink(unfinished.name)
            raise
    os.chmod(unfinished.name, 0o644)
    os.replace(unfinished.name, file)


def write_atomically(file: Path, text: str) -> None:
    """Replace a file's content; a reader, or a later run after a crash, sees the old or the new, never half."""
    with replacing(file) as unfinished:
        unfinished.write(text)
