"""The model of the best point in MLflow's registry: once, whenever a command is killed, and only if it was kept."""

import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.artifacts import list_artifacts
from mlflow.tracking import MlflowClient
from pydantic import ValidationError
from tests.unit.test_mirror import trial

from sweep.records.folder import StudyFolder
from sweep.records.trial_record import TrialRecord
from sweep.settings import MlflowTracking
from sweep.settings.compose import Composer
from sweep.settings.load import saved_settings
from sweep.tracking.cursor import Cursor
from sweep.tracking.mirror import Mirror, Snapshot
from sweep.tracking.mlflow_place import MlflowPlace
from sweep.tracking.protocol import Status

FORK = multiprocessing.get_context("fork")
BEST, WORSE = "ratio.monolingual=1,seed=0", "ratio.monolingual=0.5,seed=0"
GRID = ("+experiment=smoke", "study.name=grid", "study.objectives=[{metric: cldr/mono/map, direction: maximize}]")
HIDDEN_SIZE = 8


@pytest.fixture
def folder(tmp_path: Path, empty_mlflow: Path) -> StudyFolder:
    """A study of two points, whose files were written without training, beside a database of MLflow."""
    folder = StudyFolder(tmp_path / "sweeps" / "grid")
    folder.path.mkdir(parents=True)
    shutil.copy(empty_mlflow, folder.path.parent / "mlflow.db")
    folder.config.write_text(Composer("sweep", GRID).yaml())
    return folder


def ended(folder: StudyFolder, status: Status = "FINISHED") -> Snapshot:
    values = {WORSE: (0.5, 0.3), BEST: (1.0, 0.6)}
    records: list[TrialRecord] = []
    for number, (key, (ratio, value)) in enumerate(values.items()):
        made = trial(folder, key, state="COMPLETE")
        records.append(
            replace(
                made, number=number, seed=0, parameters={"ratio.monolingual": ratio}, value=value, values=(value,)
            )
        )
    return Snapshot(records, status)


def keep_model(folder: StudyFolder, key: str = BEST, text: str = "weights") -> Path:
    """A folder that looks like a model; nobody loads it here."""
    model = folder.trial(key).model
    (model / "1_Pooling").mkdir(parents=True, exist_ok=True)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    listed = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    (model / "modules.json").write_text(json.dumps(listed))
    pooling = {"word_embedding_dimension": HIDDEN_SIZE, "pooling_mode_mean_tokens": True}
    (model / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (model / "model.safetensors").write_text(text)
    return model


def uri_of(folder: StudyFolder) -> str:
    return f"sqlite:///{folder.path.parent / 'mlflow.db'}"


def mirror_of(folder: StudyFolder, name: str | None = "best") -> Mirror:
    return Mirror(folder, MlflowPlace(MlflowTracking(uri=None, register=name), folder), "uid")


def send(folder: StudyFolder, snapshot: Snapshot | None = None) -> str | None:
    """What a command says that has registered, or not."""
    mirror, snapshot = mirror_of(folder), snapshot or ended(folder)
    mirror.has_work(snapshot)
    mirror.send(snapshot)
    return mirror.remark(snapshot)


def versions(folder: StudyFolder) -> list[Any]:
    return list(MlflowClient(uri_of(folder)).search_model_versions("name = 'best'"))


def logged(folder: StudyFolder) -> list[Any]:
    client = MlflowClient(uri_of(folder))
    experiment = client.get_experiment_by_name("grid")
    return list(client.search_logged_models([experiment.experiment_id]))


def test_the_best_model_is_registered_with_what_is_to_be_known_of_it(folder: StudyFolder) -> None:
    folder.trial(WORSE).model.mkdir(parents=True)  # of a point that was the best before
    keep_model(folder)
    remark = send(folder)
    assert remark == (
        "Registered: models:/best/1 is the model of α=1, seed 0 (chosen among 2 points by cldr/mono/map)"
    )
    (version,), (model,) = versions(folder), logged(folder)
    run = MlflowClient(uri_of(folder)).get_run(version.run_id)
    assert run.data.tags["sweep.key"] == "study"
    assert run.info.status == "FINISHED"
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    expected = {"sweep.study": "uid", "sweep.study_name": "grid", "sweep.key": BEST, "sweep.point": "α=1"}
    expected |= {"sweep.seed": "0", "sweep.seeds": "1", "cldr/mono/map": "0.500000", "mean.cldr/mono/map": "0.600000"}
    assert expected.items() <= version.tags.items()
    assert expected.items() <= model.tags.items()
    assert "chosen among 2 points" in version.description
    assert {(metric.key, metric.value) for metric in model.metrics} == {("cldr/mono/map", 0.5)}
    file = Path(version.source.removeprefix("file://")) / "MLmodel"
    assert f"[-1,\n    {HIDDEN_SIZE}]" in file.read_text()
    needed = (file.parent / "requirements.txt").read_text()
    assert "sentence-transformers>=5.0" in needed
    assert "torch>=2" in needed
    assert "sweep" not in needed
    assert not list(folder.trial(BEST).path.glob(".*"))  # no draft


def test_a_repeated_command_registers_only_another_model(folder: StudyFolder) -> None:
    keep_model(folder)
    assert "models:/best/1" in str(send(folder))
    assert not mirror_of(folder).has_work(ended(folder))
    assert send(folder) is None
    folder.tracking_cursor.unlink()
    assert "models:/best/1" in str(send(folder))
    os.utime(folder.trial(BEST).model / "model.safetensors", (1, 1))  # as a copy has it
    assert "models:/best/1" in str(send(folder))
    assert len(versions(folder)) == len(logged(folder)) == 1
    keep_model(folder, text="better")
    assert "models:/best/2" in str(send(folder))
    assert len({version.tags["sweep.digest"] for version in versions(folder)}) == 2


KILLS: dict[str, Callable[[], tuple[Any, str]]] = {
    "while the files are sent": lambda: (MlflowClient, "log_outputs"),
    "before it is known that all are there": lambda: (MlflowClient, "finalize_logged_model"),
    "before there is a version": lambda: (MlflowClient, "create_model_version"),
    "before that is written down": lambda: (Cursor, "put"),
}


@pytest.mark.parametrize("kill", KILLS.values(), ids=KILLS.keys())
def test_a_kill_leaves_nothing_twice(folder: StudyFolder, kill: Callable[[], tuple[Any, str]]) -> None:
    snapshot = ended(folder)
    mirror_of(folder, None).send(snapshot)  # all but the model
    keep_model(folder)

    def send_until_killed() -> None:
        owner, name = kill()
        mirror = mirror_of(folder)
        if owner is Cursor:
            mirror._registration._cursor.put = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
        else:
            setattr(owner, name, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
        mirror.send(snapshot)

    process = FORK.Process(target=send_until_killed)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert mirror_of(folder).has_work(snapshot)
    assert "models:/best/1" in str(send(folder, snapshot))
    (version,), (model,) = versions(folder), logged(folder)
    assert str(model.status) == "READY"
    assert version.source == model.artifact_location
    assert Path(version.source.removeprefix("file://"), "artifacts", "model", "model.safetensors").exists()
    assert not list(folder.trial(BEST).path.glob(".*"))


def without_model(folder: StudyFolder) -> Snapshot:
    return ended(folder)


def of_another_point(folder: StudyFolder) -> Snapshot:
    keep_model(folder, WORSE)
    return ended(folder)


def of_two_objectives(folder: StudyFolder) -> Snapshot:
    keep_model(folder)
    listed = "[{metric: cldr/mono/map, direction: maximize}, {metric: cldr/cross/map, direction: maximize}]"
    folder.config.write_text(Composer("sweep", [*GRID[:2], f"study.objectives={listed}"]).yaml())
    return ended(folder)


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (without_model, "no model of the best point (α=1) was kept (study.export="),
        (of_another_point, "no model of the best point (α=1) was kept (study.export="),
        (of_two_objectives, "of several objectives no point is the best one"),
    ],
)
def test_one_line_says_why_nothing_is_registered(
    folder: StudyFolder, prepare: Callable[[StudyFolder], Snapshot], reason: str
) -> None:
    remark = send(folder, prepare(folder))
    assert remark is not None
    assert remark.startswith(f"tracking.register=best: {reason}")
    assert "\n" not in remark
    assert versions(folder) == []


def test_an_interrupted_study_registers_nothing(folder: StudyFolder) -> None:
    keep_model(folder)
    assert send(folder, ended(folder, "KILLED")) is None
    assert versions(folder) == []
    assert "models:/best/1" in str(send(folder, ended(folder, "FAILED")))


def test_versions_are_where_the_sweeps_folder_is(folder: StudyFolder) -> None:
    keep_model(folder)
    process = FORK.Process(target=send, args=(folder,))  # of its own: MLflow remembers where artifacts are
    process.start()
    process.join()
    there = StudyFolder(folder.path.parent.with_name("moved") / "grid")
    shutil.move(folder.path.parent, there.path.parent)
    mirror_of(there).place.follow()
    (version,), (model,) = versions(there), logged(there)
    assert version.source == model.artifact_location
    assert version.source.startswith((there.path.parent / "mlartifacts").as_uri())
    client = MlflowClient(uri_of(there))
    listed = list_artifacts(
        artifact_uri=client.get_model_version_download_uri("best", "1"), tracking_uri=uri_of(there)
    )
    assert "MLmodel" in {Path(file.path).name for file in listed}


@pytest.mark.parametrize("name", ["a/b", "a:1", "", " "])
def test_names_that_mlflow_does_not_take(name: str) -> None:
    with pytest.raises(ValidationError):
        MlflowTracking(uri=None, register=name)


def test_a_study_without_these_settings_is_read(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    lines = Composer("sweep", GRID).yaml().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if "register:" not in line and "system_metrics:" not in line))
    settings = saved_settings(file).settings.tracking
    assert isinstance(settings, MlflowTracking)
    assert (settings.register, settings.system_metrics) == (None, False)
