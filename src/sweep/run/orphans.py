"""Workers that an earlier, killed run of the study has left."""

import time

from sweep.errors import SweepError
from sweep.launch.liveness import alive_in, host_of, is_joined
from sweep.records.folder import StudyFolder
from sweep.study.store import StudyStore
from sweep.study.trials import StoredTrial, worker_of

POLL_S = 0.4
END_WITH_DRIVER = ("ray",)  # ends of ids of workers that no lock here says of whether they live


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
    """Let the trials wait again that workers of a cluster had who have ended with an earlier run.

    It was no death of theirs that a trial is charged with. One that still is about to end has lost its trial.
    """

    def is_theirs(trial: StoredTrial) -> bool:
        return trial.state == "RUNNING" and host_of(worker_of(trial.holder)) in END_WITH_DRIVER

    for known in store.view.trials().values():
        if is_theirs(known):

            def change(trial_id: int = known.id) -> None:
                if is_theirs(store.storage.trial(trial_id)):
                    store.storage.set_state(trial_id, "WAITING")

            store.storage.change_trial(known.id, change)
