"""What a task of a job does: it starts one rank in a process of its own, passes on what the driver or the cluster
asks for, and leaves the rank's exit status.

The rank is the very process that other launchers start (`sweep.launch.rank`). A signal of the cluster, shortly before
it takes the node away, becomes a request to stop: the rank saves its trial's checkpoint and releases the trial. After
that the task of rank 0 lets submitit queue the job again, unless the driver has asked for the end as well.
"""

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import resource_tracker
from pathlib import Path
from types import FrameType
from typing import NoReturn

from submitit import JobEnvironment
from submitit.helpers import DelayedSubmission

from sweep.errors import SweepError
from sweep.launch.environment import Seat, rank_environment, sockets_on
from sweep.launch.order import WorkOrder
from sweep.launch.processes import Rank
from sweep.launch.rank import STOP, RankPlan, run_rank
from sweep.launch.rendezvous import LOOPBACK, Rendezvous
from sweep.launch.slurm_board import GONE_S, BoardReader, Word, ends_of_peers, write_end, write_requeued
from sweep.launch.verdict import ENDING_S
from sweep.records.files import write_atomically
from sweep.settings import SlurmLauncher

POLL_S = 0.05
LOOK_S = {"local": 0.2, "slurm": 1.0}  # at the driver's file
KILLED_S = 2.0  # for a rank whose orders were closed: it ends by itself, unless it was stopped
WARNINGS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)  # whichever a cluster sends before it ends a job


@dataclass(frozen=True)
class SlurmTask:
    """What submitit runs in every task of a worker's job. `board`: the driver's file; `log`: where ranks write;
    `modules`: where Python looks for them; `run`: how often the job was queued again by itself."""

    order: WorkOrder
    settings: SlurmLauncher
    entry: str
    board: Path
    log: Path
    modules: tuple[str, ...]
    run: int = 0

    def __call__(self) -> None:
        """Run the rank of this task to its end. Exits with its status, above 128 for a signal, if that is not 0."""
        sys.path[:] = self.modules
        if status := Agent(self).run():
            sys.exit(status if status > 0 else 128 - status)

    def checkpoint(self) -> DelayedSubmission:
        """What submitit queues again: the trial itself has been saved and released."""
        return DelayedSubmission(replace(self, run=self.run + 1))


class Agent:
    """One task of a job."""

    def __init__(self, task: SlurmTask) -> None:
        self._task = task
        self._place = JobEnvironment()
        self._folder = task.board.parent
        self._worker = task.order.worker
        self._run = f"{task.run:04d}-{int(os.environ.get('SLURM_RESTART_COUNT', '0')):04d}"
        self._board = BoardReader(task.board, self._worker, GONE_S[task.settings.cluster])
        self._looked_at = 0.0
        self._word: Word = "work"
        self._stop_sent = False
        self._warned_by: int | None = None
        self._may_requeue = True
        self._peer_failed_at: float | None = None
        self._number = getattr(signal, f"SIG{JobEnvironment.USR_SIG}")
        self._requeue = signal.getsignal(self._number)  # submitit's: it asks for the checkpoint, and queues it
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's affair
        for number in {*WARNINGS, self._number}:
            signal.signal(number, self._receive)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if self._warned_by is None:
            self._warned_by = number

    def run(self) -> int:
        """Start the rank and attend to it; its exit status. Does not return if the job is queued again."""
        rank = self._started()
        if rank is None:
            return 0
        try:
            status = self._attend(rank)
        finally:
            rank.release()
            rank.wait(time.monotonic() + KILLED_S)
        if status is None:
            return 0
        if status == 0 and self._place.global_rank == 0 and self._warned_by is not None and self._word == "work":
            if self._may_requeue:
                self._queue_again()
            status = -signal.SIGTERM  # it has ended in order, but not because there was nothing left to do
        write_end(self._folder, self._worker, self._run, self._place.global_rank, status)
        return status

    def _started(self) -> Rank | None:
        """The rank, once the ranks know where they meet; None if it is not wanted any more."""
        try:
            rendezvous = self._rendezvous()
            return None if self._word == "end" else self._start(rendezvous)
        except Exception as error:  # the other ranks would wait for this one
            place = self._place
            with self._task.log.open("a") as log:
                log.write(f"rank {place.global_rank} could not be started: {type(error).__name__}: {error}\n")
            write_end(self._folder, self._worker, self._run, place.global_rank, 1)
            raise

    def _attend(self, rank: Rank) -> int | None:
        """Wait for the rank's end; None if it is not to go on, for the driver or for a rank that failed."""
        while (status := rank.poll()) is None:
            self._look()
            if self._word == "end" or self._is_broken:
                return None
            if not self._stop_sent and (self._word == "stop" or self._warned_by is not None):
                self._stop_sent = True
                rank.send(STOP)
                if self._warned_by == signal.SIGTERM and self._word == "work":
                    self._may_requeue = self._goes_on_running()
            time.sleep(POLL_S)
        self._look(at_once=True)
        return status

    def _look(self, at_once: bool = False) -> None:
        """See what the driver, the cluster and the other ranks say, if it is time."""
        now = time.monotonic()
        if not at_once and now - self._looked_at < LOOK_S[self._task.settings.cluster]:
            return
        self._looked_at = now
        self._word = self._board.look()
        if self._place.num_tasks > 1 and any(ends_of_peers(self._folder, self._worker, self._run).values()):
            self._peer_failed_at = self._peer_failed_at or now

    @property
    def _is_broken(self) -> bool:
        """Whether another rank failed a while ago: this one had time to end by itself, with a reason of its own."""
        return self._peer_failed_at is not None and time.monotonic() - self._peer_failed_at > ENDING_S

    def _goes_on_running(self) -> bool:
        """Whether a job that got SIGTERM is a running one, to be preempted after its grace. If Slurm has decided
        already, it cancels the job, which is to stay so, or queues it again by itself."""
        if self._place.cluster != "slurm":
            return True
        command = ["squeue", "--noheader", "--format=%T", f"--jobs={self._place.raw_job_id}"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        except (OSError, subprocess.TimeoutExpired):  # nobody knows: the driver submits a new job in its place
            return False
        return answer.returncode == 0 and answer.stdout.strip() == "RUNNING"

    def _queue_again(self) -> NoReturn:
        write_requeued(self._folder, self._worker, self._run)
        assert callable(self._requeue)
        self._requeue(self._number, None)
        raise AssertionError("submitit has not ended the task of a job that was queued again")

    def _rendezvous(self) -> Rendezvous | None:
        """Where the ranks meet: rank 0 binds a port of its node, and the others read which."""
        if self._place.num_tasks == 1:
            return None
        file = self._folder / f"{self._worker}.{self._run}.meet"
        if self._place.global_rank == 0:
            alone = self._place.num_nodes == 1
            rendezvous = Rendezvous.open(LOOPBACK if alone else own_address(self._place.hostnames[1]))
            write_atomically(file, json.dumps({"host": rendezvous.host, "port": rendezvous.port}))
            return rendezvous
        while not file.exists():
            self._look()
            if self._word == "end" or self._is_broken:
                sys.exit(0)
            time.sleep(POLL_S)
        return Rendezvous(**json.loads(file.read_text()), listener=None)

    def _environment(self, rendezvous: Rendezvous | None) -> dict[str, str]:
        place, threads = self._place, self._task.settings.threads
        if rendezvous is None:
            return rank_environment(threads, (), None, os.environ)
        host, local_ranks = rendezvous.host, place.num_tasks // place.num_nodes
        seat = Seat(place.global_rank, place.num_tasks, place.local_rank, local_ranks, host, rendezvous.port)
        here = host if place.node == 0 else own_address(host)
        return {**rank_environment(threads, (), seat, os.environ), **sockets_on(here, os.environ)}

    def _start(self, rendezvous: Rendezvous | None) -> Rank:
        place, task = self._place, self._task
        context = multiprocessing.get_context("spawn")
        orders, to_rank = context.Pipe(duplex=False)
        life, of_rank = context.Pipe(duplex=False)
        plan = RankPlan(
            rank=place.global_rank,
            ranks=place.num_tasks,
            threads=task.settings.threads,
            environment={**os.environ, **self._environment(rendezvous)},
            log=task.log if place.node == 0 else task.log.with_suffix(f".node-{place.node}.log"),
            entry=task.entry,
            orders=orders,
            life=of_rank,
            rendezvous=rendezvous,
        )
        to_rank.send(task.order)
        rank = Rank(context.Process(target=run_rank, args=(plan,)), plan, to_rank, life)
        with _signals_blocked():
            rank.start()
        rank.close_its_ends()
        if rendezvous is not None:
            rendezvous.close()
        return rank


def own_address(peer: str) -> str:
    """The address of this machine that another one is reached from. Sends nothing. Raises SweepError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(peer, 9, type=socket.SOCK_DGRAM)[0]
    except socket.gaierror as error:
        raise SweepError(f"the name of node {peer} leads to no address ({error.strerror})") from error
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(address)
        return str(probe.getsockname()[0])


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Let processes that are started now inherit that the cluster's signals are blocked: every process of a job gets
    them, and they would end a rank that has yet to save its trial."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *WARNINGS})
    try:
        resource_tracker.ensure_running()  # multiprocessing's own, which unblocks some of them here
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, *WARNINGS})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
