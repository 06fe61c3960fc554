"""Passage tables that several processes build, and one that is killed."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.unit.test_passages import arrow_files, thousand, unread
from tests.waiting import until

from sweep.data.passages import passages_on_disk

pytestmark = pytest.mark.slow


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "corpus.jsonl"
    file.write_text("the state of this file is the key of the table")
    return file


BUILDER = """
import sys, time
from pathlib import Path
from sweep.data import passages as module
module.ROWS_PER_BATCH = 100
folder, name = Path(sys.argv[1]), sys.argv[2]

def rows():
    with (folder / "builds").open("a") as log:
        log.write(name + "\\n")
    for number in range(1000):
        if number == 500:
            (folder / f"{name}-halfway").touch()
            while not (folder / "go").exists():
                time.sleep(0.01)
        yield module.Passage(f"{999 - number:03}", "sw", f"text {number}")

(folder / f"{name}-ready").touch()
table = module.passages_on_disk(rows(), ("sw",), [folder / "corpus.jsonl"], folder)
print(len(table), table[0].text)
"""


def start(folder: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUILDER, str(folder), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_killed_build_is_not_used(tmp_path: Path, source: Path) -> None:
    builder = start(tmp_path, "killed")
    until((tmp_path / "killed-halfway").exists)
    builder.send_signal(signal.SIGKILL)
    builder.communicate(timeout=60)
    assert builder.returncode == -signal.SIGKILL
    (left,) = (tmp_path / "passages").glob("*/passages.arrow")
    assert left.stat().st_size > 0  # it was killed in the middle of its work
    assert arrow_files(tmp_path) == []
    assert list(passages_on_disk(thousand(), ("sw",), [source], tmp_path)) == thousand()
    assert [file.suffix for file in (tmp_path / "passages").iterdir() if file.suffix != ".lock"] == [".arrow"]


def test_two_processes_at_once_make_one_table(tmp_path: Path, source: Path) -> None:
    first = start(tmp_path, "first")
    until((tmp_path / "first-halfway").exists)
    second = start(tmp_path, "second")
    until((tmp_path / "second-ready").exists)
    time.sleep(0.3)  # the second one is asking for the table that the first has not finished
    assert arrow_files(tmp_path) == []
    (tmp_path / "go").touch()
    for process in (first, second):
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert output.split() == ["1000", "text", "999"]
    assert (tmp_path / "builds").read_text().split() == ["first"]
    assert list(passages_on_disk(unread(), ("sw",), [source], tmp_path)) == thousand()
    assert len(arrow_files(tmp_path)) == 1
