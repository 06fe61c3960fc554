"""`make`: variables are text to it and to the shell, and a server that cannot start is one line."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
TARGETS = ("ui", "dashboard", "sweep", "test", "test-fast", "lint", "clean")
VARIABLES = (
    "STUDY", "STORAGE", "PORT", "DASHBOARD_PORT", "ARGS", "PYTHON", "PIP", "BIN", "VENV",
    "TEXTS", "GIVEN", "UNUSABLE",
)  # fmt: skip
OF_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")  # of the make that runs the tests
HARMFUL = """x';touch harm1;'";touch harm2;"$(touch harm3)`touch harm4`$(shell touch harm5);touch harm6 #"""
PROGRAMS = ("ruff", "mypy", "mlflow")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder to run make in, with a VENV whose programs write down what they are given."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(PROJECT / name, tmp_path)
    shutil.copytree(PROJECT / "scripts", tmp_path / "scripts")
    programs = tmp_path / "venv" / "bin"
    programs.mkdir(parents=True)
    for name in PROGRAMS:
        (programs / name).write_text('#!/bin/sh\nprintf "%s|" "$(basename "$0")" "$@"\n')
    (programs / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    for file in programs.iterdir():
        file.chmod(0o755)
    for name in (".run", ".dev", ".dashboard"):
        (tmp_path / "venv" / name).touch()
    # What stands for packages that take seconds: it says what it gets.
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "optuna_dashboard.py").write_text(
        "import sys\ndef run_server(storage, **options): print('serves', storage, options, sys.orig_argv)\n"
    )
    (packages / "pytest.py").write_text("import sys; print('pytest.py', sys.argv[1:])\n")
    (packages / "sweep").mkdir()  # all but its command is what it is
    (packages / "sweep" / "__init__.py").write_text(f"__path__.append({str(PROJECT / 'src' / 'sweep')!r})\n")
    (packages / "sweep" / "__main__.py").write_text("import sys; print('sweep.py', sys.argv[1:])\n")
    return tmp_path


def make(checkout: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in (*VARIABLES, *OF_MAKE)}
    return subprocess.run(
        ["make", *arguments],
        cwd=checkout,
        env=kept | {"PYTHONPATH": str(checkout / "packages"), "VENV": "venv"} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("is_exported", [False, True])
def test_no_variable_runs_code(variable: str, is_exported: bool, checkout: Path) -> None:
    given = ([], {variable: HARMFUL}) if is_exported else ([f"{variable}={HARMFUL}"], {})
    done = make(checkout, "--keep-going", *TARGETS, *given[0], **given[1])
    assert not list(checkout.rglob("harm*"))
    assert done.stdout + done.stderr


def test_args_are_split_and_arrive_as_they_are(checkout: Path) -> None:
    wanted = ["a='x y'", "study.storage=${oc.env:X}", "$(y)", "*"]
    done = make(checkout, "sweep", "ARGS=\"a='x y'\" 'study.storage=${oc.env:X}' '$(y)' '*'")
    assert f"sweep.py {['+experiment=ratio_grid', *wanted]}" in done.stdout
    unclosed = make(checkout, "sweep", "ARGS='x")
    assert unclosed.returncode != 0
    assert "ARGS: No closing quotation" in unclosed.stderr


@pytest.mark.parametrize(("target", "variable"), [("ui", "PORT"), ("dashboard", "DASHBOARD_PORT")])
def test_a_port_that_cannot_be_used_is_one_line(target: str, variable: str, checkout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = make(checkout, target, f"{variable}={port}")
    assert done.returncode != 0
    assert done.stderr.splitlines()[0] == (
        f"port {port} cannot be used (Address already in use): give another one, {variable}=NUMBER"
    )
    assert len(done.stderr.splitlines()) == 2  # the second is make's
    assert done.stdout == ""
    wrong = make(checkout, target, f"{variable}=80 80")
    assert wrong.returncode != 0
    assert wrong.stderr.startswith(f"{variable}='80 80': must be a port")


def test_ui_says_where_the_latest_study_is_or_that_there_is_none(tmp_path: Path) -> None:
    script = PROJECT / "scripts" / "latest_study.py"

    def printed() -> str:
        environment = {**os.environ, "PORT": "5999"}
        command = [sys.executable, str(script)]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert printed().startswith("No study of the folder sweeps is in sweeps/mlflow.db yet; `make sweep` runs one")
    for name in ("earlier", "latest"):
        (tmp_path / "sweeps" / name).mkdir(parents=True)
        (tmp_path / "sweeps" / name / "trials.csv").write_text("key\n")
    assert printed().startswith("No study")
    os.utime(tmp_path / "sweeps" / "earlier" / "trials.csv", (1, 1))
    with closing(sqlite3.connect(tmp_path / "sweeps" / "mlflow.db")) as database, database:
        database.execute("CREATE TABLE experiments (experiment_id INTEGER, name TEXT, lifecycle_stage TEXT)")
        rows = [(1, "latest", "active"), (2, "earlier", "active")]
        database.executemany("INSERT INTO experiments VALUES (?, ?, ?)", rows)
    first, *links = printed().splitlines()
    assert first == "The latest study, latest, once MLflow is there:"
    assert len(links) == 2
    assert all("http://127.0.0.1:5999/#/experiments/1/runs?" in link for link in links)


def test_ui_passes_the_port_on(checkout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = make(checkout, "ui", f"PORT={port}")
    assert done.returncode == 0, done.stderr
    assert f"mlflow|ui|--backend-store-uri|sqlite:///sweeps/mlflow.db|--host|127.0.0.1|--port|{port}|" in done.stdout


def test_the_dashboard_shows_a_storage_that_nobody_else_sees(checkout: Path) -> None:
    url = "postgresql+psycopg://me:hunter2@host/db"
    done = make(checkout, "dashboard", STORAGE=url, DASHBOARD_PORT="8765")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"serves {url} {{'host': '127.0.0.1', 'port': 8765}}")
    assert done.stdout.count("hunter2") == 1  # not among the arguments
    refused = make(checkout, "dashboard", f"STORAGE={url}", DASHBOARD_PORT="8765")
    assert refused.returncode != 0
    assert refused.stderr.startswith("STORAGE: everyone on this machine can read a password after make")
    assert "hunter2" not in refused.stdout + refused.stderr


def test_the_dashboard_knows_the_studies(checkout: Path) -> None:
    (checkout / "sweeps" / "a b").mkdir(parents=True)
    (checkout / "sweeps" / "a b" / "study.db").touch()
    done = make(checkout, "dashboard", "STUDY=a b", DASHBOARD_PORT="8765")
    assert done.stdout.startswith("serves sqlite:///sweeps/a b/study.db ")
    unknown = make(checkout, "dashboard", DASHBOARD_PORT="8765")
    assert unknown.returncode != 0
    assert unknown.stderr.startswith("no study 'ratio_grid': make dashboard STUDY=NAME, one of: a b\n")
