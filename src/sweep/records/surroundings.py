"""Faults of what is around a study and not of a trial: a full disk, a quota, a file system that is gone.

Libraries hand them on in many ways: as an OSError, inside an exception of their own, or as its text alone.
"""

import errno
import os
import re
from collections.abc import Iterator

FAULTS = {
    "the disk is full": (errno.ENOSPC,),
    "the disk quota is used up": (errno.EDQUOT,),
    "a file is larger than the file system or `ulimit -f` allows": (errno.EFBIG,),
    "the file system is read-only": (errno.EROFS,),
    "the disk or its file system fails": (errno.EIO, errno.ENXIO, errno.ENODEV),
    "a network file system is away": (errno.ESTALE,),
    "too many files are open": (errno.EMFILE, errno.ENFILE),
    "a file may not be read or written": (errno.EACCES, errno.EPERM),
}
MEANING = {number: meaning for meaning, numbers in FAULTS.items() for number in numbers}

# What libraries say that keep no number: Rust's (safetensors, tokenizers), SQLite, and torch, whose archives say
# only that something could not be written.
_NUMBER = re.compile(r"(?:os error|[Ee]rrno) (\d+)\b")
_TEXTS = {os.strerror(number): number for number in MEANING if number not in (errno.EACCES, errno.EPERM)}
_TEXTS |= {
    "database or disk is full": errno.ENOSPC,
    "disk I/O error": errno.EIO,
    "attempt to write a readonly database": errno.EROFS,
    "PytorchStreamWriter failed writing": errno.EIO,
    "unexpected pos ": errno.EIO,
    "file write failed": errno.EIO,
}


def fault_of_surroundings(error: BaseException) -> str | None:
    """What is wrong around the trial, for a user; None if the error is its own. Any OSError counts, and whatever an
    error was raised from, or wraps, if that says that a file system is at fault."""
    for one in _chain(error):
        number = _number_of(one)
        if number in MEANING:
            return f"{MEANING[number]} ({_first_line(one)})"
    return _first_line(error) if isinstance(error, OSError) else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and all that it was raised from or wraps."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [one.__cause__, getattr(one, "orig", None), None if one.__suppress_context__ else one.__context__]
        inner += [*one.exceptions] if isinstance(one, BaseExceptionGroup) else []
        waiting += [other for other in inner if isinstance(other, BaseException)]


def _number_of(error: BaseException) -> int:
    """The number of a system's error; 0 if it is none."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if type(error).__module__.startswith("sweep."):  # its text is ours, and may quote anything
        return 0
    text = str(error)
    named = _NUMBER.search(text)
    if named:
        return int(named[1])
    return next((number for words, number in _TEXTS.items() if words in text), 0)


def _first_line(error: BaseException) -> str:
    """An error in one line, with the file that it is about."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}{f': {error.filename}' if error.filename else ''}"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].split(" [SQL:")[0]
