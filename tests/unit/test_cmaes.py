"""CMA-ES draws what Optuna's own draws, and reads no pickles: whoever can write to the database runs no code."""

import os
import pickle
from pathlib import Path
from typing import Any

import optuna
import pytest
from sqlalchemy import create_engine, text
from tests.unit.test_study import store_of, work

OBJECTIVE = "cldr/pooled/alignment_consistency/low"
SPACE = "study.space={ratio.monolingual: {float: [0, 1]}, train.learning_rate: {float: [1e-4, 1e-2], log: true}}"
MIXED = "study.space={ratio.monolingual: {float: [0, 1]}, train.steps: {int: [50, 90]}}"
SEARCH = ["study.points=26", "study.sampler=cmaes"]


def aim(values: dict[str, Any]) -> float:
    return float(-((values["ratio.monolingual"] - 0.3) ** 2) - len(str(values)) / 1e4)


class Harmful:
    """Makes a folder when it is read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._folder),)


@pytest.mark.parametrize(("space", "direction"), [(SPACE, "maximize"), (MIXED, "minimize")])
def test_it_draws_what_optunas_own_draws(
    space: str, direction: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = [space, *SEARCH, f"study.objectives=[{{metric: {OBJECTIVE}, direction: {direction}}}]"]
    ours = work(store_of(tmp_path / "ours", *search), value=aim)
    monkeypatch.setattr("sweep.study.samplers.ReplayedCmaEs", optuna.samplers.CmaEsSampler)
    assert ours == work(store_of(tmp_path / "optuna", *search), value=aim)
    assert len(set(ours)) == 26  # several generations


def test_nothing_in_the_database_is_unpickled(tmp_path: Path) -> None:
    store = store_of(tmp_path / "study", SPACE, *SEARCH, "study.points=9")
    work(store, value=aim)
    engine = create_engine(f"sqlite:///{store.folder.database}")
    rows = "SELECT value_json FROM trial_system_attributes"
    with engine.begin() as connection:
        assert not any(len(value) > 50 for (value,) in connection.execute(text(rows)))  # none is kept, either
        harmful = pickle.dumps(Harmful(tmp_path / "harm")).hex()
        ids = [row[0] for row in connection.execute(text("SELECT trial_id FROM trials"))]
        for trial_id in ids:
            connection.execute(
                text("INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (:id, :key, :value)"),
                {"id": trial_id, "key": "cma:optimizer:0", "value": f'"{harmful}"'},
            )
    engine.dispose()
    assert len(work(store_of(tmp_path / "study", SPACE, *SEARCH, "study.points=12"), value=aim)) == 3
    assert not (tmp_path / "harm").exists()
