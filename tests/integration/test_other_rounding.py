"""A setting that changes only the rounding may change while a result waits to be recorded."""

import sqlite3
from pathlib import Path

import pytest
from tests.conftest import Sweep

pytestmark = pytest.mark.slow

STUDY = (
    "+experiment=smoke", "study.name=rounding", "study.space={ratio.monolingual: {grid: [0.5]}}", "train.steps=4",
    "train.warmup_steps=1", "model.hidden_size=32", "evaluation.records=12", "study.export=none",
)  # fmt: skip


def test_a_committed_result_is_recorded_and_not_computed_again(
    sweep: Sweep, tmp_path: Path, shared_mlflow: str
) -> None:
    first = sweep(*STUDY, shared_mlflow)
    assert first.returncode == 0, first.stderr
    folder = tmp_path / "sweeps" / "rounding"
    (result,) = folder.glob("trials/*/result.json")
    before = result.stat().st_mtime_ns
    with sqlite3.connect(folder / "study.db") as database:  # as a kill right after result.json leaves it
        database.execute("UPDATE trials SET state = 'RUNNING'")
        database.execute("DELETE FROM trial_values")
    again = sweep(*STUDY, shared_mlflow, "train.tokens_per_pass=100")
    assert again.returncode == 0, again.stderr
    assert result.stat().st_mtime_ns == before
    with sqlite3.connect(folder / "study.db") as database:
        assert database.execute("SELECT state FROM trials").fetchall() == [("COMPLETE",)]
