"""Which GPUs this process may use, and which of them a worker gets."""

import os
from pathlib import Path

from sweep.errors import InputError
from sweep.settings import LauncherSettings

GPU_FILES = ("nvidia[0-9]*", "kfd", "dxg")  # in /dev, of NVIDIA, AMD, and Windows' subsystem


def visible_devices() -> tuple[str, ...]:
    """As CUDA_VISIBLE_DEVICES names them; empty on a machine without a GPU."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(name.strip() for name in named.split(",") if name.strip() and name.strip() != "-1")
    if not any(file for pattern in GPU_FILES for file in Path("/dev").glob(pattern)):
        return ()
    import torch  # seconds, which a machine without a GPU is spared

    return tuple(map(str, range(torch.cuda.device_count())))


def devices_of_workers(settings: LauncherSettings, devices: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The devices of every worker, one a process; empty on a machine without a GPU.

    Raises InputError if there are too few, unless workers may share them.
    """
    workers, processes = settings.slots, settings.processes
    if not devices:
        return [()] * workers
    if processes > len(devices):
        raise InputError(
            f"launcher.processes={processes}: every process needs a GPU of its own, and there are {len(devices)}"
        )
    if workers * processes > len(devices) and not settings.share_devices:
        raise InputError(
            f"launcher.workers={workers} with launcher.processes={processes}: needs {workers * processes} GPUs, and "
            f"there are {len(devices)}; fewer workers, or launcher.share_devices=true to let workers share GPUs"
        )
    return [
        tuple(devices[(worker * processes + rank) % len(devices)] for rank in range(processes))
        for worker in range(workers)
    ]
