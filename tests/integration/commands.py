"""What tests of whole studies share: a small study, its commands, and what they leave."""

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from tests.waiting import SECONDS, until

from sweep.records.folder import StudyFolder

TINY = (
    "+experiment=smoke", "study.name=tiny", "train.steps=6", "train.warmup_steps=1", "train.log_every=1",
    "train.batch_size=16", "data.records={high: 60, mid: 30, low: 20}", "evaluation.records=12",
    "model.vocabulary_size=800", "launcher.workers=1", "launcher.threads=1", "report.files=false",
    "tracking.patience_s=240",  # runs that have ended are FINISHED, however slow the machine
)  # fmt: skip


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "trials.csv").open() as file:
        return list(csv.DictReader(file))


def runs(sweeps: Path, name: str = "tiny") -> list[Run]:
    client = MlflowClient(f"sqlite:///{sweeps / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    found: list[Run] = list(client.search_runs([experiment.experiment_id]))
    return found


def of_trials(sweeps: Path, name: str = "tiny") -> list[Run]:
    """The runs of trials."""
    return [run for run in runs(sweeps, name) if run.data.tags.get("sweep.kind") == "trial"]


def start(tmp_path: Path, cache: Path, *overrides: str, **environment: str) -> subprocess.Popen[str]:
    """A command in a process group of its own, as a terminal would start it, with this besides in its environment."""
    return subprocess.Popen(
        [sys.executable, "-m", "sweep", *overrides],
        cwd=tmp_path,
        env={**os.environ, "SWEEP_CACHE": str(cache), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str], seconds: float = SECONDS) -> None:
    """Wait for a condition that is to come true while the process lives."""

    def met() -> bool:
        if condition():
            return True
        assert process.poll() is None, process.communicate()[0]
        return False

    until(met, seconds)


def lines(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def offspring(pid: int) -> list[int]:
    """Living child processes."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,stat=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if not line.split()[1].startswith("Z")]


def fork_servers(driver: int) -> list[int]:
    """The process that a driver's workers are forked from: one, except while it is started anew."""
    return [pid for pid in offspring(driver) if "multiprocessing.forkserver" in command_line(pid)]


def children(driver: int) -> list[int]:
    """The ranks of a driver's workers: what its fork server has forked, and what it has spawned."""
    servers = fork_servers(driver)
    spawned = [pid for pid in offspring(driver) if "multiprocessing.spawn" in command_line(pid)]
    return [*spawned, *(pid for server in servers for pid in offspring(server))]


def command_line(pid: int) -> str:
    """Of a process; empty once it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def at_work(driver: int, folder: StudyFolder) -> list[int]:
    """Rank 0 of each of a driver's workers that has said what it does: it has the lock of its name open."""
    named = {str(file.with_suffix(".lock")) for file in folder.workers.glob("*.json")}
    return [pid for pid in children(driver) if named & open_files(pid)]


def open_files(pid: int) -> set[str]:
    """What a process has open; nothing once it has ended."""
    found = set()
    with suppress(FileNotFoundError, ProcessLookupError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed since it was listed
                found.add(os.readlink(link))
    return found
