"""How the ranks of a group find each other: over a socket that is bound before any of them starts.

Whoever starts rank 0 binds it and hands it over, so that no other process can take the port meanwhile. Ranks on one
machine meet on its loopback interface, where nobody else can reach them; those on several, at an address of rank 0's.
"""

import os
import socket
from dataclasses import dataclass
from typing import Self

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Rendezvous:
    """Where the ranks meet. `listener` is rank 0's; the others know host and port alone."""

    host: str
    port: int
    listener: socket.socket | None

    @classmethod
    def open(cls, host: str) -> Self:
        """Bind a free port at an address of this machine."""
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        listener.bind((host, 0))
        listener.listen()
        return cls(host, listener.getsockname()[1], listener)

    def of(self, rank: int) -> "Rendezvous":
        """What a rank gets of it."""
        return self if rank == 0 else Rendezvous(self.host, self.port, None)

    def close(self) -> None:
        """Close the launcher's copy of the socket."""
        if self.listener is not None:
            self.listener.close()


def join_group(rendezvous: Rendezvous, rank: int, ranks: int) -> None:
    """Make torch's process group of all ranks: NCCL where there are GPUs, else Gloo. Waits for the others.

    A rank that has joined may end at once, if nothing is to be done: that must not break what others still connect.
    """
    import torch
    from torch.distributed import TCPStore, barrier, init_process_group  # type: ignore[attr-defined]  # not listed

    gpus = torch.cuda.is_available()
    if gpus:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", rank)) % torch.cuda.device_count())
    listener = rendezvous.listener
    store = TCPStore(
        rendezvous.host,
        rendezvous.port,
        ranks,
        listener is not None,
        master_listen_fd=None if listener is None else listener.detach(),
    )
    init_process_group("nccl" if gpus else "gloo", store=store, rank=rank, world_size=ranks)
    if not gpus:  # NCCL connects with the first message
        barrier()
