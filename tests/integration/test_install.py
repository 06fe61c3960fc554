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


def test_the_command_line_reports_bad_input_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from sweep.__main__ import main; status = main(['ratio.monolingual=1.2']);"
        "heavy = {'torch', 'mlflow', 'optuna', 'transformers', 'numpy'} & set(sys.modules); print(status, heavy)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "2 set()\n"
    assert done.stderr == "error: ratio.monolingual=1.2: must be less than or equal to 1\n"
