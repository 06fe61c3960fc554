"""Workers that are fresh interpreters: each imports everything for itself."""

import multiprocessing
from pathlib import Path

from sweep.launch.processes import Processes
from sweep.settings import LauncherSettings


class SpawnedProcesses(Processes):
    """`launcher=spawn`: where forking is trouble, for a platform or for a device's driver."""

    def __init__(self, settings: LauncherSettings, folder: Path, entry: str) -> None:
        super().__init__(settings, folder, entry, multiprocessing.get_context("spawn"))

    def warm_up(self) -> None:
        """Nothing: every worker starts from scratch."""
