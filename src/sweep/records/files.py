"""Files and folders that are there as a whole or not at all.

Content is written under another name beside its place, synchronised to the disk, and renamed: a reader, or a later
run after a crash or a power cut, sees the old content or the new, never half of it.
"""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from tempfile import TemporaryFile

FULL = (errno.ENOSPC, errno.EDQUOT)
NAME_BYTES = 100  # of a name that its draft repeats; a name may have 255 bytes with all that is added to it


@contextmanager
def replacing_file(file: Path, sole_writer: bool = False) -> Iterator[Path]:
    """A path to write to, which takes the place of `file` at the end, or is removed after an error.

    Folders are created as needed, and the umask decides about permissions. Nobody can guess the draft's name, and put
    a link there first. With `sole_writer` (a lock sees to it that nobody else writes this file now) the drafts of
    killed writers are removed.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if sole_writer:
        for leftover in file.parent.glob(f"{escape(_beside(file, '').name)}.*.draft*"):
            leftover.unlink()
    draft = _beside(file, f".{uuid.uuid4().hex}.draft")
    draft.touch()
    permissions = draft.stat().st_mode & 0o777
    draft.unlink()
    try:
        yield draft
        _permit(draft, permissions)
        synchronise(draft)
        os.replace(draft, file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A new folder to write to, which takes the place of `folder` at the end, or is removed after an error.

    It must have no other writer meanwhile; a draft that a killed one left is removed.
    """
    draft = draft_of(folder)
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
        for path in (*draft.rglob("*"), draft):
            if path.is_file() and not path.is_symlink():
                _permit(path, draft.stat().st_mode & 0o666)
            synchronise(path)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(draft, folder)
        synchronise(folder.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def write_atomically(file: Path, text: str) -> None:
    """Replace a file's content with `text`, in UTF-8 and with the line ends that it has."""
    with replacing_file(file) as draft:
        draft.write_text(text, encoding="utf-8", newline="")


def unwritable(folder: Path) -> str | None:
    """Why no file can be written to a folder, which may have yet to be created; None if one can. Creates nothing."""
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
    except OSError as error:  # its name is too long, say
        return f"no folder can be there ({error.strerror})"
    if not there.is_dir():
        return f"{there} is no folder"
    for path in (there, *(there.glob("study.db*") if there == folder else ())):
        if not os.access(path, os.W_OK):
            is_read_only = os.statvfs(path).f_flag & os.ST_RDONLY
            return (
                f"{path} cannot be written to: {'its file system is read-only' if is_read_only else 'no permission'}"
            )
    return None


def make_folder(folder: Path) -> str | None:
    """Make a folder; why it, or a file in it, cannot be made, or None. Raises OSError if only its disk is full."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as probe:
            probe.write(b"0")
    except OSError as error:
        if error.errno in FULL:
            raise
        return f"no folder can be made there ({error.strerror})"
    return None


def draft_of(folder: Path) -> Path:
    """Where the writer of a folder writes before the rename."""
    return _beside(folder, ".draft")


def synchronise(path: Path) -> None:
    """Have the operating system put a file or a folder's entries onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _permit(file: Path, permissions: int) -> None:
    """Give a file what the umask allows: some libraries put one there that is for its owner alone."""
    if file.stat().st_mode & 0o777 != permissions:
        file.chmod(permissions)


def _beside(path: Path, suffix: str) -> Path:
    name = path.name.encode()[:NAME_BYTES].decode(errors="ignore")
    return path.with_name(f".{name}{suffix}")
