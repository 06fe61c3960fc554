"""A trial that no machine has the memory for is FAILED, and its worker goes on with the next one."""

from pathlib import Path

import pytest
from tests.conftest import Sweep

pytestmark = pytest.mark.slow

STUDY = (
    "+experiment=smoke", "study.name=memory", "study.space={model.hidden_size: {grid: [1073741824, 32]}}",
    "train.steps=4", "train.warmup_steps=1", "evaluation.records=12", "study.export=none", "launcher.workers=1",
    "tracking=json_lines",
)  # fmt: skip


def test_the_next_trial_runs(sweep: Sweep, tmp_path: Path) -> None:
    """Word embeddings of so many columns take terabytes, which torch is refused."""
    done = sweep(*STUDY)
    assert done.returncode == 1
    lines = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert lines
    assert all("out of memory" in line and "train.tokens_per_pass" in line for line in lines)
    (result,) = (tmp_path / "sweeps" / "memory").glob("trials/*/result.json")
    assert "hidden_size=32" in result.parent.name
