"""Workers that are fresh interpreters: each imports everything for itself."""

import multiprocessing
from multiprocessing.context import SpawnContext

from sweep.launch.processes import Processes


class SpawnedProcesses(Processes):
    """`launcher=spawn`: where forking is trouble, for a platform or for a device's driver."""

    @classmethod
    def context(cls) -> SpawnContext:
        """See Processes."""
        return multiprocessing.get_context("spawn")

    @classmethod
    def warm_up(cls) -> None:
        """Nothing: every worker starts from scratch."""
