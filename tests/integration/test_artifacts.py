"""Studies whose machines share a database and a place of artifacts, and no folder.

A machine is a folder here, with a sweeps folder and a cache of its own.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.records.folder import StudyFolder
from tests.integration.commands import TINY, rows, start, wait_for
from tests.postgres import PostgresServer

pytestmark = pytest.mark.slow

STUDY = (*TINY, "tracking=json_lines", "train.steps=40", "train.checkpoint_steps=4", "study.grace_s=5")
POINT = "study.space={ratio.monolingual: {grid: [0.5]}}"
KEY = "ratio.monolingual=0.5,seed=0"
CUT_SHORT = (*STUDY, "train.steps=4000", "train.warmup_steps=3")


@pytest.fixture
def database(postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator[str]:
    name = "artifacts_" + re.sub(r"\W", "_", request.node.name)[:40].lower()
    postgres.create_database(name)
    yield postgres.url(name)


def machine(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    return folder


def finish(process: subprocess.Popen[str], status: int = 0, seconds: float = 150) -> str:
    output = process.communicate(timeout=seconds)[0]
    assert process.returncode == status, output
    return output


def result(folder: Path, key: str = KEY) -> dict[str, object]:
    return json.loads((folder / "sweeps" / "tiny" / "trials" / key / "metrics.json").read_text())
