"""One rank of a worker: claims trials of a study one after another and runs them. Started by a launcher.

Rank 0 alone talks to the study and to MLflow; it broadcasts each claimed point to the other ranks.
"""

import logging
import os
import shutil
import signal
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path
from typing import Any, TextIO

# A terminal's Ctrl-C, or a service manager's SIGTERM, reaches the whole process group; what happens then is the
# driver's decision.
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)

import torch
import yaml
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from sweep.config import Composer, load_settings
from sweep.errors import InputError, SweepError, TrialFailed
from sweep.launch.order import STOP, WorkOrder
from sweep.liveness import alive_in, hold, read_status, write_status
from sweep.model.export import export
from sweep.provenance import git_commit
from sweep.records import StudyFolder, TrialFolder, TrialResult, write_atomically
from sweep.report.card import model_card
from sweep.settings import Settings, flattened
from sweep.study.point import Point
from sweep.study.store import Claim, StudyStore, objective_value
from sweep.tracking.tracker import TrackedStudy, Tracker, TrackingError
from sweep.training.loop import TrainingPoint
from sweep.trial import Trial, TrialData, make_accelerator, run_trial

FLUSH_S = 5.0  # how often the loss curve goes to MLflow
LOSSES_HEADER = "step,loss,learning_rate,timestamp_ms\n"
GROUP_BROKEN = 75  # exit status
PATIENCE_S = 60.0  # how long a failed rank leaves rank 0 to record the reason
STATUS_S = 0.3  # how often the status file is renewed

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
    tracker = Tracker(TrackedStudy(**order.tracked))
    data = TrialData()
    try:
        while not stop_asked.is_set() and (claim := store.claim(order.worker)) is not None:
            try:
                settings = load_settings(composer, claim.point.assignments)
            except InputError as error:  # values that are valid alone and not together
                store.fail(claim, str(error))
                continue
            # Ctrl-C: pass `should_pause=stop_asked.is_set` here once TrialRun takes it.
            trial = TrialRun(order, settings, accelerator, folder, store, tracker, claim)
            if trial.committed is None:  # else nothing is left that takes all ranks
                _broadcast(accelerator, claim.point)
            trial.run(data)
    except Exception as error:
        # Not the trial's fault: the database, MLflow or the disk. The driver tells the user and stops.
        reason = " ".join(str(error).split()).split(" [SQL:")[0] or type(error).__name__
        write_status(folder.workers, order.worker, {**read_status(folder.workers, order.worker), "error": reason})
        raise
    _broadcast(accelerator, None)
    lock.release()


def _follow(order: WorkOrder, composer: Composer, accelerator: Accelerator) -> None:
    """Other ranks: train and evaluate what rank 0 claimed; a failure they share with it is rank 0's to record."""
    data, folder = TrialData(), StudyFolder(Path(order.study_folder))
    while (point := _broadcast(accelerator, None)) is not None:
        settings = load_settings(composer, point.assignments)
        try:
            trial = folder.trial(point.key)
            paths = trial.embeddings, trial.checkpoint, folder.baseline(settings).path
            run_trial(Trial(settings, point.key, *paths), data, accelerator, lambda _: None, lambda _: None)
        except TrialFailed as error:  # from a gathered loss or embedding: the same on every rank
            log.info("%s: %s", point.key, error)
        except Exception:
            log.exception("%s", point.key)
            # Rank 0 most likely has the same error: let it record the reason and end the group, if it can.
            time.sleep(PATIENCE_S)
            sys.exit(GROUP_BROKEN)


def _broadcast(accelerator: Accelerator, point: Point | None) -> Point | None:
    """Rank 0's point, on every rank."""
    if accelerator.num_processes == 1:
        return point
    box: list[Any] = [point.to_json() if point else None]
    broadcast_object_list(box, from_process=0)
    return Point.from_json(box[0]) if box[0] else None


class TrialRun:
    """One claimed trial on rank 0: its folder, its MLflow run, its outcome."""

    def __init__(
        self,
        order: WorkOrder,
        settings: Settings,
        accelerator: Accelerator,
        folder: StudyFolder,
        store: StudyStore,
        tracker: Tracker,
        claim: Claim,
    ) -> None:
        self.order = order
        self.accelerator = accelerator
        self.study_folder = folder
        self.store = store
        self.tracker = tracker
        self.claim = claim
        self.key = claim.point.key
        self.folder: TrialFolder = folder.trial(self.key)
        self.settings = settings
        self.committed = self._committed_result()
        self._status_at = 0.0

    def _committed_result(self) -> TrialResult | None:
        """The result of an earlier attempt that was killed after it had one."""
        result = self.folder.read_result()
        return result if result is not None and result.fingerprint == self.settings.trial_fingerprint() else None

    def run(self, data: TrialData) -> None:
        """Run the trial and record it as COMPLETE or FAILED."""
        self._say(phase="preparing", step=0, steps=0, loss=None)
        resolved = self.settings.model_dump(mode="json")
        self.folder.path.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(self.folder.log)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        log.addHandler(handler)
        write_atomically(self.folder.config, yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True))
        try:
            tags = {"sweep.seed": str(self.settings.seed), "sweep.attempt": str(self.claim.attempt)}
            run_id = self.tracker.start(self.key, flattened(resolved), tags)
            log.info("attempt %d of %s", self.claim.attempt, self.key)
            curve = LossCurve(self.folder, self.tracker, run_id)
            result = self.committed or self._result(data, curve)
            if result is not None:
                curve.finish()
                self.tracker.finish(run_id, result, self.settings.train.steps, self.folder)
                self.store.finish(self.claim, result)
                self._tidy()
                log.info("COMPLETE in %.1f s", result.duration_s)
        finally:
            log.removeHandler(handler)
            handler.close()

    def _result(self, data: TrialData, curve: "LossCurve") -> TrialResult | None:
        """Train and evaluate; the result, committed, or None if the trial FAILED."""
        settings = self.settings

        def note(point: TrainingPoint) -> None:
            if point.step in (settings.train.log_every, settings.train.steps):
                log.info("step %d: loss %.4f", point.step, point.loss)
            curve.add(point)
            phase = "evaluating" if point.step == settings.train.steps else "training"
            self._say(phase=phase, step=point.step, steps=settings.train.steps, loss=point.loss)

        baseline = self.study_folder.baseline(settings)
        trial = Trial(settings, self.key, self.folder.embeddings, self.folder.checkpoint, baseline.path)
        try:
            outcome = run_trial(trial, data, self.accelerator, note, log.info)
            assert outcome is not None  # on rank 0
            result = outcome.result
            for folder, evaluation in ((baseline, outcome.baseline), (self.folder, outcome.evaluation)):
                if evaluation is not None:
                    evaluation.write(folder.metrics, folder.details, folder.ranks)
            for remark in outcome.evaluation.notes():
                log.info("%s", remark)
            for objective in settings.study.objectives:
                objective_value(result, objective.metric)
            if self._is_wanted(result):
                card = model_card(settings, self.key, outcome.evaluation.evaluated, git_commit())
                export(outcome.retriever, self.folder.model, card)
            self.folder.write_result(result)
        except (*TrackingError, OSError):  # MLflow or the disk: not the trial's fault
            raise
        except Exception as error:
            self._fail(error)
            return None
        return result

    def _is_wanted(self, result: TrialResult) -> bool:
        """Whether the trial's model is to be kept: always, never, or if none is better so far."""
        study = self.settings.study
        if study.export != "best":
            return study.export == "all"
        objective = study.objectives[0]
        sign = 1 if objective.direction == "maximize" else -1
        value = sign * objective_value(result, objective.metric)
        finished = [record.value for record in self.store.records() if record.state == "COMPLETE"]
        return all(value > sign * other for other in finished if other is not None)

    def _tidy(self) -> None:
        """Remove what a finished trial does not need, and models of trials that are no longer the best."""
        for folder in (self.folder.embeddings, self.folder.checkpoint):
            shutil.rmtree(folder, ignore_errors=True)
        if self.settings.study.export == "best":
            for key in self._surpassed():
                shutil.rmtree(self.study_folder.trial(key).model, ignore_errors=True)

    def _surpassed(self) -> list[str]:
        """Finished trials with a model that are not the best. Two workers may each have exported the best so far, and
        the one of them that finishes last sees both."""
        sign = 1 if self.settings.study.objectives[0].direction == "maximize" else -1
        exported = {model.parent.name for model in self.study_folder.path.glob("trials/*/model")}
        ranked = sorted(
            (-sign * record.value, record.number, record.key)
            for record in self.store.records()
            if record.state == "COMPLETE" and record.value is not None
        )
        return [key for _, _, key in ranked[1:] if key in exported]

    def _fail(self, error: Exception) -> None:
        """Record a trial that cannot give a result; errors that are not meant for users keep their traceback."""
        meant_for_users = isinstance(error, SweepError)
        reason = str(error) if meant_for_users else f"{type(error).__name__}: {error}"
        if not meant_for_users:
            log.error("%s", traceback.format_exc())
        log.info("FAILED: %s", reason)
        self.tracker.fail(self.key, reason)
        self.store.fail(self.claim, reason)
        if self.accelerator.num_processes > 1 and not isinstance(error, TrialFailed):
            # The other ranks may wait in a collective call; the driver starts a new group for the next trial.
            sys.exit(GROUP_BROKEN)

    def _say(self, phase: str, step: int, steps: int, loss: float | None) -> None:
        now = time.time()
        if now - self._status_at < STATUS_S and phase == "training":
            return
        self._status_at = now
        status = {"key": self.key, "phase": phase, "step": step, "steps": steps, "loss": loss, "time": now}
        write_status(self.study_folder.workers, self.order.worker, status)


class LossCurve:
    """The loss curve, in losses.csv and in MLflow.

    A point's timestamp is kept with it: when a trial goes on from a checkpoint and reaches the same loss at the same
    step, MLflow gets the very row it has already. Points of an earlier attempt are logged again, since it may have
    been killed before it came to that.
    """

    def __init__(self, folder: TrialFolder, tracker: Tracker, run_id: str) -> None:
        self._tracker = tracker
        self._run_id = run_id
        self._waiting: list[tuple[str, float, int, int]] = []
        self._flushed_at = time.monotonic()
        self._file = folder.losses
        self._known = {point.step: point for point in self._read()}
        self._logged: set[int] = set()  # steps that this attempt has logged

    def _read(self) -> list[TrainingPoint]:
        """Points of an earlier attempt; a line that its death cut short is left out."""
        if not self._file.exists():
            self._file.write_text(LOSSES_HEADER)
        lines = self._file.read_text().splitlines(keepends=True)[1:]
        whole = [line for line in lines if line.endswith("\n")]
        if len(whole) < len(lines):
            write_atomically(self._file, "".join([LOSSES_HEADER, *whole]))
        fields = [line.strip().split(",") for line in whole]
        return [TrainingPoint(int(step), float(loss), float(rate), int(ms)) for step, loss, rate, ms in fields]

    def add(self, point: TrainingPoint) -> None:
        """Keep a point; log it with the next flush."""
        known = self._known.get(point.step)
        if known is None or known.loss != point.loss:
            with self._file.open("a") as curve:
                curve.write(f"{point.step},{point.loss!r},{point.learning_rate!r},{point.timestamp_ms}\n")
            known = point
        self._log_earlier(point.step)
        self._wait(known)
        if time.monotonic() - self._flushed_at > FLUSH_S:
            self.flush()

    def _log_earlier(self, step: float) -> None:
        """Log the points before a step that an earlier attempt reached and this one goes on from."""
        for point in self._known.values():
            if point.step < step and point.step not in self._logged:
                self._wait(point)

    def finish(self) -> None:
        """Log what is left, also of an attempt that was killed after its training."""
        self._log_earlier(float("inf"))
        self.flush()

    def _wait(self, point: TrainingPoint) -> None:
        self._logged.add(point.step)
        self._waiting += [
            ("train/loss", point.loss, point.timestamp_ms, point.step),
            ("train/learning_rate", point.learning_rate, point.timestamp_ms, point.step),
        ]

    def flush(self) -> None:
        """Log what is waiting."""
        self._tracker.log_series(self._run_id, self._waiting)
        self._waiting = []
        self._flushed_at = time.monotonic()


if __name__ == "__main__":
    sys.exit(main())
