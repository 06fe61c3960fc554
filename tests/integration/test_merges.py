"""A study with a merge and real workers: it waits for its parents, whoever trains these in the end."""

import json
import os
import signal
from pathlib import Path

import pytest
from tests.conftest import Sweep
from tests.integration.commands import TINY, children, lines, open_files, rows, start, wait_for
from tests.startup import slow_steps

from sweep.answer.opened import opened
from sweep.launch.liveness import read_status
from sweep.records.folder import StudyFolder

pytestmark = pytest.mark.slow

STUDY = (
    *TINY, "study.baselines=[]", "tracking=json_lines", "train.checkpoint_steps=1", "study.grace_s=900",
    "study.space={ratio.mix: {grid: [batches, merge]}, ratio.monolingual: {grid: [0.0, 0.5, 1.0]}}",
)  # fmt: skip
MERGE = "ratio.mix=merge,ratio.monolingual=0.5,seed=0"
PARENTS = [f"ratio.mix=batches,ratio.monolingual={end},seed=0" for end in (1, 0)]


def states(folder: StudyFolder) -> dict[str, str]:
    """Those of all trials, by key."""
    with opened(folder) as study:
        return {trial.key: trial.state for trial in study.view.trials().values()}


def phase_of(folder: StudyFolder, key: str) -> str | None:
    """What the worker that has a trial says of it."""
    statuses = [read_status(folder.workers, file.stem) for file in folder.workers.glob("w-*.json")]
    return next((str(status["phase"]) for status in statuses if status.get("key") == key), None)


def rank_of(driver: int, folder: StudyFolder, key: str) -> int:
    """The process that trains a trial."""
    workers = [file.stem for file in folder.workers.glob("w-*.json")]
    (worker,) = [one for one in workers if read_status(folder.workers, one).get("key") == key]
    lock = str(folder.workers / f"{worker}.lock")
    (pid,) = [pid for pid in children(driver) if lock in open_files(pid)]
    return pid


def measured(folder: StudyFolder) -> dict[str, dict[str, str]]:
    """What does not depend on time, by trial."""
    return {
        row["key"]: {name: value for name, value in row.items() if name.startswith("cldr/")}
        for row in rows(folder.path)
    }


def test_a_merge_waits_for_a_parent_whose_worker_is_killed(tmp_path: Path, cache: Path, sweep: Sweep) -> None:
    """Each worker's second training is held: of two, one trains α = 1, and the other one waits with the merge."""
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    process = start(tmp_path, cache, *STUDY, "launcher.workers=2", **slow_steps(tmp_path, 900.0, training=2, after=1))
    wait_for(lambda: lines(folder.trial(PARENTS[0]).losses) > 1, process)
    wait_for(lambda: states(folder)[MERGE] == "RUNNING", process)
    assert states(folder)[PARENTS[1]] == "COMPLETE"
    assert (folder.trial(PARENTS[1]).weights / "encoder.safetensors").exists()
    # A worker whose status named the trial before this one would be ended as one that does not answer any more.
    wait_for(lambda: phase_of(folder, MERGE) == "waiting for its parents", process)
    os.kill(rank_of(process.pid, folder, PARENTS[0]), signal.SIGKILL)
    (tmp_path / "slow").unlink()
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert set(states(folder).values()) == {"COMPLETE"}
    assert len(rows(folder.path)) == len(states(folder)) == 4
    assert not list(folder.path.glob("trials/*/weights"))
    assert list(json.loads((folder.trial(MERGE).path / "result.json").read_text())["parents"]) == PARENTS
    assert not folder.trial(MERGE).losses.exists() or lines(folder.trial(MERGE).losses) <= 1

    alone = sweep(*STUDY, "study.name=alone")
    assert alone.returncode == 0, alone.stdout + alone.stderr
    assert measured(folder) == measured(StudyFolder(tmp_path / "sweeps" / "alone"))


def test_a_search_draws_merges_whose_parents_ended_before(tmp_path: Path, sweep: Sweep) -> None:
    done = sweep(
        *TINY, "study.baselines=[]", "tracking=json_lines", "study.points=5", "study.sampler=random",
        "study.space={ratio.mix: {choice: [batches, merge]}, ratio.monolingual: {float: [0, 1], step: 0.25}}",
        "study.first_points=[{ratio.mix: batches, ratio.monolingual: 1}, {ratio.mix: batches, ratio.monolingual: 0}]",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    ended = states(folder)
    assert list(ended.values()) == ["COMPLETE"] * 5, ended
    merged = [key for key in ended if key.startswith("ratio.mix=merge")]
    assert merged  # else this shows nothing
    for key in merged:
        assert list(json.loads((folder.trial(key).path / "result.json").read_text())["parents"]) == PARENTS
    assert not list(folder.path.glob("trials/*/weights"))


def test_a_merge_without_its_parents_is_refused(tmp_path: Path, sweep: Sweep) -> None:
    space = "study.space={ratio.mix: {grid: [batches, merge]}, ratio.monolingual: {grid: [0.5, 1.0]}}"
    refused = sweep(*STUDY, space)
    assert refused.returncode == 2, refused.stdout
    assert "add to the grid: {ratio.mix: 'batches', ratio.monolingual: 0.0}" in refused.stderr
    assert not (tmp_path / "sweeps").exists()
