"""The file of MLflow while it is made, locked, deleted, moved, of another MLflow; and servers that refuse us."""

import base64
import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mlflow.artifacts import list_artifacts
from mlflow.tracking import MlflowClient
from tests.conftest import Sweep
from tests.integration.commands import TINY
from tests.unit.test_mirror import trial
from tests.waiting import SECONDS

from sweep.records.folder import StudyFolder
from sweep.settings import MlflowTracking
from sweep.tracking import mlflow_access
from sweep.tracking.background import BackgroundMirror
from sweep.tracking.mirror import Mirror, Snapshot
from sweep.tracking.mlflow_place import MlflowPlace
from sweep.tracking.protocol import TrackedStudy

FORK = multiprocessing.get_context("fork")


def folder_at(sweeps: Path, name: str = "grid") -> StudyFolder:
    folder = StudyFolder(sweeps / name)
    folder.path.mkdir(parents=True)
    folder.config.write_text(f"study: {{name: {name}}}\n")
    return folder


@pytest.fixture
def folder(tmp_path: Path, empty_mlflow: Path) -> StudyFolder:
    """A study's folder beside a database of MLflow with nothing in it."""
    folder = folder_at(tmp_path / "sweeps")
    shutil.copy(empty_mlflow, database_of(folder))
    return folder


def database_of(folder: StudyFolder) -> Path:
    return folder.path.parent / "mlflow.db"


def place_of(folder: StudyFolder, uri: str | None = None) -> MlflowPlace:
    return MlflowPlace(MlflowTracking(uri=uri), folder)


def mirror_of(folder: StudyFolder) -> Mirror:
    return Mirror(folder, place_of(folder), "uid")


def begin(folder: StudyFolder) -> None:
    place_of(folder).connect().open(TrackedStudy(folder.path.name, folder.path.name, folder.config))


def begin_for_ever(folder: StudyFolder) -> None:
    """Make the database, and never put it in its place."""
    replace = os.replace

    def stay(draft: Path, file: Path) -> None:
        if file.name == database_of(folder).name:
            time.sleep(600)
        replace(draft, file)

    os.replace = stay  # type: ignore[assignment]
    begin(folder)


def asked(file: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


def statuses(folder: StudyFolder) -> dict[str, str]:
    """What MLflow's pages show: the status of every run, by its name."""
    query = (
        "SELECT tags.value, status FROM runs JOIN tags USING (run_uuid) "
        "WHERE tags.key = 'sweep.key' AND lifecycle_stage = 'active'"
    )
    rows = asked(database_of(folder), query)
    assert len(rows) == len(dict(rows))  # type: ignore[arg-type]
    return dict(rows)  # type: ignore[arg-type]


# While it is made ---------------------------------------------------------------------------------------------


def _size(file: Path) -> int:
    """Of a file that may have gone meanwhile."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def test_a_kill_while_it_is_made_stops_nobody_and_two_may_make_it(tmp_path: Path) -> None:
    one, other = folder_at(tmp_path, "one"), folder_at(tmp_path, "other")
    for size in (1, 150_000):
        maker = FORK.Process(target=begin_for_ever, args=(one,))
        maker.start()
        while not any(_size(file) >= size for file in tmp_path.glob(".mlflow.db.*[!l]")):  # no journal
            assert maker.is_alive()
        os.kill(maker.pid or 0, signal.SIGKILL)
        maker.join()
        assert not database_of(one).exists()
    makers = [FORK.Process(target=begin, args=(folder,)) for folder in (one, other)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
        assert maker.exitcode == 0
    assert not list(tmp_path.glob(".mlflow.db*"))
    assert asked(database_of(one), "SELECT COUNT(*) FROM runs") == [(2,)]


@pytest.mark.parametrize("kept", [0, 1, 30, None])
def test_half_of_one_that_was_left_is_made_again(tmp_path: Path, empty_mlflow: Path, kept: int | None) -> None:
    folder = folder_at(tmp_path)
    with closing(sqlite3.connect(empty_mlflow)) as whole, closing(sqlite3.connect(database_of(folder))) as half:
        rows = whole.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
        for (statement,) in rows[:kept]:
            half.execute(statement)
        if kept != 0:
            half.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32))")
            half.execute("INSERT INTO alembic_version VALUES ('451aebb31d03')")
        half.commit()
    assert place_of(folder).problem() is None
    begin(folder)
    assert statuses(folder) == {"study": "RUNNING"}


@pytest.mark.parametrize(
    ("change", "fix"),
    [
        ("UPDATE alembic_version SET version_num='451aebb31d03'", "mlflow db upgrade sqlite:///"),
        ("UPDATE alembic_version SET version_num='0123456789ab'", "pip install --upgrade mlflow"),
        (None, "it is damaged (file is not a database); delete it, and the same command sends everything again"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_what_helps(
    sweep: Sweep, folder: StudyFolder, change: str | None, fix: str
) -> None:
    if change is None:
        database_of(folder).write_bytes(b"\x01" * 5000)
    else:
        with closing(sqlite3.connect(database_of(folder))) as connection:
            connection.execute(change)
            connection.commit()
    before = sorted(folder.path.parent.rglob("*"))
    done = sweep(*TINY, f"paths.sweeps={folder.path.parent}")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert fix in done.stderr
    assert sorted(folder.path.parent.rglob("*")) == before


# While it is in use -------------------------------------------------------------------------------------------


def test_a_file_that_another_process_locks_holds_nobody_up_and_gets_everything_later(
    folder: StudyFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    records = [trial(folder, state="COMPLETE")]
    background = BackgroundMirror(mirror_of(folder), said.append, "sync it")
    with closing(sqlite3.connect(database_of(folder), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        background.update(records)
        time.sleep(1)
        began = time.monotonic()
        background.update(records)
        background.finish("FINISHED", 1)
        assert time.monotonic() - began < 30
    assert said[-1] == f"1 of 1 trials are missing in {place_of(folder).name}. This sends what is missing:\n  sync it"
    assert "Traceback" not in capfd.readouterr().err
    assert background._thread is not None
    background._thread.join(SECONDS)  # its last call may wait for the lock still, and make runs beside the next
    assert not background._thread.is_alive()
    mirror_of(folder).send(Snapshot(records, "FINISHED"))
    assert statuses(folder) == {"study": "FINISHED", "a": "FINISHED"}


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
@pytest.mark.parametrize("running", [True, False])
def test_a_file_that_is_lost_gets_everything_again(
    folder: StudyFolder, empty_mlflow: Path, running: bool, replaced: bool
) -> None:
    records = [trial(folder, state="COMPLETE"), trial(folder, "b", steps=2)]
    mirror = mirror_of(folder)
    mirror.send(Snapshot(records))
    database_of(folder).unlink()
    if replaced:  # another study was tracked first
        shutil.copy(empty_mlflow, database_of(folder))
    again = mirror if running else mirror_of(folder)
    assert again.has_work(Snapshot(records))
    assert again.missing(Snapshot(records)) == ["a", "b"]
    again.send(Snapshot(records, "KILLED"))
    assert statuses(folder) == {"study": "KILLED", "point": "KILLED", "a": "FINISHED", "b": "KILLED"}
    assert not mirror_of(folder).has_work(Snapshot(records, "KILLED"))


# Where its artifacts are --------------------------------------------------------------------------------------


def artifacts_shown(folder: StudyFolder) -> dict[str, set[str]]:
    """The files that MLflow finds, by the key of their run."""
    client = MlflowClient(place_of(folder).uri)
    experiment = client.get_experiment_by_name(folder.path.name)
    shown = {}
    for run in client.search_runs([experiment.experiment_id]):
        listed = list_artifacts(run_id=run.info.run_id, tracking_uri=place_of(folder).uri)
        shown[run.data.tags["sweep.key"]] = {file.path for file in listed}
    return shown


def finish_in_a_process(folder: StudyFolder) -> None:
    snapshot = Snapshot([trial(folder, state="COMPLETE")], "FINISHED")
    process = FORK.Process(target=mirror_of(folder).send, args=(snapshot,))
    process.start()
    process.join()
    assert process.exitcode == 0


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree], ids=["moved", "copied"])
def test_artifacts_are_where_the_sweeps_folder_is(folder: StudyFolder, move: Callable[[Path, Path], object]) -> None:
    finish_in_a_process(folder)  # of its own: MLflow remembers for as long as it lives where artifacts are
    old, new = folder.path.parent, folder.path.parent.with_name("a%20b #c")
    move(old, new)
    before = {file: file.read_bytes() for file in old.rglob("*") if file.is_file()}  # of a copy's original
    there = StudyFolder(new / "grid")
    finished = BackgroundMirror(mirror_of(there), print, "")  # nothing is left to send
    finished.update([trial(there, state="COMPLETE")])
    finished.finish("FINISHED", 30)
    files = {"config.yaml", "metrics.json", "metrics_table.json", "losses.csv"}
    assert artifacts_shown(there) == {"study": {"config.yaml"}, "a": files}
    mirror_of(there).send(Snapshot([trial(there, state="COMPLETE"), trial(there, "b", state="COMPLETE")], "FINISHED"))
    assert {file: file.read_bytes() for file in old.rglob("*") if file.is_file()} == before
    shutil.rmtree(old, ignore_errors=True)
    assert artifacts_shown(there) == {"study": {"config.yaml"}, "point": set(), "a": files, "b": files}
    assert not old.exists()


# Servers ------------------------------------------------------------------------------------------------------


@contextmanager
def guarded_server(status: int, password: str = "right") -> Iterator[str]:
    """A server that answers nobody but `me`; its address without a scheme."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            wanted = "Basic " + base64.b64encode(f"me:{password}".encode()).decode()
            accepted = self.headers.get("Authorization") == wanted
            body = json.dumps({"experiments": []} if accepted else {"error_code": "PERMISSION_DENIED"}).encode()
            if not accepted and status == 401:
                body = b"You are not authenticated."
            self.send_response(200 if accepted else status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("credentials", ["", "me:wrong@"])
def test_a_server_that_refuses_us_is_bad_input(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, credentials: str
) -> None:
    monkeypatch.setattr(mlflow_access, "ANSWER_S", 60.0)  # a server that has not answered by then is no problem
    with guarded_server(status) as address:
        monkeypatch.setenv("SWEEP_TRACKING", f"http://{credentials}{address}")
        done = sweep(*TINY, "tracking.uri='${oc.env:SWEEP_TRACKING}'")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "the server does not accept our credentials" in done.stderr
    assert "wrong" not in done.stderr
    assert not (tmp_path / "sweeps").exists()


def test_a_server_that_accepts_us_is_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with guarded_server(401) as address:
        assert place_of(StudyFolder(tmp_path), f"http://me:right@{address}").problem() is None
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "right")
        assert place_of(StudyFolder(tmp_path), f"http://{address}").problem() is None
