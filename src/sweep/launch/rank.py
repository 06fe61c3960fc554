"""What a rank's process does before and around its work: its signals, log, environment, threads and group."""

import faulthandler
import fcntl
import importlib
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

from sweep.launch.environment import use_threads
from sweep.launch.importing import without_collector
from sweep.launch.interruption import SIGNALS
from sweep.launch.order import WorkOrder
from sweep.launch.preload import failure
from sweep.launch.rendezvous import Rendezvous, join_group

STOP = "stop"  # what comes after the order, if anything
LAUNCHER_GONE = 70  # exit status, which nobody is left to read

Entry = Callable[[WorkOrder, Callable[[], bool]], int]


@dataclass(frozen=True)
class RankPlan:
    """What a rank's process needs to know.

    `threads`: None if it is a fresh interpreter, whose environment told its libraries in time. `log`: None leaves its
    output where it goes. `orders` and `life`: its ends of the pipes to whoever started it, who needs no `life` if it
    is the parent and waits for the status.
    """

    rank: int
    ranks: int
    threads: int | None
    environment: dict[str, str]
    log: Path | None
    entry: str
    orders: Connection
    life: Connection | None
    rendezvous: Rendezvous | None


def run_rank(plan: RankPlan) -> NoReturn:
    """The process of one rank, from its first moment to its last. Exits with the status of its entry."""
    status = 1
    try:
        status = _work(plan)
    except SystemExit as end:
        if isinstance(end.code, int):
            status = end.code
        else:
            traceback.print_exc()
    except BaseException:
        with suppress(OSError):
            traceback.print_exc()
    finally:
        with suppress(OSError):  # on a full disk
            sys.stdout.flush()
            sys.stderr.flush()
        # At once, whatever started this process. Taking an interpreter down under the threads of torch, Gloo and the
        # inbox can end it with SIGABRT instead of its status.
        os._exit(status)


def _work(plan: RankPlan) -> int:
    # A terminal's Ctrl-C, or a service manager's SIGTERM, reaches the whole process group; what happens then is the
    # driver's decision.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    orders = _above_standard(plan.orders)  # the pipes are open as long as these
    _life = None if plan.life is None else _above_standard(plan.life)
    _read_nothing()
    _write_to(plan.log)
    os.environ.clear()
    os.environ.update(plan.environment)
    inbox = Inbox(orders)
    if failure is not None:  # of an import in the fork server
        print(failure, file=sys.stderr)
        return 1
    entry = _load(plan.entry)
    if plan.threads is not None:
        use_threads(plan.threads)
    if plan.rendezvous is not None:
        join_group(plan.rendezvous, plan.rank, plan.ranks)
    return entry(inbox.order(), inbox.stop_asked.is_set)


def _above_standard(pipe: Connection) -> Connection:
    """The same end of a pipe where nothing takes it for input or output: it may have the number of a standard
    descriptor that the launcher's process did not have open."""
    if pipe.fileno() > 2:
        return pipe
    return Connection(fcntl.fcntl(pipe.fileno(), fcntl.F_DUPFD_CLOEXEC, 3), pipe.readable, pipe.writable)


def _read_nothing() -> None:
    """Give this process an empty input, whatever it inherited: a library that asks a question gets no answer."""
    nowhere = os.open(os.devnull, os.O_RDONLY)
    if nowhere != 0:
        os.dup2(nowhere, 0)
        os.close(nowhere)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115


def _write_to(log: Path | None) -> None:
    """Send the output of this process to its log; a crash leaves the place where it happened there."""
    if log is not None:
        opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        for output in (1, 2):
            os.dup2(opened, output)
        os.close(opened)
    # Line by line, since a killed process flushes nothing. They stay open to its end.
    sys.stdout = open(1, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    faulthandler.enable()


def _load(entry: str) -> Entry:
    module, _, function = entry.partition(":")
    with without_collector():
        loaded: Entry = getattr(importlib.import_module(module), function)
    return loaded


class Inbox:
    """What the launcher sends, read from the first moment on. When its end closes, this process ends at once: the
    launcher is gone, or wants just that. A trial is made to bear it."""

    def __init__(self, orders: Connection) -> None:
        self.stop_asked = threading.Event()
        self._orders = orders
        self._first: queue.SimpleQueue[WorkOrder] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def order(self) -> WorkOrder:
        """The order; waits for it."""
        return self._first.get()

    def _listen(self) -> None:
        try:
            self._first.put(self._orders.recv())
            while True:
                if self._orders.recv() == STOP:
                    self.stop_asked.set()
        except (EOFError, OSError):
            os._exit(LAUNCHER_GONE)
