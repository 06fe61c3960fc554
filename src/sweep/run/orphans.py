"""Workers that an earlier, killed run of the study has left."""

import time

from sweep.errors import SweepError
from sweep.launch.liveness import alive_in, is_joined
from sweep.records.folder import StudyFolder

POLL_S = 0.4


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
