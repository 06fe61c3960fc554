"""A worker on a Ray cluster: a placement group, and in each of its bundles an actor beside a rank."""

import os
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sweep.errors import InputError
from sweep.launch.environment import Seat, rank_environment, threads_of_rank
from sweep.launch.fresh_rank import RankParts, carried
from sweep.launch.order import WorkOrder
from sweep.launch.protocol import LOST, WorkerHandle
from sweep.launch.ray_actor import Place, RankActor
from sweep.launch.ray_cluster import Connection
from sweep.launch.ray_rank import RELEASED_S, RemoteRank, is_loss, reason_of
from sweep.launch.ray_room import bundle_of, free_text, wanted_text
from sweep.launch.rendezvous import LOOPBACK
from sweep.launch.verdict import Verdict
from sweep.settings import RayLauncher

LOOK_S = 1  # between looks at whether there is room; Ray counts whole seconds
NODE_S = 60.0  # how long Ray may take to notice that a node is gone
ENDED_S = 5.0  # for an actor to say that its rank has ended, longer than the rank may take
CALLS = 4  # at the same time to one actor: one waits for the rank


class _Ended(Exception):
    """The worker is not wanted any more, and has not begun."""


class RayWorker(WorkerHandle):
    """The handle. A thread waits for room and starts the ranks."""

    def __init__(
        self, settings: RayLauncher, connection: Connection, entry: str, order: WorkOrder, log: Path
    ) -> None:
        self.log = log
        self._settings = settings
        self._connection = connection
        self._group: Any = None
        self._ranks: list[RemoteRank] = []
        self._status: int | None = None
        self._verdict = Verdict()
        self._waits_for: str | None = None
        self._loss: str | None = None  # before its ranks began
        self._stop_asked = self._ending = False
        self._lock = threading.Lock()  # between the threads that start it and that ask it to stop or end
        self._plan = (entry, order, os.getcwd(), carried(os.environ))  # as they are now
        self._starter = threading.Thread(target=self._start, daemon=True)
        self._starter.start()

    def _start(self) -> None:
        try:
            self._ray = self._connection.wait()
            self._reserve()
            self._add_actors()
            self._begin(self._answers([rank.actor.place.remote() for rank in self._ranks]))
        except _Ended:
            self._settle(0)
        except InputError as error:
            self._settle(1, str(error))
        except Exception as error:
            status = 1  # the next one would fare no better
            if is_loss(error):
                status, self._loss = LOST, reason_of(error)
            self._settle(status, f"a worker could not be started: {type(error).__name__}: {error}")
        finally:
            if self._ending:
                self._dissolve()

    def _reserve(self) -> None:
        """Wait until there is room for all ranks."""
        bundles = [bundle_of(self._settings)] * self._settings.processes
        self._group = self._ray.util.placement_group(bundles, strategy=self._settings.placement)
        while not self._group.wait(LOOK_S):
            free = free_text(self._settings, self._ray.cluster_resources(), self._ray.available_resources())
            self._waits_for = f"{wanted_text(self._settings)}; the cluster has {free}"
            if self._stop_asked or self._ending:
                raise _Ended
        self._waits_for = None

    def _add_actors(self) -> None:
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        remote = self._ray.remote(RankActor)
        for rank in range(self._settings.processes):
            actor = remote.options(
                num_cpus=self._settings.threads,
                num_gpus=self._settings.gpus_per_process,
                max_concurrency=CALLS,
                max_restarts=0,
                scheduling_strategy=PlacementGroupSchedulingStrategy(self._group, rank),
            ).remote()
            self._ranks.append(RemoteRank(self._ray, actor))

    def _answers(self, calls: list[Any]) -> list[Any]:
        """What the actors answer, once all of them have. A node may take its time, or never begin: that is shown."""
        while True:
            ready, left = self._ray.wait(calls, num_returns=len(calls), timeout=LOOK_S)
            self._ray.get(ready)  # raises what keeps one from answering
            if self._ending or (self._stop_asked and left):
                raise _Ended
            if not left:
                self._waits_for = None
                return list(self._ray.get(calls))
            self._waits_for = f"{len(left)} of {len(calls)} actors to start on their nodes"

    def _begin(self, places: Sequence[Place]) -> None:
        """Start the ranks where their actors are."""
        entry, order, folder, environment = self._plan
        threads, ranks = threads_of_rank(self._settings), len(places)
        meeting = None
        if ranks > 1:
            host = LOOPBACK if len({place.node for place in places}) == 1 else places[0].address
            meeting = (host, self._answers([self._ranks[0].actor.listen.remote(host)])[0])
        begun = []
        for rank, place in enumerate(places):
            neighbours = [other for other, at in enumerate(places) if at.node == place.node]
            seat = None
            if meeting is not None:
                seat = Seat(rank, ranks, neighbours.index(rank), len(neighbours), *meeting)
            devices = shared_devices([places[other].devices for other in neighbours])
            own = rank_environment(threads, devices, seat, environment)
            own |= {} if self._settings.gpus_per_process else {"CUDA_VISIBLE_DEVICES": ""}
            parts = RankParts(rank, ranks, {**environment, **own}, folder, self.log, entry, meeting)
            begun.append(self._ranks[rank].actor.start.remote(parts, order, place.address))
        pids = self._answers(begun)
        with self._lock:
            for one, place, pid in zip(self._ranks, places, pids, strict=True):
                one.has_begun(pid if place.host == socket.gethostname() else None)
            if self._stop_asked:
                self._pass_on_stop()

    def _settle(self, status: int, reason: str | None = None) -> None:
        """The worker has ended with this status before it began."""
        if reason is not None:
            self._note(reason)
        self._dissolve()
        self._waits_for, self._status = None, status

    def _note(self, line: str) -> None:
        with self.log.open("a") as log:
            log.write(f"{line}\n")

    @property
    def waits_for(self) -> str | None:
        """See WorkerHandle."""
        return self._waits_for

    @property
    def pids(self) -> tuple[int, ...]:
        """See WorkerHandle."""
        return tuple(rank.pid for rank in self._ranks if rank.pid is not None)

    def ask_to_stop(self) -> None:
        """See WorkerHandle."""
        with self._lock:
            self._stop_asked = True
            self._pass_on_stop()

    def _pass_on_stop(self) -> None:
        for rank in self._ranks:
            rank.ask_to_stop()

    def poll(self) -> int | None:
        """See WorkerHandle."""
        if self._status is None and not self._starter.is_alive():
            self._judge()
        return self._status

    def _judge(self) -> None:
        """Look at the ranks. When one failed, a rank that says nothing may be on a node that is gone: Ray knows that
        later than the other ranks, whose connections broke, and it decides whether the trial is to blame."""
        statuses = [rank.poll() for rank in self._ranks]
        status = self._verdict.of(statuses)
        if status is None and self._verdict.overdue_s > 0:
            for rank in self._ranks:
                rank.release()
            if self._verdict.overdue_s > NODE_S:
                status = LOST
        if status is None:
            return
        if status:
            for reason in filter(None, (rank.loss for rank in self._ranks)):
                self._note(reason)
            self.end(RELEASED_S)
        self._dissolve()
        self._status = status

    @property
    def loss(self) -> str | None:
        """See WorkerHandle."""
        return next((rank.loss for rank in self._ranks if rank.loss), self._loss)

    def end(self, patience_s: float = 10.0) -> None:
        """See WorkerHandle."""
        with self._lock:
            self._ending = True
            ends = [rank.end(patience_s) for rank in self._ranks]
        if ends:
            self._ray.wait(ends, num_returns=len(ends), timeout=patience_s + ENDED_S)
        self._starter.join(0.5)
        self._dissolve()

    def _dissolve(self) -> None:
        """Leave nothing of the worker on the cluster."""
        with self._lock:
            group, self._group = self._group, None
        for rank in self._ranks:
            rank.kill()
        if group is not None:
            self._ray.util.remove_placement_group(group)


def shared_devices(of_neighbours: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The GPUs of all ranks of a worker on one node, the first of each first: its rank there tells which is its own,
    and they reach each other's."""
    most = max(map(len, of_neighbours))
    return tuple(devices[place] for place in range(most) for devices in of_neighbours if place < len(devices))
