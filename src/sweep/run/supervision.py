"""One run of a study: keeps its workers at work, shows progress, and stops them when it is asked to."""

import math
import time
from contextlib import suppress

from rich.console import Console

from sweep.answer.contents import StudyState
from sweep.errors import DatabaseUnusable, Interrupted
from sweep.launch.capacity import shared_cores
from sweep.launch.crew import PATIENCE_S, Crew
from sweep.launch.interruption import Interruption
from sweep.launch.order import WorkOrder
from sweep.launch.protocol import LOST, Launcher
from sweep.records.files import write_atomically
from sweep.records.folder import StudyFolder
from sweep.records.last_command import write_command
from sweep.records.table import TrialsTable
from sweep.records.trial_record import TrialRecord
from sweep.report.narrow import print_lines
from sweep.run.deaths import Deaths
from sweep.run.fetching import Fetching, refuse_missing
from sweep.run.locks import Locks
from sweep.run.orphans import take_over
from sweep.run.others import Lull, Others
from sweep.run.overview import Overview
from sweep.run.progress import Display
from sweep.run.report_writer import PATIENCE_S as REPORT_PATIENCE_S
from sweep.run.report_writer import ReportWriter
from sweep.run.resuming import saved_sentence
from sweep.run.sampling import sampler_of
from sweep.run.silence import Silence
from sweep.run.waiting import WaitingWorkers
from sweep.settings import Settings
from sweep.settings.compose import Composer
from sweep.study.ownership import Ownership, TakenOver
from sweep.study.store import StudyStore
from sweep.tracking.background import BackgroundMirror
from sweep.tracking.protocol import Status

POLL_S = 0.4
COUNTING_SHARE = 0.2  # of the time: counting many thousands of trials takes a while
LONGEST_REST_S = 3.0  # all the same: a count that had to wait for the database asks for no longer rest
AT_ONCE_S = 1.0  # for each of workers, database and tracker, when the user wants to stop at once
STATES: dict[Status, StudyState] = {"FINISHED": "complete", "FAILED": "failed trials", "KILLED": "stopped"}


class StudyRun:
    """One run of a study's command, from the first worker to the last."""

    def __init__(
        self,
        settings: Settings,
        composer: Composer,
        folder: StudyFolder,
        store: StudyStore,
        launcher: Launcher,
        ownership: Ownership,
        mirror: BackgroundMirror,
        reporter: ReportWriter | None,
        console: Console,
        display: Display,
    ) -> None:
        self.settings = settings
        self.composer = composer
        self.folder = folder
        self.store = store
        self.ownership = ownership
        self.mirror = mirror
        self.reporter = reporter
        self.console = console
        self.display = display
        self.fetching = Fetching.of(settings, store, self._say)
        self._crew = Crew(launcher, settings.launcher.slots)
        self._table = TrialsTable(folder.trials_csv)
        self._counts, self._target, self._missing = (-1, -1), 0, 0  # finished and FAILED; wanted; not here yet
        self._records: list[TrialRecord] = []  # as they were counted last
        self._asked_workers = False
        self._silence = Silence(settings.study.grace_s)
        self._silent: set[str] = set()
        self._lull = Lull(settings.study.grace_s if ownership.has_helpers else math.inf)
        self._others = Others(store.view, ownership.has_helpers, only=not settings.launcher.slots)
        self._deaths = Deaths(folder, store, self._say)
        self._waiting = WaitingWorkers(self._say)
        self._locks = Locks(folder)
        self._overview = Overview(store.view)
        self._sampler = sampler_of(settings, folder, self._say)
        self._looked_at = time.monotonic()  # for abandoned trials

    def run(self, command: str) -> bool:
        """Work until nothing is left to do; whether the target is reached. Raises Interrupted or SweepError."""
        status: Status = "KILLED"
        with Interruption() as interruption:
            try:
                self.store.storage.attend(lambda: self._attend_while_away(interruption))
                if note := shared_cores(self.settings.launcher):
                    self._say(note)
                self._count()
                write_atomically(self.folder.config, self.composer.yaml())
                write_command(self.folder, command)
                take_over(self.folder, self._crew, self.store)
                self._work(interruption)
                if interruption.asked and not self._is_complete:
                    raise KeyboardInterrupt
                status = "FINISHED" if self._is_complete else "FAILED"
            except TakenOver:
                self.mirror.leave()
                raise
            except KeyboardInterrupt:
                self._count_if_there(AT_ONCE_S)
                if not self._is_complete:
                    saved = saved_sentence(self._counts[0], self._target, self.folder, self._records)
                    raise Interrupted(f"Interrupted{saved}. The same command resumes:\n  {command}") from None
                status = "FINISHED"
            finally:
                interruption.in_order = False
                self._crew.stop(AT_ONCE_S if interruption.at_once else PATIENCE_S)
                try:
                    if status == "KILLED":
                        self._count_if_there(AT_ONCE_S)
                finally:
                    self._finish(status, interruption)
        refuse_missing(self.store.view, self.settings)
        return self._is_complete

    def _finish(self, status: Status, interruption: Interruption) -> None:
        """Write the last report, and then send it to the tracker with all that is missing there."""
        self.console.quiet = False
        patience_s = self.settings.tracking.patience_s
        self.fetching.finish(self.store.view, status)
        if self._missing and status != "KILLED":
            self._count()
            status = "KILLED" if self._missing else status  # no report or tracker takes it for complete
        try:
            if self.reporter is not None:
                waits_s = 0.0 if interruption.at_once else REPORT_PATIENCE_S if status == "KILLED" else None
                self.reporter.finish(STATES[status], waits_s)
        finally:
            self.mirror.finish(status, min(AT_ONCE_S, patience_s) if interruption.at_once else patience_s)

    @property
    def _is_complete(self) -> bool:
        """Whether the last count reached the target."""
        return self._counts[0] >= self._target

    def _count_if_there(self, patience_s: float) -> None:
        """Count once more; without the database the last count stands."""
        self.store.storage.attend(lambda: None)  # to nothing else any more
        self.store.storage.hurry(patience_s)
        with suppress(DatabaseUnusable):
            self._count()

    def _work(self, interruption: Interruption) -> None:
        """Keep workers going, a new one for each that dies, until nothing is left to do or the user wants to stop."""
        with self.display as shown:
            interruption.in_order = True
            while True:
                began = time.monotonic()
                ended = self._crew.collect()
                for member, status in ended:
                    self._deaths.account_for(member, status, interruption.asked)
                remaining = self._count()
                if ended:
                    self._lull.begin(self._counts)
                if self._others.gave_back() or any(status for _, status in ended):
                    self._lull.end()  # what a dead worker leaves is somebody's to take
                self._hear(interruption)
                looks = time.monotonic() - self._looked_at > self.settings.study.grace_s / 4
                if looks:
                    self._looked_at = time.monotonic()
                    self._silent = self.store.silent_workers()
                self._dismiss_silent(remaining)
                if not interruption.asked:
                    self._staff(remaining, looks)
                self._show(shown)
                if not self._crew.members and (interruption.asked or not self._others.have_work(remaining)):
                    return
                self.ownership.assure(self.store.storage)
                self._locks.check(self._crew.members)
                self._rest((time.monotonic() - began) / COUNTING_SHARE, interruption)

    def _hear(self, interruption: Interruption) -> None:
        """Ask the workers, once, to stop if the user asks for it."""
        if interruption.asked and not self._asked_workers:
            self._asked_workers = True
            self._say("finishing or saving the running trials; Ctrl-C again stops at once")
            self._crew.ask_to_stop()

    def _attend_while_away(self, interruption: Interruption) -> None:
        """What goes on without the database. Raises KeyboardInterrupt when all workers have ended for the user."""
        self._hear(interruption)
        if interruption.asked and all(member.worker.poll() is not None for member in self._crew.members):
            raise KeyboardInterrupt

    def _rest(self, seconds: float, interruption: Interruption) -> None:
        """Leave the cores to the workers, unless the user asks for something."""
        until, asked = time.monotonic() + min(LONGEST_REST_S, max(POLL_S, seconds)), interruption.asked
        while (left_s := until - time.monotonic()) > 0 and interruption.asked == asked:
            time.sleep(min(left_s, POLL_S))

    def _dismiss_silent(self, remaining: int) -> None:
        """End workers that do not answer. What one still has goes on with another, as if it had died."""
        trials = self.store.view.trials()
        for member in self._silence.overdue(self._crew.members, self.folder.workers, trials, self._silent, remaining):
            self._crew.dismiss(member)
            self._lull.end()
            if member.order.worker in self._silent:
                self.store.worker_died(member.order.worker, LOST)
            self._say(f"worker {member.slot + 1} did not answer any more, and was ended (log: {member.worker.log})")

    def _staff(self, remaining: int, looks: bool) -> None:
        """Have a worker for each trial that one could claim, as far as there are slots."""
        self._crew.release(remaining)
        if not self._lull.lasts(self._counts):
            self._crew.staff(remaining, self._order)
        # A worker that found nothing to claim has gone; what a silent one had since then is somebody's to take.
        if looks and (self._crew.has_room or self._others.have_work(remaining)):
            self._crew.staff(len(self._crew.members) + self.store.abandoned(), self._order)

    def _order(self) -> WorkOrder:
        composer, scratch = self.composer, self.settings.launcher.scratch
        worker = self._crew.new_worker(self.folder.workers)
        return WorkOrder(worker, str(self.folder.path), composer.overrides, composer.config_dir, scratch)

    def _count(self) -> int:
        """Count trials, and write the rows of those that are finished now; how many are left to do."""
        remaining = self.store.view.remaining()  # first: what others finish meanwhile is counted, or still remains
        failed = list(self.store.view.states().values()).count("FAILED")
        counts, missing = (self.store.view.finished(), failed), self.store.view.missing()
        self._target = self.store.view.target
        self.fetching.update(missing)
        if counts != self._counts or len(missing) != self._missing:
            self._counts, self._missing = counts, len(missing)
            self._deaths.forget()
            self._table.update(self.store.view.records())
        self._records = self.store.view.records()
        self.mirror.update(self._records)
        if self.reporter is not None:
            self.reporter.update((*self._counts, self._target, self._missing))
        return remaining

    def _show(self, shown: Display) -> None:
        statuses = [member.status(self.folder.workers) for member in self._crew.members]
        self._waiting.look(self._crew.members)
        self._sampler.look(self._crew.members, statuses)
        shown.update(self._overview.look([{} if "error" in status else status for status in statuses]))

    def _say(self, text: str) -> None:
        print_lines(self.console, text)
