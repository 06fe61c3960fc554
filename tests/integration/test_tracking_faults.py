"""Studies of which something of MLflow is away in the middle third: the server, its files, or our right to use it.
Whatever it is, training goes on, and in the end every row is there once: as of a study that nothing happened to."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient
from tests.conftest import Sweep
from tests.integration.commands import TINY
from tests.integration.mlflow_server import Proxy, Request, Server

from sweep.records.folder import StudyFolder

pytestmark = pytest.mark.slow

STUDY = (*TINY, "study.space={ratio.monolingual: {grid: [0.5]}}", "study.seeds=[0,1,2]", "tracking.patience_s=60")
KEYS = {f"ratio.monolingual=0.5,seed={seed}" for seed in range(3)}
RUNS = {"study", "point ratio.monolingual=0.5", "baseline chance", "baseline n-grams", *KEYS}
TIMED = ("duration_s", "duration_s.sd")  # figures that no two studies share
TOKEN = "tok-1f2e3d4c5b6a"

Content = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that nobody answers ends soon, and is repeated soon."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")


def content_of(uri: str, folder: StudyFolder) -> Content:
    """All that can be seen of a study in MLflow, by the keys of its runs; every run and every row is there once, and
    rows of curves have the timestamps of the folder."""
    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name(folder.path.name).experiment_id])
    by_key = {run.data.tags["sweep.key"]: run for run in runs}
    assert len(runs) == len(by_key)
    assert by_key.keys() == RUNS
    names = {run.info.run_id: key for key, run in by_key.items()}
    content: Content = {}
    for key, run in by_key.items():
        run_id = run.info.run_id
        history = {name: client.get_metric_history(run_id, name) for name in run.data.metrics}
        content[key] = {
            "status": run.info.status,
            "parameters": run.data.params,
            "parent": names.get(run.data.tags.get("mlflow.parentRunId")),
            "tags": {
                name: value
                for name, value in run.data.tags.items()
                if not name.startswith("mlflow.") and name not in ("sweep.study", "sweep.files")
            },
            "table": run.data.tags.get("mlflow.loggedArtifacts"),
            "rows": {
                name: [(row.step, None if name.endswith(TIMED) else row.value) for row in rows]
                for name, rows in history.items()
            },
            "data": sorted((given.dataset.name, given.dataset.digest) for given in run.inputs.dataset_inputs),
            "files": sorted(file.path for file in client.list_artifacts(run_id)),
        }
        assert run.data.tags.get("sweep.files", "there") == "there"
        if key in KEYS:
            curve = [line.split(",") for line in folder.trial(key).losses.read_text().splitlines()[1:]]
            shown = [(row.step, row.value, row.timestamp) for row in history["train/loss"]]
            assert shown == [(int(step), float(loss), int(at)) for step, loss, _, at in curve]
    return content


@pytest.fixture(scope="module")
def undisturbed(server: Server, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Content:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("undisturbed")
        patch.chdir(home)
        patch.setenv("SWEEP_CACHE", str(cache))
        from sweep.__main__ import main

        assert main((*STUDY, "study.name=undisturbed", f"tracking.uri={server.uri}")) == 0
        return content_of(server.uri, StudyFolder(home / "sweeps" / "undisturbed"))


class MiddleThird:
    """Does something when a study has finished one trial of three, and undoes it after the second one."""

    def __init__(self, folder: StudyFolder, begin: Callable[[], object], end: Callable[[], object]) -> None:
        self._folder, self._begin, self._end = folder, begin, end
        self._over = threading.Event()
        self.finished: list[int] = []  # trials, when it began and when it ended

    def __enter__(self) -> "MiddleThird":
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        for wanted, act in ((1, self._begin), (2, self._end)):
            while self._count() < wanted and not self._over.is_set():
                time.sleep(0.01)
            self.finished.append(self._count())
            act()

    def _count(self) -> int:
        return sum((self._folder.trial(key).path / "result.json").exists() for key in KEYS)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def run_disturbed(
    sweep: Sweep, folder: StudyFolder, uri: str, begin: Callable[[], object], end: Callable[[], object]
) -> str:
    """What a study says of which something is away in the middle; what it lacks in the end is sent by hand."""
    with MiddleThird(folder, begin, end) as middle:
        done = sweep(*STUDY, f"study.name={folder.path.name}", f"tracking.uri={uri}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert middle.finished == [1, 2]
    assert "\nDone, " in done.stdout
    if "This sends what is missing" in done.stdout:
        sent = sweep("sync", folder.path.name, "--tracking", uri, module="sweep.studies")
        assert sent.returncode == 0, sent.stderr
    again = sweep("sync", folder.path.name, "--tracking", uri, module="sweep.studies")
    assert again.stdout.endswith(f": 0 trials sent to MLflow ({uri})\n")
    return done.stdout


@pytest.mark.parametrize("how", ["gone", "hangs"])
def test_a_server_that_is_away_in_the_middle(
    sweep: Sweep, server: Server, tmp_path: Path, undisturbed: Content, how: str
) -> None:
    folder = StudyFolder(tmp_path / "sweeps" / how)
    begin, end = (server.kill, server.start) if how == "gone" else (server.hang, server.go_on)
    output = run_disturbed(sweep, folder, server.uri, begin, end)
    assert output.count(" is away (") <= 1
    assert content_of(server.uri, folder) == undisturbed


@pytest.mark.parametrize("place", ["of the server", "of its users"])
def test_files_have_no_place_in_the_middle(
    sweep: Sweep, server: Server, tmp_path: Path, undisturbed: Content, place: str
) -> None:
    """Rows go on: of the second trial they are there before there is a place for files again."""
    folder, files = StudyFolder(tmp_path / "sweeps" / "files"), tmp_path / "share" / "files"
    if place == "of the server":
        with Proxy(server.port) as proxy:
            refused = {"PUT": 503}

            def begin() -> None:
                proxy.refuses = lambda request: refused.get(request.method)

            output = run_disturbed(sweep, folder, proxy.uri, begin, refused.clear)
            assert content_of(server.uri, folder) == undisturbed
            posted = [request for request in proxy.requests if request.method == "POST"]
            assert len([one for one in posted if one.path.endswith("runs/create")]) == len(RUNS)  # none twice
    else:
        files.parent.mkdir()
        own = Server(tmp_path, files=files)
        own.start()
        try:
            output = run_disturbed(
                sweep,
                folder,
                own.uri,
                lambda: files.parent.rename(tmp_path / "away"),
                lambda: _bring_back(files.parent),
            )
            assert content_of(own.uri, folder) == undisturbed
        finally:
            own.kill()
        if "takes no files" in output:
            assert "which is not here: mount it" in output
    assert " is away (" not in output
    assert output.count(" takes no files (") <= 1


def _bring_back(files: Path) -> None:
    files.with_name("away").rename(files)


def test_a_token_is_checked_before_any_trial_and_may_expire_in_the_middle(
    sweep: Sweep, server: Server, tmp_path: Path, undisturbed: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = {f"Bearer {TOKEN}"}

    def guard(request: Request) -> tuple[int, dict[str, str], bytes] | None:
        if request.headers.get("Authorization") in accepted:
            return None
        given = str(request.headers.get("Authorization")).encode()
        return 401, {"Content-Type": "application/json"}, b'{"detail": "not valid: ' + given + b'"}'

    folder = StudyFolder(tmp_path / "sweeps" / "token")
    with Proxy(server.port) as proxy:
        proxy.refuses = guard
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "another-token")
        refused = sweep(*STUDY, "study.name=token", f"tracking.uri={proxy.uri}")
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert "MLFLOW_TRACKING_TOKEN" in refused.stderr
        assert "another-token" not in refused.stderr
        assert not folder.path.exists()
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
        output = run_disturbed(sweep, folder, proxy.uri, accepted.clear, lambda: accepted.add(f"Bearer {TOKEN}"))
    assert output.count(" is away (") <= 1
    assert content_of(server.uri, folder) == undisturbed
    assert "sweep-table" in output  # the pages' addresses are asked for with the token, too
    assert TOKEN not in output
    for file in (file for file in folder.path.parent.rglob("*") if file.is_file()):
        assert TOKEN.encode() not in file.read_bytes(), file
    database = (server.home / "mlflow.db").read_bytes()
    assert TOKEN.encode() not in database


def test_a_server_that_hangs_to_the_end_ends_the_command_in_time(
    sweep: Sweep, server: Server, tmp_path: Path, undisturbed: Content
) -> None:
    """What it was asked meanwhile it does when it goes on, runs made twice among it; they are gone in the end."""
    folder = StudyFolder(tmp_path / "sweeps" / "end")
    hung: list[float] = []

    def hang() -> None:
        server.hang()
        hung.append(time.monotonic())

    try:
        with MiddleThird(folder, hang, lambda: None):
            study = (*STUDY, "tracking.patience_s=1", "study.name=end")
            done = sweep(*study, f"tracking.uri={server.uri}")
            trials = {key: (folder.trial(key).path / "result.json").stat().st_mtime for key in KEYS}
            took = time.time() - max(trials.values())
    finally:
        server.go_on()
    assert done.returncode == 0, done.stderr
    assert took < 60  # seconds from the last trial to the end: patience, the last call, and the report
    assert "missing in MLflow" in done.stdout
    sent = sweep("sync", "end", "--tracking", server.uri, module="sweep.studies")
    assert sent.returncode == 0, sent.stderr
    assert content_of(server.uri, folder) == undisturbed


def test_a_page_of_maintenance_is_not_waited_for(
    sweep: Sweep, server: Server, tmp_path: Path, undisturbed: Content
) -> None:
    """It names an hour to come back after; a client that keeps to that sleeps through the end of the maintenance."""
    folder = StudyFolder(tmp_path / "sweeps" / "maintenance")
    closed = [(503, {"Retry-After": "3600"}, b"<html>Back soon</html>")]
    with Proxy(server.port) as proxy:

        def begin() -> None:
            proxy.refuses = lambda _: closed[0] if closed else None

        run_disturbed(sweep, folder, proxy.uri, begin, closed.clear)
    assert content_of(server.uri, folder) == undisturbed
