"""A place that all machines of a study reach, where folders are kept as one object each: there whole, or not at all.

Any of fsspec's object stores, or a folder. Where it is away, it is waited for.
"""

import logging
import os
import time
import uuid
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from copy import copy
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Self, TypeVar

from sweep.errors import ArtifactsUnusable, InputError
from sweep.records.absence import Absence, reason_of
from sweep.records.archive import pack, unpack
from sweep.settings.artifacts import PACKAGES, ArtifactsUrl

PROBE = b"sweep can write here"
LEFT_OVER_S = 86_400.0  # after so long nobody writes to a draft any more

log = logging.getLogger("sweep")
Answer = TypeVar("Answer")


class ArtifactStore:
    """Objects below `prefix` at a URL. Operations wait for up to `patience_s` seconds for a place that is away, and
    raise ArtifactsUnusable then.

    Every operation may be done twice. `say` gets one line when the place goes away, and one when it is back.
    """

    def __init__(
        self,
        url: ArtifactsUrl,
        prefix: str,
        patience_s: float,
        say: Callable[[str], None] = log.warning,
        given_up: Callable[[], bool] = lambda: False,
    ) -> None:
        self.name = str(url)
        self._url = url
        self._path = url.path
        self._prefix = prefix
        self._patience_s = patience_s
        self._absence = Absence(f"the study's artifacts at {self.name}", say)
        self._given_up = given_up
        self._opened: Any = None

    def until(self, given_up: Callable[[], bool]) -> Self:
        """The same place, for somebody who waits no longer once this is true."""
        other = copy(self)
        other._given_up = given_up
        return other

    def check(self) -> None:
        """Make the study's folder; write, read, list and delete something. Raises InputError if the place cannot be
        used as it is given, and ArtifactsUnusable if it is away for too long."""
        if self._is_folder:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise self._refused(error) from None
        name = f"probes/{uuid.uuid4().hex}"  # in a folder of its own: to list all of a study's objects takes a while

        def probe() -> bool:
            try:
                self._write(name, PROBE)
                is_there = self._read(name) == PROBE and name in self._list("probes/")
                self._remove(name)
                is_gone = self._read(name) is None  # who may not list is refused what is not there
            except (PermissionError, FileNotFoundError, ImportError, ValueError) as error:
                raise self._refused(error) from None
            except Exception as error:
                if "credentials" in type(error).__name__.lower() or "credentials" in str(error).lower():
                    raise self._refused(error) from None
                raise
            return is_there and is_gone

        if not self._patiently(probe):
            raise InputError(f"study.artifacts={self.name}: what was written there is not what is read")

    def put_folder(self, name: str, folder: Path, without: Collection[str] = ()) -> None:
        """Keep a folder as an object, without what is below some names in it."""
        with NamedTemporaryFile(dir=folder.parent, prefix=".", suffix=".draft") as packed:
            archive = Path(packed.name)
            pack(folder, archive, without)
            self._patiently(lambda: self._upload(name, archive))

    def get_folder(self, name: str, folder: Path) -> bool:
        """Put an object's folder in the place of a folder; False if there is no such object. Raises
        ArtifactsUnusable, too, if what is there is damaged."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=folder.parent, prefix=".", suffix=".draft") as packed:
            archive = Path(packed.name)
            if not self._patiently(lambda: self._download(name, archive)):
                return False
            try:
                unpack(archive, folder)
            except ArtifactsUnusable as error:
                raise ArtifactsUnusable(f"{self.name}: {name}: {error}") from None
            return True

    def put(self, name: str, content: bytes) -> None:
        """Keep some bytes."""
        self._patiently(lambda: self._write(name, content))

    def get(self, name: str) -> bytes | None:
        """What was kept under a name, or None."""
        return self._patiently(lambda: self._read(name))

    def names(self, start: str) -> list[str]:
        """The names of all objects below a folder's name, which ends in "/", in order."""
        return self._patiently(lambda: self._list(start))

    def delete(self, names: Iterable[str]) -> None:
        """Delete objects, as far as they are there."""
        for name in names:
            self._patiently(lambda name=name: self._remove(name))  # type: ignore[misc]

    def delete_drafts(self) -> None:
        """Delete what writers that were killed have left at a place that is a folder."""
        if not self._is_folder:
            return
        for draft in self._folder.glob("**/*.draft"):
            with suppress(FileNotFoundError):  # its writer has come to its end
                if time.time() - draft.stat().st_mtime >= LEFT_OVER_S:
                    draft.unlink()

    # The place ------------------------------------------------------------------------------------------------

    @property
    def _is_folder(self) -> bool:
        return self._url.kind == "file"

    @property
    def _folder(self) -> Path:
        """That of the study, at a place that is a folder."""
        return Path(self._path) / self._prefix

    def _at(self, name: str) -> str:
        return f"{self._path}/{self._prefix}/{name}"

    @property
    def _files(self) -> Any:
        """fsspec's file system, without anything that it remembers from earlier."""
        if self._opened is None:
            import fsspec

            options: dict[str, Any] = {"skip_instance_cache": True}
            if not self._is_folder:
                options["use_listings_cache"] = False
            self._opened = fsspec.filesystem(self._url.kind, **options)
        self._miss_no_folder()
        return self._opened

    def _miss_no_folder(self) -> None:
        """Raise OSError if the place, or the study's folder in it, is not there: it is away with all it has, and not
        made anew. Where a file system is not mounted there may be an empty folder in its place."""
        if self._is_folder and not self._folder.is_dir():
            raise OSError(f"{self._folder} is not there")

    def _upload(self, name: str, file: Path) -> None:
        files, target = self._files, self._at(name)
        if not self._is_folder:
            files.put_file(str(file), target)  # an object store shows what has arrived whole
            return
        draft = f"{target}.{uuid.uuid4().hex}.draft"
        files.makedirs(os.path.dirname(target), exist_ok=True)
        try:
            files.put_file(str(file), draft)
            with open(draft, "rb") as written:
                os.fsync(written.fileno())
            os.replace(draft, target)
        finally:
            Path(draft).unlink(missing_ok=True)

    def _write(self, name: str, content: bytes) -> None:
        with NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            self._upload(name, Path(file.name))

    def _download(self, name: str, file: Path) -> bool:
        files = self._files
        try:
            files.get_file(self._at(name), str(file))
        except FileNotFoundError:
            self._miss_no_folder()
            return False
        return True

    def _read(self, name: str) -> bytes | None:
        with NamedTemporaryFile() as file:
            return Path(file.name).read_bytes() if self._download(name, Path(file.name)) else None

    def _list(self, start: str) -> list[str]:
        files, root = self._files, self._at("")
        folder = root + start.rpartition("/")[0]
        try:
            paths = files.find(folder.rstrip("/"))
        except FileNotFoundError:
            self._miss_no_folder()
            return []
        names = [path[len(root) :] for path in paths]
        return sorted(name for name in names if name.startswith(start) and not name.endswith(".draft"))

    def _remove(self, name: str) -> None:
        try:
            self._files.rm_file(self._at(name))
        except FileNotFoundError:
            self._miss_no_folder()

    def _patiently(self, operation: Callable[[], Answer]) -> Answer:
        """Do what may be done twice, again and again while the place is away."""
        return self._absence.wait_for(operation, self._patience_s, self._given_up)

    def _refused(self, error: Exception) -> InputError:
        package = PACKAGES[self._url.kind]
        if isinstance(error, ImportError) and package is not None:
            return InputError(
                f"study.artifacts={self.name}: needs a package that is not installed: pip install {package}"
            )
        return InputError(
            f"study.artifacts={self.name}: cannot be written to and read ({reason_of(error)}); bucket, folder, "
            "permissions and the credentials in the environment must allow it"
        )
