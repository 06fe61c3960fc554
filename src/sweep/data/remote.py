"""Files behind a URL of any kind that fsspec knows (https, s3, gs, hf, ...), kept in the cache.

What has been fetched is not fetched again, so that a study goes on with the data that it began with, and without a
network; the cache's folder, which a message names when it is made, can be removed.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from posixpath import basename
from typing import Any
from urllib.parse import urlsplit

import fsspec
from filelock import FileLock

from sweep.data.origin import reason
from sweep.errors import InputError
from sweep.records.files import replacing_file, write_atomically
from sweep.settings.wording import excerpt

_LIST = "fetched.json"  # written last: the names of all files there are
# What is installed for a kind of URL; of the others fsspec's own message says it.
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs",
             "sftp": "paramiko", "ssh": "paramiko", "http": "aiohttp", "https": "aiohttp"}  # fmt: skip
Is = Callable[[str], bool]


def is_url(path: str) -> bool:
    """Whether a path is of a file system behind a URL; "file://" is the local one."""
    return "://" in path


def local_path(url: str) -> str | None:
    """The local path that a "file://" URL is; None for other URLs."""
    return fsspec.core.strip_protocol(url) if url.startswith(("file://", "local://")) else None


def fetched(url: str, wanted: Is, kind: str, cache: Path) -> tuple[Path, list[Path]]:
    """A folder in the cache and the files in it: the one that a URL names, those that fit a pattern with *, or those
    of a folder, by their names, that are `wanted`; `kind` is what is wanted in a word, for each kind is kept apart.
    Raises InputError if they cannot be had."""
    folder = cache / "urls" / hashlib.sha256(f"{url}\n{kind}".encode()).hexdigest()[:16]
    files = _complete(folder)
    if files is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".lock"):
                files = _complete(folder) or _fetch(url, wanted, folder)
        except OSError as error:
            raise InputError(f"{folder}: cannot be written ({error.strerror}); set paths.cache=FOLDER") from error
    return folder, files


def _complete(folder: Path) -> list[Path] | None:
    """The files that were fetched into a folder; None if one is missing, or if not all were fetched."""
    if not (folder / _LIST).exists():
        return None
    files = [folder / name for name in json.loads((folder / _LIST).read_text(encoding="utf-8"))["files"]]
    return files if all(file.is_file() for file in files) else None


def _fetch(url: str, wanted: Is, folder: Path) -> list[Path]:
    system, path = _opened(url)
    try:
        paths = _paths(system, path, wanted)
    except InputError:
        raise
    except Exception as error:  # file systems' errors, and those of their libraries, have no common base
        raise _refusal(url, error) from error
    if not paths:
        raise InputError(f"{excerpt(url)}: there are no rows files; name one, or a pattern such as .../*.parquet")
    print(f"Downloading {excerpt(url)} to {folder}", file=sys.stderr)
    for name, remote in paths.items():
        file = folder / name
        if file.exists():  # of a run that was interrupted: each file is whole
            continue
        try:
            with replacing_file(file, sole_writer=True) as draft:
                system.get_file(remote, str(draft))
                size = system.info(remote).get("size")
                if size is not None and draft.stat().st_size != size and not str(url).startswith("http"):
                    raise OSError(f"{draft.stat().st_size} of {size} bytes")
        except Exception as error:
            raise _refusal(url if len(paths) == 1 else f"{url}: {remote}", error) from error
    write_atomically(folder / _LIST, json.dumps({"url": excerpt(url), "files": list(paths)}, indent=1))
    return [folder / name for name in paths]


def _opened(url: str) -> tuple[Any, str]:
    kind = url.partition("://")[0]
    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        package = _PACKAGES.get(kind)
        fix = f"pip install {package}" if package else str(error)
        raise InputError(f"{excerpt(url)}: {kind}:// needs a package that is not installed: {fix}") from error
    except Exception as error:
        raise _refusal(url, error) from error
    return system, str(path)


def _paths(system: Any, path: str, wanted: Is) -> dict[str, str]:
    """Where each file is, by its name within the folder or pattern."""
    if "*" in path:
        matching = sorted(map(str, system.glob(path)))
        above = path[: path.index("*")].rpartition("/")[0]
    elif not _is_folder(system, path, wanted):
        return {_name(path): path}
    else:
        matching = sorted(map(str, system.find(path)))
        above = path.rstrip("/")
    kept = [one for one in matching if wanted(_name(one))]
    above = above if all(one.startswith(f"{above}/") for one in kept) else above.lstrip("/")
    names = {one.removeprefix(above).lstrip("/"): one for one in kept}
    outside = [name for name in names if ".." in name.split("/")]
    if outside:
        raise InputError(f"{outside[0]}: a name with '..' in it would be written outside the cache")
    return names


def _is_folder(system: Any, path: str, wanted: Is) -> bool:
    """Whether a path is a folder, which a web server says by a page of links alone: it is fetched to tell."""
    if path.startswith(("http://", "https://")) and not path.endswith("/") and wanted(_name(path)):
        return False
    return bool(system.isdir(path))


def _name(path: str) -> str:
    """A file's name, without what follows it in a URL (?download=true)."""
    return basename(urlsplit(path).path) or "rows"


def _refusal(url: str, error: Exception) -> InputError:
    status = getattr(error, "status", None)  # of aiohttp's errors
    missing = isinstance(error, FileNotFoundError)
    why = "no such file" if missing else f"HTTP status {status}" if status else reason(error)
    return InputError(
        f"{excerpt(url)}: cannot be fetched ({why}); with the files in a local folder, set data.path=FOLDER"
    )
