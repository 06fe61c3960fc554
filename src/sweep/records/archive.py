"""A folder as one file, an uncompressed tar archive, and back."""

import io
import os
import shutil
import tarfile
import uuid
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from sweep.errors import ArtifactsUnusable
from sweep.records.files import synchronise


def pack(folder: Path, archive: Path, without: Collection[str] = ()) -> None:
    """Write all files and empty folders of a folder to an archive, but those below the names in `without` and drafts
    (`.*`). Links are files, with what they point at: an archive has no links. Raises FileNotFoundError if one of the
    files is deleted meanwhile."""
    # What is left out is not looked into: somebody else may be at work there.
    kept = [path for path in sorted(folder.iterdir()) if path.name not in without and not _is_draft(path)]
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT, dereference=True) as tar:
        for top in kept:
            for path in (top, *sorted(top.rglob("*") if top.is_dir() else ())):
                if not _is_draft(path) and (path.is_file() or (path.is_dir() and not any(path.iterdir()))):
                    tar.add(path, path.relative_to(folder).as_posix(), recursive=False)


def unpack(archive: Path, folder: Path) -> None:
    """Put what is in an archive in the place of a folder, at once: it is written beside it and renamed.

    Raises ArtifactsUnusable, and leaves the folder as it was, if the archive is damaged, or has a file that would lie
    outside of the folder, a link or a device.
    """
    draft = beside(folder)
    try:
        draft.mkdir(parents=True)
        try:
            with tarfile.open(archive, "r:") as tar:
                for member in tar:
                    _extract(tar, member, draft)
            if not _has_end(archive):  # between two files tarfile takes it for one
                raise tarfile.ReadError("it has no end")
        except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
            raise ArtifactsUnusable(f"{archive.name} is damaged ({error})") from None
        for path in (*draft.rglob("*"), draft):
            synchronise(path)
        replace_folder(folder, draft)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def beside(path: Path) -> Path:
    """A name of its own beside a path, for what is not whole yet."""
    return path.with_name(f".{path.name[:60]}.{uuid.uuid4().hex}.draft")


def replace_folder(folder: Path, new: Path) -> None:
    """Let a folder take the place of another one."""
    if folder.exists():
        old = beside(folder)
        os.replace(folder, old)
        os.replace(new, folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        os.replace(new, folder)
    synchronise(folder.parent)


def _is_draft(path: Path) -> bool:
    return path.name.startswith(".")


def _has_end(archive: Path) -> bool:
    """Whether an archive has the empty blocks that are written last."""
    with archive.open("rb") as content:
        content.seek(0, io.SEEK_END)
        content.seek(max(0, content.tell() - 2 * tarfile.BLOCKSIZE))
        return content.read() == bytes(2 * tarfile.BLOCKSIZE)


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, draft: Path) -> None:
    """Write one file or folder of an archive, with a file's time and nothing else that the archive claims of it."""
    inner = PurePosixPath(member.name)
    if (
        not (member.isfile() or member.isdir())
        or inner.is_absolute()
        or not inner.parts
        or {"..", ""} & set(inner.parts)
    ):
        raise ArtifactsUnusable(f"the archive has {member.name!r}, which is no file within its folder")
    file = draft.joinpath(*inner.parts)
    if member.isdir():
        file.mkdir(parents=True, exist_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    assert content is not None  # it is a file
    with content, file.open("wb") as copy:
        shutil.copyfileobj(content, copy, io.DEFAULT_BUFFER_SIZE * 128)
    if file.stat().st_size != member.size:
        raise ArtifactsUnusable(f"the archive's {member.name!r} is cut short")
    os.utime(file, (member.mtime, member.mtime))
