"""Runs or resumes a study: prepares it, keeps a worker going, shows progress, and tells the result."""

import os
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout
from rich.console import Console

from sweep.config import Composer
from sweep.data.load import check_zero_shot, load_benchmark, load_training_set
from sweep.errors import InputError, Interrupted, SweepError
from sweep.evaluation.names import metric_problem
from sweep.launch.local import LocalWorker
from sweep.launch.order import WorkOrder
from sweep.liveness import alive_in, read_status
from sweep.records import StudyFolder, write_atomically, write_trials_csv
from sweep.report.progress import display, duration_text
from sweep.report.summary import print_summary
from sweep.settings import HfModel, Settings
from sweep.study.store import StudyStore
from sweep.tracking.tracker import TrackedStudy, Tracker, open_study

POLL_S = 0.4


def run_study(settings: Settings, composer: Composer, console: Console, command: str) -> int:
    """Run the study to its target; 0 if it is reached, 1 if trials FAILED.

    Raises InputError (bad input, other settings than before), Interrupted, or SweepError (another run is at work).
    """
    started = time.monotonic()
    folder = StudyFolder((Path(settings.paths.sweeps) / settings.study.name).resolve())
    with _only_driver(folder):
        _check_inputs(settings)
        store = StudyStore(folder, settings.study, alive_in(folder.workers))
        store.check_settings(settings)
        write_atomically(folder.config, composer.yaml())
        tracked = open_study(
            settings.tracking.uri, folder.path.parent, settings.study.name, store.uid, folder.config
        )
        tracker = Tracker(tracked)
        store.enqueue()
        already = sum(state == "COMPLETE" for state in store.states().values())
        if already:
            console.print(f"Resuming study '{settings.study.name}': {already} of {store.target} trials are done.")
        try:
            _work(settings, composer, folder, store, tracker, console)
        except KeyboardInterrupt:
            tracker.close("KILLED")
            write_trials_csv(folder.trials_csv, store.records())
            done = sum(state == "COMPLETE" for state in store.states().values())
            raise Interrupted(
                f"Interrupted: {done} of {store.target} trials are done and saved. The same command resumes:\n  {command}"
            ) from None
        records = store.records()
        complete = sum(record.state == "COMPLETE" for record in records) >= store.target
        write_trials_csv(folder.trials_csv, records)
        tracker.close("FINISHED" if complete else "FAILED")
    print_summary(console, records, settings.evaluation.name, settings.study.objectives[0])
    _next_commands(settings, folder, console, command, time.monotonic() - started, complete)
    return 0 if complete else 1


@contextmanager
def _only_driver(folder: StudyFolder) -> Iterator[None]:
    """Hold the lock of the one command that runs a study. Raises SweepError if another one does."""
    folder.path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.path / "driver.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise SweepError(
            f"study '{folder.path.name}' is being run by another process; wait for it, or stop it first"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _check_inputs(settings: Settings) -> None:
    """Find bad input before any trial starts: objective, model, data, overlap of training and evaluation."""
    for objective in settings.study.objectives:
        problem = metric_problem(objective.metric, settings.evaluation.name)
        if problem:
            raise InputError(f"study.objectives: {problem}")
    if isinstance(settings.model, HfModel):
        from sweep.model.build import check_pretrained  # imports transformers: seconds

        check_pretrained(settings.model)
    check_zero_shot(load_training_set(settings), load_benchmark(settings))


def _work(
    settings: Settings,
    composer: Composer,
    folder: StudyFolder,
    store: StudyStore,
    tracker: Tracker,
    console: Console,
) -> None:
    """Start workers, one after another as they die, until nothing is left to do."""
    if not _unfinished(store):
        return
    previous = signal.signal(signal.SIGTERM, _as_interrupt)
    _await_orphans(folder)
    done = sum(state == "COMPLETE" for state in store.states().values())
    try:
        with display(console, settings.study.name, done, store.target) as shown:
            while _unfinished(store):
                worker = _start_worker(settings, composer, folder, tracker.study)
                try:
                    while (status := worker.poll()) is None:
                        states = list(store.states().values())
                        shown.update(
                            states.count("COMPLETE"),
                            states.count("FAILED"),
                            read_status(folder.workers, worker.order.worker),
                        )
                        time.sleep(POLL_S)
                finally:
                    worker.stop()
                if status:
                    _worker_died(worker, status, store, tracker, console)
    finally:
        signal.signal(signal.SIGTERM, previous)


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _unfinished(store: StudyStore) -> bool:
    """Whether a worker would find something to do."""
    states = list(store.states().values())
    return len(states) < store.target or any(state in ("WAITING", "RUNNING") for state in states)


def _start_worker(
    settings: Settings, composer: Composer, folder: StudyFolder, tracked: TrackedStudy
) -> LocalWorker:
    order = WorkOrder(
        worker=f"w-{os.getpid()}-{uuid.uuid4().hex[:8]}",
        study_folder=str(folder.path),
        overrides=composer.overrides,
        config_dir=composer.config_dir,
        tracked=asdict(tracked),
    )
    return LocalWorker(order, settings.launcher, folder.workers / "worker.log")


def _worker_died(
    worker: LocalWorker, status: int, store: StudyStore, tracker: Tracker, console: Console
) -> None:
    """Charge the death to its trial. Raises SweepError if the worker died before it had one: the next would too."""
    ran_something = bool(read_status(worker.log.parent, worker.order.worker))
    if not ran_something:
        tail = "\n".join(worker.log.read_text(errors="replace").strip().splitlines()[-5:])
        raise SweepError(f"the worker ended with status {status} before its first trial; {worker.log} ends with:\n{tail}")
    console.print(f"a worker died (status {status}); another one goes on with its trial", highlight=False)
    failed = store.worker_died(worker.order.worker, status)
    if failed is not None:
        tracker.fail(failed.key, failed.reason or "")


def _await_orphans(folder: StudyFolder, patience_s: float = 30.0) -> None:
    """Wait for workers of a killed earlier run to notice and end. Raises SweepError if one stays."""
    alive = alive_in(folder.workers)
    deadline = time.monotonic() + patience_s
    for file in folder.workers.glob("*.lock"):
        while alive(file.stem):
            if time.monotonic() > deadline:
                raise SweepError(f"a worker of an earlier run still works on this study ({file}); end it first")
            time.sleep(POLL_S)
        for leftover in (file, file.with_suffix(".json")):
            leftover.unlink(missing_ok=True)


def _next_commands(
    settings: Settings, folder: StudyFolder, console: Console, command: str, elapsed_s: float, complete: bool
) -> None:
    uri = settings.tracking.uri or f"sqlite:///{Path(settings.paths.sweeps) / 'mlflow.db'}"
    console.print(f"\n{'Done' if complete else 'Not complete'}, {duration_text(elapsed_s)}. All metrics: {folder.trials_csv}", highlight=False, soft_wrap=True)
    console.print(f"Browse:  mlflow ui --backend-store-uri {uri} --host 127.0.0.1", highlight=False, soft_wrap=True)
    console.print(f"Resume:  {command}   (adds what is missing; finished trials stay)", highlight=False, soft_wrap=True)
    if not complete:
        console.print(f"Retry failed trials:  {command} study.retry_failed=true", highlight=False, soft_wrap=True)
