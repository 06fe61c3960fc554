"""The benchmarks run, on small pools: they check themselves that all sides measured the same thing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parents[2] / "benchmarks"


def run(name: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, FOLDER / name, *options], capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_scoring_agrees_with_its_peers() -> None:
    printed = run("evaluation.py", "--groups", "60", "--repeats", "1")
    for side in ("ours", "st", "faiss"):
        assert f"\n{side}" in printed


def test_a_large_pool_is_searched_and_a_killed_build_goes_on() -> None:
    printed = run("large_pool.py", "--passages", "20000", "--questions", "100", "--block", "2500", "--kill")
    assert "nothing was built twice, and all ranks are those of the build that was not killed" in printed
