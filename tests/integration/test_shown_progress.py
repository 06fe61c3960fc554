"""What a running study shows, on a terminal of 80 columns, in a file and to programs; and its report."""

import json
import os
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from rich.cells import cell_len
from tests.conftest import Sweep
from tests.integration.commands import TINY
from tests.startup import slow_steps

from sweep.run.report_files import ReportFiles

pytestmark = pytest.mark.slow
GRID = (*TINY, "study.space={ratio.monolingual: {grid: [0, 0.5]}}", "launcher.workers=2", "study.export=none")
QUICK = ("tracking=json_lines",)
REPORTING = (*GRID, *QUICK, "study.name=tiny", "report.files=true")


def on_a_terminal(
    folder: Path, cache: Path, *arguments: str, awaited: tuple[str, ...] = (), columns: int = 80
) -> tuple[int, str]:
    """Exit status, and all that a terminal got. Steps are slow until it has got what is awaited."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "sweep", *arguments],
        cwd=folder,
        env={**environment, **slow_steps(folder, step_s=2), "SWEEP_CACHE": str(cache), "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that nobody writes any more
            break
        if not part:
            break
        parts.append(part)
        text = plain(b"".join(parts).decode(errors="replace"))
        if all(word in text for word in awaited):
            (folder / "slow").unlink(missing_ok=True)
    os.close(ours)
    return process.wait(240), b"".join(parts).decode()


def plain(text: str) -> str:
    """Without what moves the cursor, erases or colours."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n")


def test_a_terminal_of_80_columns_shows_a_live_table_and_then_the_answer(tmp_path: Path, cache: Path) -> None:
    study = (*GRID, *QUICK, "study.name=tiny", "study.seeds=[0,1]")
    status, text = on_a_terminal(tmp_path, cache, *study, awaited=("α=0 · s0", "training"))
    assert status == 0, text
    shown = plain(text)
    for part in ("of 4 trials done", "α=0 · s0", "training", "left: ", "best so far: ", "Done, "):
        assert part in shown
    assert "\x1b[?25h" in text  # the cursor is shown again
    live, answer = shown[: shown.index("cldr: mean ±")], shown[shown.index("cldr: mean ±") :]
    assert max(cell_len(line) for line in live.splitlines()) <= 80
    tables = [line for line in answer.splitlines() if line.startswith(" ")]
    assert tables
    assert max(cell_len(line.rstrip()) for line in tables) <= 80
    # Again: nothing is left to do, and what is there is named.
    status, text = on_a_terminal(tmp_path, cache, *study)
    assert "Resuming study 'tiny': 4 of 4 trials are done." in plain(text)


def test_whoever_wants_quiet_gets_the_answer_alone(sweep_process: Sweep) -> None:
    done = sweep_process(*GRID, *QUICK, "study.name=tiny", "--quiet")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.lstrip().startswith("On cldr, nothing can be said about ratios")  # the first sentence
    assert "trials done" not in done.stdout
    again = sweep_process(*GRID, *QUICK, "study.name=tiny", "--quiet")
    assert "Resuming" not in again.stdout
    wrong = sweep_process(*GRID, *QUICK, "study.name=tiny", "train.temperature=0.9", "--quiet")
    assert wrong.returncode == 2
    assert wrong.stdout == ""
    assert "train.temperature" in wrong.stderr
    both = sweep_process(*GRID, "--quiet", "--progress=json")
    assert both.returncode == 2
    assert "not allowed with" in both.stderr


def test_programs_read_json_alone(sweep_process: Sweep) -> None:
    space = "study.space={train.learning_rate: {grid: [0.001, 1.0e+30]}}"
    arguments = (*TINY, *QUICK, space, "study.name=tiny", "--progress=json")
    done = sweep_process(*arguments)
    assert done.returncode == 1, done.stderr  # one of both trials cannot be trained
    events = [json.loads(line) for line in done.stdout.splitlines()]
    names = [event["event"] for event in events]
    assert names[0] == "study_started"
    assert names[-1] == "study_finished"
    assert {"trial_started", "trial_finished", "trial_failed", "progress"} <= set(names)
    failed = next(event for event in events if event["event"] == "trial_failed")
    assert failed["parameters"] == {"train.learning_rate": 1e30}
    assert failed["reason"]
    end = events[-1]
    assert (end["complete"], end["done"], end["target"], end["failed"]) == (False, 1, 2, 1)
    assert end["sentences"]
    assert end["points"][0]["figures"]["cldr/mono/map"]["mean"] > 0
    again = [json.loads(line) for line in sweep_process(*arguments).stdout.splitlines()]
    assert again[0] | {"event": "study_resumed", "done": 1, "failed": 1, "saved": {}, "waiting": 0} == again[0]
    wrong = sweep_process(*arguments, "train.temperature=0.9")
    assert json.loads(wrong.stdout.splitlines()[-1])["event"] == "study_stopped"
    assert wrong.returncode == 2


def test_a_study_leaves_a_report(sweep_process: Sweep, tmp_path: Path) -> None:
    done = sweep_process(*REPORTING, "report.every_s=0.1")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "sweeps" / "tiny"
    assert "Report:  sweeps/tiny/report.html" in done.stdout
    assert "cannot be written" not in done.stdout
    assert (folder / "report.html").read_text().rstrip().endswith("</html>")
    assert "complete" in (folder / "answer.md").read_text()
    assert [file for file in (folder / "charts").iterdir() if file.read_bytes().startswith(b"\x89PNG")]


def test_a_report_that_cannot_be_written_ends_nothing(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sweep(*GRID, *QUICK, "study.name=tiny").returncode == 0

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ReportFiles, "write", fail)
    done = sweep(*REPORTING)
    assert done.returncode == 0
    assert done.stdout.count("the report cannot be written (OSError: [Errno 28] No space left on device)") == 1
    assert "-m sweep.report study.name=tiny" in done.stdout
    assert "Report:  " not in done.stdout
