"""Studies that somebody else wrote: looking at them resolves nothing, asks nobody, and ends."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import Sweep
from tests.unit.test_studies import make

from sweep.errors import InputError
from sweep.records.folder import StudyFolder
from sweep.settings.saved_yaml import MOST_BYTES, read_yaml

COMMANDS = (["list"], ["status", "grid"], ["export", "grid", "all.csv"], ["sync", "grid"])


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("sweeps"), finish=1).path


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> StudyFolder:
    shutil.copytree(template, tmp_path / "sweeps" / "grid")
    return StudyFolder(tmp_path / "sweeps" / "grid")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have left this machine."""
    made: list[str] = []

    def record(*arguments: object, **_: object) -> None:
        made.append(str(arguments))
        raise OSError("no network in this test")

    monkeypatch.setattr("socket.getaddrinfo", record)
    monkeypatch.setattr("socket.socket.connect", record)
    monkeypatch.setattr("psycopg.connect", record)
    return made


def set_line(folder: StudyFolder, key: str, value: str) -> None:
    lines = folder.config.read_text().splitlines()
    place = next(index for index, line in enumerate(lines) if line.strip().startswith(f"{key}:"))
    indent = " " * (len(lines[place]) - len(lines[place].lstrip()))
    lines[place] = f"{indent}{key}: {value}"
    folder.config.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    "storage",
    [
        "postgresql+psycopg://${oc.env:MY_TOKEN}@evil.example/db",
        "postgresql+psycopg://me:pw@evil.example/db",
        "${oc.env:MY_TOKEN}",
        "'${oc.decode:${oc.env:MY_TOKEN}}'",
    ],
)
def test_a_database_elsewhere_is_not_asked_unless_the_command_names_it(
    storage: str, folder: StudyFolder, sweep: Sweep, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "t0ken")
    set_line(folder, "storage", storage)
    for arguments in COMMANDS:
        done = sweep(*arguments, module="sweep.studies")
        assert done.returncode == (0 if arguments == ["list"] else 2)
        assert "its database is on a server" in done.stderr
        assert "--storage '${oc.env:SWEEP_STORAGE}'" in done.stderr
        assert "t0ken" not in done.stdout + done.stderr
        assert "pw@" not in done.stderr
    assert calls == []


@pytest.mark.parametrize("key", ["sweeps", "query_prefix", "name", "uri"])
def test_no_reference_is_resolved(
    key: str, folder: StudyFolder, sweep: Sweep, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "t0ken")
    set_line(folder, key, "http://evil.example/${oc.env:MY_TOKEN}")
    for arguments in COMMANDS if key == "uri" else COMMANDS[:-1]:
        done = sweep(*arguments, module="sweep.studies")
        assert "t0ken" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
    assert calls == []


def tracked_by(folder: StudyFolder, tracking: str) -> str:
    """The study's configuration with another tracker, without what only MLflow has."""
    config = folder.config.read_text().replace("kind: mlflow\n  uri: null", tracking)
    return config if "kind: mlflow" in tracking else config.replace("  register: null\n", "")


@pytest.mark.parametrize(
    "tracking",
    [
        "kind: mlflow\n  uri: http://evil.example:5000",
        "kind: mlflow\n  uri: sqlite:///OUTSIDE/victim",
        "kind: mlflow\n  uri: sqlite:///file:sweeps/../../victim?uri=true",
        "kind: json_lines\n  path: OUTSIDE/victim",
        "kind: json_lines\n  path: sweeps/../../victim",
    ],
)
def test_sync_sends_to_no_place_outside_that_the_command_does_not_name(
    tracking: str, folder: StudyFolder, sweep: Sweep, calls: list[str], tmp_path: Path
) -> None:
    text = tracking.replace("OUTSIDE", str(tmp_path.parent))
    folder.config.write_text(tracked_by(folder, text))
    done = sweep("sync", "grid", module="sweep.studies")
    assert done.returncode == 2
    assert "its tracker is outside of" in done.stderr
    assert "--tracking" in done.stderr
    assert calls == []
    assert not (tmp_path.parent / "victim").exists()


def test_sync_sends_where_the_command_says(folder: StudyFolder, sweep: Sweep, tmp_path: Path) -> None:
    folder.config.write_text(tracked_by(folder, "kind: json_lines\n  path: /nowhere/x"))
    done = sweep("sync", "grid", "--tracking", str(tmp_path / "runs"), module="sweep.studies")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs").exists()


@pytest.mark.parametrize("given", ["postgresql+psycopg://me:pw@host/db", "mysql://host/db", "${oc.env:NOTSET_HERE}"])
def test_a_storage_that_the_command_names_is_checked(given: str, folder: StudyFolder, sweep: Sweep) -> None:
    set_line(folder, "storage", "postgresql+psycopg://me:***@host/db")
    done = sweep("status", "grid", "--storage", given, module="sweep.studies")
    assert done.returncode == 2
    assert "--storage: " in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "pw@" not in done.stderr


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdefghijkl", "bcdefghijklm", strict=True)
)
DAMAGED: dict[str, Callable[[str], bytes]] = {
    "a bomb": lambda text: (text + BOMB).encode(),
    "a circle": lambda text: (text + "more: &m {m: *m}\n").encode(),
    "a reference to itself": lambda text: text.replace("seed: 0", "seed: ${seed}", 1).encode(),
    "deep": lambda text: (text + "more: " + "[" * 100_000).encode(),
    "large": lambda text: text.encode() + b"#" * MOST_BYTES,
    "latin-1": lambda text: (text + "# \xe9").encode("latin-1"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "a nul": lambda text: text.encode() + b"\0",
    "an object": lambda text: (text + "more: !!python/object/apply:os.mkdir [victim]\n").encode(),
    "a date": lambda text: text.replace("seed: 0", "seed: 2020-01-01", 1).encode(),
    "a number": lambda text: b"7",
    "nothing": lambda text: b"",
    "cut short": lambda text: text.encode()[: len(text) // 2],
    "a section that is none": lambda text: b"study: 3\n",
    "a huge number": lambda text: (text + f"more: {'9' * 5000}\n").encode(),
    "no YAML": lambda text: b"a: b: c: [",
}


@pytest.mark.parametrize("fault", DAMAGED)
def test_a_damaged_configuration_costs_one_line_and_no_other_study(
    fault: str, folder: StudyFolder, sweep: Sweep, tmp_path: Path
) -> None:
    other = StudyFolder(tmp_path / "sweeps" / "other")
    other.path.mkdir()
    other.config.write_bytes(DAMAGED[fault](folder.config.read_text()))
    began = time.monotonic()
    done = sweep(module="sweep.studies")
    assert time.monotonic() - began < 60
    assert done.returncode == 0
    assert "grid" in done.stdout
    assert done.stderr.startswith("other: cannot be read (")
    assert len(done.stderr.splitlines()) == 1
    assert len(done.stderr) < 1500
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("make_it", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_is_not_waited_for(make_it: Callable[[Path], None], sweep: Sweep, tmp_path: Path) -> None:
    (tmp_path / "sweeps" / "other").mkdir(parents=True)
    make_it(tmp_path / "sweeps" / "other" / "config.yaml")
    done = sweep(module="sweep.studies")
    assert done.returncode == 0
    assert "other: cannot be read (" in done.stderr
    assert "it is no file" in done.stderr


def test_what_the_commands_write_can_be_read(folder: StudyFolder) -> None:
    assert read_yaml(folder.config)["study"]["name"] == "grid"
    with pytest.raises(InputError, match="cannot be read"):
        read_yaml(folder.path / "none.yaml")
