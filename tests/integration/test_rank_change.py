"""A training that goes on with another number of ranks: 1, then 2, then 1 again. Every rank is on a node of its own:
they share neither a cache nor the folder of the checkpoints."""

import json
import os
import socket
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.unit.test_training import prepared
from tests.waiting import SECONDS

from sweep.training.watch import Paused, Watch

pytestmark = pytest.mark.slow

OVERRIDES = ("train.steps=9", "train.checkpoint_steps=1")


def one_rank(rank: int, ranks: int, port: int, cache: Path, folder: Path, stop: int, dropout: float) -> None:
    """Train until the step `stop`; rank 0 leaves what it noted, the steps it logged, and in the end its weights."""
    if ranks > 1:
        os.environ.update(
            ACCELERATE_USE_CPU="true", RANK=str(rank), LOCAL_RANK="0", WORLD_SIZE=str(ranks), LOCAL_WORLD_SIZE="1",
            MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
        )  # fmt: skip
    torch.set_num_threads(1)
    own = folder / f"node-{rank}/checkpoint"
    training, retriever, _ = prepared(cache / str(rank), *OVERRIDES, f"model.dropout={dropout}", folder=own)
    notes: list[str] = []
    steps: list[int] = []
    watch = Watch(lambda point: steps.append(point.step), notes.append, should_pause=lambda: steps[-1] == stop)
    with suppress(Paused):
        trained = training.run(watch)
        if rank == 0:
            save_file(
                {name: t.contiguous() for name, t in retriever.encoder.state_dict().items()}, folder / "weights"
            )
            (folder / "notes.json").write_text(json.dumps(trained.notes))
    assert own.exists() == (rank == 0)
    if rank == 0:
        (folder / f"until-{stop}.json").write_text(json.dumps([steps, notes]))


def train(ranks: int, cache: Path, folder: Path, stop: int, dropout: float = 0.0) -> tuple[list[int], list[str]]:
    """The steps that rank 0 logged, and its notes."""
    folder.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = (ranks, port, cache, folder, stop, dropout)
    processes = [get_context("spawn").Process(target=one_rank, args=(rank, *arguments)) for rank in range(ranks)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(SECONDS)
        assert process.exitcode == 0
    steps, notes = json.loads((folder / f"until-{stop}.json").read_text())
    return steps, notes


def test_a_training_goes_on_with_two_ranks_and_then_with_one(cache: Path, tmp_path: Path) -> None:
    train(1, cache, tmp_path / "whole", 9)
    folder = tmp_path / "changed"
    assert train(1, cache, folder, 3)[0] == [1, 2, 3]
    steps, notes = train(2, cache, folder, 6)
    first = "2 processes instead of 1 after step 3: dropout draws differ from here on"
    assert (steps, notes) == ([4, 5, 6], ["going on from checkpoint step-00000003.1", first])
    steps, notes = train(1, cache, folder, 9)
    second = "1 processes instead of 2 after step 6: dropout draws differ from here on"
    assert (steps, notes) == ([7, 8, 9], ["going on from checkpoint step-00000006.1", first, second])
    assert json.loads((folder / "notes.json").read_text()) == [first, second]
    expected, weights = load_file(tmp_path / "whole" / "weights"), load_file(folder / "weights")
    for name, tensor in expected.items():
        torch.testing.assert_close(weights[name], tensor, atol=2e-3, rtol=1e-2)
