"""Studies whose MLflow server is away, dies, or is slow: real servers, real commands, real kills."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from tests.conftest import Sweep
from tests.integration.commands import TINY, lines, rows, start, wait_for
from tests.integration.mlflow_server import Proxy, Server

from sweep.records.folder import StudyFolder

pytestmark = pytest.mark.slow

KEYS = {"ratio.monolingual=0.5,seed=0", "ratio.monolingual=1,seed=0"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.kill()


def check_everything_is_there_once(uri: str, name: str, folder: StudyFolder) -> None:
    """Every trial has one run, which has ended, with the rows of its curve and all metrics, each once; so has what
    needs no training."""
    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    by_key = {run.data.tags["sweep.key"]: run for run in runs}
    assert by_key.keys() == {"study", "baseline chance", "baseline n-grams", *KEYS}
    assert len(runs) == len(by_key)
    assert {run.info.status for run in runs} == {"FINISHED"}
    for key in KEYS:
        trial, run = folder.trial(key), by_key[key]
        curve = [line.split(",") for line in trial.losses.read_text().splitlines()[1:]]
        history = client.get_metric_history(run.info.run_id, "train/loss")
        assert [(point.step, point.value, point.timestamp) for point in history] == [
            (int(step), float(loss), int(timestamp)) for step, loss, _, timestamp in curve
        ]
        result = trial.read_result()
        assert result is not None
        assert {"cldr/mono/map", "cldr/pooled/same_language_at_1", "cldr/pooled/map/low"} <= run.data.metrics.keys()
        assert 20 <= len(run.data.metrics) <= 50 < len(result.metrics)
        assert len(client.get_metric_history(run.info.run_id, "cldr/mono/map")) == 1
        assert run.data.params["train.learning_rate"]


def test_a_server_that_was_never_there_stops_nothing_and_gets_everything_later(
    sweep: Sweep, server: Server, tmp_path: Path
) -> None:
    server.kill()
    study = (*TINY, "study.name=never", f"tracking.uri={server.uri}", "paths.sweeps=mine")
    done = sweep(*study)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row["state"] for row in rows(tmp_path / "mine" / "never")] == ["COMPLETE"] * 2
    assert done.stdout.count(f"MLflow ({server.uri}) is away (") == 1
    assert f"2 of 2 trials are missing in MLflow ({server.uri}). This sends what is missing:" in done.stdout
    sync = ("sync", "never", "--sweeps", "mine", "--tracking", server.uri)
    assert f"-m sweep.studies {' '.join(sync)}" in done.stdout
    refused = sweep(*sync, module="sweep.studies")
    assert refused.returncode == 1
    assert "cannot be reached" in refused.stderr
    assert "2 of 2 trials are missing there" in refused.stderr

    server.start()
    sent = sweep(*sync, module="sweep.studies")
    assert sent.returncode == 0, sent.stderr
    assert sent.stdout == f"never: 2 trials sent to MLflow ({server.uri})\n"
    check_everything_is_there_once(server.uri, "never", StudyFolder(tmp_path / "mine" / "never"))
    again = sweep(*sync, module="sweep.studies")
    assert "never: 0 trials sent" in again.stdout
    check_everything_is_there_once(server.uri, "never", StudyFolder(tmp_path / "mine" / "never"))


def test_a_server_that_dies_and_comes_back_and_a_command_that_is_killed(
    tmp_path: Path, cache: Path, server: Server, sweep: Sweep
) -> None:
    server.start()
    study = (
        *TINY, "study.name=dies", f"tracking.uri={server.uri}", "train.steps=120", "train.checkpoint_steps=5",
        "tracking.patience_s=120",
    )  # fmt: skip
    folder = StudyFolder(tmp_path / "sweeps" / "dies")
    process = start(tmp_path, cache, *study)
    wait_for(lambda: folder.tracking_cursor.exists() and "losses.csv" in folder.tracking_cursor.read_text(), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    process = start(tmp_path, cache, *study)
    first = folder.trial("ratio.monolingual=0.5,seed=0")
    there = lines(first.losses)
    wait_for(lambda: lines(first.losses) > there or (first.path / "result.json").exists(), process)
    server.kill()
    wait_for(lambda: (first.path / "result.json").exists(), process)
    server.start()
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    if "missing in MLflow" in output:  # the last attempt came too early
        assert sweep("sync", "dies", "--tracking", server.uri, module="sweep.studies").returncode == 0
    check_everything_is_there_once(server.uri, "dies", folder)


def test_a_slow_server_holds_no_trial_up(sweep: Sweep, tmp_path: Path, server: Server) -> None:
    """The study has ended while most of its rows had still to be sent."""
    server.start()
    with Proxy(server.port, delay_s=20) as proxy:
        study = (*TINY, "study.name=slow", f"tracking.uri={proxy.uri}", "tracking.patience_s=0")
        done = sweep(*study)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search("[12] of 2 trials are missing in MLflow", done.stdout)
    folder = StudyFolder(tmp_path / "sweeps" / "slow")
    assert [row["state"] for row in rows(folder.path)] == ["COMPLETE"] * 2
    # Repeated with the server itself, the command sends the rest.
    again = sweep(*TINY, "study.name=slow", f"tracking.uri={server.uri}", "tracking.patience_s=120")
    assert again.returncode == 0
    assert "missing in MLflow" not in again.stdout
    check_everything_is_there_once(server.uri, "slow", folder)


def test_a_uri_that_no_mlflow_knows_is_refused_before_any_trial(sweep: Sweep, tmp_path: Path) -> None:
    done = sweep(*TINY, "tracking.uri=ftp://somewhere")
    assert done.returncode == 2
    assert "tracking.uri=ftp://somewhere: MLflow cannot be used (MLflow knows no 'ftp:'" in done.stderr
    assert not (tmp_path / "sweeps").exists()
