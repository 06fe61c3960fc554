"""What files are known by while they stay the same."""

from collections.abc import Iterable
from pathlib import Path

from sweep.errors import InputError


def file_states(files: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Path, size in bytes and time of change (ns) of each file. Raises InputError for one that cannot be read."""
    states = []
    for file in files:
        try:
            state = file.stat()
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror})") from error
        states.append((str(file.resolve()), state.st_size, state.st_mtime_ns))
    return states
