"""Workers on a Ray cluster."""

import threading
from pathlib import Path

from sweep.errors import InputError
from sweep.launch.order import WorkOrder
from sweep.launch.protocol import Launcher
from sweep.launch.ray_cluster import connected, imported_ray
from sweep.launch.ray_room import could_ever_hold, largest_text, wanted_text
from sweep.launch.ray_worker import RayWorker
from sweep.settings import LauncherSettings, RayLauncher


class RayActors(Launcher):
    """`launcher=ray`: a placement group a worker, an actor a rank. They end with the driver, however it ends."""

    host = "ray"

    def __init__(self, settings: LauncherSettings, folder: Path, entry: str) -> None:
        assert isinstance(settings, RayLauncher)
        self._settings = settings
        self._folder = folder
        self._entry = entry
        self._connection = connected(settings)
        nodes = self._connection.wait().nodes()
        if not settings.may_grow and not could_ever_hold(settings, nodes):
            raise InputError(
                f"launcher=ray: a worker needs {wanted_text(settings)} ({settings.placement}), and the cluster has "
                f"{largest_text(settings, nodes)}: it would wait for ever. Fewer launcher.processes or "
                "launcher.threads, another launcher.placement, or launcher.may_grow=true if nodes will be added"
            )

    @classmethod
    def warm_up(cls) -> None:
        """Import Ray while this process does something else."""
        threading.Thread(target=imported_ray, daemon=True).start()

    def start(self, order: WorkOrder, slot: int) -> RayWorker:
        """Start a worker; see Launcher."""
        log = self._folder / f"worker-{slot + 1}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()  # an actor that sees it writes there
        return RayWorker(self._settings, self._connection, self._entry, order, log)
