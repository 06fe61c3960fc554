"""The wheel: the config tree ships with it, and the command runs from any folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
PROJECT = Path(__file__).parents[2]


def test_the_wheel_runs_from_any_folder(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(PROJECT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "sweep", "+experiment=smoke", "--cfg", "job"],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "name: smoke" in done.stdout
    where = subprocess.run(
        [sys.executable, "-c", "import sweep.settings.tree; print(sweep.settings.tree.config_folder())"],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(where.stdout.strip()) == installed / "sweep" / "conf"


def test_a_driver_imports_no_torch_until_a_pretrained_model_is_looked_at() -> None:
    """It takes as long as all else that a driver imports, and hundreds of megabytes."""
    code = "import sys, sweep.run.driver, sweep.run.joining; print({'torch', 'transformers'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


def test_the_command_line_reports_bad_input_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from sweep.__main__ import main; status = main(['ratio.monolingual=1.2']);"
        "heavy = {'torch', 'mlflow', 'optuna', 'transformers', 'numpy'} & set(sys.modules); print(status, heavy)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "2 set()\n"
    assert done.stderr == "error: ratio.monolingual=1.2: must be at most 1\n"


def test_no_command_sends_home_what_it_is_used_for(tmp_path: Path) -> None:
    code = (
        "import socket; looked_up = []; socket.getaddrinfo = lambda host, *_, **__: looked_up.append(host) or [];"
        "from sweep.tracking.mlflow_client import MlflowClient; client = MlflowClient('file:runs');"
        "client.create_run(client.create_experiment('study'));"
        "import threading, time; time.sleep(1); print(looked_up, [t.name for t in threading.enumerate()])"
    )
    # MLflow is silent by itself in tests and on servers that test; a worker has what its driver's environment has.
    testing = ("PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "MLFLOW_DISABLE_TELEMETRY")
    environment = {name: value for name, value in os.environ.items() if name not in testing}
    environment["MLFLOW_ALLOW_FILE_STORE"] = "true"  # a database takes seconds
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[] ['MainThread']\n"


@pytest.mark.parametrize("module", ["sweep", "sweep.trial", "sweep.launch"])
def test_every_process_has_it_off_before_anything_is_imported(module: str, tmp_path: Path) -> None:
    code = f"import os, {module}; print(os.environ['MLFLOW_DISABLE_TELEMETRY'])"
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_DISABLE_TELEMETRY"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "true\n"
