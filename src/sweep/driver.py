"""Runs or resumes a study: prepares it, keeps a worker going, shows progress, and tells the result."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout
from rich.console import Console

from sweep.command_line import this_python
from sweep.config import Composer, load_settings
from sweep.data.benchmark import Benchmark
from sweep.data.holdout import hold_out
from sweep.data.load import benchmark_tiers, check_zero_shot, load_benchmark, load_training_set
from sweep.errors import InputError, Interrupted, SweepError
from sweep.evaluation.catalogue import metric_problem
from sweep.evaluation.tiers import tier_members
from sweep.evaluation.validation import validation_key
from sweep.launch.local import LocalWorker
from sweep.launch.order import WorkOrder
from sweep.liveness import alive_in, new_worker, read_status
from sweep.records import StudyFolder, TrialRecord, write_atomically, write_trials_csv
from sweep.report.pareto import print_pareto
from sweep.report.progress import Display, display, duration_text
from sweep.report.summary import print_summary
from sweep.settings import HfModel, JudgedEvaluation, Settings
from sweep.study.store import StorageError, StudyStore
from sweep.study.warm_start import warm_start
from sweep.tracking.tracker import TrackedStudy, Tracker, TrackingError, default_uri, open_study

POLL_S = 0.4


def run_study(settings: Settings, composer: Composer, console: Console, command: str) -> int:
    """Run the study to its target; 0 if it is reached, 1 if trials FAILED.

    Raises InputError (bad input, other settings than before), Interrupted, or SweepError (another run is at work).
    """
    try:
        return _run_study(settings, composer, console, command)
    except StorageError as error:
        raise SweepError(f"the study's database cannot be used: {_first_line(error)}") from error
    except TrackingError as error:
        raise SweepError(f"MLflow cannot be used: {_first_line(error)}") from error
    except OSError as error:
        raise SweepError(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}") from error


def _first_line(error: Exception) -> str:
    return str(error.__cause__ or error).strip().splitlines()[0].split(" [SQL:")[0]


def _run_study(settings: Settings, composer: Composer, console: Console, command: str) -> int:
    started = time.monotonic()
    _check_inputs(settings)
    folder = StudyFolder((Path(settings.paths.sweeps) / settings.study.name).resolve())
    with _only_driver(folder):
        store = StudyStore(folder, settings.study, alive_in(folder.workers))
        store.check_settings(settings)
        adopted = warm_start(store, settings, lambda point: load_settings(composer, point))
        store.enqueue()
        if adopted:
            kind = "trials" if settings.study.is_grid else "points"
            console.print(f"Taken over from study '{settings.study.warm_start}': {adopted} {kind}.")
        if store.finished():
            console.print(
                f"Resuming study '{folder.path.name}': {store.finished()} of {store.target} trials are done."
            )
        complete = Study(settings, composer, folder, store, console).run(command)
        records = store.records()
    _tell_results(settings, folder, records, console)
    _next_commands(settings, folder, console, command, time.monotonic() - started, complete)
    return 0 if complete else 1


def _tell_results(settings: Settings, folder: StudyFolder, records: list[TrialRecord], console: Console) -> None:
    """Print the table of results, and how sure they are."""
    from sweep.report.certainty import print_certainty  # imports the evaluation: seconds

    benchmark, objective = settings.evaluation.name, settings.study.objectives[0]
    print_summary(console, records, benchmark, objective, folder.baselines())
    print_pareto(console, records, settings.study.objectives)
    print_certainty(console, folder, records, objective, benchmark)


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
    if isinstance(settings.model, HfModel):
        from sweep.model.build import check_pretrained  # imports transformers: seconds

        check_pretrained(settings.model)
    benchmark, training = load_benchmark(settings), load_training_set(settings)
    check_zero_shot(training, benchmark)
    if settings.train.validation.every_steps is not None:
        _check_validation(settings, hold_out(training, settings.train.validation.groups).validation)
    tiers = tier_members(benchmark.languages, benchmark_tiers(settings), settings.languages.train)
    search = settings.evaluation.search if isinstance(settings.evaluation, JudgedEvaluation) else None
    depth = None if search is None or search.index == "exact" else search.depth
    known = benchmark.name, benchmark.protocol, benchmark.languages, tiers, depth
    for objective in settings.study.objectives:
        problem = metric_problem(objective.metric, *known)
        if problem:
            raise InputError(f"study.objectives: {problem}")
    for constraint in settings.study.constraints:
        problem = metric_problem(constraint.metric, *known)
        if problem:
            raise InputError(f"study.constraints: {problem}")


def _check_validation(settings: Settings, held_out: Benchmark) -> None:
    """Whether early stopping and pruning can find their metrics. Raises InputError."""
    tiers = tier_members(held_out.languages, benchmark_tiers(settings), settings.languages.train)
    needed = {}
    if settings.train.early_stopping.patience is not None:
        needed["train.early_stopping.metric"] = settings.train.early_stopping.metric
    if settings.study.pruner.kind != "none":
        needed["study.pruner judges by the objective's counterpart"] = validation_key(
            settings.study.objectives[0].metric
        )
    for name, metric in needed.items():
        problem = metric_problem(metric, held_out.name, held_out.protocol, tiers, tiers)
        if problem:
            raise InputError(f"{name}: {problem}")


class Study:
    """One run of a study's command, from the first worker to the last."""

    def __init__(
        self, settings: Settings, composer: Composer, folder: StudyFolder, store: StudyStore, console: Console
    ) -> None:
        self.settings = settings
        self.composer = composer
        self.folder = folder
        self.store = store
        self.console = console

    def run(self, command: str) -> bool:
        """Work until nothing is left to do; whether the target is reached. Raises Interrupted or SweepError."""
        previous = signal.signal(signal.SIGTERM, _as_interrupt)
        # Its libraries take seconds to load: meanwhile this process prepares what it needs.
        worker = self._new_worker() if self.store.unfinished() else None
        tracker: Tracker | None = None
        status = "KILLED"
        try:
            write_atomically(self.folder.config, self.composer.yaml())
            tracker = Tracker(self._open_tracking())
            _await_orphans(self.folder)
            if worker is not None:
                self._work(worker, tracker)
            complete = self.store.finished() >= self.store.target
            status = "FINISHED" if complete else "FAILED"
        except KeyboardInterrupt:
            raise Interrupted(
                f"Interrupted: {self.store.finished()} of {self.store.target} trials are done and saved. "
                f"The same command resumes:\n  {command}"
            ) from None
        finally:
            if worker is not None:
                worker.stop()
            signal.signal(signal.SIGTERM, previous)
            if tracker is not None:
                tracker.close(status, self.store.states())
            write_trials_csv(self.folder.trials_csv, self.store.records())
        return complete

    def _open_tracking(self) -> TrackedStudy:
        sweeps, name = self.folder.path.parent, self.settings.study.name
        return open_study(self.settings.tracking.uri, sweeps, name, self.store.uid, self.folder.config)

    def _new_worker(self) -> LocalWorker:
        return LocalWorker(self.settings.launcher, self.folder.workers / "worker.log")

    def _work(self, worker: LocalWorker, tracker: Tracker) -> None:
        """Keep a worker going, a new one for each that dies, until nothing is left to do."""
        with display(self.console, self.settings.study.name, self.store.finished(), self.store.target) as shown:
            while self.store.unfinished():
                order = self._order(tracker.study)
                worker.send(order)
                try:
                    status = self._watch(worker, order, shown)
                finally:
                    worker.stop()
                if not status:  # it found nothing more to claim
                    return
                self._worker_died(worker, order, status, tracker)
                worker = self._new_worker()
            worker.stop()

    def _order(self, tracked: TrackedStudy) -> WorkOrder:
        return WorkOrder(
            worker=new_worker(),
            study_folder=str(self.folder.path),
            overrides=self.composer.overrides,
            config_dir=self.composer.config_dir,
            tracked=asdict(tracked),
        )

    def _watch(self, worker: LocalWorker, order: WorkOrder, shown: Display) -> int:
        """Show progress until the worker ends; its exit status."""
        while (status := worker.poll()) is None:
            said = read_status(self.folder.workers, order.worker)
            if "error" not in said:
                failed = list(self.store.states().values()).count("FAILED")
                shown.update(self.store.finished(), failed, said)
            time.sleep(POLL_S)
        return status

    def _worker_died(self, worker: LocalWorker, order: WorkOrder, status: int, tracker: Tracker) -> None:
        """Charge the death to its trial. Raises SweepError if the worker had none yet: the next would die too."""
        said = read_status(self.folder.workers, order.worker)
        if "error" in said:
            raise SweepError(f"the worker stopped: {said['error']} (details: {worker.log})")
        if not said:
            tail = "\n".join(worker.log.read_text(errors="replace").strip().splitlines()[-5:])
            raise SweepError(
                f"the worker ended with status {status} before its first trial; {worker.log} ends with:\n{tail}"
            )
        self.console.print(f"a worker died (status {status}); another one goes on", markup=False, highlight=False)
        failed = self.store.worker_died(order.worker, status)
        if failed is not None:
            tracker.fail(failed.key, failed.reason or "")


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


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
    uri = settings.tracking.uri or default_uri(Path(settings.paths.sweeps))
    lines = [
        f"\n{'Done' if complete else 'Not complete'}, {duration_text(elapsed_s)}. All metrics: {folder.trials_csv}",
        f"Browse:  {this_python()} -m mlflow ui --backend-store-uri {uri} --host 127.0.0.1",
        f"Resume:  {command}   (adds what is missing; finished trials stay)",
    ]
    if not complete:
        lines.append(f"Retry failed trials:  {command} study.retry_failed=true")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
