"""Commands with the names and the answers of Slurm's, which run jobs as processes of this machine.

`install(folder)` makes `sbatch`, `srun`, `squeue`, `sacct`, `scancel` and `scontrol` in a folder for PATH. Files in
the folder decide about the cluster: `full` leaves jobs PENDING, `refusing` has what sbatch says instead of taking
one, `unaccounted` takes sacct away, `hanging` keeps all of them but srun from answering. Nodes are addresses of the
loopback interface. What is true of Slurm alone (partitions, priorities, cgroups) is not there.
"""

import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

COMMANDS = ("sbatch", "srun", "squeue", "sacct", "scancel", "scontrol")
KILL_WAIT_S = 5.0


def install(folder: Path) -> dict[str, str]:
    """Make the commands; the environment that has them."""
    (folder / "bin").mkdir(parents=True)
    (folder / "jobs").mkdir()
    for name in COMMANDS:
        file = folder / "bin" / name
        call = shlex.join([sys.executable, "-S", "-E", __file__, str(folder), name])
        file.write_text(f'#!/bin/sh\nexec {call} "$@"\n')
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}


class Job:
    """A job, or one task of an array: a folder."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        self.folder = root / "jobs" / name

    def get(self, key: str, default: str = "") -> str:
        file = self.folder / key
        return file.read_text() if file.exists() else default

    def set(self, **values: str) -> None:
        for key, value in values.items():
            draft = self.folder / f".{key}"
            draft.write_text(value)
            draft.rename(self.folder / key)

    @property
    def raw(self) -> str:
        base, _, task = self.name.partition("_")
        return str(int(base) + 1 + int(task)) if task else base


def all_jobs(root: Path) -> list[Job]:
    return [Job(root, file.name) for file in sorted((root / "jobs").iterdir())]


def named(root: Path, name: str) -> list[Job]:
    return [job for job in all_jobs(root) if name in (job.name, job.raw, job.name.partition("_")[0])]


def sbatch(root: Path, arguments: list[str]) -> int:
    if (root / "refusing").exists():
        print(f"sbatch: error: {(root / 'refusing').read_text()}", file=sys.stderr)
        return 1
    script = arguments[-1]
    base = 1000 * (1 + len({job.name.partition("_")[0] for job in all_jobs(root)}))
    array = re.search(r"^#SBATCH --array=0-(\d+)", Path(script).read_text(), re.MULTILINE)
    names = [f"{base}_{task}" for task in range(int(array[1]) + 1)] if array else [str(base)]
    for name in names:
        job = Job(root, name)
        job.folder.mkdir()
        job.set(state="PENDING", reason="None", script=Path(script).read_text())
        subprocess.Popen(
            [sys.executable, "-S", "-E", __file__, str(root), "run", name],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    print(f"Submitted batch job {base}")
    return 0


def run(root: Path, arguments: list[str]) -> int:
    """What the controller does with one job, until it is over."""
    job, restarts = Job(root, arguments[0]), 0
    while True:
        while (root / "full").exists() and job.get("state") == "PENDING":
            job.set(reason="Resources")
            time.sleep(0.05)
        if job.get("state") != "PENDING":
            return 0
        status = _run_once(job, restarts)
        if (job.folder / "requeue").exists():
            (job.folder / "requeue").unlink()
            restarts += 1
            job.set(state="PENDING", reason="BeginTime")
            time.sleep(0.3)
            continue
        if job.get("state") == "RUNNING":
            code = f"0:{-status}" if status < 0 else f"{status}:0"
            job.set(state="FAILED" if status else "COMPLETED", code=code)
        return 0


def _run_once(job: Job, restarts: int) -> int:
    base, _, task = job.name.partition("_")
    flags = dict(re.findall(r"^#SBATCH --([\w-]+)=(.*)$", job.get("script"), re.MULTILINE))
    environment = {
        **os.environ, "SLURM_JOB_ID": job.raw, "SLURM_JOB_NUM_NODES": flags["nodes"],
        "SLURM_NTASKS": str(int(flags["ntasks-per-node"]) * int(flags["nodes"])),
        "SLURM_JOB_NODELIST": "127.0.0.[1-2]" if flags["nodes"] == "2" else "127.0.0.1",
    }  # fmt: skip
    if task:
        environment |= {"SLURM_ARRAY_JOB_ID": base, "SLURM_ARRAY_TASK_ID": task}
    if restarts:
        environment["SLURM_RESTART_COUNT"] = str(restarts)
    script = job.folder / "script.sh"
    script.write_text(job.get("script"))
    process = subprocess.Popen(["bash", str(script)], env=environment, start_new_session=True)
    job.set(state="RUNNING", reason="None", session=str(process.pid))
    return process.wait()


def srun(root: Path, arguments: list[str]) -> int:
    """Tasks of a job, and the end of all when one of them fails."""
    outputs, command = {}, list(arguments)
    while command[0].startswith("--"):
        flag = command.pop(0)
        if flag in ("--output", "--error"):
            outputs[flag] = command.pop(0)
    tasks = []
    for rank in range(int(os.environ["SLURM_NTASKS"])):
        node, local = divmod(rank, int(os.environ["SLURM_NTASKS"]) // int(os.environ["SLURM_JOB_NUM_NODES"]))
        of_rank = {"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(local), "SLURM_NODEID": str(node)}
        out, err = (open(_named(outputs[flag], rank), "a") for flag in ("--output", "--error"))  # noqa: SIM115
        tasks.append(subprocess.Popen(command, env={**os.environ, **of_rank}, stdout=out, stderr=err))
    while True:
        statuses = [task.poll() for task in tasks]
        if None not in statuses or any(statuses):
            break
        time.sleep(0.02)
    deadline = time.monotonic() + KILL_WAIT_S
    for task in tasks:
        task.terminate()
    for task in tasks:
        try:
            task.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            task.kill()
    return max(status if status >= 0 else 128 - status for status in (task.wait() for task in tasks))


def _named(pattern: str, rank: int) -> str:
    values = {
        "%j": os.environ["SLURM_JOB_ID"], "%t": str(rank),
        "%A": os.environ.get("SLURM_ARRAY_JOB_ID", ""), "%a": os.environ.get("SLURM_ARRAY_TASK_ID", ""),
    }  # fmt: skip
    return re.sub("%[jtAa]", lambda match: values[match[0]], pattern)


def squeue(root: Path, arguments: list[str]) -> int:
    chosen = next((one.partition("=")[2] for one in arguments if one.startswith("--jobs=")), None)
    form = next(one.partition("=")[2] for one in arguments if one.startswith("--format="))
    for job in all_jobs(root) if chosen is None else named(root, chosen):
        state = job.get("state")
        if state in ("PENDING", "RUNNING"):
            print(form.replace("%i", job.name).replace("%T", state).replace("%r", job.get("reason")))
    return 0


def sacct(root: Path, arguments: list[str]) -> int:
    if (root / "unaccounted").exists():
        print("sacct: error: Problem talking to the database: Connection refused", file=sys.stderr)
        return 1
    for name in arguments[arguments.index("-j") + 1].split(","):
        for job in named(root, name):
            print(f"{job.name}|{job.get('state')}|{job.get('code', '0:0')}")
    return 0


def scancel(root: Path, arguments: list[str]) -> int:
    for job in named(root, arguments[0]):
        before = job.get("state")
        if before not in ("PENDING", "RUNNING"):
            continue
        job.set(state="CANCELLED by 1000", code="0:15")
        if before == "RUNNING" and os.fork() == 0:  # the command itself does not wait
            os.setsid()
            for name in (1, 2):
                os.dup2(os.open(os.devnull, os.O_WRONLY), name)
            _end_session(int(job.get("session")))
            os._exit(0)
    return 0


def _end_session(session: int) -> None:
    """SIGTERM for all, and SIGKILL for those that stay."""
    deadline = time.monotonic() + KILL_WAIT_S
    signal_all(session, signal.SIGTERM)
    while of_session(session) and time.monotonic() < deadline:
        time.sleep(0.05)
    signal_all(session, signal.SIGKILL)


def of_session(session: int) -> list[int]:
    members = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, number, *_ = file.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(number) == session and state != "Z":
            members.append(int(file.parent.name))
    return members


def signal_all(session: int, number: int) -> None:
    """As Slurm does it: to every process of the job but its batch script."""
    for pid in of_session(session):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") if pid != session else [b""]
            if pid == session and number != signal.SIGKILL:
                continue
            if b"srun" in command and number != signal.SIGKILL:
                continue
            os.kill(pid, number)


def scontrol(root: Path, arguments: list[str]) -> int:
    for job in named(root, arguments[1]):
        job.set(requeue="")
    return 0


if __name__ == "__main__":
    where, name, *given = sys.argv[1:]
    while name not in ("srun", "run") and (Path(where) / "hanging").exists():
        time.sleep(0.05)
    sys.exit({**{one: globals()[one] for one in COMMANDS}, "run": run}[name](Path(where), given))
