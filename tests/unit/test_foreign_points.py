"""What others wrote into a study's database decides neither what a worker loads nor which files are read."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from tests.unit.test_search import SPACE
from tests.unit.test_studies import command
from tests.unit.test_study import GRID, WHOLE, settings_of, store_of

from sweep.errors import InputError
from sweep.launch.order import WorkOrder
from sweep.records.files import write_atomically
from sweep.records.folder import StudyFolder
from sweep.records.study_artifacts import StudyArtifacts
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.study.point import Point, check_point
from sweep.study.store import StudyStore
from sweep.trial import worker


def overwrite(store: StudyStore, name: str, value: object) -> None:
    """Give the first trial another attribute."""
    engine = create_engine(f"sqlite:///{store.folder.database}")
    change = "UPDATE trial_user_attributes SET value_json = :value WHERE key = :name AND trial_id = 1"
    with engine.begin() as connection:
        connection.execute(text(change), {"name": name, "value": json.dumps(value)})
    engine.dispose()


OTHERS: list[dict[str, Any]] = [
    {"model": "hf", "model.path": "evil/model"},
    {"ratio.monolingual": 0.5, "model.query_prefix": "${oc.env:HOME}"},
    {"paths.cache": "/victim"},
    {"tracking.uri": "http://evil"},
    {"ratio.monolingual": "${oc.env:HOME}"},
    {"ratio.monolingual": 0.25},
    {"ratio.monolingual": True},
]


@pytest.mark.parametrize("values", OTHERS)
def test_no_other_point_is_one_of_a_grid(values: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="the study's database has a point with"):
        check_point(Point(values, 0), settings_of(*GRID).study)


@pytest.mark.parametrize("values", [OTHERS[0], OTHERS[5]])
def test_a_worker_runs_no_point_that_the_study_does_not_search(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(tmp_path, *GRID)
    overwrite(store, "point", Point(values, 0).to_json())
    run: list[str] = []

    class Trial:
        committed = None

        def __init__(self, *arguments: Any) -> None:
            self.store, self.claim, self.heartbeat = arguments[4:7]

        def run(self, _: object) -> None:
            run.append(self.claim.point.key)
            self.store.fail(self.claim, "not run in this test")

    monkeypatch.setattr(worker, "TrialRun", Trial)
    order = WorkOrder("w", str(tmp_path), (WHOLE, *GRID), None)
    worker._lead(order, Composer("sweep", order.overrides), SimpleNamespace(num_processes=1), lambda: False)  # type: ignore[arg-type]
    assert len(run) == 5
    reasons = [record.reason or "" for record in store.view.records()]
    assert sum("the study's database has a point with" in reason for reason in reasons) == 1


@pytest.mark.parametrize(
    ("space", "values"),
    [
        (SPACE, {"ratio.monolingual": 0.1 + 0.2, "train.learning_rate": 1e-3}),
        ("study.space={train.steps: {int: [50, 52]}}", {"train.steps": 51}),
        ("study.space={languages.train: {choice: [[en, de], [en, fr]]}}", {"languages.train": ["en", "fr"]}),
        ("study.space={data.records: {choice: [{low: 1, high: 2}, 3]}}", {"data.records": {"high": 2, "low": 1}}),
    ],
)
def test_every_point_of_a_search_is_one(space: str, values: dict[str, Any]) -> None:
    settings = load_settings(Composer("sweep", [space, "study.points=2"])).study
    check_point(Point.from_json(Point(values, 1).to_json()), settings)
    with pytest.raises(InputError, match=r"which the study does not search"):
        check_point(Point({**values, "model.path": "x"}, 1), settings)


@pytest.mark.parametrize("key", ["../../../victim", ".."])
def test_no_folder_outside_is_read(key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = store_of(tmp_path / "single", *GRID)
    write_atomically(store.folder.config, Composer("sweep", [WHOLE, *GRID, "study.name=single"]).yaml())
    overwrite(store, "key", key)
    store.storage.close()
    assert command("status", store.settings.name, "--sweeps", str(tmp_path)) == 2
    assert "which no trial is called" in capsys.readouterr().err


def test_no_place_outside_of_the_artifacts_is_written(tmp_path: Path) -> None:
    study = settings_of(*GRID, f"study.artifacts=file://{tmp_path}/artifacts").study
    with pytest.raises(InputError, match=r"the study's database has the id .*victim', which no study has"):
        StudyArtifacts.of(study, StudyFolder(tmp_path / "study"), "../../victim")
