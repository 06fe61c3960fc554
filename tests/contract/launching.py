"""A small driver: `python -m tests.contract.launching KIND DIR` starts a worker that waits, and prints its status."""

import signal
import sys
import time
from pathlib import Path

from tests.contract.ranks import order

from sweep.launch.registry import make_launcher
from sweep.settings import LauncherSettings, LocalLauncher, RayLauncher, SlurmLauncher, SpawnLauncher

KINDS: dict[str, type] = {"local": LocalLauncher, "spawn": SpawnLauncher, "ray": RayLauncher, "slurm": SlurmLauncher}
OF_CLUSTERS: dict[str, object] = {"gpus_per_process": 0, "accelerate_config": None, "scratch": None}
CLUSTERS: dict[str, dict[str, object]] = {
    "ray": {**OF_CLUSTERS, "address": None, "placement": "STRICT_PACK", "may_grow": False},
    "slurm": {
        **OF_CLUSTERS,
        "cluster": "local",
        "nodes": 1,
        "partition": None,
        "minutes": 10,
        "options": {},
        "dry_run": False,
    },
}


def launcher_settings(
    kind: str, workers: int = 1, processes: int = 1, threads: int | None = 1, share: bool = False
) -> LauncherSettings:
    more = CLUSTERS.get(kind, {"share_devices": share, "accelerate_config": None})
    settings: LauncherSettings = KINDS[kind](kind=kind, workers=workers, processes=processes, threads=threads, **more)
    return settings


if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: None)
    folder = Path(sys.argv[2])
    launcher = make_launcher(launcher_settings(sys.argv[1]), folder, "tests.contract.ranks:main")
    launcher.warm_up()
    worker = launcher.start(order(folder, "wait"), 0)
    (folder / "started").touch()
    while (status := worker.poll()) is None:
        time.sleep(0.01)
        if (folder / "stop").exists():
            worker.ask_to_stop()
    print(status)
