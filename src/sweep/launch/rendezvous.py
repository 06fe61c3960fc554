"""How the ranks of a group find each other: over a socket that is bound before any of them starts.

The launcher binds it and hands it to rank 0, so that no other process can take the port meanwhile.
"""

import socket
from dataclasses import dataclass
from typing import Self

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Rendezvous:
    """Where the ranks meet. `listener` is rank 0's; the others know the port alone."""

    port: int
    listener: socket.socket | None

    @classmethod
    def open(cls) -> Self:
        """Bind a free port of this machine."""
        listener = socket.socket()
        listener.bind((HOST, 0))
        listener.listen()
        return cls(listener.getsockname()[1], listener)

    def of(self, rank: int) -> "Rendezvous":
        """What a rank gets of it."""
        return self if rank == 0 else Rendezvous(self.port, None)

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
        torch.cuda.set_device(rank % torch.cuda.device_count())
    listener = rendezvous.listener
    store = TCPStore(
        HOST,
        rendezvous.port,
        ranks,
        listener is not None,
        master_listen_fd=None if listener is None else listener.detach(),
    )
    init_process_group("nccl" if gpus else "gloo", store=store, rank=rank, world_size=ranks)
    if not gpus:  # NCCL connects with the first message
        barrier()
