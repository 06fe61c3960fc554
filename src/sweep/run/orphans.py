"""Workers that an earlier, killed run of the study has left."""

import time

from sweep.errors import SweepError
from sweep.launch.crew import Crew
from sweep.launch.liveness import alive_in, host_of, is_joined
from sweep.records.folder import StudyFolder
from sweep.study.outcomes import let_wait
from sweep.study.store import StudyStore

POLL_S = 0.4
END_WITH_DRIVER = ("ray",)  # ends of ids of workers that no lock here says of whether they live


def take_over(folder: StudyFolder, crew: Crew, store: StudyStore) -> None:
    """Let nothing go on that an earlier run has left, before this one starts anything. Raises SweepError."""
    await_orphans(folder)
    crew.take_over()
    take_back(store)


def await_orphans(folder: StudyFolder, patience_s: float = 30.0) -> None:
    """Wait for them to notice and end. Raises SweepError if one stays. Those that have joined are no orphans."""
    alive = alive_in(folder.workers)
    deadline = time.monotonic() + patience_s
    for file in folder.workers.glob("*.lock"):
        if is_joined(file.stem):
            continue
        while alive(file.stem):
            if time.monotonic() > deadline:
                raise SweepError(f"a worker of an earlier run still works on this study ({file}); end it first")
            time.sleep(POLL_S)
        for leftover in folder.workers.glob(f"{file.stem}.*"):
            leftover.unlink(missing_ok=True)


def take_back(store: StudyStore) -> None:
    """Let the trials wait again that workers of a cluster had who have ended with an earlier run."""
    let_wait(store.storage, store.view.trials().values(), lambda worker: host_of(worker) in END_WITH_DRIVER)
