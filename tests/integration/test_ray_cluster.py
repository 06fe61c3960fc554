"""A study on a Ray cluster of three nodes, of which one is lost, and whose driver is killed."""

import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.conftest import Sweep
from tests.integration.commands import TINY, lines, rows
from tests.startup import slow_steps
from tests.waiting import until

from sweep.launch.ray_cluster import OBJECT_STORE_BYTES
from sweep.records.folder import StudyFolder

pytestmark = pytest.mark.slow

SECONDS = 400.0  # a deadline only ends what would never end

STUDY = (
    *TINY, "launcher.processes=2", "train.checkpoint_steps=1", "tracking=json_lines", "study.baselines=[]",
    "study.grace_s=900",  # longer than the test may take: nobody waits for a worker to be silent
)  # fmt: skip


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head and two further nodes, with room for two ranks each: of two workers one is not on the head."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 2, "object_store_memory": OBJECT_STORE_BYTES}
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)  # not where a cluster of this machine has its address
        cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        for _ in range(2):
            cluster.add_node(**node)
        yield cluster
        cluster.shutdown()


def ranks_below(pid: int) -> list[psutil.Process]:
    """The ranks on the node whose raylet this is."""
    found = []
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # a zombie, too
            if "sweep.launch.fresh_rank" in process.cmdline():
                found.append(process)
    return found


def has_ended(process: psutil.Process) -> bool:
    """Whether it runs no more."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def training(folder: StudyFolder) -> list[str]:
    """Keys of unfinished trials that have begun to train."""
    return [
        file.parent.name
        for file in folder.path.glob("trials/*/losses.csv")
        if lines(file) > 1 and not (file.parent / "result.json").exists()
    ]


def logs(folder: StudyFolder) -> str:
    """Those of all trials."""
    return "".join(file.read_text() for file in folder.path.glob("trials/*/log.txt"))


class Command:
    """`python -m sweep ...` in a process of its own, with its output in a file."""

    def __init__(self, folder: Path, cache: Path, *overrides: str, **environment: str) -> None:
        self._file = folder / "output.txt"
        with self._file.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "sweep", *overrides],
                cwd=folder,
                env={**os.environ, "SWEEP_CACHE": str(cache), "COLUMNS": "80", **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._file.read_text()

    def wait_until(self, condition: Any) -> None:
        def met() -> bool:
            assert self.process.poll() is None, self.output
            return bool(condition())

        until(met, SECONDS)


def test_a_lost_node_and_a_killed_driver_change_no_bit(
    tmp_path: Path, cache: Path, sweep: Sweep, cluster: Any
) -> None:
    """Its trial goes on elsewhere, and the same command resumes; then the ranks of a trial are on several nodes."""
    on_ray = (*STUDY, "launcher=ray", f"launcher.address={cluster.address}", "launcher.workers=2")
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    raylets = {node: node.all_processes["raylet"][0].process.pid for node in cluster.list_all_nodes()}
    command = Command(tmp_path, cache, *on_ray, **slow_steps(tmp_path, SECONDS, after=2))
    command.wait_until(lambda: len(training(folder)) == 2)
    node = next(node for node in cluster.worker_nodes if ranks_below(raylets[node]))
    lost = ranks_below(raylets[node])
    cluster.remove_node(node, allow_graceful=False)
    command.wait_until(lambda: "another one goes on" in command.output)
    until(lambda: all(map(has_ended, lost)))
    command.wait_until(lambda: "attempt 2 of" in logs(folder) and training(folder))
    command.process.kill()
    command.process.wait()
    assert len(training(folder)) >= 1
    assert "raylet" not in command.output
    left = [rank for other, pid in raylets.items() if other is not node for rank in ranks_below(pid)]
    until(lambda: all(map(has_ended, left)))
    (tmp_path / "slow").unlink()

    command = Command(tmp_path, cache, *on_ray, "launcher.placement=STRICT_SPREAD", "launcher.workers=1")
    assert command.process.wait(timeout=SECONDS) == 0, command.output
    assert "raylet" not in command.output, command.output
    found = {row["key"]: row for row in rows(folder.path)}
    assert len(found) == len(rows(folder.path)) == 2
    assert {row["state"] for row in found.values()} == {"COMPLETE"}
    assert max(int(row["attempts"]) for row in found.values()) >= 2
    for pid in (pid for other, pid in raylets.items() if other is not node):
        until(lambda pid=pid: not ranks_below(pid))

    local = sweep(*STUDY, "study.name=local", "launcher=local", "launcher.workers=1")
    assert local.returncode == 0, local.stdout + local.stderr
    with (tmp_path / "sweeps" / "local" / "trials.csv").open() as file:
        for row in csv.DictReader(file):
            same = {name: value for name, value in row.items() if name.startswith("cldr/")}
            assert same
            assert {name: found[row["key"]][name] for name in same} == same
