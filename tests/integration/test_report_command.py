"""`python -m sweep.report`: every format of a real study, while it runs and afterwards, and of mistakes a line."""

import io
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pytest
from tests.conftest import Sweep
from tests.integration.commands import TINY, start, wait_for
from tests.startup import first

from sweep.commands.write_report import main

pytestmark = pytest.mark.slow
MODULE = "sweep.report.__main__"
GRID = ("study.space={ratio.monolingual: {grid: [0, 1]}}", "study.seeds=[0,1]")
FORMATS = ("html", "markdown", "latex", "csv", "json")

FROZEN = """
# Stops the driver and all its processes, once, when a worker has finished a trial and begins the next one.
import os, signal, sys
from importlib.machinery import PathFinder

class Freezing:
    def find_spec(self, name, path=None, target=None):
        if name != "sweep.trial.attempt":
            return None
        spec = PathFinder.find_spec(name, path)
        run_module = spec.loader.exec_module

        def exec_module(module):
            run_module(module)
            run, begun = module.TrialRun.run, []

            def frozen(self, data):
                begun.append(self.key)
                if len(begun) == 2:
                    os.killpg(os.getpgid(0), signal.SIGSTOP)
                run(self, data)

            module.TrialRun.run = frozen

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Freezing())
"""


@contextmanager
def frozen_after_one_trial(folder: Path, cache: Path) -> Iterator[subprocess.Popen[str]]:
    """A study that stands still after its first trial, so that what is copied belongs together; then it goes on."""
    process = start(folder, cache, *TINY, *GRID, "tracking=json_lines", **first(folder, FROZEN))
    try:
        wait_for(lambda: stands_still(process.pid), process)
        yield process
    finally:
        with suppress(ProcessLookupError):  # it has ended without standing still
            os.killpg(process.pid, signal.SIGCONT)


def stands_still(session: int) -> bool:
    """Whether every process of a session has been stopped."""
    listed = subprocess.run(
        ["ps", "-o", "stat=", "-s", str(session)], capture_output=True, text=True, check=True
    ).stdout.split()
    return all(state[0] in "TZ" for state in listed)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[Path, Path]:
    """A folder with a finished study, and one with what it was after its first trial, and what was written then."""
    folder, early = tmp_path_factory.mktemp("study"), tmp_path_factory.mktemp("early")
    sweeps = folder / "sweeps"
    with frozen_after_one_trial(folder, cache) as process:
        shutil.copytree(sweeps, early / "sweeps", ignore=shutil.ignore_patterns("*.draft"))
        assert main([f"paths.sweeps={sweeps}", "study.name=tiny", "format=json", f"output={early}/running.json"]) == 0
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    return folder, early


def state_of(folder: Path) -> dict[str, bytes]:
    """All files but what reading a database touches."""
    files = [file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("study.db-")]
    return {str(file): file.read_bytes() for file in files}


@pytest.fixture
def here(study: tuple[Path, Path], tmp_path: Path) -> Path:
    shutil.copytree(study[0] / "sweeps", tmp_path / "sweeps")
    return tmp_path


def test_every_format_of_a_finished_study(here: Path, sweep: Sweep) -> None:
    before = state_of(here)
    printed = {}
    for form in FORMATS[1:]:
        done = sweep("study.name=tiny", f"format={form}", module=MODULE)
        assert done.returncode == 0, done.stderr
        printed[form] = done.stdout
    assert state_of(here) == before
    table = pd.read_csv(io.StringIO(printed["csv"]))
    ratios = table[table["is_objective"] & (table["kind"] == "ratio")]
    assert sorted(ratios["ratio"]) == [0, 1]
    assert set(ratios["seeds"]) == {2}
    (report,) = json.loads(printed["json"])["studies"]
    assert (report["state"], report["finished"], report["target"]) == ("complete", 4, 4)
    for row in report["answer"]["certainty"]["tables"][0]["rows"]:
        (figure,) = ratios[ratios["ratio"] == row["ratio"]]["figure"]
        assert figure == pytest.approx(row["figure"]["value"])
        assert f"{row['figure']['value']:.3f}" in printed["markdown"]
        assert f"{row['figure']['value']:.3f}".removeprefix("0") in printed["latex"]
    assert "\\begin{tabular}" in printed["latex"]
    done = sweep("study.name=tiny", module=MODULE)
    assert (done.returncode, done.stdout) == (0, "Report: sweeps/tiny/report.html\n")
    assert "<html" in (here / "sweeps" / "tiny" / "report.html").read_text()


def test_a_study_that_is_not_finished(study: tuple[Path, Path], tmp_path: Path, sweep: Sweep) -> None:
    shutil.copytree(study[1] / "sweeps", tmp_path / "sweeps")
    for form in FORMATS:
        done = sweep("study.name=tiny", f"format={form}", f"output=tiny.{form}", module=MODULE)
        assert (done.returncode, done.stdout) == (0, f"Report: tiny.{form}\n"), done.stderr
    (report,) = json.loads((tmp_path / "tiny.json").read_text())["studies"]
    assert report["finished"] < report["target"]
    assert f"{report['finished']} of 4 trials are finished" in (tmp_path / "tiny.latex").read_text()


def test_a_study_that_runs(study: tuple[Path, Path]) -> None:
    (report,) = json.loads((study[1] / "running.json").read_text())["studies"]
    assert (report["state"], report["finished"]) == ("running", 1)


def test_several_studies_in_one(here: Path, sweep: Sweep) -> None:
    shutil.copytree(here / "sweeps" / "tiny", here / "sweeps" / "other")
    done = sweep("study.names=[tiny,other]", "format=csv", module=MODULE)
    assert done.returncode == 0, done.stderr
    assert set(pd.read_csv(io.StringIO(done.stdout))["study"]) == {"tiny", "other"}
    done = sweep("study.names=[tiny,other]", module=MODULE)
    assert (done.returncode, done.stdout) == (0, "Report: sweeps/studies.html\n"), done.stderr
    assert "<html" in (here / "sweeps" / "studies.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], "name a study with study.name=NAME, or several with study.names=[a,b]; in sweeps there are: tiny"),
        (["tiny"], "to write the report of a study give its name as study.name=tiny"),
        (["study.name=tinny"], "no study 'tinny' in sweeps; did you mean 'tiny'?"),
        (["study.name=xyz"], "no study 'xyz' in sweeps; there are: tiny"),
        (["study.name=../sweeps/tiny"], "no study '../sweeps/tiny' in sweeps"),
        (["study.names=[tiny,tiny]"], "study.names has 'tiny' twice"),
        (["study.names=[1]"], "no study '1' in sweeps; there are: tiny"),
        (["study.name=tiny", "study.names=[tiny]"], "not both"),
        (["study.name=tiny", "format=pdf"], "format='pdf': must be one of: html, markdown, latex, csv, json"),
        (["study.name=tiny", "format=csv", "output=no/a.csv"], "output=no/a.csv: must be a file in a folder that"),
        (["study.name=tiny", "output=sweeps"], "output=sweeps: must be a file"),
        (["study.name=tiny", "output=/proc/report.html"], "/proc/report.html cannot be written"),
        (["study.name=tiny", "paths.sweeps=nowhere"], "no folder nowhere: name the folder of your studies with"),
        (["study.nam=tiny"], "did you mean 'study.name'?"),
    ],
)
def test_mistakes_are_one_line(here: Path, sweep: Sweep, arguments: list[str], wanted: str) -> None:
    done = sweep(*arguments, module=MODULE)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert wanted in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_study_whose_database_is_on_a_server_needs_to_be_named(here: Path, sweep: Sweep) -> None:
    config = here / "sweeps" / "tiny" / "config.yaml"
    text = config.read_text()
    assert "storage: null" in text
    config.write_text(text.replace("storage: null", "storage: postgresql://db.example/studies"))
    done = sweep("study.name=tiny", module=MODULE)
    assert done.returncode == 2
    assert "study 'tiny': its database is on a server" in done.stderr
    assert "--storage" in done.stderr


def test_a_study_without_database_is_named(here: Path, sweep: Sweep) -> None:
    for file in (here / "sweeps" / "tiny").glob("study.db*"):
        file.unlink()
    done = sweep("study.name=tiny", module=MODULE)
    assert done.returncode == 1
    assert "study 'tiny' cannot be read" in done.stderr


@pytest.mark.parametrize("file", ["ranks.parquet", "metrics.json"])
def test_no_ratio_is_left_out_for_a_file_that_is_missing(here: Path, sweep: Sweep, file: str) -> None:
    """Without it another ratio would be the best."""
    trial = here / "sweeps" / "tiny" / "trials" / "ratio.monolingual=0,seed=1"
    (trial / file).unlink()
    for form in FORMATS:
        done = sweep("study.name=tiny", f"format={form}", module=MODULE)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"study 'tiny': finished trials are damaged, so there is no table ({trial.name}: {file}" in done.stderr
        assert done.stderr.rstrip().endswith("study.rerun_damaged=true")


def test_help_shows_formats_in_eighty_columns(sweep_process: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = sweep_process("--help", module="sweep.report")
    assert done.returncode == 0
    assert all(f"  {form} " in done.stdout for form in FORMATS)
    assert max(map(len, done.stdout.splitlines())) <= 80
