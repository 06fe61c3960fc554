"""A study whose workers are jobs of Slurm, run by submitit's local executor: preempted, and then without a driver."""

import json
import os
import signal
from pathlib import Path

import pytest
from tests.conftest import Sweep
from tests.integration.commands import TINY, command_line, offspring, rows, start, wait_for
from tests.startup import slow_steps

from sweep.launch.liveness import read_status
from sweep.records.folder import StudyFolder

pytestmark = pytest.mark.slow

SECONDS = 300.0  # a deadline only ends what would never end

STUDY = (*TINY, "train.steps=40", "train.checkpoint_steps=2", "tracking=json_lines", "study.baselines=[]")
SLURM = (*STUDY, "launcher=slurm", "launcher.cluster=local", "launcher.workers=2", "launcher.threads=1")


def jobs_at_work(folder: StudyFolder) -> list[int]:
    """The numbers of jobs whose workers are in the middle of a training."""
    at_work = []
    for board in (folder.workers / "slurm").glob("driver-*.json"):
        for worker, job in json.loads(board.read_text())["jobs"].items():
            status = read_status(folder.workers, worker)
            if status.get("phase") == "training" and status["step"] > 1:
                at_work.append(int(job))
    return at_work


def resumed(folder: StudyFolder) -> int:
    """How often a trial has gone on from a checkpoint."""
    logs = folder.path.glob("trials/*/log.txt")
    return sum(file.read_text().count("going on from checkpoint") for file in logs)


def of_study(folder: StudyFolder) -> list[int]:
    """Living processes of the study's jobs."""
    pids = [int(file.name) for file in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if str(folder.workers / "slurm") in command_line(pid)]


def measured(folder: StudyFolder) -> dict[str, dict[str, str]]:
    """What does not depend on time, by trial."""
    return {
        row["key"]: {name: value for name, value in row.items() if name.startswith("cldr/")}
        for row in rows(folder.path)
    }


def test_preempted_and_without_a_driver_it_ends_with_the_bits_of_local_workers(
    tmp_path: Path, cache: Path, sweep: Sweep
) -> None:
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    environment = slow_steps(tmp_path, 2.0, after=3)
    process = start(tmp_path, cache, *SLURM, **environment)
    wait_for(lambda: jobs_at_work(folder), process, SECONDS)
    (task,) = offspring(jobs_at_work(folder)[0])
    before = {file: file.read_text().count("paused after step") for file in folder.path.glob("trials/*/log.txt")}
    assert not any(before.values())
    os.kill(task, signal.SIGUSR2)
    wait_for(lambda: any("paused after step" in file.read_text() for file in before), process, SECONDS)
    wait_for(
        lambda: any("Requeued job" in file.read_text() for file in folder.workers.glob("slurm/*/*.out")),
        process,
        SECONDS,
    )
    wait_for(lambda: resumed(folder) == 1 and jobs_at_work(folder), process, SECONDS)
    process.kill()
    output, _ = process.communicate(timeout=SECONDS)
    assert "a worker died" not in output

    (tmp_path / "slow").unlink()
    again = start(tmp_path, cache, *SLURM, "launcher.workers=1")
    output, _ = again.communicate(timeout=SECONDS)
    assert again.returncode == 0, output
    assert "a worker died" not in output
    assert resumed(folder) == 3
    assert not of_study(folder)
    assert not list(folder.workers.glob("slurm/driver-*"))
    assert [row["state"] for row in rows(folder.path)] == ["COMPLETE"] * 2
    logs = "".join(file.read_text() for file in folder.path.glob("trials/*/log.txt"))
    assert logs.count("COMPLETE in") == 2

    alone = sweep(*STUDY, "study.name=alone")
    assert alone.returncode == 0, alone.stdout + alone.stderr
    assert measured(folder) == measured(StudyFolder(tmp_path / "sweeps" / "alone"))
    assert len(measured(folder)) == 2


def test_the_script_is_printed_and_nothing_is_made(tmp_path: Path, sweep: Sweep) -> None:
    shown = sweep(*SLURM, "launcher.dry_run=true", "launcher.cluster=slurm", "launcher.options={account: lab}")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("#!/bin/bash\n")
    assert {"#SBATCH --account=lab", "#SBATCH --array=0-1%2"} <= set(shown.stdout.splitlines())
    assert not (tmp_path / "sweeps").exists()
