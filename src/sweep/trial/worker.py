"""One rank of a worker: claims trials of a study one after another and runs them. Started by a launcher.

Rank 0 alone talks to the study; it broadcasts each claimed point to the other ranks.
"""

import logging
import os
import signal
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

# A terminal's Ctrl-C, or a service manager's SIGTERM, reaches the whole process group; what happens then is the
# driver's decision.
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from sweep.errors import Fenced, InputError, TrialFailed
from sweep.launch.liveness import alive_in, forget_status, hold, read_status, write_status
from sweep.launch.order import STOP, WorkOrder
from sweep.records.folder import StudyFolder
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.study.heartbeat import Heartbeat
from sweep.study.point import Point
from sweep.study.store import Claim, StudyStore
from sweep.training.watch import Stopped, Watch
from sweep.trial.attempt import GROUP_BROKEN, TrialRun
from sweep.trial.pipeline import Trial, TrialData, make_accelerator, run_trial

PATIENCE_S = 60.0  # how long a failed rank leaves rank 0 to record the reason

log = logging.getLogger("sweep")
stop_asked = threading.Event()  # the driver wants this worker to save or finish its trial, and to end


def main() -> int:
    """Run until nothing is left to claim. The exit status is 0 even if trials FAILED: they are recorded."""
    line = sys.stdin.readline()
    if not line:
        return 0  # the launcher needs no worker after all
    order = WorkOrder.from_json(line)
    threading.Thread(target=_listen, args=(sys.stdin,), daemon=True).start()
    _quieten()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    accelerator = make_accelerator()
    composer = Composer("sweep", order.overrides, order.config_dir)
    if accelerator.is_main_process:
        _lead(order, composer, accelerator)
    else:
        _follow(order, composer, accelerator)
    accelerator.end_training()
    return 0


def _listen(launcher: TextIO) -> None:
    """Note a request to stop; end this process at once when the launcher's end of the pipe closes. A trial is made to
    bear that."""
    for line in launcher:
        if line.strip() == STOP:
            stop_asked.set()
    os._exit(70)


def _quieten() -> None:
    warnings.filterwarnings("ignore", category=FutureWarning)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    log.setLevel(logging.INFO)


def _lead(order: WorkOrder, composer: Composer, accelerator: Accelerator) -> None:
    """Rank 0: claim, tell the others, run, record."""
    folder = StudyFolder(Path(order.study_folder))
    lock = hold(folder.workers, order.worker)
    store = StudyStore(folder, load_settings(composer).study, alive_in(folder.workers))
    data = TrialData()
    try:
        while not stop_asked.is_set() and (claim := store.claim(order.worker)) is not None:
            try:
                settings = load_settings(composer, claim.point.assignments)
            except InputError as error:  # values that are valid alone and not together
                with suppress(Fenced):
                    store.fail(claim, str(error))
                continue
            with Heartbeat(store, claim, store.settings.grace_s / 4) as heartbeat:
                trial = TrialRun(order, settings, accelerator, folder, store, claim, heartbeat, stop_asked.is_set)
                if trial.committed is None:  # else nothing is left that takes all ranks
                    _broadcast(accelerator, claim)
                trial.run(data)
    except Exception as error:
        # Not the trial's fault: the database or the disk. The driver tells the user and stops.
        reason = " ".join(str(error).split()).split(" [SQL:")[0] or type(error).__name__
        write_status(folder.workers, order.worker, {**read_status(folder.workers, order.worker), "error": reason})
        raise
    _broadcast(accelerator, None)
    forget_status(folder.workers, order.worker)
    lock.release()


def _follow(order: WorkOrder, composer: Composer, accelerator: Accelerator) -> None:
    """Other ranks: train and evaluate what rank 0 claimed; a failure they share with it is rank 0's to record."""
    data, folder = TrialData(), StudyFolder(Path(order.study_folder))
    while (told := _broadcast(accelerator, None)) is not None:
        point, attempt = told
        settings = load_settings(composer, point.assignments)
        try:
            trial = folder.trial(point.key)
            paths = trial.embeddings, trial.checkpoint, folder.baseline(settings).path
            run_trial(Trial(settings, point.key, *paths, attempt), data, accelerator, Watch())
        except Stopped:
            continue
        except TrialFailed as error:  # from a gathered loss or embedding: the same on every rank
            log.info("%s: %s", point.key, error)
        except Exception:
            log.exception("%s", point.key)
            # Rank 0 most likely has the same error: let it record the reason and end the group, if it can.
            time.sleep(PATIENCE_S)
            sys.exit(GROUP_BROKEN)


def _broadcast(accelerator: Accelerator, claim: Claim | None) -> tuple[Point, int] | None:
    """Point and attempt of rank 0's claim, on every rank."""
    told = None if claim is None else (claim.point.to_json(), claim.attempt)
    if accelerator.num_processes > 1:
        box: list[Any] = [told]
        broadcast_object_list(box, from_process=0)
        told = box[0]
    return None if told is None else (Point.from_json(told[0]), told[1])


if __name__ == "__main__":
    sys.exit(main())
