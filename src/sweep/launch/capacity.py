"""How many workers a machine has room for: what `launcher.workers=auto` comes to."""

import os

from sweep.settings import LauncherSettings, LocalWorkers


def with_workers(settings: LauncherSettings, devices: tuple[str, ...], trials: int) -> LauncherSettings:
    """Settings with a number for `workers: auto`, and then for `threads: null`; a number that was given stays.

    On a CPU there is a worker for every `processes * threads` cores that this process may use, one thread a rank if
    nothing is said; on GPUs a worker for every `processes` of the `devices`, and their ranks share the cores. There
    is at least one, and never more than there are `trials`. The number of threads does not depend on that of the
    trials, since it decides about the last bits of a result.
    """
    if not isinstance(settings, LocalWorkers) or settings.workers != "auto":
        return settings
    cores, ranks = available_cores(), settings.processes
    if devices:
        room = max(1, len(devices) // ranks)
        threads = settings.threads or max(1, cores // (room * ranks))
    else:
        threads = settings.threads or 1
        room = max(1, cores // (threads * ranks))
    return settings.model_copy(update={"workers": min(room, max(1, trials)), "threads": threads})


def shared_cores(settings: LauncherSettings) -> str | None:
    """That the ranks of this machine are more than its cores; None if they are not, or are on a cluster."""
    ranks, cores = settings.slots * settings.processes, os.cpu_count() or 1
    if not settings.is_local or ranks <= cores:
        return None
    return f"Note: launcher.workers x launcher.processes = {ranks} processes share {cores} cores"


def available_cores() -> int:
    """The cores that this process may run on, which may be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
