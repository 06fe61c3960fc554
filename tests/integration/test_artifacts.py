"""A study whose machines share a database and a place of artifacts, and no folder: each has a sweeps folder here."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from tests.conftest import Sweep
from tests.integration.commands import TINY, rows, start, wait_for
from tests.postgres import PostgresServer
from tests.startup import slow_steps

pytestmark = pytest.mark.slow

# The lost machine is known by its silence alone: no lock of its folder is seen in another one.
STEPS = (
    "train.steps=60", "train.checkpoint_steps=10", "train.log_every=10", "tracking=json_lines", "study.grace_s=8",
)  # fmt: skip
SECONDS = 300.0  # a deadline only ends what would never end
FIRST, LAST = "ratio.monolingual=0.5,seed=0", "ratio.monolingual=1,seed=0"
OF_CLOCKS = ("duration_s", "attempts", "number")


def table(folder: Path) -> list[dict[str, str]]:
    """The rows of trials.csv by key, without what depends on clocks and on who ran a trial."""
    shown = [{name: text for name, text in row.items() if name not in OF_CLOCKS} for row in rows(folder)]
    return sorted(shown, key=lambda row: row["key"])


def without_times(file: Path) -> list[str]:
    return [line.rpartition(",")[0] for line in file.read_text().splitlines()]


def test_a_study_goes_on_on_another_machine_and_ends_with_the_same_bits(
    tmp_path: Path, cache: Path, postgres: PostgresServer, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first machine is lost with all that it had in the middle of a training. The place is away for a while when
    the second one trains. The third one comes when all is done."""
    monkeypatch.setenv("SWEEP_STORAGE", postgres.url())
    name, place = f"artifacts-{time.time_ns()}", tmp_path / "place"
    command = (
        *TINY, *STEPS, f"study.name={name}", "study.storage=${oc.env:SWEEP_STORAGE}", f"study.artifacts=file://{place}",
    )  # fmt: skip
    environment = slow_steps(tmp_path)
    first = start(tmp_path, cache, *command, "paths.sweeps=first", **environment)
    try:
        wait_for(lambda: any(place.glob(f"*/checkpoints/{FIRST}/*.tar")), first, SECONDS)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate(timeout=SECONDS)
    shutil.rmtree(tmp_path / "first")
    saved = max(file.stem for file in place.glob(f"*/checkpoints/{FIRST}/*.tar"))

    log = tmp_path / "second" / name / "trials" / FIRST / "log.txt"
    of_worker = tmp_path / "second" / name / "workers" / "worker-1.log"
    second = start(tmp_path, cache, *command, "paths.sweeps=second", **environment)
    wait_for(lambda: log.exists() and "going on from checkpoint" in log.read_text(), second, SECONDS)
    place.rename(tmp_path / "away")
    (tmp_path / "slow").unlink()
    wait_for(
        lambda: "artifacts at" in of_worker.read_text() and " are away (" in of_worker.read_text(), second, SECONDS
    )
    (tmp_path / "away").rename(place)
    output, _ = second.communicate(timeout=SECONDS)
    assert second.returncode == 0, output
    text = log.read_text()
    assert "attempt 1 of" in text  # the log of the lost machine goes on
    assert f"going on from checkpoint {saved}" in text
    assert text.count("step 10: loss") == 1  # the second one did not begin anew
    left = sorted(str(file.relative_to(place).parent.name) for file in place.rglob("*.tar"))
    assert left == ["baselines", "baselines", "models", "results", "results"]

    whole = sweep(*TINY, *STEPS, f"study.name={name}", "paths.sweeps=whole")
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert table(tmp_path / "second" / name) == table(tmp_path / "whole" / name)
    for key in (FIRST, LAST):
        for file in ("losses.csv", "exposure.csv"):
            own, other = (tmp_path / machine / name / "trials" / key / file for machine in ("second", "whole"))
            assert without_times(own) == without_times(other), file

    # Without one of the results there is no table, and nobody takes the study for complete.
    (lost,) = place.glob(f"*/results/{FIRST}.*.tar")
    lost.rename(tmp_path / "lost")
    lacking = sweep(*command, "paths.sweeps=third", "study.patience_s=1")
    assert lacking.returncode == 1
    assert "there is no table: 1 trials were run on other machines" in lacking.stderr
    runs = [json.loads(line) for line in (tmp_path / "third" / name / "runs.jsonl").read_text().splitlines()]
    assert [line["status"] for line in runs if line["run"].endswith("/study") and "status" in line][-1] == "KILLED"
    (tmp_path / "lost").rename(lost)
    third = sweep(*command, "paths.sweeps=third")
    assert third.returncode == 0, third.stdout + third.stderr
    assert table(tmp_path / "third" / name) == table(tmp_path / "second" / name)
    for file in ("ranks.parquet", "result.json", "SHA256SUMS", "metrics.json"):
        own, other = (tmp_path / machine / name / "trials" / FIRST / file for machine in ("third", "second"))
        assert own.read_bytes() == other.read_bytes()
    (model,) = (tmp_path / "third" / name).glob("trials/*/model")
    assert (model / "2_Normalize").is_dir()
