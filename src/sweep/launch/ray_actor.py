"""What runs on a node of a Ray cluster: an actor beside each rank, which starts it and takes its exit status.

The rank is a process of its own, as with every launcher: whatever a library does to it at its end, a signal, a crash,
the actor lives and knows the status. If the actor dies, its rank ends (`sweep.launch.fresh_rank`).
"""

import os
import socket
from dataclasses import dataclass, replace

from sweep.launch.environment import sockets_on
from sweep.launch.fresh_rank import FreshRank, RankParts
from sweep.launch.order import WorkOrder
from sweep.launch.rendezvous import Rendezvous


@dataclass(frozen=True)
class Place:
    """Where an actor is. `devices`: the GPUs that Ray has given it, as CUDA_VISIBLE_DEVICES names them."""

    node: str
    host: str
    address: str
    devices: tuple[str, ...]


class RankActor:
    """One rank. Several threads call its methods at the same time: `wait` takes as long as the rank lives."""

    def __init__(self) -> None:
        self._rendezvous: Rendezvous | None = None
        self._rank: FreshRank | None = None

    def place(self) -> Place:
        """Where it is."""
        import ray

        address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
        devices = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        return Place(
            ray.get_runtime_context().get_node_id(),
            socket.gethostname(),
            address,
            tuple(device for device in devices.split(",") if device),
        )

    def listen(self, host: str) -> int:
        """Bind a port where the group's ranks will meet, if this one is to be rank 0; the port."""
        self._rendezvous = Rendezvous.open(host)
        return self._rendezvous.port

    def start(self, parts: RankParts, order: WorkOrder, address: str) -> int:
        """Start the rank; its process. `address`: of this machine, on whose network the group's sockets are to be.

        Raises OSError if the folder where it is to work is not on this machine, which need not be one with a scratch
        folder of its own: it works there.
        """
        environment = {**os.environ, **parts.environment}
        if parts.meeting is not None:
            environment |= sockets_on(address, environment)
        log = parts.log if parts.log is not None and parts.log.exists() else None  # else the folder is not shared
        folder = parts.folder
        if order.scratch is not None and not os.path.isdir(folder):
            folder = os.path.expanduser(order.scratch)
            os.makedirs(folder, exist_ok=True)
        here = replace(parts, environment=environment, log=log, folder=folder)
        self._rank = FreshRank(here, order, self._rendezvous)
        return self._rank.pid

    def ask_to_stop(self) -> None:
        """Pass the request on."""
        if self._rank is not None:
            self._rank.ask_to_stop()

    def wait(self) -> int:
        """The rank's exit status, once it has one."""
        assert self._rank is not None
        return self._rank.wait()

    def end(self, patience_s: float) -> None:
        """End the rank now, by force after some seconds."""
        if self._rank is not None:
            self._rank.end(patience_s)
