"""One worker on this machine: a group of accelerate ranks, one process each.

A worker's standard input is a pipe that its launcher holds open: the first line is its order, a line "stop" asks it
to save or finish its trial and to end, and the end of the stream means that the launcher is gone, so a worker never
outlives it, however it died.
"""

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from sweep.launch.order import STOP, WorkOrder
from sweep.settings import LauncherSettings


class LocalWorker:
    """A started worker: it loads its libraries and waits for its order. Its output goes to `log`. `devices`: the GPUs
    of its ranks, empty on a machine without any."""

    def __init__(self, settings: LauncherSettings, log: Path, devices: tuple[str, ...] = ()) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        self._ranks: list[subprocess.Popen[str]] = []
        port = _free_port()
        with log.open("a") as output:
            for rank in range(settings.processes):
                process = subprocess.Popen(
                    [sys.executable, "-m", "sweep.trial.worker"],
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    text=True,
                    env={**os.environ, **rank_environment(rank, settings, port, devices)},
                )
                self._ranks.append(process)

    def send(self, order: WorkOrder) -> None:
        """Tell all ranks what to work on. A rank that is gone already shows in `poll`."""
        self._write(order.to_json())

    def ask_to_stop(self) -> None:
        """Ask all ranks to save or finish their trial, to claim no other, and to end."""
        self._write(STOP)

    def _write(self, line: str) -> None:
        for process in self._ranks:
            assert process.stdin is not None
            with suppress(BrokenPipeError):
                process.stdin.write(line + "\n")
                process.stdin.flush()

    def poll(self) -> int | None:
        """None while it runs, else its status. The others would wait forever for a dead rank: they are ended."""
        statuses = [process.poll() for process in self._ranks]
        failed = [status for status in statuses if status]
        if failed:
            self.stop()
            return failed[0]
        return None if None in statuses else 0

    def release(self) -> None:
        """Close the ranks' input: they end at once."""
        for process in self._ranks:
            if process.stdin and not process.stdin.closed:
                with suppress(BrokenPipeError):  # the rank is gone already
                    process.stdin.close()

    def stop(self, patience_s: float = 10.0) -> None:
        """End all ranks, and kill what is still there after `patience_s` seconds."""
        self.release()
        deadline = time.monotonic() + patience_s
        for process in self._ranks:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def rank_environment(
    rank: int, settings: LauncherSettings, port: int, devices: tuple[str, ...] = ()
) -> dict[str, str]:
    """What a rank needs to find its group and its worker's GPUs, and its share of the cores."""
    ranks = settings.workers * settings.processes
    threads = str(settings.threads or max(1, (os.cpu_count() or 1) // ranks))
    environment = {
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }
    if devices:
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(devices)
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
