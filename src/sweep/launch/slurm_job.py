"""The handle of a worker that is a job of Slurm."""

import threading
import time
from typing import TYPE_CHECKING

from sweep.launch.protocol import WorkerHandle
from sweep.launch.slurm_board import Board, Word, read_traces, remove_traces
from sweep.launch.slurm_ending import SUBMITIT, cancel, remove_order, wait_for_end
from sweep.launch.slurm_states import STATUSES, WAITING, JobState, JobStates
from sweep.launch.verdict import ENDING_S
from sweep.settings import SlurmLauncher

if TYPE_CHECKING:
    from sweep.launch.slurm_agent import SlurmTask

NEVER_SUBMITTED = 1  # the status of a job that the cluster refuses
TRACES_S = {"local": 0.1, "slurm": 2.0}  # between looks at what jobs have left


class SlurmJob(WorkerHandle):
    """A worker that is a job, from before it is submitted until it is over; one that is queued again goes on."""

    def __init__(self, settings: SlurmLauncher, board: Board, states: JobStates, task: "SlurmTask") -> None:
        self.task = task
        self.log = task.log
        self.job_id: str | None = None
        self._settings = settings
        self._board = board
        self._states = states
        self._worker = task.order.worker
        self._word: Word = "work"
        self._is_taken = False  # by whoever submits it
        self._status: int | None = None
        self._failed_at: float | None = None
        self._looked_at = float("-inf")
        self._note: str | None = None
        self._loss: str | None = None
        self._lock = threading.Lock()

    @property
    def is_over(self) -> bool:
        """Whether its status is known."""
        return self._status is not None

    @property
    def waits_for(self) -> str | None:
        """See WorkerHandle."""
        state = self._state
        if self.is_over or state is None:
            return self._note
        return f"Slurm: job {self.job_id} is {state.name} ({state.reason})" if state.name in WAITING else None

    @property
    def loss(self) -> str | None:
        """See WorkerHandle."""
        return self._loss

    def take(self) -> bool:
        """Whether it is still to be submitted, which its taker does now."""
        with self._lock:
            self._is_taken = self._status is None and self._word == "work"
            return self._is_taken

    def put_back(self, note: str) -> None:
        """It could not be submitted yet, for that reason."""
        with self._lock:
            self._is_taken, self._note = False, note

    def refuse(self, reason: str) -> None:
        """It cannot be submitted, or attended to any more, and the next one could not be either."""
        if self.is_over:
            return
        try:
            self._write(reason)
        finally:
            self._end_job(0.0)
            self._finish(NEVER_SUBMITTED)

    def submitted(self, job_id: str) -> None:
        """It is a job now."""
        with self._lock:
            self.job_id, self._note = job_id, None
        self._board.submitted(self._worker, job_id)
        if self._word == "end":  # while it was submitted
            cancel(self._settings, job_id, self._board.folder)

    @property
    def _state(self) -> JobState | None:
        return None if self.job_id is None else self._states.of(self.job_id)

    def ask_to_stop(self) -> None:
        """See WorkerHandle."""
        if self.is_over:
            return
        self._ask("stop")
        state = self._state
        if state is not None and state.name in WAITING and self.job_id is not None:
            cancel(self._settings, self.job_id, self._board.folder)

    def _ask(self, word: Word) -> None:
        with self._lock:
            self._word = word
        self._board.ask(self._worker, word)

    def poll(self) -> int | None:
        """See WorkerHandle."""
        if self._status is None:
            state = self._state
            if state is None:
                with self._lock:
                    if self._word != "work" and not self._is_taken:
                        self._finish(0)
            elif state.status is not None or time.monotonic() - self._looked_at > TRACES_S[self._settings.cluster]:
                self._looked_at = time.monotonic()
                self._judge(state)
        return self._status

    def _judge(self, state: JobState) -> None:
        """See what the ranks of its last run have left, and what the cluster says."""
        traces = read_traces(self._board.folder, self._worker)
        failed = [status for _, status in sorted(traces.ends.items()) if status]
        if failed:
            self._failed_at = self._failed_at or time.monotonic()
            if state.status is not None or time.monotonic() > self._failed_at + 2 * ENDING_S:
                self._end_job(0.0)
                self._loss = f"job {self.job_id} is over: {state.name}" if state.name in STATUSES else None
                self._finish(min(failed) if min(failed) < 0 else failed[0])
        elif len(traces.ends) == self._settings.processes and not traces.was_requeued:
            if state.status is not None or self._settings.cluster == "slurm":
                self._finish(0)
        elif state.status is not None:
            self._finish(self._status_without_traces(state, traces.was_requeued))

    def _status_without_traces(self, state: JobState, was_requeued: bool) -> int:
        """Of a job that is over, and has not left the status of all its ranks in its last run."""
        assert state.status is not None
        if self._word != "work":
            return 0  # it had not begun, or had no time to say so
        again = ", and was not queued again" if was_requeued else ""
        where = self._board.folder / SUBMITIT / f"{self.job_id}_0_log.err"
        self._loss = f"job {self.job_id} is over: {state.name}{again}"
        self._write(f"{self._loss}; submitit's log: {where}")
        return state.status

    def end(self, patience_s: float = 10.0) -> None:
        """See WorkerHandle."""
        if self._status is not None:
            return
        self._ask("end")
        self._end_job(patience_s)
        self._finish(0)

    def _end_job(self, patience_s: float) -> None:
        if self.job_id is None:
            return
        if self._settings.cluster == "slurm":
            cancel(self._settings, self.job_id, self._board.folder)
        wait_for_end(self._settings, self.job_id, time.monotonic() + patience_s, self._board.folder)

    def _finish(self, status: int) -> None:
        self._status = status
        self._board.forget(self._worker)
        remove_traces(self._board.folder, self._worker)
        if self.job_id is not None:
            remove_order(self.job_id, self._board.folder)

    def _write(self, text: str) -> None:
        with self.log.open("a") as log:
            log.write(f"{text}\n")
