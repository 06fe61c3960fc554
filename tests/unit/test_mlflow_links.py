"""Addresses of MLflow's pages: they are printed as they are, and only where there is something to open."""

import shutil
from pathlib import Path

from mlflow.tracking import MlflowClient

from sweep.settings.secrets import redact
from sweep.tracking.mlflow_links import experiment_at, experiment_in, pages_of


def test_a_link_is_printed_whole_and_passwords_are_not() -> None:
    for address in pages_of("7", "http://there:5000/").values():
        assert address.startswith("http://there:5000/#/experiments/7/runs?")
        assert redact(f"Runs: {address}") == f"Runs: {address}"
    assert redact("http://there/?viewStateShareKey=a&api_key=secret") == (
        "http://there/?viewStateShareKey=a&api_key=***"
    )


def test_an_experiment_is_looked_up_without_mlflow(empty_mlflow: Path, tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    assert experiment_in(file, "grid") is None
    file.write_text("no database")
    assert experiment_in(file, "grid") is None
    shutil.copy(empty_mlflow, file)
    assert experiment_in(file, "grid") is None
    client = MlflowClient(f"sqlite:///{file}")
    number = client.create_experiment("grid")
    assert experiment_in(file, "grid") == number
    client.delete_experiment(number)
    assert experiment_in(file, "grid") is None
    assert experiment_at("http://127.0.0.1:9", "grid") is None
