"""Workers that are forked from one server process, which has imported everything and done nothing else.

All studies that one process runs share that server: environment, folder, log and threads are each worker's own.
"""

import multiprocessing
import signal
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext

from sweep.launch.interruption import SIGNALS
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
        resource_tracker.ensure_running()  # the server needs it, and starting it unblocks the signals below
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # inherited: Ctrl-C is not the server's affair
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
