"""Which GPUs this process may use, and which of them a worker gets."""

import os
import re
from itertools import takewhile
from pathlib import Path

from sweep.errors import InputError
from sweep.settings import LocalWorkers

DEVICE_KINDS = tuple(map(re.compile, (r"\d+", r"GPU-\S+", r"MIG-\S+")))
GPU_FILES = ("nvidia[0-9]*", "kfd", "dxg")  # in /dev, of NVIDIA, AMD, and Windows' subsystem


def visible_devices() -> tuple[str, ...]:
    """As CUDA_VISIBLE_DEVICES names them; empty on a machine without a GPU."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    valid = None if named is None else _valid_devices(named)
    if valid == () or (valid is not None and valid[0].startswith("MIG-")):
        return valid  # of parts of GPUs CUDA shows a process the first alone: they cannot be counted
    if not any(file for pattern in GPU_FILES for file in Path("/dev").glob(pattern)):
        return valid or ()
    import torch  # seconds, which a machine without a GPU is spared

    count = torch.cuda.device_count()
    return tuple(map(str, range(count))) if valid is None else valid[:count]


def _valid_devices(named: str) -> tuple[str, ...]:
    """The entries before the first invalid one, which hides all that follow; none if one stands there twice.

    The first entry decides whether all are indices, ids of GPUs, or ids of their parts. Source: CUDA C++ Programming
    Guide, "CUDA Environment Variables".
    """
    entries = [entry.strip() for entry in named.split(",")]
    kind = next((kind for kind in DEVICE_KINDS if kind.fullmatch(entries[0])), None)
    valid = () if kind is None else tuple(takewhile(kind.fullmatch, entries))
    return valid if len(set(valid)) == len(valid) else ()


def devices_of_workers(settings: LocalWorkers, devices: tuple[str, ...]) -> list[tuple[str, ...]]:
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
