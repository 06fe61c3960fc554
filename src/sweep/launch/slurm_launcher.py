"""Workers that are jobs of Slurm, submitted with submitit: a job a worker, and a task of it for each of its ranks.

Everything that takes long happens in one thread: submitting what was started at the same time as one array, and
asking Slurm how the jobs are. A worker's handle looks at what that thread knows.
"""

import signal
import sys
import threading
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from sweep.errors import InputError
from sweep.launch.order import WorkOrder
from sweep.launch.protocol import Launcher
from sweep.launch.slurm_board import Board, close_boards, remove_traces
from sweep.launch.slurm_ending import SUBMITIT, remove_order, wait_for_end
from sweep.launch.slurm_job import SlurmJob
from sweep.launch.slurm_states import JobStates, LocalStates, SlurmStates
from sweep.settings import LauncherSettings, SlurmLauncher

GATHER_S = 0.3  # workers that start within it are one array
TICK_S = 0.2
SHORTLY_S = 15.0  # for earlier jobs to save their trials and to end
RETRY_S = 15.0
# What sbatch says while the cluster's controller is away or busy: it is asked again. Anything else stays wrong.
AWAY = (
    "Unable to contact",
    "Socket timed out",
    "Connection refused",
    "Connection timed out",
    "temporarily",
    "Zero Bytes",
)


class SlurmJobs(Launcher):
    """`launcher=slurm`: needs a folder that this machine and the nodes share."""

    host = "slurm"

    def __init__(self, settings: LauncherSettings, folder: Path, entry: str) -> None:
        assert isinstance(settings, SlurmLauncher)
        if find_spec("submitit") is None:
            raise InputError("launcher=slurm needs submitit: pip install 'multilingual-ratio-sweep[slurm]'")
        from sweep.launch.slurm_script import check_launcher  # here, as below, since submitit may not be there

        check_launcher(settings)
        self.settings = settings
        self.workers = folder
        self.folder = folder / "slurm"  # of the board
        self._logs = self.folder / SUBMITIT  # its scripts, and its own logs
        self.states: JobStates = LocalStates() if settings.cluster == "local" else SlurmStates()
        self.board = Board(self.folder)
        self._entry = entry
        self._lock = threading.Lock()
        self._waiting: list[SlurmJob] = []  # to be submitted
        self._members: list[SlurmJob] = []
        self._clerk: threading.Thread | None = None

    @classmethod
    def warm_up(cls) -> None:
        """Nothing: jobs start elsewhere."""

    @property
    def preview(self) -> str | None:
        """See Launcher."""
        from sweep.launch.slurm_script import script_of

        return script_of(self.settings, self._logs, self.workers.parent.name) if self.settings.dry_run else None

    def take_over(self) -> None:
        """See Launcher. Jobs save their trials first, if they can."""
        earlier = close_boards(self.folder, self.board.file)
        deadline = time.monotonic() + SHORTLY_S
        for file, jobs in earlier.items():
            for job_id in jobs.values():
                wait_for_end(self.settings, job_id, deadline, self.folder)
                remove_order(job_id, self.folder)
            for worker in jobs:
                remove_traces(self.folder, worker)
            file.unlink(missing_ok=True)

    def start(self, order: WorkOrder, slot: int) -> "SlurmJob":
        """See Launcher."""
        from sweep.launch.slurm_agent import SlurmTask

        self.folder.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(mode=0o700, exist_ok=True)  # orders have what the command was given, passwords too
        log = self.workers / f"worker-{slot + 1}.log"
        task = SlurmTask(order, self.settings, self._entry, self.board.file, log, tuple(sys.path))
        job = SlurmJob(self.settings, self.board, self.states, task)
        self.board.open(order.worker)
        with self._lock:
            self._waiting.append(job)
            self._members.append(job)
            if self._clerk is None:
                self._clerk = threading.Thread(target=self._work, daemon=True)
                self._clerk.start()
        return job

    def _work(self) -> None:
        """Submit and ask as long as there are workers. Without this thread they would wait for ever."""
        # Inherited by what is started here, such as submitit's local jobs: Ctrl-C is the driver's affair.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._attend()
        except Exception as error:
            with self._lock:
                left, self._members, self._waiting, self._clerk = self._members, [], [], None
            for job in left:
                with suppress(OSError):  # of a full disk, say: its status counts
                    job.refuse(f"nobody attends to the jobs of Slurm any more: {type(error).__name__}: {error}")

    def _attend(self) -> None:
        while True:
            time.sleep(GATHER_S if self._waiting else TICK_S)
            with self._lock:
                self._members = [job for job in self._members if not job.is_over]
                batch, self._waiting = [job for job in self._waiting if job.take()], []
                if not self._members:
                    self._clerk = None
                    return
            if batch:
                self._submit(batch)
            self.states.refresh([job.job_id for job in self._members if job.job_id is not None])

    def _submit(self, batch: "list[SlurmJob]") -> None:
        """One array; again later if the cluster is away, and an end with its reason if it refuses."""
        from submitit.helpers import clean_env

        from sweep.launch.slurm_script import make_executor

        try:
            executor = make_executor(self.settings, self._logs, self.workers.parent.name)
            with clean_env():
                jobs = executor.submit_array([job.task for job in batch])
        except Exception as error:  # submitit's, with sbatch's message
            reason = " ".join(str(error).split())
            if any(text.lower() in reason.lower() for text in AWAY):
                for one in batch:
                    one.put_back(f"Slurm, which does not answer: {reason}")
                time.sleep(RETRY_S)
                with self._lock:
                    self._waiting = [*batch, *self._waiting]
                return
            for one in batch:
                one.refuse(f"could not be submitted: {reason}")
            return
        for one, job in zip(batch, jobs, strict=True):
            self.states.add(job)
            one.submitted(job.job_id)
