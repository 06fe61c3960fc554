"""Ending a job from outside, in order or by force, also one that an earlier driver has submitted."""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from sweep.settings import SlurmLauncher

SUBMITIT = "submitit"  # its folder, in the driver's
ANSWER_S = 10.0  # for one of Slurm's commands
POLL_S = {"local": 0.02, "slurm": 1.0}
KILLED_S = 5.0  # how long the kernel may take


def wait_for_end(settings: SlurmLauncher, job_id: str, deadline: float, folder: Path) -> None:
    """Wait until a job is gone, and cancel it at the deadline (monotonic seconds).

    What Slurm cancels it ends by itself; it may take as long as its KillWait, which nobody waits for here. A cluster
    that does not answer cancels nothing: then the job ends by itself, as its driver is gone.
    """
    while _is_there(settings, job_id, folder):
        if time.monotonic() > deadline:
            cancel(settings, job_id, folder)
            return
        time.sleep(POLL_S[settings.cluster])


def cancel(settings: SlurmLauncher, job_id: str, folder: Path) -> None:
    """Take a job out of the queue, or end its processes. A job that is over already is none."""
    if settings.cluster == "slurm":
        _answer(["scancel", job_id])
        return
    import psutil  # late, as Slurm does without

    if (controller := _controller(job_id, folder)) is None:
        return
    tree = [controller, *controller.children(recursive=True)]
    for process in tree:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue  # it has just ended
    psutil.wait_procs(tree[1:], timeout=KILLED_S)


def remove_order(job_id: str, folder: Path) -> None:
    """Remove the order of a job that is over: submitit has pickled it, with the passwords that the command was given.
    A job that comes back all the same finds none, and ends."""
    for file in (folder / SUBMITIT).glob(f"{job_id}_*.pkl"):
        file.unlink(missing_ok=True)


def _is_there(settings: SlurmLauncher, job_id: str, folder: Path) -> bool:
    if settings.cluster == "local":
        return _controller(job_id, folder) is not None
    answer = _answer(["squeue", "--noheader", "--format=%T", f"--jobs={job_id}"])
    if answer is None or (answer.returncode and "Invalid job id" not in answer.stderr):
        return True  # as far as anybody knows
    return bool(answer.stdout.strip())


def _answer(command: Sequence[str]) -> subprocess.CompletedProcess[str] | None:
    """What one of Slurm's commands says; None if it does not answer."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S, check=False)
    except subprocess.TimeoutExpired:
        return None


def _controller(job_id: str, folder: Path):  # type: ignore[no-untyped-def]  # psutil.Process | None
    """The process that submitit runs a local job in, if it is that: its number may be another one's by now."""
    import psutil

    try:
        controller = psutil.Process(int(job_id))
        is_it = str(folder / SUBMITIT) in controller.cmdline() and controller.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return controller if is_it else None
