"""The Ray cluster of this process: one that is there, or one on this machine that ends with this process."""

import atexit
import importlib
import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
from importlib.util import find_spec
from typing import Any

from sweep.errors import InputError
from sweep.launch.capacity import available_cores
from sweep.launch.fresh_rank import carried
from sweep.launch.interruption import SIGNALS
from sweep.launch.ray_internals import discreet_start
from sweep.settings import RayLauncher

OBJECT_STORE_BYTES = 80 * 2**20  # next to the least that Ray takes: ranks talk to each other without it
HEAD_S = 10  # how long this process waits for the head of a cluster of its own, in case it comes back
ANSWER_S = 5.0  # for a cluster's port to open
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SCHEDULER_EVENTS": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # pages of a raylet's log when a node is lost: the driver has a line for that
}
PORT = 6379  # of a cluster's head, where an address names none
LONGEST_TMPDIR = 24  # characters: the names of sockets below it have 107 at most

_lock = threading.Lock()
_connections: dict[str | None, "Connection"] = {}


def imported_ray() -> Any:
    """Ray, with nothing to say. Raises InputError if it is not installed."""
    for name, value in QUIET.items():  # read when it is imported
        os.environ.setdefault(name, value)
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise InputError("launcher=ray needs Ray: pip install 'multilingual-ratio-sweep[ray]'") from None


def connected(settings: RayLauncher) -> "Connection":
    """This process's connection, made in the background at the first call, and anew if it failed; one process has
    one."""
    with _lock:
        if settings.address not in _connections or _connections[settings.address].has_failed:
            for other in _connections.values():
                other.close()
            _connections.clear()
            _connections[settings.address] = Connection(settings.address)
        return _connections[settings.address]


class Connection:
    """A connection that is being made, or made. `address`: as in the settings."""

    def __init__(self, address: str | None) -> None:
        self.ray = imported_ray()
        self._address = address
        self._made = threading.Event()
        self._problem: str | None = None
        self._closing = threading.Event()
        self._folder: str | None = None  # of a cluster of its own
        self._keeper = threading.Thread(target=self._keep, name="ray", daemon=True)
        self._keeper.start()

    @property
    def has_failed(self) -> bool:
        """Whether there is no connection, and will not be."""
        return self._problem is not None

    def wait(self) -> Any:
        """Ray, connected. Raises InputError if it cannot be."""
        self._made.wait()
        if self._problem is not None:
            raise InputError(self._problem)
        return self.ray

    def close(self) -> None:
        """End the connection, and the cluster if it is this process's own. One that failed has nothing to end:
        whatever else connects this process to Ray stays."""
        self._made.wait()
        if not self.has_failed and not self._closing.is_set():
            self.ray.shutdown()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)  # Ray's helpers may still write there
        self._closing.set()

    def _close_if_made(self) -> None:
        """Close it at the end of this process, before Ray itself does."""
        if self._made.is_set():
            self.close()

    def _keep(self) -> None:
        """Connect, in a thread that lives as long as this process: the kernel kills what Ray starts when the thread
        that started it ends. Those processes inherit which signals the thread blocks: Ctrl-C and SIGTERM reach the
        whole process group, and what happens then is the driver's decision."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            self._problem = self._connect()
        except BaseException as error:
            self._problem = f"launcher.address={self._address}: {type(error).__name__}: {error}"
            raise
        finally:
            self._made.set()
        self._closing.wait()

    def _connect(self) -> str | None:
        """Connect; what is wrong, or None."""
        if problem := self._unanswered():
            return problem
        if self.ray.is_initialized():
            return (
                "launcher=ray: this process is connected to a Ray cluster already, and can be to one at a time; "
                "ray.shutdown() ends that"
            )
        of_workers = {"env_vars": {"PYTHONPATH": carried(os.environ)["PYTHONPATH"]}}
        own: dict[str, Any] = {}
        if self._address is None:
            os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", str(HEAD_S))
            self._folder = tempfile.mkdtemp(prefix="sweep-ray-", dir=_short_folder())
            own = {
                "_temp_dir": self._folder,  # else logs stay in /tmp/ray, beside those of other clusters
                "num_cpus": available_cores(),
                "object_store_memory": OBJECT_STORE_BYTES,
                "include_dashboard": False,
            }
        try:
            with discreet_start(self._address is None):
                self.ray.init(
                    address=self._address or "local",
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    runtime_env=of_workers,
                    **own,
                )
        except Exception as error:  # of many kinds: no cluster, other versions of Ray or Python, no token
            reason = str(error).strip().splitlines()[0]
            if self._address is None:
                return f"launcher=ray: Ray could not be started on this machine: {reason} (its logs: {self._folder})"
            return f"launcher.address={self._address}: {reason}"
        if self._address is None:
            atexit.register(self._close_if_made)
        return None

    def _unanswered(self) -> str | None:
        """That nobody listens at the address. Ray itself would wait for a minute, and then end this process."""
        if self._address in (None, "auto"):
            return None
        host, _, port = self._address.removeprefix("ray://").rpartition(":")
        if not port.isdecimal() or not 0 < int(port) < 2**16:
            return f"launcher.address={self._address}: must be auto, HOST:{PORT} or ray://HOST:10001"
        if self._address.startswith("ray://") and find_spec("grpc") is None:
            return f"launcher.address={self._address}: Ray's client is a part of its own: pip install 'ray[client]'"
        try:
            socket.create_connection((host.strip("[]"), int(port)), ANSWER_S).close()
        except UnicodeError:
            return f"launcher.address={self._address}: no machine can have this name"
        except OSError as error:
            return f"launcher.address={self._address}: no Ray cluster answers there ({error.strerror or error})"
        return None


def _short_folder() -> str | None:
    """Where there is room for the names of Ray's sockets; None: where temporary folders usually are."""
    return None if len(tempfile.gettempdir()) <= LONGEST_TMPDIR else "/tmp"
