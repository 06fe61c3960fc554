"""A place that all machines of a study reach, where folders are kept as one object each: there whole, or not at all.

Any of fsspec's object stores, or a folder. Where it is away, it is waited for.
"""

import logging
import os
import time
import uuid
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Self, TypeVar

from sweep.errors import ArtifactsUnusable, InputError, SweepError
from sweep.records.archive import pack, unpack
from sweep.records.files import FULL
from sweep.settings.artifacts import PACKAGES, ArtifactsUrl
from sweep.settings.secrets import redact

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 10.0
ATTENTION_S = 0.2  # between two looks at whether to go on waiting
NOTICE_S = 1.0  # shorter absences are a moment's crowding, of which nobody needs to read
PROBE = b"sweep can write here"

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
        self._say = say
        self._given_up = given_up
        self._opened: Any = None

    def until(self, given_up: Callable[[], bool]) -> Self:
        """The same place, for somebody who waits no longer once this is true."""
        return type(self)(self._url, self._prefix, self._patience_s, self._say, given_up)

    def check(self) -> None:
        """Write, read, list and delete something. Raises InputError if the place cannot be used as it is given, and
        ArtifactsUnusable if it is away for too long."""
        if self._is_folder:
            try:
                Path(self._path).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise self._refused(error) from None
        name = f"probe-{uuid.uuid4().hex}"

        def probe() -> bool:
            try:
                self._write(name, PROBE)
                is_there = self._read(name) == PROBE and name in self._list("probe-")
                self._remove(name)
            except (PermissionError, FileNotFoundError, ImportError, ValueError) as error:
                raise self._refused(error) from None
            except Exception as error:
                if "credentials" in type(error).__name__.lower() or "credentials" in str(error).lower():
                    raise self._refused(error) from None
                raise
            return is_there

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

    # The place ------------------------------------------------------------------------------------------------

    @property
    def _is_folder(self) -> bool:
        return self._url.kind == "file"

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
        """Raise OSError if the whole place is not there: it is away with all it has, and not made anew."""
        if self._is_folder and not Path(self._path).is_dir():
            raise OSError(f"{self._path} is not there")

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

    # Waiting --------------------------------------------------------------------------------------------------

    def _patiently(self, operation: Callable[[], Answer]) -> Answer:
        """Do what may be done twice, again and again while the place is away."""
        began, pause_s, noticed = time.monotonic(), FIRST_PAUSE_S, False
        while True:
            try:
                answer = operation()
            except (SweepError, ImportError):
                raise
            except Exception as error:  # of botocore, aiohttp, google, azure, or the operating system
                if isinstance(error, OSError) and error.errno in FULL:
                    raise
                away_s = time.monotonic() - began
                if away_s >= self._patience_s or self._given_up():
                    raise ArtifactsUnusable(
                        f"the study's artifacts at {self.name} have been away for {away_s:.0f} s ({_reason(error)}); "
                        "repeat the command when they are back: nothing is lost"
                    ) from None
                if away_s >= NOTICE_S and not noticed:
                    noticed = True
                    self._say(f"the study's artifacts at {self.name} are away ({_reason(error)}); trying again")
                self._rest(min(pause_s, max(0.0, self._patience_s - away_s)))
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                if noticed:
                    self._say(f"the study's artifacts at {self.name} are back")
                return answer

    def _rest(self, pause_s: float) -> None:
        until = time.monotonic() + pause_s
        while (left_s := until - time.monotonic()) > 0 and not self._given_up():
            time.sleep(min(left_s, ATTENTION_S))

    def _refused(self, error: Exception) -> InputError:
        package = PACKAGES[self._url.kind]
        if isinstance(error, ImportError) and package is not None:
            return InputError(
                f"study.artifacts={self.name}: needs a package that is not installed: pip install {package}"
            )
        return InputError(
            f"study.artifacts={self.name}: cannot be written to and read ({_reason(error)}); bucket, folder, "
            "permissions and the credentials in the environment must allow it"
        )


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return redact(lines[0])
