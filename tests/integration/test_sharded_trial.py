"""A trial whose weights lie in parts on two nodes that share no disk, killed, and gone on with: there, and on one
rank that has all of them. Losses, metrics and model are those of one rank but for rounding."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from tests.unit.test_accelerate_config import FSDP, SHARDS
from tests.waiting import SECONDS

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("trial_of_ranks.py")
OVERRIDES = (
    "+experiment=smoke", "train.steps=6", "train.warmup_steps=1", "train.batch_size=16", "train.log_every=1",
    "train.checkpoint_steps=2", "train.tokens_per_pass=100", "train.validation.every_steps=4", "model.dropout=0.0",
    "model.layers=2", "evaluation.records=16", "data.records={high: 60, mid: 30, low: 20}",
    "model.vocabulary_size=800", "study.baselines=[]",
)  # fmt: skip


def start(rank: int, ranks: int, port: int, folder: Path, killed_at: int, *more: str) -> subprocess.Popen[str]:
    """A rank on a node of its own: a cache and a folder that the other does not see."""
    own = folder / f"node-{rank}"
    own.mkdir(parents=True, exist_ok=True)
    group = {
        "RANK": str(rank), "LOCAL_RANK": "0", "WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true",
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(own), str(killed_at), *OVERRIDES, *more],
        cwd=own,
        env={**os.environ, **(group if ranks > 1 else {}), "SWEEP_CACHE": str(own / "cache")},
        stderr=subprocess.PIPE,
        text=True,
    )


def run(ranks: int, folder: Path, *more: str, killed_at: int = 0) -> dict[str, Any]:
    """What rank 0 left, if it was not killed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = [start(rank, ranks, port, folder, killed_at, *more) for rank in range(ranks)]
    try:
        if killed_at:
            assert group[0].wait(SECONDS) == -signal.SIGKILL, group[0].communicate()[1]
            return {}
        for process in group:
            _, errors = process.communicate(timeout=SECONDS)
            assert process.returncode == 0, errors
    finally:
        for process in group:
            process.kill()
            process.communicate()
    outcome: dict[str, Any] = json.loads((folder / "node-0/outcome.json").read_text())
    return outcome


def test_a_sharded_trial_goes_on_with_and_without_shards(tmp_path: Path) -> None:
    file = tmp_path / "fsdp.yaml"
    file.write_text(yaml.safe_dump(FSDP | {"fsdp_config": SHARDS}))
    sharded = ("launcher.processes=2", f"launcher.accelerate_config={file}")
    expected = run(1, tmp_path / "alone")
    run(2, tmp_path / "two", *sharded, killed_at=3)
    shutil.copytree(tmp_path / "two/node-0", tmp_path / "one/node-0")
    assert not (tmp_path / "two/node-1/checkpoint").exists()
    sharded_outcome = run(2, tmp_path / "two", *sharded)
    alone = run(1, tmp_path / "one")
    assert set(expected["losses"]) == set("123456")
    assert any("in parts on 2 ranks" in note for note in sharded_outcome["notes"])
    for outcome in (sharded_outcome, alone):
        assert "going on from checkpoint step-00000002.1" in outcome["notes"]
        assert outcome["losses"] == pytest.approx({step: expected["losses"][step] for step in "3456"}, rel=1e-3)
    weights = [load_file(tmp_path / name / "node-0/model/model.safetensors") for name in ("alone", "two", "one")]
    for other in weights[1:]:
        assert other.keys() == weights[0].keys()
        for name, tensor in weights[0].items():
            torch.testing.assert_close(other[name], tensor, atol=2e-3, rtol=1e-2)
    wanted = {key: value for key, value in expected["metrics"].items() if key.endswith("/map")}
    assert wanted
    assert {key: sharded_outcome["metrics"][key] for key in wanted} == pytest.approx(wanted, abs=0.02)
