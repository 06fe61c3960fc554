"""Chaos: three workers, 24 trials; workers, drivers and fork servers are killed, and workers sleep for too long."""

import json
import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from filelock import FileLock
from tests.integration.commands import TINY, at_work, children, fork_servers, lines, rows, runs, start, wait_for
from tests.postgres import PostgresServer
from tests.startup import slow_steps
from tests.waiting import until

from sweep.errors import Fenced
from sweep.records.folder import StudyFolder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2000)]

STRIKES = {
    "kill a worker": 25, "kill a starting worker": 2, "kill the driver": 3, "kill the fork server": 2,
    "pause a worker": 3,
}  # fmt: skip
GRACE_S = 6
RATIOS = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0]
STUDY = (
    *TINY, f"study.space={{ratio.monolingual: {{grid: {RATIOS}}}}}", "study.seeds=[0, 1]", "study.export=none",
    f"study.grace_s={GRACE_S}", "study.max_attempts=1000", "train.steps=80", "train.checkpoint_steps=5",
)  # fmt: skip


class Chaos:
    """Runs a study's command again and again until it has reached its target, while it kills and pauses processes."""

    def __init__(self, home: Path, cache: Path, study: tuple[str, ...], seed: int) -> None:
        self.rng = random.Random(seed)
        self.home = home
        self.cache = cache
        self.study = study
        self.slow = slow_steps(home, step_s=0.05)  # else the study may be at its end before all has been done to it
        self.folder = StudyFolder(home / "sweeps" / "tiny")
        self.strikes = [name for name, times in STRIKES.items() for _ in range(times)]
        self.rng.shuffle(self.strikes)
        self.paused: dict[int, float] = {}  # when to wake which process
        self.driver = self._start()

    def _start(self) -> subprocess.Popen[str]:
        return start(self.home, self.cache, *self.study, **self.slow)

    def run(self, seconds: float) -> None:
        """Until the study's command ends by itself."""
        deadline = time.monotonic() + seconds
        while self._goes_on():
            assert time.monotonic() < deadline, self.strikes
            time.sleep(self.rng.uniform(0.0, 1.2))
            self._wake(time.monotonic())
            if self.strikes and self._strike(self.strikes[-1]):
                self.strikes.pop()
            if not self.strikes:
                (self.home / "slow").unlink(missing_ok=True)

    def _goes_on(self) -> bool:
        """Whether the study is not at its end; a dead driver gets a successor."""
        status = self.driver.poll()
        if status is None:
            return True
        output = self.driver.communicate()[0]
        if status == 0:
            return False
        # A driver gives up when many workers in a row are killed before they have a trial; not one may end by itself.
        given_up = status == 1 and f"ended with status {-signal.SIGKILL} before its first trial" in output
        assert given_up or status == -signal.SIGKILL, output
        self.driver = self._start()
        return True

    def _strike(self, strike: str) -> bool:
        """Whether there was somebody to strike."""
        busy = [pid for pid in at_work(self.driver.pid, self.folder) if pid not in self.paused]
        if strike == "kill a starting worker":
            choice = self._starting(busy)
        elif strike == "kill the fork server":
            choice = fork_servers(self.driver.pid) if busy else []
        else:
            choice = [self.driver.pid] if busy and strike == "kill the driver" else busy
        if not choice:
            return False
        pid, pauses = self.rng.choice(choice), strike == "pause a worker"
        try:
            os.kill(pid, signal.SIGSTOP if pauses else signal.SIGKILL)
        except ProcessLookupError:  # it has just ended
            return False
        if pauses:
            self.paused[pid] = time.monotonic() + 1.5 * GRACE_S
        return True

    def _starting(self, busy: list[int]) -> list[int]:
        """A worker that starts, which takes a tenth of a second: the successor of one that is killed for it."""
        known = {*children(self.driver.pid)}
        if busy:
            with suppress(ProcessLookupError):
                os.kill(self.rng.choice(busy), signal.SIGKILL)
        deadline = time.monotonic() + 10
        while self.driver.poll() is None and time.monotonic() < deadline:
            if new := sorted({*children(self.driver.pid)} - known):
                return [pid for pid in new if pid not in at_work(self.driver.pid, self.folder)]
        return []

    def _wake(self, now: float) -> None:
        for pid in [pid for pid, moment in self.paused.items() if moment < now]:
            del self.paused[pid]
            with suppress(ProcessLookupError):  # its driver has ended it
                os.kill(pid, signal.SIGCONT)

    def end(self) -> None:
        """Leave nothing behind, whatever happened."""
        self._wake(float("inf"))
        self.driver.kill()
        self.driver.wait()


def in_home(home: Path) -> list[int]:
    """Processes that still run in a study's home, as its driver and its workers do."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cwd").readlink() == home:
                found.append(int(folder.name))
        except OSError:  # another user's, or just gone
            continue
    return found


def metrics(folder: StudyFolder) -> dict[str, dict[str, float]]:
    """Of all committed results, by key."""
    found = folder.path.glob("trials/*/result.json")
    return {file.parent.name: json.loads(file.read_text())["metrics"] for file in found}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """The metrics of the same study with nothing happening to it, and with a cache of its own. It runs once, whatever
    the number of test processes."""
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "undisturbed"
    with FileLock(home.with_suffix(".lock")):
        if not home.exists():
            home.mkdir()
            process = start(home, home / "cache", *STUDY, "launcher.workers=2")
            output, _ = process.communicate(timeout=600)
            assert process.returncode == 0, output
    return metrics(StudyFolder(home / "sweeps" / "tiny"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="finds the workers by their files in /proc")
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_study_bears_kills_and_pauses(
    database: str,
    undisturbed: dict[str, dict[str, float]],
    tmp_path: Path,
    cache: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every trial once, each metric with the bits of the undisturbed study, nothing left open or running."""
    study = (*STUDY, "launcher.workers=3")
    if database == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        monkeypatch.setenv("SWEEP_STORAGE", server.url())
        study = (*study, "study.storage=${oc.env:SWEEP_STORAGE}")
    chaos = Chaos(tmp_path, cache, study, seed=1)
    try:
        chaos.run(seconds=1500)
    finally:
        chaos.end()
    assert not chaos.strikes, "the study was at its end before all had been done to it"
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    found = rows(folder.path)
    assert len(found) == len({row["key"] for row in found}) == len(undisturbed) == 24
    assert {row["state"] for row in found} == {"COMPLETE"}
    assert metrics(folder) == undisturbed
    tracked = runs(tmp_path / "sweeps")
    points = {f"point {key.partition(',seed=')[0]}" for key in undisturbed}
    assert sorted(run.data.tags["sweep.key"] for run in tracked) == sorted(
        ["study", "baseline chance", "baseline n-grams", *points, *undisturbed]
    )
    assert {run.info.status for run in tracked} == {"FINISHED"}
    until(lambda: not in_home(tmp_path))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="finds the workers by their files in /proc")
def test_a_group_of_ranks_that_slept_is_fenced(tmp_path: Path, cache: Path, shared_mlflow: str) -> None:
    """Rank 0 of one of two workers sleeps; the other worker takes its trial over; the sleeper's group ends.

    The sleeper has the grace twice until its driver ends it: as long as its trial may have been left alone, and once
    more. Meanwhile the other worker, which is in its first steps, has to end its trial and to begin this one.
    """
    ranks = ("launcher.workers=2", "launcher.processes=2", "study.grace_s=20", "train.steps=40")
    slow = slow_steps(tmp_path, step_s=2)
    process = start(tmp_path, cache, *TINY, shared_mlflow, "study.export=none", *ranks, **slow)
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    wait_for(lambda: sum(lines(file) > 1 for file in folder.path.glob("trials/*/losses.csv")) == 2, process)
    sleeper = at_work(process.pid, folder)[0]
    os.kill(sleeper, signal.SIGSTOP)
    (tmp_path / "slow").unlink()
    wait_for(lambda: any("attempt 2" in file.read_text() for file in folder.path.glob("trials/*/log.txt")), process)
    os.kill(sleeper, signal.SIGCONT)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert {row["state"] for row in rows(folder.path)} == {"COMPLETE"}
    logs = [file.read_text() for file in folder.path.glob("trials/*/log.txt")]
    assert sum("attempt 1 drops the trial" in text for text in logs) == 1
    assert f"a worker died (status {Fenced.exit_status}); another one goes on" in output
