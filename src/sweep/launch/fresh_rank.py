"""A rank as a fresh interpreter: `python -m sweep.launch.fresh_rank ORDERS LISTENER`, and who starts it.

ORDERS is the number of a descriptor: a pipe that carries the RankParts, the order, and then what a launcher sends.
LISTENER is that of rank 0's socket of the rendezvous, or -1. For launchers that have a process beside the rank, which
takes its exit status. When that process dies the pipe ends, and the rank with it.
"""

import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from sweep.launch.order import WorkOrder
from sweep.launch.rank import STOP, RankPlan, run_rank
from sweep.launch.rendezvous import Rendezvous


@dataclass(frozen=True)
class RankParts:
    """What a fresh rank needs to know. `folder`: where it works; `log`: None leaves its output where it goes."""

    rank: int
    ranks: int
    environment: dict[str, str]
    folder: str
    log: Path | None
    entry: str
    meeting: tuple[str, int] | None  # host and port of the rendezvous


class FreshRank:
    """The process of a rank, for the process that started it."""

    def __init__(self, parts: RankParts, order: WorkOrder, rendezvous: Rendezvous | None) -> None:
        """Start it. Raises OSError if there is no such folder, say."""
        orders, self._to_rank = multiprocessing.Pipe(duplex=False)
        listener = None if rendezvous is None else rendezvous.listener
        passed = [orders.fileno(), *([] if listener is None else [listener.fileno()])]
        command = [sys.executable, "-m", "sweep.launch.fresh_rank", *map(str, [*passed, -1][:2])]
        self._process = subprocess.Popen(
            command, env=parts.environment, cwd=parts.folder, pass_fds=passed, stdin=subprocess.DEVNULL
        )
        orders.close()
        if rendezvous is not None:
            rendezvous.close()
        self._send(parts)
        self._send(order)

    def _send(self, message: object) -> None:
        with suppress(OSError):  # it has ended
            self._to_rank.send(message)

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def ask_to_stop(self) -> None:
        """Pass on the request, if the rank still lives."""
        self._send(STOP)

    def wait(self) -> int:
        """Wait for its exit status: negative for the signal that killed it."""
        return self._process.wait()

    def end(self, patience_s: float) -> None:
        """End it now, by force after some seconds."""
        with suppress(OSError):
            self._to_rank.close()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def carried(environment: Mapping[str, str]) -> dict[str, str]:
    """What ranks on other machines get of the driver's environment: all but what describes a machine, and where this
    process imports from, except for what is installed."""
    taken = {name: value for name, value in environment.items() if not _of_a_machine(name)}
    installed = {Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix)}
    path = [entry for entry in sys.path if entry and not installed & {*Path(entry).resolve().parents}]
    return taken | {"PYTHONPATH": os.pathsep.join(path)}


MACHINE = {
    "PATH", "HOME", "HOSTNAME", "USER", "LOGNAME", "SHELL", "PWD", "OLDPWD", "SHLVL", "_", "TMPDIR", "TMP", "TEMP",
    "LD_LIBRARY_PATH", "VIRTUAL_ENV", "TERM", "COLORTERM", "DISPLAY", "MAIL", "CUDA_HOME", "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES",
}  # fmt: skip
OF_A_KIND = ("RAY_", "SLURM_", "SSH_", "XDG_", "CONDA_", "KUBERNETES_", "LESS", "DBUS_")


def _of_a_machine(name: str) -> bool:
    return name in MACHINE or name.startswith(OF_A_KIND)


def _run(orders: Connection, listener: int) -> None:
    parts: RankParts = orders.recv()
    rendezvous = None
    if parts.meeting is not None:
        bound = None if listener < 0 else socket.socket(fileno=listener)
        rendezvous = Rendezvous(*parts.meeting, bound)
    run_rank(
        RankPlan(
            rank=parts.rank,
            ranks=parts.ranks,
            threads=None,
            environment=dict(os.environ),
            log=parts.log,
            entry=parts.entry,
            orders=orders,
            life=None,
            rendezvous=rendezvous,
        )
    )


if __name__ == "__main__":
    _run(Connection(int(sys.argv[1]), writable=False), int(sys.argv[2]))
