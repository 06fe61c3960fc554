"""Which files a teacher has: a folder's name says nothing of what is in it."""

import hashlib
from functools import lru_cache
from pathlib import Path

from sweep.model.folder_files import is_hub_name, model_file
from sweep.records.checksums import digest_of
from sweep.settings import DistillSettings, Settings

_SUFFIXES = (".json", ".safetensors", ".bin", ".txt", ".model")  # of configuration, weights and tokenizers


def with_teacher_files(settings: Settings) -> Settings:
    """The settings with what identifies the files of a teacher, so that results of another one are not taken for
    theirs."""
    loss = settings.loss
    if not isinstance(loss, DistillSettings) or loss.other_teacher is None:
        return settings
    return settings.model_copy(
        update={"loss": loss.model_copy(update={"teacher_files": _identity(loss.other_teacher)})}
    )


def _identity(path: str) -> str | None:
    """SHA-256 (hex) of a folder's files, or the commit of a model of the hub; None if it cannot be found."""
    folder = Path(path)
    if folder.is_dir():
        files = sorted(
            file
            for pattern in ("*", "*/*")
            for file in folder.glob(pattern)
            if file.suffix in _SUFFIXES and file.is_file() and not file.parent.name.startswith(".")
        )
        return _digest(tuple((file, file.relative_to(folder).as_posix(), file.stat().st_mtime_ns) for file in files))
    file = model_file(path, "config.json", None) if is_hub_name(path) else None
    return None if file is None else file.parent.name


@lru_cache(maxsize=8)
def _digest(files: tuple[tuple[Path, str, int], ...]) -> str:
    digest = hashlib.sha256()
    for file, name, _ in files:
        digest.update(f"{name}={digest_of(file)}\n".encode())
    return digest.hexdigest()
