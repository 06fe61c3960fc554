"""One command runs a study at a time; who it is, and how another process asks it to stop."""

import json
import os
import shlex
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from sweep.errors import SweepError
from sweep.launch.liveness import PROBE_S, held
from sweep.records.files import write_atomically
from sweep.records.folder import StudyFolder

LOOK_S = 1.0  # how long to wait for the lock until the next look at who has it


@dataclass(frozen=True)
class Driver:
    """The process that runs a study. `since`: unix time in seconds."""

    pid: int
    host: str
    since: float


def stop_arguments(folder: StudyFolder) -> str:
    """What Python is given to stop the run of a study, as one would type it here."""
    sweeps = os.path.relpath(folder.path.parent)
    words = ["-m", "sweep.studies", "stop", folder.path.name]
    if sweeps != "sweeps":
        words += ["--sweeps", str(folder.path.parent) if sweeps.startswith("..") else sweeps]
    return shlex.join(words)


@contextmanager
def only_driver(folder: StudyFolder) -> Iterator[None]:
    """Hold the lock of the one command that runs a study. Raises SweepError if another one does."""
    folder.path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.driver_lock, timeout=LOOK_S)
    deadline = time.monotonic() + PROBE_S
    while not lock.is_locked:
        try:
            lock.acquire()
        except Timeout:
            if not _is_driven(folder) and time.monotonic() < deadline:
                continue
            raise SweepError(
                f"study '{folder.path.name}' is being run by another process; wait for it, or stop it first: "
                f"python {stop_arguments(folder)}"
            ) from None
    try:
        driver = Driver(os.getpid(), socket.gethostname(), time.time())
        write_atomically(folder.driver, json.dumps(asdict(driver)))
        yield
    finally:
        folder.driver.unlink(missing_ok=True)
        lock.release()


def _is_driven(folder: StudyFolder) -> bool:
    """Whether the process that has the lock is a driver as far as is known, and does not just ask for one."""
    try:
        driver = Driver(**json.loads(folder.driver.read_text()))
    except FileNotFoundError:
        return False
    return driver.host != socket.gethostname() or _has_open(driver.pid, folder.driver_lock)


def driver_of(folder: StudyFolder) -> Driver | None:
    """Who runs the study now, or None if nobody does: the kernel frees the lock of a process that was killed."""
    if not held(folder.driver_lock):
        return None
    try:
        return Driver(**json.loads(folder.driver.read_text()))
    except FileNotFoundError:  # it is just beginning or ending
        return None


def ask_to_stop(folder: StudyFolder) -> Driver:
    """Send the driver what Ctrl-C sends. Raises SweepError if none is running here."""
    driver, name = driver_of(folder), folder.path.name
    if driver is None:
        raise SweepError(f"study '{name}' is not running")
    if driver.host != socket.gethostname():
        raise SweepError(f"study '{name}' is run on {driver.host} (process {driver.pid}): stop it there")
    if not _has_open(driver.pid, folder.driver_lock):
        raise SweepError(f"study '{name}': process {driver.pid} does not hold {folder.driver_lock}: stop it by hand")
    os.kill(driver.pid, signal.SIGINT)
    return driver


def _has_open(pid: int, file: Path) -> bool:
    """Whether a process has a file open: a number that a dead driver left may be another process's by now."""
    opened = Path(f"/proc/{pid}/fd")
    if not Path("/proc/self/fd").exists():  # no Linux: the lock alone has to do
        return True
    try:
        return any(os.path.realpath(link) == str(file.resolve()) for link in opened.iterdir())
    except (FileNotFoundError, PermissionError):
        return False
