"""A step on two ranks, hard negatives included."""

import json
import os
import socket
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from tests.unit.test_hard_negatives import gradients, hard_masked, plan, retriever_of, step_of

pytestmark = pytest.mark.slow


RANK_STEPS = range(8)


def one_rank(rank: int, port: int, cache: Path, file: Path) -> None:
    """Losses and gradients of one rank's share of some steps; those of both ranks add up to the batch's."""
    os.environ.update(
        ACCELERATE_USE_CPU="true", RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", LOCAL_WORLD_SIZE="2",
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
    )  # fmt: skip
    torch.set_num_threads(1)
    retriever = retriever_of(cache)
    step = step_of(retriever, cache)
    losses = [step(plan(2, size=5).batch(number)).tolist() for number in RANK_STEPS]
    file.write_text(json.dumps([losses, gradients(retriever).tolist()]))


def test_two_ranks_have_the_losses_and_gradients_of_one(cache: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = get_context("spawn")
    files = [tmp_path / f"{rank}.json" for rank in range(2)]
    processes = [context.Process(target=one_rank, args=(rank, port, cache, files[rank])) for rank in range(2)]
    for process in processes:
        process.start()
    retriever = retriever_of(cache)
    step = step_of(retriever, cache)
    batches = [plan(2, size=5).batch(number) for number in RANK_STEPS]
    assert {len(batch.hard_n) % 2 for batch in batches} == {0, 1}  # shares of equal and of unequal size
    assert any(hard_masked(batch) for batch in batches)
    losses = [step(batch).tolist() for batch in batches]
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    found = [json.loads(file.read_text()) for file in files]
    for ranks_losses, _ in found:
        for one, two in zip(losses, ranks_losses, strict=True):
            assert two == pytest.approx(one, rel=1e-4)
    total = torch.tensor(found[0][1]) + torch.tensor(found[1][1])
    torch.testing.assert_close(total, gradients(retriever), atol=1e-4, rtol=1e-3)
