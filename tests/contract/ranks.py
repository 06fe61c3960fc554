"""What the launchers' tests let a worker run: a few lines instead of a study. `order.overrides` says what."""

import atexit
import json
import os
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from sweep.launch.order import WorkOrder


def order(folder: Path, *words: str, worker: str = "w") -> WorkOrder:
    """An order to leave a report in a folder, and then to do what the words say."""
    return WorkOrder(worker, str(folder), words, None)


def main(given: WorkOrder, stop_asked: Callable[[], bool]) -> int:
    """A rank's work."""
    rank = int(os.environ.get("RANK", "0"))
    report: dict[str, Any] = {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "stdin": sys.stdin.read() + os.read(0, 1).decode(),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "worker": given.worker,
    }
    what, *more = given.overrides
    if what == "measure":
        report |= _measured()
    if what == "gather":
        report["gathered"] = _gathered(given.worker)
        report["listening"] = _listening()
    print(f"rank {rank} prints")
    print(f"rank {rank} complains", file=sys.stderr)
    file = Path(given.study_folder) / f"{given.worker}-{rank}.json"
    file.with_suffix(".draft").write_text(json.dumps(report))
    file.with_suffix(".draft").rename(file)
    if what == "wait":
        while not stop_asked():
            time.sleep(0.01)
        return 0
    if what == "crash":
        atexit.register(os.abort)
        return int(more[0])
    if what == "raise":
        raise ValueError("this is the reason")
    if what == "end" and (len(more) < 2 or int(more[1]) == rank):
        return int(more[0])
    while what == "end":  # another rank ends
        time.sleep(0.01)
    return 0


def _gathered(worker: str) -> list[str]:
    """What all ranks of the group contribute."""
    from torch import distributed

    names: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(names, f"{worker} {distributed.get_rank()}")
    return names


def _listening() -> list[str]:
    """The addresses that sockets of this process listen on, as the kernel writes them."""
    mine = {os.readlink(file.path) for file in os.scandir("/proc/self/fd") if os.path.exists(file.path)}
    addresses = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in mine:
                addresses.append(local.partition(":")[0])
    return addresses


def _measured() -> dict[str, Any]:
    """How many threads the libraries say they use, and how many more there are after large products."""
    import numpy as np
    import torch
    from threadpoolctl import threadpool_info

    def threads() -> int:
        return len(os.listdir("/proc/self/task"))

    counts = [threads()]
    large = np.ones((1024, 1024), np.float32)
    for product in (lambda: large @ large, lambda: torch.from_numpy(large) @ torch.from_numpy(large)):
        product()
        counts.append(threads())
    return {
        "torch": torch.get_num_threads(),
        "pools": [pool["num_threads"] for pool in threadpool_info()],
        "more_threads": [after - before for before, after in pairwise(counts)],
        "server_threads": len(os.listdir(f"/proc/{os.getppid()}/task")),
        "cuda_begun": torch.cuda.is_initialized(),
    }
