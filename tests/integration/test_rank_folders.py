"""Ranks of one worker on machines that share no folder: all of them go on from the same checkpoint."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import SECONDS

from sweep.records.files import write_atomically

pytestmark = pytest.mark.slow


def run_ranks(tmp_path: Path, folders: tuple[str, str], attempt: int, *steps: int) -> list[dict[str, Any]]:
    """What both ranks said at their end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = []
    for rank, folder in enumerate(folders):
        group = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
        environment = {
            **os.environ,
            **{name: str(value) for name, value in group.items()},
            "MASTER_ADDR": "127.0.0.1",
        }
        arguments = [str(tmp_path / folder), str(tmp_path / "place"), str(attempt), *map(str, steps)]
        program = [sys.executable, "-m", "tests.integration.separate_ranks", *arguments]
        root = Path(__file__).parents[2]
        processes.append(subprocess.Popen(program, cwd=root, env=environment, stdout=subprocess.PIPE, text=True))
    outputs = [process.communicate(timeout=SECONDS)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    return [json.loads(output.splitlines()[-1]) for output in outputs]


def test_ranks_without_a_common_folder_go_on_from_one_checkpoint(tmp_path: Path) -> None:
    saved = run_ranks(tmp_path, ("a0", "a1"), 1, 3, 6, 9)
    assert [one["here"] for one in saved] == [["step-00000006.1", "step-00000009.1"], []]  # rank 0 alone writes
    left = sorted(file.name for file in tmp_path.glob("place/*/checkpoints/*/*.tar"))
    assert left[-1] == "step-00000009.1.tar"

    # On two other machines; one of them has an older checkpoint of its own.
    write_atomically(tmp_path / "b1" / "trials" / "seed=0" / "checkpoint" / "step-00000003.1" / "manifest.json", "{}")
    resumed = run_ranks(tmp_path, ("b0", "b1"), 2)
    assert [(one["name"], one["step"], one["weight"]) for one in resumed] == [("step-00000009.1", 9, 9.0)] * 2
    assert resumed[1]["here"] == ["step-00000003.1"]  # what it needs rank 0 sends it
    assert [one["next"] for one in resumed] == [one["next"] for one in saved]  # each with its own random state
    assert resumed[0]["next"] != resumed[1]["next"]
