"""One worker on this machine: a group of accelerate ranks, one process each.

A worker's standard input is a pipe that its launcher holds open: the first line is its order, and the end of the
stream means that the launcher is gone, so a worker never outlives it, however it died.
"""

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from sweep.launch.order import WorkOrder
from sweep.settings import LauncherSettings


class LocalWorker:
    """A started worker: it loads its libraries and waits for its order. Its output goes to `log`."""

    def __init__(self, settings: LauncherSettings, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        self._ranks: list[subprocess.Popen[str]] = []
        port = _free_port()
        with log.open("a") as output:
            for rank in range(settings.processes):
                process = subprocess.Popen(
                    [sys.executable, "-m", "sweep.worker"],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    text=True,
                    env={**os.environ, **rank_environment(rank, settings, port)},
                )
                self._ranks.append(process)

    def send(self, order: WorkOrder) -> None:
        """Tell all ranks what to work on. A rank that is gone already shows in `poll`."""
        for process in self._ranks:
            assert process.stdin is not None
            with suppress(BrokenPipeError):
                process.stdin.write(order.to_json() + "\n")
                process.stdin.flush()

    def poll(self) -> int | None:
        """None while it runs, else its status. The others would wait forever for a dead rank: they are ended."""
        statuses = [process.poll() for process in self._ranks]
        failed = [status for status in statuses if status]
        if failed:
            self.stop()
            return failed[0]
        return None if None in statuses else 0

    def stop(self, patience_s: float = 10.0) -> None:
        """End all ranks: close their input, and kill what is still there after `patience_s` seconds."""
        deadline = time.monotonic() + patience_s
        for process in self._ranks:
            if process.stdin and not process.stdin.closed:
                with suppress(BrokenPipeError):  # the rank is gone already
                    process.stdin.close()
        for process in self._ranks:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def rank_environment(rank: int, settings: LauncherSettings, port: int) -> dict[str, str]:
    """What a rank needs to find its group, and its share of the cores."""
    threads = str(settings.threads or max(1, (os.cpu_count() or 1) // settings.processes))
    environment = {
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }
    if settings.processes > 1:
        environment |= {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(settings.processes),
            "LOCAL_WORLD_SIZE": str(settings.processes),
        }
    return environment


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
