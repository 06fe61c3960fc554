"""Whether a worker lives: it holds a file lock, which the kernel frees when the process ends, however it ends."""

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


def this_host() -> str:
    """The name of this machine, as workers bear it."""
    return "".join(char if char.isalnum() or char in ".-" else "-" for char in socket.gethostname())


def new_worker() -> str:
    """An id for a worker that this process starts, with its machine: locks of another machine say nothing here."""
    return f"w-{os.getpid()}-{uuid.uuid4().hex[:8]}@{this_host()}"


def host_of(worker: str) -> str:
    """The machine of a worker; this one if its id names none."""
    return worker.partition("@")[2] or this_host()


def hold(workers: Path, worker: str) -> FileLock:
    """Take the lock that says this worker lives; kept until the process ends."""
    workers.mkdir(parents=True, exist_ok=True)
    lock = FileLock(workers / f"{worker}.lock")
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
    """A test for the workers of one study."""

    def alive(worker: str) -> bool:
        return bool(worker) and held(workers / f"{worker}.lock")

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
