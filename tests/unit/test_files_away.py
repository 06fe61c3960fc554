"""A tracker whose store of files is away: everything else goes on, and the files come later."""

import shutil
from pathlib import Path

import pytest
from mlflow.artifacts import list_artifacts
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from tests.unit.test_mirror import trial

from sweep.records.folder import StudyFolder
from sweep.settings import MlflowTracking
from sweep.tracking.background import BackgroundMirror
from sweep.tracking.mirror import Mirror, Snapshot
from sweep.tracking.mlflow_place import MlflowPlace

FILES = {"config.yaml", "metrics.json", "metrics_table.json", "losses.csv"}


@pytest.fixture
def folder(tmp_path: Path, empty_mlflow: Path) -> StudyFolder:
    """A study's folder beside a database of MLflow; where artifacts go, there is a file."""
    folder = StudyFolder(tmp_path / "grid")
    folder.path.mkdir()
    folder.config.write_text("study: {name: grid}\n")
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    (tmp_path / "mlartifacts").write_text("in the way")
    return folder


def mirror_of(folder: StudyFolder) -> Mirror:
    return Mirror(folder, MlflowPlace(MlflowTracking(uri=None), folder), "uid")


def runs_of(folder: StudyFolder) -> dict[str, Run]:
    client = MlflowClient(f"sqlite:///{folder.path.parent}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("grid").experiment_id])
    return {run.data.tags["sweep.key"]: run for run in runs}


def files_of(folder: StudyFolder, run: Run) -> set[str]:
    uri = f"sqlite:///{folder.path.parent}/mlflow.db"
    return {file.path for file in list_artifacts(run_id=run.info.run_id, tracking_uri=uri)}


def test_rows_go_on_and_files_come_later_once(folder: StudyFolder) -> None:
    said: list[str] = []
    records = [trial(folder, "a", state="COMPLETE"), trial(folder, "b", state="COMPLETE")]
    background = BackgroundMirror(mirror_of(folder), said.append, "sync it")
    background.update(records)
    background.finish("FINISHED", 60)
    name = f"MLflow (sqlite:///{folder.path.parent}/mlflow.db)"
    assert [line for line in said if " takes no files (" in line] == [
        f"{name} takes no files ([Errno 20] Not a directory: '{_first_folder(folder)}'); it gets everything else, "
        "and the files later"
    ]
    assert said[-1] == f"files of 3 runs are missing in {name}. This sends what is missing:\n  sync it"
    runs = runs_of(folder)
    for key in ("a", "b"):
        assert runs[key].info.status == "FINISHED"
        assert (runs[key].data.metrics["cldr/mono/map"], runs[key].data.tags["sweep.state"]) == (0.5, "COMPLETE")
        assert runs[key].data.tags["sweep.files"] == "missing"
        assert "mlflow.loggedArtifacts" not in runs[key].data.tags

    (folder.path.parent / "mlartifacts").unlink()
    later = mirror_of(folder)
    assert later.has_work(Snapshot(records, "FINISHED"))
    assert later.send(Snapshot(records, "FINISHED")) == 0  # nothing but files
    assert (later.lacking_files(Snapshot(records)), later.files_problem) == ([], None)
    assert not later.has_work(Snapshot(records, "FINISHED"))
    again = runs_of(folder)
    assert {key: run.info.run_id for key, run in again.items()} == {key: run.info.run_id for key, run in runs.items()}
    for key in ("a", "b"):
        assert files_of(folder, again[key]) == FILES
        assert again[key].data.tags["sweep.files"] == "there"
        assert "mlflow.loggedArtifacts" in again[key].data.tags
    assert files_of(folder, again["study"]) == {"config.yaml"}


def test_a_store_that_comes_back_is_asked_while_the_study_runs(folder: StudyFolder) -> None:
    mirror = mirror_of(folder)
    records = [trial(folder, "a", state="COMPLETE"), trial(folder, "b")]
    mirror.send(Snapshot(records))
    assert mirror.files_problem is not None
    assert not mirror.has_work(Snapshot(records))  # it is asked after a while
    (folder.path.parent / "mlartifacts").unlink()
    mirror._store.ask_at_once()
    assert mirror.has_work(Snapshot(records))
    mirror.send(Snapshot(records))
    assert mirror.files_problem is None
    assert files_of(folder, runs_of(folder)["a"]) == FILES


def test_a_lost_cursor_does_not_hide_that_files_are_missing(folder: StudyFolder) -> None:
    records = [trial(folder, "a", state="COMPLETE")]
    mirror_of(folder).send(Snapshot(records, "FINISHED"))
    folder.tracking_cursor.unlink()
    (folder.path.parent / "mlartifacts").unlink()
    mirror_of(folder).send(Snapshot(records, "FINISHED"))
    run = runs_of(folder)["a"]
    assert (files_of(folder, run), run.data.tags["sweep.files"]) == (FILES, "there")


def _first_folder(folder: StudyFolder) -> Path:
    """Of the artifacts of the first trial's run, where they would be."""
    return Path(runs_of(folder)["a"].info.artifact_uri.removeprefix("file://"))
