"""What a rank finds in its environment, and its share of the cores."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from sweep.launch.rendezvous import LOOPBACK
from sweep.settings import LauncherSettings


def threads_of_rank(settings: LauncherSettings) -> int:
    """CPU threads of every rank: as set, or an equal share of the cores, at least 1."""
    return settings.threads or max(1, (os.cpu_count() or 1) // (settings.slots * settings.processes))


@dataclass(frozen=True)
class Seat:
    """A rank's place in its group of `ranks`, and among the `local_ranks` of its node; where rank 0 awaits them."""

    rank: int
    ranks: int
    local_rank: int
    local_ranks: int
    host: str
    port: int


def rank_environment(
    threads: int, devices: tuple[str, ...], seat: Seat | None, given: Mapping[str, str]
) -> dict[str, str]:
    """What tells a rank its threads, its worker's GPUs on its node, and its seat, if it is not alone.

    `given`: the environment that it is added to, where a user may have chosen how threads wait.
    """
    environment = {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": given.get("OMP_WAIT_POLICY", "PASSIVE"),  # waiting threads leave the cores to others
        "TOKENIZERS_PARALLELISM": "false",
    }
    if devices:
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(devices)
    if seat is not None:
        environment |= {
            "RANK": str(seat.rank),
            "LOCAL_RANK": str(seat.local_rank),
            "WORLD_SIZE": str(seat.ranks),
            "LOCAL_WORLD_SIZE": str(seat.local_ranks),
            "MASTER_ADDR": seat.host,
            "MASTER_PORT": str(seat.port),
            **(sockets_on(LOOPBACK, given) if seat.host == LOOPBACK else {}),
        }
    return environment


def sockets_on(address: str, given: Mapping[str, str]) -> dict[str, str]:
    """What keeps a group's sockets on the network interface of this machine that has this address: Gloo would listen
    where the machine's name leads to, and NCCL on the first interface. Empty if none has it; `given` comes first."""
    import psutil

    interfaces = psutil.net_if_addrs().items()
    name = next((name for name, has in interfaces if address in (one.address for one in has)), None)
    if name is None:
        return {}
    return {variable: given.get(variable, name) for variable in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")}


def use_threads(threads: int) -> None:
    """Set the number of threads of torch, and of every OpenMP and BLAS library that is loaded.

    The environment's OMP_NUM_THREADS comes too late for a rank that was forked: its libraries have read it already.
    """
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)  # of MKL too, which is part of torch and cannot be seen from outside
    threadpool_limits(limits=threads)  # numpy's, scipy's and FAISS's own
