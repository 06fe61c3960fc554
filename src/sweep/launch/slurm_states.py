"""What a cluster says about jobs, as far as it is known: asked for all of them at once and now and then, and never
while somebody waits for the answer."""

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweep.launch.protocol import LOST

if TYPE_CHECKING:
    from submitit import Job

EVERY_S = 5.0  # between questions
ANSWER_S = 30.0  # for an answer
PATIENCE_S = 60.0  # for a cluster to know a job that was just submitted, or to account for one that has ended

WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "CONFIGURING", "RESV_DEL_HOLD")
# How a state counts, of a job that has left no exit status of its own.
STATUSES = {
    "CANCELLED": -signal.SIGTERM,
    "PREEMPTED": -signal.SIGTERM,
    "REVOKED": -signal.SIGTERM,
    "TIMEOUT": -signal.SIGTERM,
    "DEADLINE": -signal.SIGTERM,
    "OUT_OF_MEMORY": LOST,
    "NODE_FAIL": LOST,
    "BOOT_FAIL": LOST,
    "LAUNCH_FAILED": LOST,
}


@dataclass(frozen=True)
class JobState:
    """One job. `reason`: why it waits, as the cluster names it; `status`: its exit status, once it is over."""

    name: str
    reason: str = ""
    status: int | None = None


UNKNOWN = JobState("UNKNOWN")


class JobStates(ABC):
    """The states of a driver's jobs."""

    @abstractmethod
    def add(self, job: "Job[None]") -> None:
        """Remember a job that was submitted."""

    @abstractmethod
    def refresh(self, jobs: Sequence[str]) -> None:
        """Ask the cluster, if it is time. May take as long as the cluster does."""

    @abstractmethod
    def of(self, job: str) -> JobState:
        """What was last known."""


class LocalStates(JobStates):
    """Of jobs that are processes of this machine."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job[None]] = {}

    def add(self, job: "Job[None]") -> None:
        """See JobStates."""
        self._jobs[job.job_id] = job

    def refresh(self, jobs: Sequence[str]) -> None:
        """Nothing: the kernel is asked each time."""

    def of(self, job: str) -> JobState:
        """See JobStates. The status of a process is that of submitit's controller, which says nothing."""
        return JobState("RUNNING") if not self._jobs[job].done() else JobState("ENDED", status=LOST)


class SlurmStates(JobStates):
    """Of Slurm's jobs: squeue knows those that wait or run, and sacct, which may be away, those that are over."""

    def __init__(self) -> None:
        self._states: dict[str, JobState] = {}
        self._asked_at = float("-inf")
        self._missing: dict[str, float] = {}  # since when squeue has not had it

    def add(self, job: "Job[None]") -> None:
        """Nothing: Slurm remembers it."""

    def of(self, job: str) -> JobState:
        """See JobStates."""
        return self._states.get(job, UNKNOWN)

    def refresh(self, jobs: Sequence[str]) -> None:
        """See JobStates."""
        now = time.monotonic()
        if not jobs or now - self._asked_at < EVERY_S:
            return
        self._asked_at = now
        command = ["squeue", "--noheader", "--array", f"--user={os.getuid()}", "--format=%i|%T|%r"]
        listed = _lines(command)
        if listed is None:  # the controller is away: what was known stays, and nothing is over
            return
        queue = {job: JobState(state, reason) for job, state, reason, *_ in listed}
        for job in jobs:
            if job in queue and queue[job].name not in STATUSES:
                self._states[job] = queue[job]
                self._missing.pop(job, None)
        self._account([job for job in jobs if (job not in queue or queue[job].name in STATUSES)], now)

    def _account(self, jobs: Sequence[str], now: float) -> None:
        """Find out how jobs ended that are in the queue no more."""
        open_jobs = [job for job in jobs if self.of(job).status is None]
        if not open_jobs:
            return
        command = [
            "sacct",
            "-X",
            "--noheader",
            "--parsable2",
            "--format=JobID,State,ExitCode",
            "-j",
            ",".join(open_jobs),
        ]
        accounted = {job: (state, code) for job, state, code, *_ in _lines(command) or ()}
        for job in open_jobs:
            since = self._missing.setdefault(job, now)
            state, code = accounted.get(job, ("", ""))
            name = state.partition(" ")[0]  # "CANCELLED by 1000"
            if name and name not in (*WAITING, "RUNNING", "COMPLETING", "SUSPENDED"):
                self._states[job] = JobState(name, status=_status_of(name, code))
            elif now - since > PATIENCE_S:  # no accounting here, or none that answers
                self._states[job] = JobState("UNACCOUNTED", status=LOST)


def _status_of(state: str, code: str) -> int:
    """Exit status as the contract has it, of sacct's state and its "status:signal"."""
    if state in STATUSES:
        return int(STATUSES[state])
    status, _, number = code.partition(":")
    if number.isdigit() and int(number):
        return -int(number)
    ended = int(status) if status.isdigit() else 1
    return 128 - ended if ended > 128 else ended or (0 if state == "COMPLETED" else 1)


def _lines(command: Sequence[str]) -> list[list[str]] | None:
    """The fields of what one of Slurm's commands prints; None if it fails or does not answer."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if answer.returncode:
        return None
    return [line.split("|") for line in answer.stdout.splitlines() if line.count("|") >= 2]
