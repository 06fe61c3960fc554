"""What the fork server imports, so that a worker is a fork of it: everything heavy, once, on no device.

Importing this module does nothing, except in a fork server. There must be one thread in it: a fork copies the thread
that calls it alone, and whatever lock another thread held would stay locked in every worker. Libraries start their
pools of threads when they are loaded, as the environment tells them; the ranks set their numbers of threads later.
"""

import atexit
import faulthandler
import gc
import importlib
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from typing import IO

from sweep.launch.importing import without_collector
from sweep.launch.interruption import SIGNALS

# By name: what workers do is above this room. The modules that follow the worker's own are those that its libraries
# import late, when a trial needs them.
MODULES = (
    "sweep.trial.worker",
    "sklearn.linear_model",
    "sklearn.model_selection",
    "scipy.stats",
    "optuna.storages",
    "babel.dates",
    "babel.numbers",
)
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",  # Arrow's allocator, which Arrow does not even use here
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # asks the driver, so that CUDA itself is not begun before the fork
}
DRIVER = "SWEEP_DRIVER_PID"  # in the server's environment: the driver may have ended when the server asks

failure: str | None = None  # why an import failed: every worker says it and ends


def _is_fork_server() -> bool:
    return any("multiprocessing.forkserver" in word for word in sys.orig_argv)


def _preload() -> str | None:
    """Import all modules; the traceback and the output of what fails, or None. Ends the process if it is orphaned."""
    for number in SIGNALS:  # which reach the whole process group: the driver's affair
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    os.environ.update(ENVIRONMENT)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `rank_environment` has it; read when they load
    atexit.register(os._exit, 0)  # the server has nothing to tidy up, and taking all modules down takes a while
    watch = _DriverWatch(int(os.environ.pop(DRIVER, os.getppid())))
    sys.meta_path.insert(0, watch)
    try:
        with _output() as output, without_collector():
            for name in MODULES:
                try:
                    importlib.import_module(name)
                except BaseException:  # even SystemExit: workers must be able to say it
                    output.seek(0)
                    return output.read() + traceback.format_exc()
    finally:
        sys.meta_path.remove(watch)
        gc.freeze()  # a worker's collector would write to every object, and so copy what it shares with the others
    return None


class _DriverWatch(MetaPathFinder):
    """Finds no module, but at every import whether the driver has ended meanwhile; then this process ends, too."""

    def __init__(self, driver: int) -> None:
        self._driver = driver

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """See importlib."""
        if os.getppid() != self._driver:
            os._exit(0)


@contextmanager
def _output() -> Iterator[IO[str]]:
    """Keep what the imports print: warnings for nobody, unless one of them fails. A crash goes to the terminal.

    Afterwards the server's output goes nowhere: whoever reads that of the driver is not to wait for the server, too.
    """
    kept = [os.dup(number) for number in (1, 2)]
    faulthandler.enable(kept[1])
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        for number in (1, 2):
            os.dup2(output.fileno(), number)
        try:
            yield output
        finally:
            faulthandler.disable()
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for number, original in zip((1, 2), kept, strict=True):
                os.dup2(nowhere, number)
                os.close(original)
            os.close(nowhere)


if _is_fork_server():
    failure = _preload()
