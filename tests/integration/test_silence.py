"""A study whose workers, or whose database, do not answer: nobody waits for them longer than is needed."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.commands import TINY, at_work, lines, rows, start, wait_for
from tests.postgres import PostgresServer, running_server, why_not
from tests.startup import slow_steps
from tests.waiting import lives, until

from sweep.records.folder import StudyFolder

pytestmark = pytest.mark.slow

LONG = (*TINY, "train.steps=4000", "train.checkpoint_steps=20")


def trained(folder: StudyFolder) -> int:
    """How many trials have begun to train."""
    return sum(lines(file) > 1 for file in folder.path.glob("trials/*/losses.csv"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_is_stopped_for_ever_is_replaced(
    tmp_path: Path, cache: Path, shared_mlflow: str, workers: int
) -> None:
    """With another worker, which takes its trial over and ends the study; and with none."""
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    study = (*TINY, "train.steps=150", f"launcher.workers={workers}", "study.grace_s=3")
    process = start(tmp_path, cache, *study, shared_mlflow, **slow_steps(tmp_path))
    wait_for(lambda: trained(folder) == workers, process)
    stopped = at_work(process.pid, folder)[0]
    os.kill(stopped, signal.SIGSTOP)
    (tmp_path / "slow").unlink()
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert "did not answer any more, and was ended" in output
    assert {row["state"] for row in rows(folder.path)} == {"COMPLETE"}
    assert len(rows(folder.path)) == 2
    until(lambda: not lives(stopped))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresServer]:
    """A server of the test's own, which it may stop."""
    if reason := why_not():
        pytest.skip(reason)
    with running_server() as server:
        monkeypatch.setenv("SWEEP_STORAGE", server.url())
        yield server
        server.start()  # since a test leaves it stopped


def at_work_on(server: PostgresServer, tmp_path: Path, cache: Path, *more: str) -> subprocess.Popen[str]:
    """A study of two workers on the server, once both train."""
    folder = StudyFolder(tmp_path / "sweeps" / "tiny")
    storage = "study.storage=${oc.env:SWEEP_STORAGE}"
    process = start(tmp_path, cache, *LONG, storage, "launcher.workers=2", *more)
    wait_for(lambda: trained(folder) == 2, process)
    return process


def test_ctrl_c_is_heard_while_the_database_is_away(
    tmp_path: Path, cache: Path, shared_mlflow: str, server: PostgresServer
) -> None:
    """The workers save as soon as it is back, without anything lost."""
    process = at_work_on(server, tmp_path, cache, shared_mlflow)
    server.stop()
    time.sleep(6)
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    seen = ""
    asked = time.monotonic()
    while "finishing or saving the running trials" not in seen:
        line = process.stdout.readline()
        assert line, seen
        seen += line
    assert time.monotonic() - asked < 120  # the database does not come back by itself
    server.start()
    output, _ = process.communicate(timeout=240)
    server.stop()
    assert process.returncode == 130, output
    assert "0 of 2 trials are done and saved" in output
    assert "Traceback" not in output
    logs = [file.read_text() for file in (tmp_path / "sweeps" / "tiny").glob("trials/*/log.txt")]
    assert all("paused after step" in text for text in logs)


def test_two_signals_end_at_once_while_the_database_is_away(
    tmp_path: Path, cache: Path, shared_mlflow: str, server: PostgresServer
) -> None:
    """Even if a worker is stopped."""
    process = at_work_on(server, tmp_path, cache, shared_mlflow)
    os.kill(at_work(process.pid, StudyFolder(tmp_path / "sweeps" / "tiny"))[0], signal.SIGSTOP)
    server.stop()
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=240)  # the database does not come back
    assert process.returncode == 130, output
    assert "0 of 2 trials are done and saved" in output
    assert "Traceback" not in output
