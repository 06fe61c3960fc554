"""Files that grow line by line, and whose last line a kill or a full disk may have cut short."""

import os
from collections.abc import Iterable
from pathlib import Path


def cut_torn_line(file: Path) -> None:
    """Remove what comes after the last line end; nothing happens if there is no such file."""
    if not file.exists():
        return
    with file.open("rb+") as content:
        end = content.seek(0, os.SEEK_END)
        start = end
        while start > 0:
            size = min(start, 1 << 16)
            content.seek(start - size)
            last = content.read(size).rfind(b"\n")
            if last >= 0:
                start = start - size + last + 1
                break
            start -= size
        if start < end:
            content.truncate(start)


def append_lines(file: Path, lines: Iterable[str], sync: bool = False) -> None:
    """Append whole lines (without their line ends) in one write; `sync`: return when the disk has them."""
    with file.open("ab") as content:
        content.write("".join(f"{line}\n" for line in lines).encode())
        if sync:
            content.flush()
            os.fsync(content.fileno())
