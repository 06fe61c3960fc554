"""Shared fixtures. Real data and the pretrained encoder are read from the folder that SWEEP_TEST_ASSETS names."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from tests.postgres import PostgresServer, running_server, why_not

# Set before torch is imported anywhere. Two test processes share the cores: one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["COLUMNS"] = "140"  # what is printed is the same whatever terminal the tests are run on

try:
    from hypothesis import HealthCheck, settings
except ModuleNotFoundError:  # tests/gpu needs none of it
    pass
else:
    settings.register_profile(
        "any speed",
        settings.default,
        deadline=None,  # how long an example takes says what else the machine does
        derandomize=True,  # a change is judged by what it changes; `make fuzz` tries other examples
        suppress_health_check=[*settings.default.suppress_health_check, HealthCheck.too_slow],
    )
    settings.load_profile("any speed")

Sweep = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder with `data/xquad-r`, `data/mlqa-r` and `models/me5-small`."""
    folder = os.environ.get("SWEEP_TEST_ASSETS")
    if not folder:
        pytest.skip("SWEEP_TEST_ASSETS does not name a folder with the real data and the pretrained encoder")
    return Path(folder)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder of the test run's own."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def shared_mlflow(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An override for studies whose runs no test looks at: setting up an MLflow database takes seconds."""
    return f"tracking.uri=sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of MLflow with nothing in it: making one takes seconds."""
    from mlflow.tracking import MlflowClient

    file = tmp_path_factory.mktemp("empty") / "mlflow.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def sweep(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """Run a command in an empty folder, in this process: sweep("+experiment=smoke", ...), module="sweep.evaluate" for
    another. Its workers are real processes. What is killed or signalled is started as a process of its own."""

    def run(*arguments: str, module: str = "sweep") -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("SWEEP_CACHE", str(cache))
        monkeypatch.setenv("OMP_NUM_THREADS", os.environ["OMP_NUM_THREADS"])  # sweep.evaluate sets another
        output, errors = StringIO(), StringIO()
        with redirect_stdout(output), redirect_stderr(errors):
            status = importlib.import_module(f"{module}.__main__" if module == "sweep" else module).main(arguments)
        return subprocess.CompletedProcess([module, *arguments], status, output.getvalue(), errors.getvalue())

    return run


@pytest.fixture
def sweep_process(tmp_path: Path, cache: Path) -> Sweep:
    """The same in a process of its own, as a user runs it."""

    def run(*arguments: str, module: str = "sweep") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=tmp_path,
            env={**os.environ, "SWEEP_CACHE": str(cache), "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    """Leave torch with as many threads as it had, if it is loaded: sweep.evaluate takes all cores."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    yield
    torch = sys.modules.get("torch")
    if torch:
        torch.set_num_threads(before or 1)


@pytest.fixture(autouse=True)
def no_secrets() -> Iterator[None]:
    """Forget the passwords of a test: the next one may have a study of that name."""
    yield
    secrets = sys.modules.get("sweep.settings.secrets")
    if secrets:
        secrets._KNOWN.clear()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of the test run's own."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with running_server() as server:
        yield server
