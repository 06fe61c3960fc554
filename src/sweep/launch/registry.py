"""Which launcher a kind of settings names. A new one: its settings, its module, and a line here."""

from pathlib import Path

from sweep.launch.local import LocalProcesses
from sweep.launch.protocol import Launcher
from sweep.launch.ray_launcher import RayActors
from sweep.launch.slurm_launcher import SlurmJobs
from sweep.launch.spawn import SpawnedProcesses
from sweep.settings import JoinLauncher, LauncherSettings, LocalLauncher, RayLauncher, SlurmLauncher, SpawnLauncher

LAUNCHERS: dict[type, type[Launcher]] = {
    LocalLauncher: LocalProcesses,
    SpawnLauncher: SpawnedProcesses,
    JoinLauncher: LocalProcesses,  # whose study another command owns makes no difference to a worker
    RayLauncher: RayActors,
    SlurmLauncher: SlurmJobs,
}


def make_launcher(settings: LauncherSettings, folder: Path, entry: str) -> Launcher:
    """The launcher that the settings choose.

    Args:
        settings: the section `launcher`, with a number for its workers (`sweep.launch.capacity`).
        folder: where workers' logs go.
        entry: "module:function" of what a rank runs, called with its WorkOrder and a function that tells whether it
            is asked to stop; it returns the exit status.

    Raises InputError if there are not enough GPUs.
    """
    return LAUNCHERS[type(settings)](settings, folder, entry)


def warm_up(settings: LauncherSettings) -> None:
    """Let the chosen launcher begin with what takes long, before anything else of the study is looked at."""
    if settings.workers:
        LAUNCHERS[type(settings)].warm_up()
