"""The lock files of one run, which tell its living workers from dead ones."""

from collections.abc import Sequence

from sweep.errors import SweepError
from sweep.launch.crew import Member
from sweep.launch.liveness import LockFiles
from sweep.records.folder import StudyFolder


class Locks:
    """Those of a study's driver and of its workers."""

    def __init__(self, folder: StudyFolder) -> None:
        self._folder = folder
        self._files = LockFiles()

    def check(self, members: Sequence[Member]) -> None:
        """Raise SweepError if one that was there is gone: else trials change hands for ever."""
        holders = {self._folder.workers / f"{member.order.worker}.lock": member.worker for member in members}
        for file in self._files.deleted([self._folder.driver_lock, *holders]):
            if file in holders and holders[file].poll() is not None:
                continue  # a worker that has died since the last look needs none any more
            raise SweepError(
                f"{file} was deleted while the study ran, and only with it is a worker known to live; its workers "
                "were ended, and the same command goes on with their trials"
            )
