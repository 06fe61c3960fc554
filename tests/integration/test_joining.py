"""Two commands on one study through PostgreSQL, each in a folder of its own: one owns it, the other one helps."""

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from functools import lru_cache
from pathlib import Path

import pytest
from tests.conftest import Sweep
from tests.integration.commands import TINY, lines, rows, wait_for
from tests.postgres import PASSWORD, QUOTED_PASSWORD, PostgresServer
from tests.startup import slow_steps
from tests.stores import VARIABLE
from tests.waiting import until

from sweep.launch.liveness import this_host
from sweep.records.folder import StudyFolder
from sweep.settings import Settings
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.study.storage import StudyMissing
from sweep.study.trials import StoredTrial, worker_of
from sweep.study.view import StudyView

pytestmark = pytest.mark.slow

GRID = (*TINY, VARIABLE, "study.seeds=[0,1]", "study.grace_s=30", "tracking=json_lines",
        "train.steps=20", "study.baselines=[]", "study.export=none", "study.near_copies=null")  # fmt: skip
JOIN = ("launcher=join", "launcher.workers=1", "launcher.threads=1", VARIABLE)
TRIALS = 4
LOOK = ("status", "two", "--storage", "${oc.env:SWEEP_STORAGE}")


class Machines:
    """Folders that stand for machines: they share the server, and a place for what trials leave. A trial takes a
    minute until `hurry` is called."""

    def __init__(self, home: Path, cache_folder: Path, name: str) -> None:
        self.home = home
        self.name = f"study.name={name}"
        self._environment = {**os.environ, "SWEEP_CACHE": str(cache_folder), **slow_steps(home, 3.0, after=1)}
        self.artifacts = f"study.artifacts=file://{home}/artifacts"

    def start(self, folder: str, *overrides: str) -> subprocess.Popen[str]:
        (self.home / folder).mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "sweep", *overrides],
            cwd=self.home / folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def own(self, folder: str = "owner", *more: str) -> subprocess.Popen[str]:
        return self.start(folder, *GRID, self.name, self.artifacts, *more)

    def join(self, folder: str = "joiner") -> subprocess.Popen[str]:
        return self.start(folder, *JOIN, self.name, self.artifacts)

    def hurry(self) -> None:
        """From now on no step waits."""
        (self.home / "slow").unlink()

    def train(self, folder: str) -> bool:
        """Whether a trial trains, or has trained there: its worker has no lock of the cache any more."""
        return any(lines(file) > 1 for file in (self.home / folder).glob("sweeps/*/trials/*/losses.csv"))


@lru_cache
def composed(name: str) -> Settings:
    """The owner's settings; there is one server in a session of tests."""
    return load_settings(Composer("sweep", [*GRID, name]))


def trials_now(name: str) -> list[StoredTrial]:
    """What the database has; nothing before there is a study."""
    try:
        view = StudyView.open(StudyFolder(Path("nowhere")), composed(name).study)
    except StudyMissing:
        return []
    try:
        return list(view.trials().values())
    finally:
        view.close()


def with_trial(name: str, letter: str) -> set[str]:
    """The workers of an owner (w) or of those who joined (j) that have a trial now, or died with one."""
    running = [trial.holder for trial in trials_now(name) if trial.state == "RUNNING"]
    return {worker_of(holder) for holder in running if holder.startswith(f"{letter}-")}


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=240)
    return process.returncode, output


def test_commands_finish_the_grid_once_whoever_ends_or_is_killed(
    tmp_path: Path, cache: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, sweep: Sweep
) -> None:
    """The first owner has no workers of its own; whoever joined it before there was a study does its trials."""
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url())
    machines = Machines(tmp_path, cache, "two")
    joiner, pod = machines.join(), machines.join("pod")
    for early in (joiner, pod):
        assert read_line(early).startswith("Waiting for study 'two' to begin")
    owner = machines.own("owner", "launcher.workers=0")
    wait_for(lambda: machines.train("pod") and machines.train("joiner"), owner)
    second = sweep(*GRID, machines.name, machines.artifacts, "paths.sweeps=elsewhere")
    assert second.returncode == 1, second.stdout + second.stderr
    who = rf"study 'two' is run by process {owner.pid} on {this_host()} \(folder .*owner/sweeps/two, since"
    assert re.search(who, second.stderr), second.stderr
    join = f"launcher=join study.name=two 'study.storage=${{oc.env:SWEEP_STORAGE}}' {machines.artifacts}"
    assert join in second.stderr
    looked = sweep(*LOOK, f"--sweeps={tmp_path}/owner/sweeps", module="sweep.studies")
    assert f"run by process {owner.pid} on " in looked.stdout, looked.stderr
    assert "helped by 2 workers of commands that joined it" in looked.stdout
    pod.terminate()  # as Kubernetes ends a pod
    status, output = ended(pod)
    assert status == 130, output
    assert "Stopped helping" in output
    assert len(with_trial(machines.name, "j")) == 1
    for process in (joiner, owner):
        os.killpg(process.pid, signal.SIGKILL)
    of_joiner, of_owner = ended(joiner)[1], ended(owner)[1]
    assert "No workers here (launcher.workers=0): the trials wait for commands that join" in of_owner

    (died,) = with_trial(machines.name, "j")
    helper, again = machines.join(), machines.own()  # each takes over what those before it have left
    wait_for(lambda: with_trial(machines.name, "j") - {died}, helper)
    wait_for(lambda: with_trial(machines.name, "w"), again)
    machines.hurry()
    (helped, of_helper), (status, of_again) = ended(helper), ended(again)
    assert status == 0, of_again
    assert helped == 0, of_helper

    listed = trials_now(machines.name)
    assert Counter(trial.state for trial in listed) == {"COMPLETE": TRIALS}
    keys = [row["key"] for row in rows(tmp_path / "owner" / "sweeps" / "two")]
    assert sorted(keys) == sorted({trial.key for trial in listed})
    by = Counter(worker_of(trial.holder)[0] for trial in listed)
    assert min(by["w"], by["j"]) > 0
    here = re.search(r"Trials finished here: (\d+)", of_helper)
    assert here is not None, of_helper
    assert 0 < int(here[1]) <= by["j"]
    shown = output + of_joiner + of_owner + second.stderr + looked.stdout + of_helper + of_again
    assert PASSWORD not in shown
    assert QUOTED_PASSWORD not in shown
    until(lambda: not list((tmp_path / "owner" / "sweeps" / "two" / "workers").glob("j-*.json")))


def test_whoever_waits_for_a_study_can_be_ended(
    tmp_path: Path, cache: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first process of a container heeds no SIGTERM that it has no handler for."""
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url())
    idle = Machines(tmp_path, cache, "never").join()
    assert read_line(idle).startswith("Waiting for study 'never' to begin")
    idle.terminate()
    assert ended(idle) == (130, "interrupted\n")
