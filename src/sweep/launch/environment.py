"""What a rank finds in its environment, and its share of the cores."""

import os
import socket

from sweep.settings import LauncherSettings

LOOPBACK = ("lo", "lo0")  # its interface on Linux, and elsewhere


def threads_of_rank(settings: LauncherSettings) -> int:
    """CPU threads of every rank: as set, or an equal share of the cores, at least 1."""
    return settings.threads or max(1, (os.cpu_count() or 1) // (settings.slots * settings.processes))


def rank_environment(rank: int, settings: LauncherSettings, devices: tuple[str, ...] = ()) -> dict[str, str]:
    """What tells a rank its place in its group, its worker's GPUs and its threads."""
    threads = str(threads_of_rank(settings))
    environment = {
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),  # waiting threads leave the cores to others
        "TOKENIZERS_PARALLELISM": "false",
    }
    if devices:
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(devices)
    if settings.processes > 1:
        environment |= {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(settings.processes),
            "LOCAL_WORLD_SIZE": str(settings.processes),
            **_on_loopback(),
        }
    return environment


def _on_loopback() -> dict[str, str]:
    """What keeps a group's sockets on this machine: Gloo would listen where the machine's name leads to, and NCCL on
    the first network interface."""
    loopback = next((name for _, name in socket.if_nameindex() if name in LOOPBACK), None)
    if loopback is None:
        return {}
    return {name: os.environ.get(name, loopback) for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")}


def use_threads(threads: int) -> None:
    """Set the number of threads of torch, and of every OpenMP and BLAS library that is loaded.

    The environment's OMP_NUM_THREADS comes too late for a rank that was forked: its libraries have read it already.
    """
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)  # of MKL too, which is part of torch and cannot be seen from outside
    threadpool_limits(limits=threads)  # numpy's, scipy's and FAISS's own
