"""Golden losses: 50 steps of the from-scratch model on CLDR. A refactoring of training must reproduce them.

To store new ones after a change that is meant to change them: `python -m tests.golden.test_losses`.
"""

import json
import tempfile
from pathlib import Path

import pytest
import torch
from tests.unit.test_training import prepared

from sweep.training.watch import Watch

FILE = Path(__file__).parent / "losses.json"
OVERRIDES = (
    "train.steps=50", "train.warmup_steps=5", "train.batch_size=32", "model.dropout=0.1", "ratio.monolingual=0.9",
    "ratio.schedule=linear", "ratio.monolingual_end=0.1", "ratio.cross_batch=mixed", "train.tokens_per_pass=512",
)  # fmt: skip


def losses(cache: Path, *overrides: str) -> list[float]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found: list[float] = []
        prepared(cache, *OVERRIDES, *overrides)[0].run(Watch(on_point=lambda point: found.append(point.loss)))
        return found
    finally:
        torch.set_num_threads(threads)


def test_fifty_steps_have_the_stored_losses(cache: Path) -> None:
    """Other processors round differently, and 50 steps enlarge that: hence no equality of bits."""
    stored = json.loads(FILE.read_text())
    assert len(stored) == 50
    assert losses(cache) == pytest.approx(stored, rel=2e-3)
    other = losses(cache, "train.temperature=0.051")
    assert other != pytest.approx(stored, rel=2e-3)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        FILE.write_text(json.dumps(losses(Path(folder)), indent=1) + "\n")
