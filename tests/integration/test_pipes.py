"""Commands whose output nobody reads any more, as with `| head -1`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.commands import TINY, rows

pytestmark = pytest.mark.slow


def unread(tmp_path: Path, cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command that writes into a pipe without a reader."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=tmp_path,
            env={**os.environ, "SWEEP_CACHE": str(cache)},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        os.close(writer)


def test_a_study_goes_on_when_nobody_reads_its_output(tmp_path: Path, cache: Path) -> None:
    done = unread(tmp_path, cache, "sweep", *TINY, "tracking=json_lines")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("nobody reads this output any more; the command goes on without it") == 1
    assert "Traceback" not in done.stderr
    assert len(rows(tmp_path / "sweeps" / "tiny")) == 2
    shown = unread(tmp_path, cache, "sweep.studies")  # which has nothing to do but to print
    assert (shown.returncode, shown.stderr) == (141, "")


@pytest.mark.parametrize("arguments", [("sweep", "--cfg", "job"), ("sweep.evaluate", "--list-metrics")])
def test_what_only_prints_ends_quietly(tmp_path: Path, cache: Path, arguments: tuple[str, ...]) -> None:
    done = unread(tmp_path, cache, *arguments)
    assert done.returncode == 141
    assert done.stderr == ""
