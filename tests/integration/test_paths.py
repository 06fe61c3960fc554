"""Paths and names as file systems allow them, and what is refused in one line before anything starts."""

import shlex
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from tests.conftest import Sweep
from tests.integration.commands import TINY, rows

NASTY = 'a%20b ?x#y&z$w é@:;+~!it\'s "q" [1,2] {x: y} = \\ (k)'
UNTRAINED = (*TINY, "study.baselines=[]")


@pytest.mark.slow
def test_a_study_in_a_folder_of_any_name(sweep: Sweep, tmp_path: Path) -> None:
    """Nothing of it is taken for a URL, an override or a shell's word, and nothing is written beside it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    sweeps = Path("link", NASTY)
    done = sweep(*UNTRAINED, f"paths.sweeps={sweeps}", "study.name=étude", "report.files=true")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(rows(tmp_path / sweeps / "étude")) == 2
    assert [entry.name for entry in (tmp_path / "real").iterdir()] == [NASTY]
    assert {entry.name for entry in tmp_path.iterdir()} == {"real", "link"}

    resumed = next(line for line in done.stdout.splitlines() if line.startswith("Resume:"))
    words = shlex.split(resumed.removeprefix("Resume:").partition("   (adds")[0])
    assert words[1:3] == ["-m", "sweep"]
    again = sweep(*words[3:])
    assert again.returncode == 0
    assert "2 of 2 trials are done" in again.stdout
    shown = sweep("status", "étude", "--sweeps", str(sweeps), module="sweep.studies")
    assert "étude: complete, 2 of 2 finished" in shown.stdout

    browse = next(line for line in done.stdout.splitlines() if line.startswith("Browse:"))
    words = shlex.split(browse.removeprefix("Browse:"))
    uri = words[words.index("--backend-store-uri") + 1]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        client = MlflowClient(uri)
        experiment = client.get_experiment_by_name("étude")
        assert experiment is not None
        (parent,) = (
            run for run in client.search_runs([experiment.experiment_id]) if "mlflow.parentRunId" not in run.data.tags
        )
        shown = {file.path for file in client.list_artifacts(parent.info.run_id)}
        assert {"config.yaml", "report.html", "answer.md"} <= shown
    assert {entry.name for entry in tmp_path.iterdir()} == {"real", "link"}


def test_a_folder_that_looks_like_another_ones_url_has_a_database_of_its_own(tmp_path: Path) -> None:
    """`p/a%20b` is not `p/a b`."""
    from sweep.records.folder import StudyFolder
    from sweep.settings import MlflowTracking
    from sweep.tracking.mlflow_place import MlflowPlace

    settings = MlflowTracking(kind="mlflow", uri=None)
    for name in ("a%20b", "a b", "a?b", "a#b", "a%b", "é", "a+b", "a;b:c@d", "plain"):
        sweeps = tmp_path / name
        place = MlflowPlace(settings, StudyFolder(sweeps / "study"))
        assert place.database == sweeps / "mlflow.db"
    assert (
        MlflowPlace(settings, StudyFolder(tmp_path / "plain" / "study")).uri
        == f"sqlite:///{tmp_path}/plain/mlflow.db"
    )


@pytest.mark.parametrize("name", ["2024", "007", "1e5", "true", "_x", "Étude.2-b"])
def test_names_are_taken_as_they_are_written(sweep: Sweep, tmp_path: Path, name: str) -> None:
    """Refused for its data, after the name."""
    refused = sweep("+experiment=reference", f"study.name={name}", "model.path=/nowhere", f"paths.sweeps={name}/1,2")
    assert refused.returncode == 2
    assert "/nowhere" in refused.stderr
    assert "name" not in refused.stderr
    composed = sweep("+experiment=smoke", f"study.name={name}", f"paths.sweeps={name}/1,2", "--cfg", "job")
    assert f"sweeps: {name}/1,2" in composed.stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Default", "study.name: 'Default' is taken by MLflow; choose another name"),
        ("mlartifacts", "study.name: 'mlartifacts' is taken by MLflow"),
        ("mlflow.db", "study.name: 'mlflow.db' is taken by MLflow"),
        (".", "study.name: '.' cannot be the name of a folder and of an experiment; choose another name"),
        ("..", "study.name: '..' cannot be the name of"),
        (".hidden", "study.name: '.hidden' cannot be the name of"),
        ("a/b", "study.name: 'a/b' cannot be the name of"),
        ("a b", "study.name: 'a b' cannot be the name of"),
        ("a\nb", "study.name: 'a\\nb' cannot be the name of"),
        ("x" * 300, "xxx' is too long (300 bytes of 200); choose another name"),
        ("é" * 101, "ééé' is too long (202 bytes of 200); choose another name"),
    ],
)
def test_names_that_cannot_be_folders_are_refused(sweep: Sweep, tmp_path: Path, name: str, message: str) -> None:
    refused = sweep("+experiment=smoke", f"study.name={name}")
    assert refused.returncode == 2
    assert message in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert len(refused.stderr) < 300
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("sweeps", ["x" * 300, "/".join(["y" * 200] * 30), "file/below", "/proc/none"])
def test_sweeps_folders_that_cannot_be_made_are_refused(sweep: Sweep, tmp_path: Path, sweeps: str) -> None:
    (tmp_path / "file").write_text("")
    refused = sweep("+experiment=smoke", f"paths.sweeps={sweeps}")
    assert refused.returncode == 2, refused.stderr
    assert refused.stderr.startswith("error: paths.sweeps=")
    assert len(refused.stderr.strip().splitlines()) == 1
    assert len(refused.stderr) < 400


def test_a_config_folder_of_any_name(tmp_path: Path, sweep: Sweep) -> None:
    folder = tmp_path / NASTY
    (folder / "experiment").mkdir(parents=True)
    (folder / "experiment" / "mine.yaml").write_text("# @package _global_\nstudy:\n  name: of_my_own\n")
    composed = sweep("--config-dir", str(folder), "+experiment=mine", "--cfg", "job")
    assert composed.returncode == 0, composed.stderr
    assert "name: of_my_own" in composed.stdout
