"""Workers of this machine for a study that another command owns: kept at work while there is something to claim.

With a thousand of these, what each asks the database for counts. So a run looks at the study every few seconds, and
in between at what its own workers say.
"""

import random
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rich.console import Console

from sweep.errors import Interrupted, SweepError
from sweep.launch.capacity import shared_cores
from sweep.launch.crew import PATIENCE_S, Crew
from sweep.launch.interruption import Interruption
from sweep.launch.liveness import new_worker
from sweep.launch.order import WorkOrder
from sweep.launch.protocol import LOST, Launcher
from sweep.records.folder import StudyFolder
from sweep.report.narrow import print_lines
from sweep.run.deaths import Deaths
from sweep.run.locks import Locks
from sweep.run.others import Lull, Others, finished_by
from sweep.run.overview import Overview
from sweep.run.progress import Display
from sweep.run.silence import Silence
from sweep.settings import Settings
from sweep.settings.compose import Composer
from sweep.study.recipe import Recipe, recipe_of
from sweep.study.storage import StudyReader
from sweep.study.store import StudyStore
from sweep.study.trials import StoredTrial
from sweep.study.view import StudyView

POLL_S = 0.4
LOOK_S = 10.0  # between two looks at the study
LOOKING_SHARE = 0.01  # of the time, at most: of a thousand helpers ten look at the same moment
AT_ONCE_S = 1.0  # for workers and database, when the user wants to stop at once


class LastLook(StudyReader):
    """A study as it was at the last look."""

    def __init__(self, reader: StudyReader) -> None:
        self._reader = reader
        self.place = reader.place
        self.look()

    def look(self) -> None:
        """Read it anew."""
        self._attributes, self._trials = self._reader.attributes(), self._reader.trials()

    def attributes(self) -> Mapping[str, Any]:
        """See StudyReader."""
        return self._attributes

    def trials(self) -> Mapping[str, StoredTrial]:
        """See StudyReader."""
        return self._trials

    def close(self) -> None:
        """See StudyReader."""
        self._reader.close()


class HelpingRun:
    """One run of the workers that help with a study. `recipe` is what its settings were composed of."""

    def __init__(
        self,
        settings: Settings,
        composer: Composer,
        folder: StudyFolder,
        store: StudyStore,
        recipe: Recipe,
        launcher: Launcher,
        console: Console,
        display: Display,
    ) -> None:
        self.recipe_changed = False
        self._settings = settings
        self._composer = composer
        self._folder = folder
        self._store = store
        self._recipe = recipe
        self._console = console
        self._display = display
        self._crew = Crew(launcher, settings.launcher.slots)
        self._last = LastLook(store.storage)
        self._view = StudyView(folder, settings.study, self._last, expects_files=False)
        self._overview = Overview(self._view)
        self._others = Others(self._view)
        self._deaths = Deaths(folder, store, self._say)
        self._silence = Silence(settings.study.grace_s)
        self._locks = Locks(folder, of_driver=False)
        self._workers: set[str] = set()  # all that were started
        self._look_at = 0.0
        self._ended = -1, -1  # finished and FAILED trials at the last look
        self._lull = Lull(settings.study.grace_s)
        self._asked_workers = False
        self._waits = False

    @property
    def finished(self) -> int:
        """How many trials its workers have finished, as far as they were seen."""
        return finished_by(self._workers, self._view)

    def run(self, command: str, before: int) -> None:
        """Work until nothing is left to claim, or the owner has changed the recipe. `before`: trials that were
        finished here earlier. Raises Interrupted or SweepError."""
        with Interruption() as interruption:
            try:
                self._store.storage.attend(lambda: self._attend_while_away(interruption))
                if note := shared_cores(self._settings.launcher):
                    self._say(note)
                self._work(interruption)
                if interruption.asked:
                    raise KeyboardInterrupt
            except KeyboardInterrupt:
                raise Interrupted(
                    f"Stopped helping: {before + self.finished} trials were finished here, and what is begun goes on "
                    f"elsewhere. The same command helps again:\n  {command}"
                ) from None
            finally:
                interruption.in_order = False
                self._crew.stop(AT_ONCE_S if interruption.at_once else PATIENCE_S)
                self._console.quiet = False
                for worker in self._workers:  # the owner would take them for what it left itself
                    for leftover in self._folder.workers.glob(f"{worker}.*"):
                        leftover.unlink(missing_ok=True)

    def _work(self, interruption: Interruption) -> None:
        with self._display as shown:
            interruption.in_order = True
            while True:
                ended = self._crew.collect()
                for member, status in ended:
                    self._deaths.account_for(member, status, interruption.asked)
                self._hear(interruption)
                looks = bool(ended) or time.monotonic() >= self._look_at
                if looks:
                    self._look(is_idle=any(status == 0 for _, status in ended))
                    self._dismiss_silent()
                ending = interruption.asked or self.recipe_changed
                if looks and not ending:
                    self._staff()
                statuses = [member.status(self._folder.workers) for member in self._crew.members]
                progress = self._overview.look([{} if "error" in status else status for status in statuses])
                shown.update(replace(progress, best=None))  # which is the best is the owner's to say
                if not self._crew.members and (ending or not self._view.remaining()):
                    return
                self._locks.check(self._crew.members)
                time.sleep(POLL_S)

    def _look(self, is_idle: bool) -> None:
        """See how far the study is. `is_idle`: whether a worker has ended since there was nothing to claim."""
        began, grace_s = time.monotonic(), self._settings.study.grace_s
        self._last.look()
        rest_s = max(min(LOOK_S, grace_s / 4), (time.monotonic() - began) / LOOKING_SHARE)
        self._look_at = time.monotonic() + min(rest_s, grace_s) * random.uniform(0.75, 1.0)
        recipe = recipe_of(self._last.attributes())
        if recipe is None:
            raise SweepError(f"study '{self._settings.study.name}' is gone from its database")
        if recipe != self._recipe and not self.recipe_changed:
            self.recipe_changed = True
            self._crew.ask_to_stop()
        states = list(self._view.states().values())
        ended = self._view.finished(), states.count("FAILED")
        if ended != self._ended:
            self._deaths.forget()
        self._ended = ended
        if is_idle:
            self._lull.begin(ended)
        if self._others.gave_back():
            self._lull.end()

    def _staff(self) -> None:
        """Have a worker for each trial that one could claim, as far as there are slots."""
        members = self._crew.members
        wanted = len(members) + self._store.abandoned()
        if not self._lull.lasts(self._ended):
            busy = sum(bool(member.status(self._folder.workers)) for member in members)
            wanted = max(wanted, busy + self._others.claimable)
        self._crew.staff(wanted, self._order)
        waits = not self._crew.members and self._view.remaining() > 0
        if waits and not self._waits:
            self._say("Others have all the trials that are left; waiting for one that comes free")
        self._waits = waits

    def _order(self) -> WorkOrder:
        worker = new_worker(self._folder.workers, joins=True)
        self._workers.add(worker)
        path, config_dir = str(self._folder.path), self._composer.config_dir
        return WorkOrder(worker=worker, study_folder=path, overrides=self._composer.overrides, config_dir=config_dir)

    def _dismiss_silent(self) -> None:
        """End workers that do not answer. What one still has goes on with another, as if it had died."""
        silent, members = self._store.silent_workers(), self._crew.members
        workers, remaining = self._folder.workers, self._view.remaining()
        for member in self._silence.overdue(members, workers, self._view.trials(), silent, remaining):
            self._crew.dismiss(member)
            self._lull.end()
            if member.order.worker in silent:
                self._store.worker_died(member.order.worker, LOST)
            self._say(f"worker {member.slot + 1} did not answer any more, and was ended ({member.worker.log})")

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

    def _say(self, text: str) -> None:
        print_lines(self._console, text)
