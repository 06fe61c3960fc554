"""A database that is full, damaged, away or only read; passwords that stay secret."""

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
from sqlalchemy import event, text
from tests.postgres import PASSWORD, QUOTED_PASSWORD
from tests.stores import VARIABLE, let_an_hour_pass, settings_of, store_at
from tests.unit.test_study import result
from tests.waiting import SECONDS, until

from sweep.errors import DatabaseUnusable, InputError
from sweep.records.values import TrialResult
from sweep.settings import flattened
from sweep.settings.compose import Composer
from sweep.settings.identity import result_settings
from sweep.study.heartbeat import Heartbeat
from sweep.study.patience import Patience
from sweep.study.sqlite import SqliteDatabase
from sweep.study.store import StorageError, StudyStore
from sweep.study.view import StudyView


def fill(store: StudyStore) -> None:
    for number in range(500):
        store.storage.change(lambda name=f"much-{number}": store.storage.set_attribute(name, "x" * 2000))


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    store = store_at(tmp_path, "study.space={train.steps: {grid: [50, 60, 70]}}")
    engine = store.storage._engine
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

    def limit(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    event.listen(engine, "connect", limit)
    engine.dispose()
    with pytest.raises(DatabaseUnusable, match=r"the disk is full: the study's database .*study\.db cannot grow"):
        fill(store)
    event.remove(engine, "connect", limit)
    engine.dispose()
    claim = store.claim("w")
    assert claim is not None
    store.finish(claim, result(claim.point.key))
    assert store.view.finished() == 1


ODD = "a b%20c?mode=memory#d'e\"{f}é"


def test_a_path_may_have_any_character(tmp_path: Path) -> None:
    store = store_at(tmp_path / ODD)
    assert {file.name for file in tmp_path.iterdir()} == {ODD}
    assert {"study.db", "study.db-wal"} <= {file.name for file in (tmp_path / ODD).iterdir()}
    view = StudyView.open(store.folder, store.settings)
    assert view.states() == store.view.states() != {}
    store.storage.close()
    assert view.states() == store.view.states()


def test_a_look_at_a_file_at_rest_leaves_no_trace(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.storage.close()
    before = {file: file.read_bytes() for file in tmp_path.rglob("*")}
    assert not list(tmp_path.glob("study.db-*"))
    view = StudyView.open(store.folder, store.settings)
    assert len(view.records()) == 1
    view.close()
    assert {file: file.read_bytes() for file in tmp_path.rglob("*")} == before


def test_a_view_follows_whoever_writes(tmp_path: Path) -> None:
    """At rest, while it is written, and at rest again: with and without what only the log has."""
    store = store_at(tmp_path, "study.seeds=[0,1,2]")
    store.storage.close()
    view = StudyView.open(store.folder, store.settings)
    assert set(view.states().values()) == {"WAITING"}
    for number in range(3):
        claim = store.claim("w")
        assert claim is not None
        assert view.states()[claim.point.key] == "RUNNING"
        if number == 1:
            store.storage.close()
        store.finish(claim, result(claim.point.key))
        assert view.finished() == number + 1
    store.storage.close()
    assert view.finished() == 3


def test_a_file_that_is_written_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    store = store_at(tmp_path, "study.seeds=[0,1]")
    store.storage.close()
    database, looks = SqliteDatabase(store.folder.database), []

    def look() -> list[str]:
        with database.looking() as connection:
            if not looks:
                claim = store.claim("w")  # and back to rest: only the file's state tells
                assert claim is not None
                store.storage.close()
            looks.append(1)
            return [state for (state,) in connection.execute(text("SELECT state FROM trials ORDER BY number"))]

    assert Patience("there", "", 10)(look) == ["RUNNING", "WAITING"]
    assert len(looks) == 2


def test_a_study_of_the_previous_version_goes_on(tmp_path: Path) -> None:
    """As its rows were written then, with Optuna alone: attributes, states and parameters have kept their meaning."""
    grid = ["study.space={ratio.monolingual: {grid: [0, 0.5, 1]}}", "study.max_attempts=2"]
    settings = settings_of(*grid)
    url = f"sqlite:///{tmp_path / 'study.db'}"
    metric = settings.study.objectives[0].metric
    study = optuna.create_study(study_name=settings.study.name, storage=url, directions=["maximize"])
    study.set_user_attr("settings", result_settings(settings))
    study.set_user_attr("uid", "u" * 32)
    for state, value, attributes in (
        ("COMPLETE", 0.25, {"claims": ["w#1"], "duration_s": 9.5}),
        ("RUNNING", None, {"claims": ["w#2", "v#3"], "deaths": {"w": -9}, "attempts": 0}),
        ("FAIL", None, {"claims": ["w#4"], "reason": "the loss became nan"}),
    ):
        ratio = float(len(study.trials)) / 2
        point = {"key": f"ratio.monolingual={ratio:g},seed=0"}
        point["point"] = json.dumps({"seed": 0, "values": {"ratio.monolingual": ratio}})
        study.add_trial(
            optuna.trial.create_trial(
                state=TrialState[state],
                value=value,
                params={"ratio.monolingual": ratio},
                distributions={"ratio.monolingual": FloatDistribution(0.0, 1.0)},
                user_attrs=point | attributes,
            )
        )
    store = store_at(tmp_path, *grid, alive=lambda _: False)
    assert (store.uid, store.view.target, store.view.finished(), store.view.remaining()) == ("u" * 32, 3, 1, 1)
    complete, running, failed = store.view.records()
    assert (complete.value, complete.duration_s, complete.attempts) == (0.25, 9.5, 1)
    assert (failed.state, failed.reason) == ("FAILED", "the loss became nan")
    claim = store.claim("x")
    assert claim is not None
    assert (claim.point.key, claim.number, claim.attempt) == (running.key, 1, 3)
    store.finish(claim, TrialResult(claim.point.key, "f", {metric: 0.5}, 0.1, 1.0, {}, 0, {}))
    assert store.claim("x") is None
    assert [trial.value for trial in study.get_trials()] == [0.25, 0.5, None]  # what Optuna's own tools see


def test_the_password_is_in_no_setting_that_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", f"postgresql+psycopg://me:{QUOTED_PASSWORD}@host/db")
    composer = Composer("sweep", [VARIABLE])
    settings = settings_of(VARIABLE)
    shown = [composer.yaml(), repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())]
    shown.append(str(flattened(settings.model_dump(mode="json"))))
    for text_shown in shown:
        assert PASSWORD not in text_shown
        assert QUOTED_PASSWORD not in text_shown
    assert "storage: postgresql+psycopg://me:***@host/db" in composer.yaml()
    assert settings.study.storage is not None
    assert settings.study.storage.get_secret_value().endswith("@host/db")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("study.storage=postgresql+psycopg://me:hunter2@host/db", "on the command line"),
        ("++study.storage='postgresql+psycopg://me:hunter2,=@host/db'", "on the command line"),
        ("mysql://me:hunter2@host/db", "only PostgreSQL"),
        ("postgresql+psycopg://me:hunter2@x@host/db", "in a password are written %40"),
        ("postgresql+psycopg://me:hunter2/x@host/db", "in a password are written %40"),
        ("postgresql+psycopg://me:hunter2@host/db?sslmode=require", "takes no options"),
    ],
)
def test_a_storage_that_cannot_be_used_is_refused_without_its_password(
    given: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", given)
    with pytest.raises(InputError, match=said) as caught:
        settings_of(given if "study.storage" in given else VARIABLE)
    assert "hunter2" not in str(caught.value)


def test_a_heartbeat_keeps_a_trial_and_notices_when_it_is_lost(tmp_path: Path) -> None:
    dead: set[str] = set()
    store = store_at(tmp_path, "study.grace_s=600", alive=lambda worker: worker not in dead)
    claim = store.claim("a")
    assert claim is not None
    with Heartbeat(store, claim, 0.2) as heartbeat:
        for _ in range(2):
            let_an_hour_pass(store, claim)
            until(lambda: not store.silent_workers())
        assert store.claim("b") is None
        assert not heartbeat.lost.is_set()
        dead.add("a")
        assert store.claim("b") is not None
        assert heartbeat.lost.wait(SECONDS)


def test_a_heartbeat_goes_on_after_errors_of_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_at(tmp_path)
    claim = store.claim("a")
    assert claim is not None
    beat, answers = store.storage.beat, []

    def away(trial_id: int, entry: str) -> bool:
        answers.append(trial_id)
        if len(answers) < 4:
            raise StorageError("away")
        kept = beat(trial_id, entry)
        answers.append(-1)
        return kept

    monkeypatch.setattr(store.storage, "beat", away)
    with Heartbeat(store, claim, 0.05):
        until(lambda: -1 in answers)
    assert answers[:5] == [claim.trial_id] * 4 + [-1]
