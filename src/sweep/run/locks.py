"""The lock files of one run, which tell its living workers from dead ones."""

from collections.abc import Sequence

from sweep.errors import SweepError
from sweep.launch.crew import Member
from sweep.launch.liveness import LockFiles
from sweep.records.folder import StudyFolder


class Locks:
    """Those of a command's workers, and that of a study's driver unless another command is that."""

    def __init__(self, folder: StudyFolder, of_driver: bool = True) -> None:
        self._workers = folder.workers
        self._driver = [folder.driver_lock] if of_driver else []
        self._files = LockFiles()

    def check(self, members: Sequence[Member]) -> None:
        """Raise SweepError if one that was there is gone: else trials change hands for ever."""
        holders = {self._workers / f"{member.order.worker}.lock": member.worker for member in members}
        for file in self._files.deleted([*self._driver, *holders]):
            if file in holders and holders[file].poll() is not None:
                continue  # a worker that has died since the last look needs none any more
            raise SweepError(
                f"{file} was deleted while the study ran, and only with it is a worker known to live; its workers "
                "were ended, and the same command goes on with their trials"
            )
