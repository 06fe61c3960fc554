"""Whether a worker lives: it holds a file lock, which the kernel frees when the process ends, however it ends.

A worker's id is `w-PROCESS-RANDOM-PLACE@HOST`: the process that started it, the folder that its lock is in, and its
machine. Of workers with another folder or machine no lock here says anything.
"""

import json
import os
import socket
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sweep.records.files import write_atomically

PROBE_S = 30.0  # whoever asks whether a worker lives holds its lock for an instant, or longer on a busy machine
OWN, JOINED = "w", "j"  # what a worker's id begins with
PARTS = 4  # of an id, before its machine
PLACE = ".place"  # ends the name of the file that names a folder


def this_host() -> str:
    """The name of this machine, as workers bear it."""
    return "".join(char if char.isalnum() or char in ".-" else "-" for char in socket.gethostname())


def new_worker(workers: Path, host: str | None = None, joins: bool = False) -> str:
    """An id for a worker that this process starts, whose lock will be in the folder `workers`. One that `joins` a
    study outlives the command that owns it. `host`: what stands for the machine of one that a cluster runs."""
    letter = JOINED if joins else OWN
    return f"{letter}-{os.getpid()}-{uuid.uuid4().hex[:8]}-{place_of(workers)}@{host or this_host()}"


def is_joined(worker: str) -> bool:
    """Whether it was started to help with a study that another command owns."""
    return worker.startswith(f"{JOINED}-")


def place_of(workers: Path) -> str:
    """A name that this folder has and no other, whichever machine or container looks at it, wherever it is moved.

    It is the name of an empty file. Two processes that give one at the same time give two, and both are names of it.
    """
    workers.mkdir(parents=True, exist_ok=True)
    given = min((file.stem for file in workers.glob(f"*{PLACE}")), default=None)
    if given is None:
        given = uuid.uuid4().hex[:8]
        (workers / f"{given}{PLACE}").touch()
    return given


def is_place(workers: Path, name: str) -> bool:
    """Whether a folder has this name, so that whoever gave it the name looks at the same folder."""
    return (workers / f"{name}{PLACE}").exists()


def _is_elsewhere(workers: Path, worker: str) -> bool:
    """Whether a worker has its lock in another folder. Earlier versions did not say where."""
    parts = worker.partition("@")[0].split("-")
    return len(parts) == PARTS and not is_place(workers, parts[-1])


def host_of(worker: str) -> str:
    """The machine of a worker; this one if its id names none."""
    return worker.partition("@")[2] or this_host()


def hold(workers: Path, worker: str) -> FileLock:
    """Take the lock that says this worker lives; kept until the process ends. A worker on a cluster takes none: it
    gives signs of life, and a folder that nodes share may know no locks."""
    workers.mkdir(parents=True, exist_ok=True)
    lock = FileLock(workers / f"{worker}.lock")
    if host_of(worker) == this_host():
        lock.acquire(timeout=PROBE_S)
    return lock


def held(file: Path) -> bool:
    """Whether a process holds the lock of this file."""
    if not file.exists():
        return False
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


class LockFiles:
    """Notices that somebody deletes lock files under those who hold them: a new file of the same name would be free,
    and whoever asks would take the living for dead."""

    def __init__(self) -> None:
        self._inodes: dict[Path, int] = {}

    def deleted(self, files: Iterable[Path]) -> list[Path]:
        """Those of these files that were there at an earlier call, and are gone or other ones."""
        gone = []
        for file in files:
            inode = None
            with suppress(FileNotFoundError):  # asked in one call: it may go between two
                inode = file.stat().st_ino
            if inode is not None:
                self._inodes.setdefault(file, inode)
            if inode != self._inodes.get(file):
                gone.append(file)
        return gone


def alive_in(workers: Path) -> Callable[[str], bool]:
    """A test for the workers of one study. One whose lock is in another folder passes: its signs of life tell."""

    def alive(worker: str) -> bool:
        # Names come from a database that others may write to, and to ask for a lock is to open its file.
        is_name = worker != "" and Path(worker).name == worker
        return is_name and (_is_elsewhere(workers, worker) or held(workers / f"{worker}.lock"))

    return alive


def write_status(workers: Path, worker: str, status: dict[str, Any]) -> None:
    """What the worker is doing, for whoever shows progress."""
    write_atomically(workers / f"{worker}.json", json.dumps(status))


def read_status(workers: Path, worker: str) -> dict[str, Any]:
    """What the worker last said; empty before it says anything."""
    try:
        status: dict[str, Any] = json.loads((workers / f"{worker}.json").read_text())
    except FileNotFoundError:
        return {}
    return status


def forget_status(workers: Path, worker: str) -> None:
    """The worker does nothing any more: it ends, and no death of it is to be explained."""
    (workers / f"{worker}.json").unlink(missing_ok=True)
