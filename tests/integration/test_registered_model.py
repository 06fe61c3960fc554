"""The model of a real study in MLflow's registry, loaded by a process that knows nothing of this package."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient
from sentence_transformers import SentenceTransformer
from tests.conftest import Sweep
from tests.integration.commands import TINY, at_work, lines, rows, start, wait_for
from tests.integration.mlflow_server import Server

from sweep.records.folder import StudyFolder
from sweep.records.series import read_series

pytestmark = pytest.mark.slow

TEXTS = ["sea salt", "how far is the moon?", "der Mond ist weit weg", "x"]
KINDS = ["query", "passage", None, "query"]
PROMPTS = {"query": "query", "passage": "document"}
LOAD = """
import sys
sys.modules["sweep"] = None  # whoever imports it fails
import mlflow, numpy, pandas
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/tiny-best/1")
texts, kinds = eval(sys.argv[3])
embeddings = model.predict(pandas.DataFrame({"text": texts, "kind": kinds}))
listed = model.predict([{"text": text} for text in texts])
alone = model.predict(pandas.DataFrame({"text": []}, dtype=str))
example = model.predict(model.input_example)
numpy.savez(sys.argv[2], embeddings=embeddings, listed=listed, alone=alone, example=example)
try:
    model.predict(pandas.DataFrame({"text": ["x"], "kind": ["passages"]}))
except Exception as error:
    print(error)
print(model.metadata.signature.inputs.input_names(), model.metadata.signature.outputs.inputs[0].shape)
"""


def load_in_another_process(uri: str, folder: Path) -> tuple[dict[str, np.ndarray], str]:
    file = folder / "embeddings.npz"
    done = subprocess.run(
        [sys.executable, "-c", LOAD, uri, str(file), repr((TEXTS, KINDS))],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(np.load(file)), done.stdout


def check_embeddings(uri: str, folder: Path, model: Path) -> None:
    given, output = load_in_another_process(uri, folder)
    reference = SentenceTransformer(str(model), device="cpu")
    one_by_one = [
        reference.encode(text, **({} if kind is None else {"prompt_name": PROMPTS[kind]}))
        for text, kind in zip(TEXTS, KINDS, strict=True)
    ]
    size = reference.get_embedding_dimension()
    assert given["embeddings"].shape == (len(TEXTS), size)
    assert given["embeddings"].dtype == np.float32
    np.testing.assert_allclose(given["embeddings"], one_by_one, atol=1e-6)
    np.testing.assert_allclose(given["listed"], reference.encode(TEXTS), atol=1e-6)
    assert given["alone"].shape == (0, size)
    assert given["example"].shape == (2, size)
    assert "the column kind has 'passages'; it may be query, passage or empty" in output
    assert f"['text', 'kind'] (-1, {size})" in output
    with_prompts = [one for one in reference.prompts.values() if one]
    assert with_prompts  # else kinds would say nothing


def test_a_study_registers_its_best_model_at_a_server_that_was_away(
    sweep: Sweep, tmp_path: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = Server(tmp_path_factory.mktemp("server"))
    study = (
        *TINY, f"tracking.uri={server.uri}", "tracking.register=tiny-best", "tracking.system_metrics=true",
        "model.query_prefix='query: '", "model.passage_prefix='passage: '", "train.steps=200",
    )  # fmt: skip
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    process = start(tmp_path, cache, *study)
    pause_until_sampled(process, folder)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert "Registered" not in output
    server.start()
    try:
        sync = ("sync", "tiny", "--tracking", server.uri)
        sent = sweep(*sync, module="sweep.studies")
        assert sent.returncode == 0, sent.stderr
        assert "Registered: models:/tiny-best/1 is the model of α=" in sent.stdout
        again = sweep(*study)
        assert again.returncode == 0, again.stdout + again.stderr
        assert "Registered" not in again.stdout
        client = MlflowClient(server.uri)
        (version,) = client.search_model_versions("name = 'tiny-best'")
        check_embeddings(server.uri, tmp_path, folder.trial(version.tags["sweep.key"]).model)
        check_system_metrics(client, folder)
    finally:
        server.kill()


def pause_until_sampled(process: subprocess.Popen[str], folder: StudyFolder) -> None:
    """Hold the worker up in its first trial until the driver has looked at it: a small one may end between looks."""
    wait_for(lambda: [file for file in folder.path.glob("trials/*/losses.csv") if lines(file) > 1], process)
    (worker,) = at_work(process.pid, folder)
    os.kill(worker, signal.SIGSTOP)
    wait_for(lambda: [*folder.path.glob("trials/*/system.csv")], process)
    os.kill(worker, signal.SIGCONT)


def check_system_metrics(client: MlflowClient, folder: StudyFolder) -> None:
    """Every trial's run has the rows of its file; one that was over between two looks at it has none."""
    experiment = client.get_experiment_by_name("tiny")
    runs = client.search_runs([experiment.experiment_id], "tags.`sweep.kind` = 'trial'")
    assert len(runs) == len(rows(folder.path)) == 2
    name, samples = "system_memory_usage_megabytes", 0
    for run in runs:
        series = read_series(folder.trial(run.data.tags["sweep.key"]).system)
        history = client.get_metric_history(run.info.run_id, f"system/{name}")
        assert [point.value for point in history] == list(series.get(name, ()))
        assert [point.timestamp for point in history] == list(series.get("timestamp_ms", ()))
        assert all(point.value > 50 for point in history)  # a worker has imported torch
        samples += len(history)
    assert samples


def test_a_study_registers_its_best_model_in_a_file(sweep: Sweep, tmp_path: Path) -> None:
    done = sweep(*TINY, "tracking.register=tiny-best", "model.query_prefix='query: '")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Registered: models:/tiny-best/1 is the model of α=" in done.stdout
    sweeps = tmp_path / "sweeps"
    uri = f"sqlite:///{sweeps / 'mlflow.db'}"
    (version,) = MlflowClient(uri).search_model_versions("name = 'tiny-best'")
    check_embeddings(uri, tmp_path, StudyFolder(sweeps / "tiny").trial(version.tags["sweep.key"]).model)


def test_a_study_without_models_says_that_none_is_registered(sweep: Sweep, shared_mlflow: str) -> None:
    done = sweep(*TINY, "tracking.register=none-best", "study.export=none", shared_mlflow)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("tracking.register=none-best: no model of the best point (α=") == 1
    assert "was kept (study.export=none): none is registered" in done.stdout
