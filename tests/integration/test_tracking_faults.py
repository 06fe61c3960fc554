"""Studies of which something of MLflow is away in the middle third: the server, its files, or our right to use it.
Whatever it is, in the end every row is there once: as of a study that nothing happened to.

One study is trained, with its server killed in the middle third. What else may be away is tried with a replay of it:
a tracker sees its trials end one after another, and what it shows follows from the study's folder alone.
"""

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from mlflow.tracking import MlflowClient
from tests.conftest import Sweep
from tests.integration.commands import TINY, start, wait_for
from tests.integration.mlflow_server import Proxy, Request, Server
from tests.startup import slow_steps
from tests.waiting import until

from sweep.answer.opened import opened
from sweep.records.folder import StudyFolder, TrialFolder
from sweep.records.trial_record import TrialRecord
from sweep.settings import MlflowTracking
from sweep.tracking import mlflow_access
from sweep.tracking.background import BackgroundMirror
from sweep.tracking.mirror import Mirror, Snapshot
from sweep.tracking.mlflow_place import MlflowPlace

pytestmark = pytest.mark.slow

STUDY = (
    *TINY, "study.space={ratio.monolingual: {grid: [0.5]}}", "study.seeds=[0,1,2]", "train.steps=100",
    "train.log_every=5", "tracking.patience_s=240",
)  # fmt: skip
KEYS = [f"ratio.monolingual=0.5,seed={seed}" for seed in range(3)]
RUNS = {"study", "point ratio.monolingual=0.5", "baseline chance", "baseline n-grams", *KEYS}
TOKEN = "tok-1f2e3d4c5b6a"
PATIENCE_S = 240  # with a replay; what happens there takes a few seconds

Content = dict[str, dict[str, Any]]


def content_of(uri: str, folder: StudyFolder) -> Content:
    """All that can be seen of a study in MLflow, by the keys of its runs; every run and every row is there once, and
    rows of curves are those of the folder."""
    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name(folder.path.name).experiment_id])
    by_key = {run.data.tags["sweep.key"]: run for run in runs}
    assert len(runs) == len(by_key)
    assert by_key.keys() == RUNS
    names = {run.info.run_id: key for key, run in by_key.items()}
    content: Content = {}
    for key, run in by_key.items():
        run_id, tags = run.info.run_id, run.data.tags
        history = {name: client.get_metric_history(run_id, name) for name in run.data.metrics}
        rows = {name: [(row.step, row.value, row.timestamp) for row in listed] for name, listed in history.items()}
        assert all(len(listed) == len(set(listed)) for listed in rows.values())
        content[key] = {
            "status": run.info.status,
            "parameters": run.data.params,
            "parent": names.get(tags.get("mlflow.parentRunId")),
            "tags": {
                name: value
                for name, value in tags.items()
                if not name.startswith("mlflow.") and name not in ("sweep.study", "sweep.files")
            },
            "table": tags.get("mlflow.loggedArtifacts"),
            "rows": rows,
            "data": sorted((given.dataset.name, given.dataset.digest) for given in run.inputs.dataset_inputs),
            "files": sorted(file.path for file in client.list_artifacts(run_id)),
        }
        assert tags.get("sweep.files", "there") == "there"
        if key in KEYS:
            curve = [line.split(",") for line in folder.trial(key).losses.read_text().splitlines()[1:]]
            assert rows["train/loss"] == [(int(step), float(loss), int(at)) for step, loss, _, at in curve]
            assert len(rows["cldr/mono/map"]) == 1
            assert {"config.yaml", "metrics.json", "ranks.parquet"} <= set(content[key]["files"])
    assert [step for step, _, _ in content["point ratio.monolingual=0.5"]["rows"]["cldr/mono/map"]] == [1, 2, 3]
    return content


# One study, trained ------------------------------------------------------------------------------------------


class Trained(NamedTuple):
    """A study that has ended: its folder, its trials, what its command printed, and how many trials had ended when
    its server was stopped, and when it was started again."""

    folder: StudyFolder
    records: list[TrialRecord]
    output: str
    finished: list[int]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def trained(server: Server, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Trained:
    """A study whose server is killed when its first trial is there, and is there again after the second one."""
    home = tmp_path_factory.mktemp("trained")
    folder, output = StudyFolder(home / "sweeps" / "gone"), StringIO()

    def count() -> int:
        return sum((folder.trial(key).path / "result.json").exists() for key in KEYS)

    def has_first() -> bool:
        return folder.tracking_cursor.exists() and "COMPLETE" in folder.tracking_cursor.read_text()

    environment = slow_steps(home, training=2)
    process = start(home, cache, *STUDY, "study.name=gone", f"tracking.uri={server.uri}", **environment)
    reader = threading.Thread(target=read_lines, args=(process, output))
    reader.start()
    try:
        wait_for(has_first, process)
        server.kill()
        finished = [count()]
        wait_for(lambda: " is away (" in output.getvalue(), process)
        (home / "slow").unlink()
        until(lambda: count() > 1)
        finished.append(count())
        (home / "slow").touch()  # a third trial that has not ended does not before the server is there
        server.start()
    finally:
        (home / "slow").unlink(missing_ok=True)
        reader.join(PATIENCE_S)
    assert process.wait(PATIENCE_S) == 0, output.getvalue()
    with opened(folder) as study:
        return Trained(folder, list(study.view.records()), output.getvalue(), finished)


def read_lines(process: subprocess.Popen[str], output: StringIO) -> None:
    """Keep what a command prints, until it ends."""
    assert process.stdout is not None
    for line in process.stdout:
        output.write(line)


def test_a_server_that_is_stopped_for_the_middle_third(
    trained: Trained, undisturbed: Content, server: Server, sweep: Sweep
) -> None:
    assert trained.finished[0] == 1
    assert trained.output.count(" is away (") == 1
    assert "\nDone, " in trained.output
    sync = ("sync", "gone", "--sweeps", str(trained.folder.path.parent), "--tracking", server.uri)
    if "This sends what is missing" in trained.output:  # the server was not there yet when the last trial ended
        assert sweep(*sync, module="sweep.studies").returncode == 0
    assert sweep(*sync, module="sweep.studies").stdout == f"gone: 0 trials sent to MLflow ({server.uri})\n"
    assert content_of(server.uri, trained.folder) == undisturbed


# The same study, seen again ----------------------------------------------------------------------------------


class Replay:
    """A study whose folder fills with what another one has left, and its mirror."""

    def __init__(self, trained: Trained, sweeps: Path, name: str, uri: str) -> None:
        self.folder, self.said, self._trained = StudyFolder(sweeps / name), list[str](), trained
        ignored = shutil.ignore_patterns("trials", "workers", "study.db*", "tracking.cursor", "*.lock")
        shutil.copytree(trained.folder.path, self.folder.path, ignore=ignored)
        self.place = MlflowPlace(MlflowTracking(uri=uri), self.folder)
        self.mirror = Mirror(self.folder, self.place, name)
        self.background = BackgroundMirror(self.mirror, self.said.append, "sync it")
        self.records: list[TrialRecord] = []

    def show(self, ended: int) -> None:
        """So many trials have ended, and the next one is in the middle of its training."""
        self.records = []
        for number, record in enumerate(self._trained.records):
            folder = self.folder.trial(record.key)
            if number < ended:
                copy_files(self._trained.folder.trial(record.key), folder)
                self.records.append(replace(record, folder=folder))
            elif number == ended:
                copy_half(self._trained.folder.trial(record.key), folder)
                self.records.append(replace(record, folder=folder, state="RUNNING", value=None, values=()))
            else:
                waiting = replace(record, folder=folder, state="WAITING", attempts=0, value=None, values=())
                self.records.append(waiting)
        self.background.update(self.records)

    def await_all(self) -> None:
        """Until all that there is was sent, and nothing is on its way."""
        self._await(lambda: not self.mirror.has_work(Snapshot(self.records)))

    def await_line(self, words: str) -> None:
        self._await(lambda: any(words in line for line in self.said))

    def _await(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)


def copy_files(origin: TrialFolder, target: TrialFolder) -> None:
    """Each file at once, as a trial writes its own; result.json comes last."""
    files = [path for path in origin.path.rglob("*") if path.is_file()]
    for file in sorted(files, key=lambda path: path.name == "result.json"):
        copy = target.path / file.relative_to(origin.path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        draft = copy.with_name(f".{copy.name}")
        shutil.copy2(file, draft)
        draft.replace(copy)


def copy_half(origin: TrialFolder, target: TrialFolder) -> None:
    """What a trial has in the middle of its training."""
    target.path.mkdir(parents=True)
    lines = origin.losses.read_text().splitlines(keepends=True)
    target.losses.write_text("".join(lines[: len(lines) // 2]))
    for file in (origin.attempt, origin.config):
        shutil.copy2(file, target.path)


@pytest.fixture(scope="module")
def undisturbed(trained: Trained, server: Server, tmp_path_factory: pytest.TempPathFactory) -> Content:
    """What MLflow has of the study if nothing is ever away."""
    replay = Replay(trained, tmp_path_factory.mktemp("sweeps"), "undisturbed", server.uri)
    replay.show(3)
    replay.background.finish("FINISHED", PATIENCE_S)
    assert replay.said == []
    return content_of(server.uri, replay.folder)


class Fault(NamedTuple):
    """Something that is away between `begin` and `end`; `notice` is what the user reads of it."""

    uri: str
    begin: Callable[[], object]
    end: Callable[[], object]
    notice: str


Faulty = Callable[[Server, Path, pytest.MonkeyPatch], AbstractContextManager[Fault]]


@contextmanager
def hanging(server: Server, _: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fault]:
    """The server takes connections and answers nobody; what it was asked meanwhile it does later."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

    def begin() -> None:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        server.hang()

    def end() -> None:
        server.go_on()
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

    try:
        yield Fault(server.uri, begin, end, " is away (")
    finally:
        end()


@contextmanager
def refusing(server: Server, _: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fault]:
    """A token that expires, and is accepted again."""
    accepted = {f"Bearer {TOKEN}"}
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    with Proxy(server.port) as proxy:
        proxy.refuses = lambda request: refusal_of(request, accepted)
        yield Fault(proxy.uri, accepted.clear, lambda: accepted.add(f"Bearer {TOKEN}"), " is away (")


def refusal_of(request: Request, accepted: set[str]) -> tuple[int, dict[str, str], bytes] | None:
    """As an OAuth proxy refuses, with what it was given."""
    given = str(request.headers.get("Authorization"))
    if given in accepted:
        return None
    return 401, {"Content-Type": "application/json"}, f'{{"detail": "not valid: {given}"}}'.encode()


@contextmanager
def maintained(server: Server, _: Path, __: pytest.MonkeyPatch) -> Iterator[Fault]:
    """A page that names an hour to come back after; who keeps to that sleeps through the end of the maintenance."""
    closed: list[tuple[int, dict[str, str], bytes]] = []
    with Proxy(server.port) as proxy:
        proxy.refuses = lambda _: closed[0] if closed else None
        page = 503, {"Retry-After": "3600"}, b"<html>Back soon</html>"
        yield Fault(proxy.uri, lambda: closed.append(page), closed.clear, " is away (")


@contextmanager
def without_files(server: Server, _: Path, __: pytest.MonkeyPatch) -> Iterator[Fault]:
    """The server answers, and has no room for files."""
    refused: dict[str, int] = {}
    with Proxy(server.port) as proxy:
        proxy.refuses = lambda request: refused.get(request.method)
        yield Fault(proxy.uri, lambda: refused.update(PUT=503), refused.clear, " takes no files (")
        made = [one for one in proxy.requests if one.method == "POST" and one.path.endswith("runs/create")]
        assert len(made) == len(RUNS)  # none twice


@contextmanager
def unmounted(server: Server, tmp_path: Path, _: pytest.MonkeyPatch) -> Iterator[Fault]:
    """Files go straight to a folder, which is not there for a while."""
    share, away = tmp_path / "share", tmp_path / "away"
    share.mkdir()
    MlflowClient(server.uri).create_experiment("unmounted", (share / "files" / "1").as_uri())
    notice = " takes no files (the server keeps files in its folder "
    yield Fault(server.uri, lambda: share.rename(away), lambda: away.rename(share), notice)


@pytest.mark.parametrize("faulty", [hanging, refusing, maintained, without_files, unmounted])
def test_what_is_away_in_the_middle_lacks_nothing_in_the_end(
    trained: Trained,
    undisturbed: Content,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    faulty: Faulty,
) -> None:
    with faulty(server, tmp_path, monkeypatch) as fault:
        replay = Replay(trained, tmp_path / "sweeps", faulty.__name__, fault.uri)
        replay.show(1)
        replay.await_all()
        fault.begin()
        replay.show(2)
        replay.await_line(fault.notice)
        if "files" in fault.notice:  # rows go on
            replay.await_all()
            assert KEYS[1] in replay.mirror.lacking_files(Snapshot(replay.records))
        fault.end()
        replay.show(3)
        replay.background.finish("FINISHED", PATIENCE_S)
    assert sum(fault.notice in line for line in replay.said) == 1
    assert not any("missing" in line for line in replay.said), replay.said
    assert content_of(server.uri, replay.folder) == undisturbed
    kept = [file.read_bytes() for file in (*tmp_path.rglob("*.cursor"), server.home / "mlflow.db")]
    assert not any(TOKEN.encode() in content for content in (*kept, *(line.encode() for line in replay.said)))


def test_a_server_that_hangs_to_the_end_is_not_waited_for(
    trained: Trained, undisturbed: Content, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it was asked meanwhile it does when it goes on, runs made twice among it; they are gone in the end."""
    with hanging(server, tmp_path, monkeypatch) as fault:
        replay = Replay(trained, tmp_path / "sweeps", "end", fault.uri)
        replay.show(1)
        replay.await_all()
        fault.begin()
        replay.show(3)
        began = time.monotonic()
        replay.background.finish("FINISHED", 1)
        assert time.monotonic() - began < PATIENCE_S / 4
    assert "2 of 3 trials are missing in MLflow" in replay.said[-1]
    for thread in threading.enumerate():
        if thread.name == "mirror":  # with which a command ends
            thread.join(PATIENCE_S)
    sent = Mirror(replay.folder, replay.place, "end").send(Snapshot(replay.records, "FINISHED"))
    assert sent in (1, 2)  # a trial that was on its way may have come
    assert content_of(server.uri, replay.folder) == undisturbed


def test_a_token_is_checked_before_any_trial(
    sweep: Sweep, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refusing(server, tmp_path, monkeypatch) as fault:
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "another-token")
        monkeypatch.setattr(mlflow_access, "ANSWER_S", 60.0)  # a server that does not answer is taken for away
        refused = sweep(*STUDY, "study.name=token", f"tracking.uri={fault.uri}")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "MLFLOW_TRACKING_TOKEN" in refused.stderr
    assert "another-token" not in refused.stderr
    assert not (tmp_path / "sweeps").exists()
