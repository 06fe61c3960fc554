"""What a worker's end means: whether its trial is charged with it, and whether the next one would fare better."""

import signal
from collections.abc import Callable
from pathlib import Path

from sweep.errors import OUT_OF_MEMORY, SweepError
from sweep.launch.crew import Member
from sweep.launch.failures import CANNOT_WRITE, GROUP_BROKEN, first_reason, take_failures
from sweep.records.folder import StudyFolder
from sweep.records.study_artifacts import WORDS_PATIENCE_S, StudyArtifacts
from sweep.study.outcomes import KILLED
from sweep.study.store import StudyStore
from sweep.study.trials import last_taken_by

MOST_STILLBORN = 10  # workers in a row that are killed before they have a trial


class Deaths:
    """The deaths of one run's workers. `say` gets a line for each."""

    def __init__(self, folder: StudyFolder, store: StudyStore, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._store = store
        self._say = say
        self._stillborn = 0

    def forget(self) -> None:
        """A trial has ended: workers that had none before were a coincidence."""
        self._stillborn = 0

    def account_for(self, member: Member, exit_status: int, stopping: bool) -> None:
        """Charge a death to the worker's trial. Raises SweepError if the next worker would fare no better."""
        if exit_status == 0:
            return
        if member.order.scratch is not None:
            self._take_words(member.order.worker)
        worker, log, status = member.order.worker, member.worker.log, member.status(self._folder.workers)
        failures = take_failures(self._folder.workers, worker)
        if "error" in status:
            raise SweepError(f"a worker stopped: {status['error']} (details: {log})")
        if exit_status in (CANNOT_WRITE, -signal.SIGBUS):  # the signal: a mapped file that the disk has no room for
            raise SweepError(
                f"a worker stopped: it could not write to the disk, full or failing (study: {self._folder.path}, "
                f"details: {log}); the same command goes on when there is room"
            )
        if exit_status == GROUP_BROKEN and failures:  # else a rank was killed, and broke the others
            reason = first_reason(failures)
            if not failures[0].of_trial:
                raise SweepError(f"a worker stopped: {reason} (details: {log})")
            self._say(f"a worker ended: {reason}{'' if stopping else '; another one goes on'}")
            self._store.worker_failed(worker, reason)
        else:
            if not status and not (member.order.scratch is not None and self._has_trial(worker)):
                self._check_stillborn(exit_status, log, stopping)
            loss = member.worker.loss
            killed = f" ({loss})" if loss else " (killed: out of memory?)" if exit_status in KILLED else ""
            self._say(f"a worker died (status {exit_status}){killed}{'' if stopping else '; another one goes on'}")
            self._store.worker_died(worker, exit_status)

    def _has_trial(self, worker: str) -> bool:
        """Whether a worker that can show no status here had a trial."""
        return last_taken_by(worker, self._store.view.trials().values()) is not None

    def _take_words(self, worker: str) -> None:
        """Fetch what a worker that has another folder wrote down of its end."""
        artifacts = StudyArtifacts.of(self._store.settings, self._folder, self._store.uid, self._say)
        assert artifacts is not None  # else it could not have another folder
        artifacts.within(WORDS_PATIENCE_S).take_words(worker)

    def _check_stillborn(self, exit_status: int, log: Path, stopping: bool) -> None:
        """Raise SweepError if workers that end before their first trial are no coincidence."""
        self._stillborn += 1
        # One that ends by itself has a reason, which the next one would have too; a kill may be chance.
        if (exit_status > 0 or self._stillborn >= MOST_STILLBORN) and not stopping:
            tail = "\n".join(log.read_text(errors="replace").strip().splitlines()[-5:])
            hint = f" ({OUT_OF_MEMORY}?)" if exit_status in KILLED else ""
            raise SweepError(
                f"a worker ended with status {exit_status}{hint} before its first trial; {log} ends with:\n{tail}"
            )
