"""A trial that is given up while it trains, in a real study."""

from pathlib import Path

import pytest
from tests.conftest import Sweep
from tests.integration.commands import TINY, of_trials, rows

from sweep.records.folder import StudyFolder

pytestmark = pytest.mark.slow


def test_a_trial_that_unlearns_is_pruned(sweep: Sweep, tmp_path: Path) -> None:
    study = (
        *TINY, "study.space={train.learning_rate: {grid: [0.004, 0.5]}}", "train.steps=30",
        "study.objectives=[{metric: cldr/mono/map, direction: maximize}]", "study.pruner.kind=median",
        "study.pruner.startup_trials=1", "train.validation={every_steps: 10, groups: 12}",
        "data.relation=names", "evaluation.relation=names",  # what so small a training learns something of
    )  # fmt: skip
    done = sweep(*study)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    trained, pruned = rows(folder.path)
    assert (trained["state"], pruned["state"]) == ("COMPLETE", "PRUNED")
    assert pruned["reason"] == "pruned after step 10 of 30"
    assert pruned["cldr/mono/map"] == ""
    trial = folder.trial(pruned["key"])
    assert trial.losses.read_text().splitlines()[-1].startswith("10,")
    assert [row.split(",")[0] for row in trial.validations.read_text().splitlines()] == ["step", "10"]
    assert list(trial.checkpoint.glob("step-00000010.*"))
    assert not trial.ranks.exists()
    status = {run.data.tags["sweep.key"]: run.info.status for run in of_trials(tmp_path / "sweeps")}
    assert status == dict.fromkeys([trained["key"], pruned["key"]], "FINISHED")

    again = sweep(*study)
    assert again.returncode == 0
    assert "2 of 2 trials are done" in again.stdout
    assert rows(folder.path) == [trained, pruned]
