"""Golden losses: 50 steps of the from-scratch model on CLDR. A refactoring of training must reproduce them.

There are two files. `losses_independent.json` is of version 0.1, whose batches are drawn step by step
(`ratio.draw=independent`), and stays as it is. `losses.json` was renewed once, when the default became an even draw:
the same loop then trains on other kinds and languages of batches, and nothing else changed. Both are of the embedded
data and the model of version 0.1 (`data.relation=names`).

To store new ones after a change that is meant to change them: `python -m tests.golden.test_losses`.
"""

import json
import tempfile
from pathlib import Path

import pytest
import torch
from tests.unit.test_training import prepared

from sweep.training.watch import Watch

FOLDER = Path(__file__).parent
FILES = {"even": FOLDER / "losses.json", "independent": FOLDER / "losses_independent.json"}
OVERRIDES = (
    "train.steps=50", "train.warmup_steps=5", "train.batch_size=32", "model.dropout=0.1", "ratio.monolingual=0.9",
    "ratio.schedule=linear", "ratio.monolingual_end=0.1", "ratio.cross_batch=mixed", "train.tokens_per_pass=512",
    "data.relation=names", "data.concepts_per_passage=4", "model.hidden_size=128", "model.max_query_tokens=24",
    "train.learning_rate=0.004",
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


@pytest.mark.parametrize("draw", FILES)
def test_fifty_steps_have_the_stored_losses(cache: Path, draw: str) -> None:
    """Other processors round differently, and 50 steps enlarge that: hence no equality of bits."""
    stored = json.loads(FILES[draw].read_text())
    assert len(stored) == 50
    assert losses(cache, f"ratio.draw={draw}") == pytest.approx(stored, rel=2e-3)
    other = losses(cache, f"ratio.draw={draw}", "train.temperature=0.051")
    assert other != pytest.approx(stored, rel=2e-3)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        FILES["even"].write_text(json.dumps(losses(Path(folder)), indent=1) + "\n")
