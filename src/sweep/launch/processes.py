"""Workers as groups of processes on this machine, whatever start method of multiprocessing makes them.

Between a launcher and a rank there are two pipes. Through one come the order and a request to stop; its end means
that the launcher is gone, so that a worker never outlives it, however it died. The other carries nothing: its end
proves that the rank has ended, even if nobody is left to ask for its status.
"""

import os
import signal
import threading
import time
from abc import abstractmethod
from contextlib import suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path

from sweep.launch.devices import devices_of_workers, visible_devices
from sweep.launch.environment import Seat, rank_environment, threads_of_rank
from sweep.launch.interruption import SIGNALS
from sweep.launch.order import WorkOrder
from sweep.launch.protocol import LOST, Launcher, WorkerHandle
from sweep.launch.rank import STOP, RankPlan, run_rank
from sweep.launch.rendezvous import LOOPBACK, Rendezvous
from sweep.launch.verdict import Verdict
from sweep.settings import LauncherSettings, LocalWorkers

TELLING_S = 60.0  # how long a fork server may take, on a busy machine, to tell the status of a rank that has ended
KILLED_S = 5.0  # how long the kernel may take to end a process that was killed
SERVER_GONE = 255  # multiprocessing's exit code for a process whose fork server died

# multiprocessing keeps one list of this process's children and looks at all of them when it starts one.
_starting = threading.Lock()


class Processes(Launcher):
    """A launcher of groups of processes."""

    def __init__(self, settings: LauncherSettings, folder: Path, entry: str) -> None:
        assert isinstance(settings, LocalWorkers)
        self._settings = settings
        self._folder = folder
        self._entry = entry
        self._context = self.context()
        self._devices = devices_of_workers(settings, visible_devices())

    @classmethod
    @abstractmethod
    def context(cls) -> ForkServerContext | SpawnContext:
        """What starts the processes."""

    def start(self, order: WorkOrder, slot: int) -> "ProcessGroup":
        """Start a worker; see Launcher."""
        log = self._folder / f"worker-{slot + 1}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        ranks = self._settings.processes
        rendezvous = Rendezvous.open(LOOPBACK) if ranks > 1 else None
        group = [self._rank(rank, order, log, self._devices[slot], rendezvous) for rank in range(ranks)]
        return ProcessGroup(group, log, rendezvous)

    def _rank(
        self, rank: int, order: WorkOrder, log: Path, devices: tuple[str, ...], rendezvous: Rendezvous | None
    ) -> "Rank":
        orders, to_rank = self._context.Pipe(duplex=False)
        life, of_rank = self._context.Pipe(duplex=False)
        ranks, threads = self._settings.processes, threads_of_rank(self._settings)
        seat = None if rendezvous is None else Seat(rank, ranks, rank, ranks, rendezvous.host, rendezvous.port)
        plan = RankPlan(
            rank=rank,
            ranks=ranks,
            threads=threads,
            environment={**os.environ, **rank_environment(threads, devices, seat, os.environ)},
            log=log,
            entry=self._entry,
            orders=orders,
            life=of_rank,
            rendezvous=None if rendezvous is None else rendezvous.of(rank),
        )
        to_rank.send(order)
        return Rank(self._context.Process(target=run_rank, args=(plan,)), plan, to_rank, life)


class Rank:
    """One process of a group, as its launcher sees it."""

    def __init__(self, process: BaseProcess, plan: RankPlan, orders: Connection, life: Connection) -> None:
        self._process = process
        self._plan = plan
        self._orders = orders
        self._life = life
        self._started = False

    def start(self) -> None:
        """Start the process. Raises OSError or EOFError if whoever forks it dies meanwhile."""
        self._process.start()
        self._started = True

    @property
    def pid(self) -> int | None:
        """The process, once it was started."""
        return self._process.pid if self._started else None

    def close_its_ends(self) -> None:
        """Close what only the rank itself needs: the last one to close an end is to be the rank."""
        self._plan.orders.close()
        if self._plan.life is not None:
            self._plan.life.close()

    def send(self, message: str) -> None:
        """Tell the rank something, if it still lives."""
        with suppress(OSError):
            self._orders.send(message)

    def poll(self) -> int | None:
        """Its exit status, or None."""
        status = self._process.exitcode
        return LOST if status == SERVER_GONE else status

    @property
    def has_ended(self) -> bool:
        """Whether its process is gone, which may be so a moment before its exit status is known."""
        return self._started and bool(wait([self._life], 0))

    def release(self) -> None:
        """Close its orders: it ends at once."""
        self._orders.close()

    def wait(self, deadline: float) -> None:
        """Wait until the process is gone; kill it at the deadline (monotonic seconds)."""
        if not self._started:  # if it still is: its orders are closed, so it ends
            return
        assert self._process.pid is not None
        if not wait([self._life], max(0.0, deadline - time.monotonic())):
            # Not Process.kill, which does nothing when the status is lost. The number is its own: it has not ended.
            os.kill(self._process.pid, signal.SIGKILL)
            wait([self._life], KILLED_S)
        self._process.join(1.0)


class ProcessGroup(WorkerHandle):
    """A worker: one process for each of its ranks, started in a thread of its own, since a fork server answers only
    when its imports are done."""

    def __init__(self, ranks: list[Rank], log: Path, rendezvous: Rendezvous | None) -> None:
        self.log = log
        self._ranks = ranks
        self._rendezvous = rendezvous
        self._status: int | None = None
        self._verdict = Verdict()
        self._ending = False
        self._lost = False
        self._starter = threading.Thread(target=self._start, daemon=True)
        self._starter.start()

    def _start(self) -> None:
        resource_tracker.ensure_running()  # multiprocessing needs it; starting it unblocks the signals
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # inherited: Ctrl-C must not end a rank that is just born
        try:
            for rank in self._ranks:
                with _starting:
                    if self._ending:
                        break
                    rank.start()
        except (OSError, EOFError) as error:
            self._lost = True
            with self.log.open("a") as log:
                log.write(f"a worker could not be started: {error!r}\n")
        finally:
            for rank in self._ranks:
                rank.close_its_ends()
            if self._rendezvous is not None:
                self._rendezvous.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """See WorkerHandle."""
        return tuple(pid for rank in self._ranks if (pid := rank.pid) is not None)

    def ask_to_stop(self) -> None:
        """See WorkerHandle."""
        for rank in self._ranks:
            rank.send(STOP)

    def poll(self) -> int | None:
        """See WorkerHandle."""
        if self._status is None:
            self._status = self._group_status()
        return self._status

    def _group_status(self) -> int | None:
        if self._starter.is_alive():
            return None
        if self._lost:
            self.end()
            return LOST
        if not _starting.acquire(blocking=False):  # two threads must not read one status
            return None
        try:
            statuses = [rank.poll() for rank in self._ranks]
        finally:
            _starting.release()
        # One that was killed broke the others: its status is the group's, so it is waited for.
        untold = any(status is None and rank.has_ended for rank, status in zip(self._ranks, statuses, strict=True))
        verdict = self._verdict.of(statuses, final=self._verdict.overdue_s > (TELLING_S if untold else 0.0))
        if verdict:
            self.end()
        return verdict

    def end(self, patience_s: float = 10.0) -> None:
        """See WorkerHandle."""
        self._ending = True
        deadline = time.monotonic() + patience_s
        for rank in self._ranks:
            rank.release()
        self._starter.join(
            min(patience_s, 0.5)
        )  # longer only while a fork server imports: its ranks will end at once
        for rank in self._ranks:
            rank.wait(deadline)
