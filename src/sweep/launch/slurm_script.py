"""How a worker's job is submitted: submitit's executors, their parameters, and the script as Slurm would get it.

Two private members of submitit are used, since it shows a script to nobody but sbatch: `_submitit_command_str` and
`_make_submission_file_text`.
"""

import shutil
from pathlib import Path
from typing import Any

from submitit import LocalExecutor, SlurmExecutor

from sweep.errors import InputError
from sweep.settings import SlurmLauncher

COMMANDS = ("sbatch", "srun", "squeue", "scancel", "scontrol")
REQUEUES = 1_000_000  # submitit counts time limits that were reached; a study has no use for a bound on them
SIGNAL_S = 90  # how long before the time limit a job is warned
# sbatch's options that settings of their own decide about.
DECIDED = {
    "array": "launcher.workers",
    "ntasks": "launcher.processes",
    "ntasks-per-node": "launcher.processes",
    "cpus-per-task": "launcher.threads",
    "gpus-per-node": "launcher.gpus_per_process",
    "gpus-per-task": "launcher.gpus_per_process",
    "nodes": "launcher.nodes",
    "partition": "launcher.partition",
    "time": "launcher.minutes",
    "signal": "launcher.minutes",
}
# And those that the launcher itself needs as they are: where jobs work and write, and that they may be queued again.
OWN = ("job-name", "output", "error", "open-mode", "chdir", "requeue", "no-requeue")


class _Unchecked(SlurmExecutor):
    """One that shows its script on machines without Slurm, too."""

    @classmethod
    def affinity(cls) -> int:
        """See submitit."""
        return 2


def check_launcher(settings: SlurmLauncher) -> None:
    """Raise InputError for what no job can be made of, here or anywhere."""
    if settings.processes % settings.nodes:
        raise InputError(
            f"launcher.processes={settings.processes}: must be a multiple of launcher.nodes ({settings.nodes}), so "
            "that every node has as many"
        )
    if settings.cluster == "local" and settings.nodes > 1:
        raise InputError(f"launcher.nodes={settings.nodes}: launcher.cluster=local has this machine alone; set 1")
    for name in settings.options:
        if decided := DECIDED.get(name.replace("_", "-")):
            raise InputError(f"launcher.options: '{name}' is decided by {decided}; set that instead")
        if name.replace("_", "-") in OWN:
            raise InputError(f"launcher.options: '{name}' is the launcher's own affair; leave it out")
    if settings.scratch is not None:
        raise InputError(
            f"launcher.scratch={settings.scratch}: launcher=slurm gives its jobs their orders in the sweeps folder, "
            "which all nodes have to share; leave it null (launcher=ray and launcher=join do without such a folder)"
        )
    missing = [name for name in COMMANDS if shutil.which(name) is None]
    if settings.cluster == "slurm" and not settings.dry_run and missing:
        raise InputError(
            f"launcher=slurm: there is no {missing[0]} here; run the command where Slurm's commands are, such as a "
            "login node, or try it out with launcher.cluster=local, or see the script with launcher.dry_run=true"
        )


def make_executor(settings: SlurmLauncher, folder: Path, study: str) -> LocalExecutor | SlurmExecutor:
    """What submits jobs. `folder`: where submitit keeps scripts and its own logs."""
    tasks = settings.processes // settings.nodes
    gpus = tasks * settings.gpus_per_process
    if settings.cluster == "local":
        local = LocalExecutor(folder, max_num_timeout=REQUEUES)
        local.update_parameters(timeout_min=settings.minutes, tasks_per_node=tasks, gpus_per_node=gpus)
        return local
    return _with_parameters(SlurmExecutor(folder, max_num_timeout=REQUEUES), settings, study)


def _with_parameters(executor: SlurmExecutor, settings: SlurmLauncher, study: str) -> SlurmExecutor:
    tasks = settings.processes // settings.nodes
    options: dict[str, Any] = {"requeue": True}
    options |= {name.replace("_", "-"): value for name, value in settings.options.items()}
    executor.update_parameters(
        job_name=f"sweep-{study}",
        partition=settings.partition,
        time=settings.minutes,
        signal_delay_s=min(SIGNAL_S, settings.minutes * 60 // 4),
        nodes=settings.nodes,
        array_parallelism=settings.workers,  # submitit lets 256 jobs of an array run at the same time
        ntasks_per_node=tasks,
        cpus_per_task=settings.threads,
        # Of the node and not of the task: every rank sees all of them and takes the one of its LOCAL_RANK.
        gpus_per_node=tasks * settings.gpus_per_process or None,
        # srun does not take the number of CPUs from sbatch any more (since Slurm 22.05).
        srun_args=["--kill-on-bad-exit=1", f"--cpus-per-task={settings.threads}"],
        additional_parameters={name: value for name, value in options.items() if value is not False},
    )
    return executor


def script_of(settings: SlurmLauncher, folder: Path, study: str) -> str:
    """The text that sbatch would get for all workers that start at once."""
    executor = _with_parameters(_Unchecked(folder, max_num_timeout=REQUEUES), settings, study)
    if settings.workers > 1:
        executor.parameters["map_count"] = settings.workers  # as submitit does for an array
    return str(executor._make_submission_file_text(executor._submitit_command_str, ""))
