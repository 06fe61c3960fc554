"""Workers that are forked from one server process, which has imported everything and done nothing else.

All studies that one process runs share that server: environment, folder, log and threads are each worker's own.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext

from sweep.launch.interruption import SIGNALS
from sweep.launch.preload import DRIVER
from sweep.launch.processes import Processes

PRELOAD = "sweep.launch.preload"


class LocalProcesses(Processes):
    """`launcher=local`: the first worker takes as long as its imports, every further one a tenth of a second.

    If the server dies, its workers are ended too, since their exit status is lost with it; the next start makes a new
    one.
    """

    @classmethod
    def context(cls) -> ForkServerContext:
        """See Processes."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([PRELOAD])
        return context

    @classmethod
    def warm_up(cls) -> None:
        """Start the server: it imports while this process does something else."""
        cls.context()
        with no_output():
            resource_tracker.ensure_running()  # the server needs it, and starting it unblocks the signals below
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # inherited: Ctrl-C is not the server's affair
        os.environ[DRIVER] = str(os.getpid())
        try:
            forkserver.ensure_running()
        finally:
            del os.environ[DRIVER]
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def no_output() -> Iterator[None]:
    """Let processes that are started now inherit no output: they may outlive this one for a moment, and whoever reads
    its output is not to wait for them."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    kept = [os.dup(number) for number in (1, 2)]
    try:
        for number in (1, 2):
            os.dup2(nowhere, number)
        yield
    finally:
        for number, original in zip((1, 2), kept, strict=True):
            os.dup2(original, number)
            os.close(original)
        os.close(nowhere)
