"""One run of a study: keeps its workers at work, shows progress, and stops them when it is asked to."""

import os
import time
from pathlib import Path

from rich.console import Console

from sweep.errors import Interrupted, SweepError
from sweep.launch.crew import Crew, Member
from sweep.launch.failures import GROUP_BROKEN, first_reason, take_failures
from sweep.launch.interruption import Interruption
from sweep.launch.liveness import alive_in, new_worker
from sweep.launch.order import WorkOrder
from sweep.launch.protocol import Launcher
from sweep.records.files import write_atomically
from sweep.records.folder import StudyFolder
from sweep.records.table import TrialsTable
from sweep.run.progress import Display, display
from sweep.settings import Settings
from sweep.settings.compose import Composer
from sweep.study.store import StudyStore
from sweep.tracking.background import BackgroundMirror
from sweep.tracking.protocol import Status

POLL_S = 0.4
COUNTING_SHARE = 0.2  # of the time, at most: counting many thousands of trials takes a while
AT_ONCE_S = 1.0  # for the tracker, when the user wants to stop at once
MOST_STILLBORN = 10  # workers in a row that are killed before they have a trial


class StudyRun:
    """One run of a study's command, from the first worker to the last."""

    def __init__(
        self,
        settings: Settings,
        composer: Composer,
        folder: StudyFolder,
        store: StudyStore,
        launcher: Launcher,
        mirror: BackgroundMirror,
        console: Console,
    ) -> None:
        self.settings = settings
        self.composer = composer
        self.folder = folder
        self.store = store
        self.mirror = mirror
        self.console = console
        self._crew = Crew(launcher, settings.launcher.slots)
        self._table = TrialsTable(folder.trials_csv)
        self._counts = (-1, -1)  # finished and FAILED trials
        self._nothing_to_claim: tuple[int, int] | None = None  # the counts when a worker last found nothing
        self._stillborn = 0
        self._looked_at = time.monotonic()  # for abandoned trials

    def run(self, command: str) -> bool:
        """Work until nothing is left to do; whether the target is reached. Raises Interrupted or SweepError."""
        status: Status = "KILLED"
        with Interruption() as interruption:
            try:
                self._note_shared_cores()
                self._count()
                write_atomically(self.folder.config, self.composer.yaml())
                _await_orphans(self.folder)
                self._work(interruption)
                complete = self._counts[0] >= self.store.view.target
                if interruption.asked and not complete:
                    raise KeyboardInterrupt
                status = "FINISHED" if complete else "FAILED"
            except KeyboardInterrupt:
                view = self.store.view
                raise Interrupted(
                    f"Interrupted: {view.finished()} of {view.target} trials are done and saved. "
                    f"The same command resumes:\n  {command}"
                ) from None
            finally:
                interruption.in_order = False
                self._crew.stop()
                try:
                    records = self.store.view.records()
                    self.mirror.update(records)
                    self._table.update(records)
                finally:
                    patience_s = self.settings.tracking.patience_s
                    self.mirror.finish(status, min(AT_ONCE_S, patience_s) if interruption.at_once else patience_s)
        return complete

    def _note_shared_cores(self) -> None:
        ranks = self.settings.launcher.slots * self.settings.launcher.processes
        cores = os.cpu_count() or 1
        if ranks > cores:
            self.console.print(
                f"Note: launcher.workers x launcher.processes = {ranks} processes share {cores} cores",
                highlight=False,
            )

    def _work(self, interruption: Interruption) -> None:
        """Keep workers going, a new one for each that dies, until nothing is left to do or the user wants to stop."""
        with display(self.console, self.settings.study.name, self._counts[0], self.store.view.target) as shown:
            interruption.in_order = True
            asked_workers = False
            while True:
                began = time.monotonic()
                ended = self._crew.collect()
                for member, status in ended:
                    self._ended(member, status, interruption.asked)
                remaining = self._count()
                if ended:  # what a dead worker leaves is somebody's to take
                    self._nothing_to_claim = None if any(status for _, status in ended) else self._counts
                if interruption.asked and not asked_workers:
                    asked_workers = True
                    self._say("finishing or saving the running trials; Ctrl-C again stops at once")
                    self._crew.ask_to_stop()
                if not interruption.asked:
                    self._staff(remaining)
                if not self._crew.members:
                    return
                self._show(shown)
                time.sleep(max(POLL_S, (time.monotonic() - began) / COUNTING_SHARE))

    def _staff(self, remaining: int) -> None:
        """Have a worker for each trial that one could claim, as far as there are slots."""
        if self._counts != self._nothing_to_claim:
            self._crew.staff(remaining, self._order)
        # A worker that found nothing to claim has gone; what a silent one had since then is somebody's to take.
        if self._crew.has_room and time.monotonic() - self._looked_at > self.settings.study.grace_s / 4:
            self._looked_at = time.monotonic()
            self._crew.staff(len(self._crew.members) + self.store.abandoned(), self._order)

    def _order(self) -> WorkOrder:
        return WorkOrder(
            worker=new_worker(),
            study_folder=str(self.folder.path),
            overrides=self.composer.overrides,
            config_dir=self.composer.config_dir,
        )

    def _count(self) -> int:
        """Count trials, and write the rows of those that are finished now; how many are left to do."""
        failed = list(self.store.view.states().values()).count("FAILED")
        counts = self.store.view.finished(), failed
        if counts != self._counts:
            self._counts = counts
            self._stillborn = 0
            self._table.update(self.store.view.records())
        self.mirror.update(self.store.view.records())
        return self.store.view.remaining()

    def _show(self, shown: Display) -> None:
        statuses = [member.status(self.folder.workers) for member in self._crew.members]
        shown.update(*self._counts, [{} if "error" in status else status for status in statuses])

    def _ended(self, member: Member, exit_status: int, stopping: bool) -> None:
        """Charge a death to the worker's trial. Raises SweepError if the next worker would fare no better."""
        if exit_status == 0:
            return
        worker, log, status = member.order.worker, member.worker.log, member.status(self.folder.workers)
        failures = take_failures(self.folder.workers, worker)
        if "error" in status:
            raise SweepError(f"a worker stopped: {status['error']} (details: {log})")
        if exit_status == GROUP_BROKEN and failures:  # else a rank was killed, and broke the others
            reason = first_reason(failures)
            if not failures[0].of_trial:
                raise SweepError(f"a worker stopped: {reason} (details: {log})")
            self._say(f"a worker ended: {reason}{'' if stopping else '; another one goes on'}")
            self.store.worker_failed(worker, reason)
        else:
            if not status:
                self._check_stillborn(exit_status, log, stopping)
            self._say(f"a worker died (status {exit_status}){'' if stopping else '; another one goes on'}")
            self.store.worker_died(worker, exit_status)

    def _check_stillborn(self, exit_status: int, log: Path, stopping: bool) -> None:
        """Raise SweepError if workers that end before their first trial are no coincidence."""
        self._stillborn += 1
        # One that ends by itself has a reason, which the next one would have too; a kill may be chance.
        if (exit_status > 0 or self._stillborn >= MOST_STILLBORN) and not stopping:
            tail = "\n".join(log.read_text(errors="replace").strip().splitlines()[-5:])
            raise SweepError(
                f"a worker ended with status {exit_status} before its first trial; {log} ends with:\n{tail}"
            )

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False)


def _await_orphans(folder: StudyFolder, patience_s: float = 30.0) -> None:
    """Wait for workers of a killed earlier run to notice and end. Raises SweepError if one stays."""
    alive = alive_in(folder.workers)
    deadline = time.monotonic() + patience_s
    for file in folder.workers.glob("*.lock"):
        while alive(file.stem):
            if time.monotonic() > deadline:
                raise SweepError(f"a worker of an earlier run still works on this study ({file}); end it first")
            time.sleep(POLL_S)
        for leftover in folder.workers.glob(f"{file.stem}.*"):
            leftover.unlink(missing_ok=True)
