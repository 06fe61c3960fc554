"""What a rank of a worker runs: it claims trials of a study one after another. Started by a launcher.

Rank 0 alone talks to the study; it broadcasts each claimed point to the other ranks.
"""

import logging
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from sweep.errors import ArtifactsUnusable, DatabaseUnusable, Fenced, InputError, TrialFailed
from sweep.launch.failures import CANNOT_WRITE, GROUP_BROKEN, write_failure
from sweep.launch.liveness import alive_in, forget_status, hold, host_of, read_status, this_host, write_status
from sweep.launch.order import WorkOrder
from sweep.model.resolution import resolved
from sweep.records.study_artifacts import WORDS_PATIENCE_S, StudyArtifacts, remove_drafts
from sweep.records.surroundings import fault_of_surroundings
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.settings.secrets import WithoutSecrets, redact
from sweep.study.heartbeat import Heartbeat
from sweep.study.outcomes import let_wait
from sweep.study.parents import parent_keys
from sweep.study.point import Point, check_point
from sweep.study.store import Claim, StudyStore
from sweep.training.watch import Stopped, Watch
from sweep.trial.attempt import TrialRun
from sweep.trial.checkpoint_copies import CheckpointCopies
from sweep.trial.merged import Parents
from sweep.trial.pipeline import Trial, TrialData, make_accelerator, run_trial
from sweep.trial.reasons import reason_of
from sweep.trial.shared_results import SharedResults

NOT_YET = "not yet"  # to ranks that wait for a claim

log = logging.getLogger("sweep")


def main(order: WorkOrder, stop_asked: Callable[[], bool]) -> int:
    """Run until nothing is left to claim. The exit status is 0 even if trials FAILED: they are recorded.

    `stop_asked`: whether the driver wants this worker to save or finish its trial, and to end.
    """
    _quieten()
    accelerator = make_accelerator()
    composer = Composer("sweep", order.overrides, order.config_dir)
    if accelerator.is_main_process:
        _lead(order, composer, accelerator, stop_asked)
    else:
        _follow(order, composer, accelerator)
    accelerator.end_training()
    return 0


def _quieten() -> None:
    warnings.filterwarnings("ignore", category=FutureWarning)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(WithoutSecrets("%(asctime)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    log.setLevel(logging.INFO)


def _lead(order: WorkOrder, composer: Composer, accelerator: Accelerator, stop_asked: Callable[[], bool]) -> None:
    """Rank 0: claim, tell the others, run, record."""
    folder = order.folder
    lock = hold(folder.workers, order.worker)
    store = StudyStore(folder, load_settings(composer).study, alive_in(folder.workers))
    data, shared = TrialData(), None
    try:
        _take_back(order, store)
        shared = SharedResults.of(store)
        if shared is not None and order.scratch is not None:
            remove_drafts(folder.path)
            shared.artifacts.take_data_record()
        parents = Parents(store, order.worker, stop_asked, shared, partial(_keep_waiting, accelerator))
        first: Claim | None = None  # what a merge that was given back waits for
        while not stop_asked() and (claim := first or _next_claim(order, store, shared)) is not None:
            first = None
            try:
                check_point(claim.point, store.settings)
                settings = resolved(load_settings(composer, claim.point.assignments))
            except InputError as error:  # values that are valid alone and not together
                with suppress(Fenced):
                    store.fail(claim, reason_of(error))
                continue
            with Heartbeat(store, claim, store.settings.grace_s / 4) as heartbeat:
                trial = TrialRun(order, settings, accelerator, folder, store, claim, heartbeat, stop_asked, shared)
                if trial.committed is None:  # else nothing is left that takes all ranks
                    ready = _await_parents(parents, trial)
                    if ready is not True:
                        first = ready or None
                        continue
                    _broadcast(accelerator, claim, store.view.uid)
                trial.run(data)
    except Exception as error:
        # Not the trial's fault: the database or the disk. The driver tells the user and stops.
        fault = fault_of_surroundings(error)
        reason = redact(fault or " ".join(str(error).split()).split(" [SQL:")[0] or type(error).__name__)
        log.exception("%s", reason)
        with suppress(OSError):  # of a full disk the exit status tells
            status = {**read_status(folder.workers, order.worker), "error": reason}
            write_status(folder.workers, order.worker, status)
        _leave_words(order, None if shared is None else shared.artifacts)
        sys.exit(1 if fault is None else CANNOT_WRITE)
    _broadcast(accelerator, None)
    forget_status(folder.workers, order.worker)
    lock.release()


def _await_parents(parents: Parents, trial: TrialRun) -> Claim | bool:
    """As `Parents.ready`; False, too, if the trial is another's by now."""
    if parent_keys(trial.claim.point, trial.store.settings) is not None:
        trial.status.wait()  # it may take long, and a worker whose status names an earlier trial is out of touch
    try:
        return parents.ready(trial.claim, trial.heartbeat)
    except Fenced as error:
        log.info("%s", error)
        return False


def _keep_waiting(accelerator: Accelerator) -> None:
    """Let the other ranks hear that there is nothing to do yet: they would give up a call that nobody answers."""
    if accelerator.num_processes > 1:
        broadcast_object_list([NOT_YET], from_process=0)


def _take_back(order: WorkOrder, store: StudyStore) -> None:
    """Let a trial wait again that this worker had in an earlier life.

    On a cluster it may have several: Slurm queues a job again whose node was lost, or was taken away before it could
    save. The trial would give no sign of life, and the driver end the worker for that.
    """
    worker = order.worker
    if host_of(worker) != this_host():
        storage = store.storage
        storage.patiently(lambda: let_wait(storage, storage.taken_by(worker), lambda holder: holder == worker))


def _next_claim(order: WorkOrder, store: StudyStore, shared: SharedResults | None) -> Claim | None:
    """Claim a trial; where others' results decide whether one is worth it, with these at hand."""
    if shared is not None and store.settings.seed_policy == "stop_when_worse":
        shared.bring()
    return store.claim(order.worker)


def _follow(order: WorkOrder, composer: Composer, accelerator: Accelerator) -> None:
    """Other ranks: train and evaluate what rank 0 claimed; a failure they share with it is rank 0's to record."""
    data, folder = TrialData(), order.folder
    while (task := _broadcast(accelerator, None)) is not None:
        if task == NOT_YET:
            continue
        point, attempt, uid = task
        artifacts = None
        try:
            settings = resolved(load_settings(composer, point.assignments))
            trial = folder.trial(point.key)
            paths = trial.embeddings, trial.checkpoint, folder
            artifacts = StudyArtifacts.of(settings.study, folder, uid)
            copies = None if artifacts is None else CheckpointCopies(artifacts, point.key, attempt)
            parents = parent_keys(point, settings.study)
            followed = Trial(
                settings, point.key, *paths, attempt, artifacts=artifacts, copies=copies, parents=parents
            )
            run_trial(followed, data, accelerator, Watch())
        except Stopped:
            continue
        except TrialFailed as error:  # from a gathered loss or embedding: the same on every rank
            log.info("%s: %s", point.key, error)
        except Exception as error:
            log.exception("%s", point.key)
            fault = fault_of_surroundings(error)
            of_trial = fault is None and not isinstance(error, (DatabaseUnusable, ArtifactsUnusable))
            try:
                reason = fault or reason_of(error)
                write_failure(folder.workers, order.worker, accelerator.process_index, reason, of_trial)
                _leave_words(order, artifacts)
            except OSError:
                sys.exit(CANNOT_WRITE)
            sys.exit(GROUP_BROKEN)


def _leave_words(order: WorkOrder, artifacts: StudyArtifacts | None) -> None:
    """Let a driver that does not share this worker's folder know why it ends."""
    if order.scratch is None or artifacts is None:
        return
    try:
        artifacts.within(WORDS_PATIENCE_S).leave_words(order.worker)
    except (ArtifactsUnusable, OSError) as error:
        log.error("the driver will not know why this worker ended: %s", error)


def _broadcast(accelerator: Accelerator, claim: Claim | None, uid: str = "") -> Any:
    """Point and attempt of rank 0's claim, and the study's id, on every rank; None at the end, NOT_YET before."""
    task: Any = None if claim is None else (claim.point.to_json(), claim.attempt, uid)
    if accelerator.num_processes > 1:
        box: list[Any] = [task]
        broadcast_object_list(box, from_process=0)
        task = box[0]
    return task if task is None or task == NOT_YET else (Point.from_json(task[0]), *task[1:])
