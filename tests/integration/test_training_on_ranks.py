"""Whole trainings on two ranks: those of one rank but for rounding, the same on both ranks, the same every time."""

import json
import os
import socket
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from tests.unit.test_training import prepared
from tests.waiting import SECONDS

from sweep.training import gradients as module
from sweep.training.watch import Watch

pytestmark = pytest.mark.slow

PLAIN = (
    "train.steps=5",
    "train.warmup_steps=0",
    "train.learning_rate=0.01",
    "train.tokens_per_pass=128",
    "model.dropout=0.0",
    "model.layers=2",
)
OPTIONS = {
    "plain": PLAIN,
    "cached": (*PLAIN, "train.gradient_cache=true", "train.accumulate_batches=2"),
    "recomputed": PLAIN,
    "clear": (*PLAIN, "loss=clear", "train.gradient_cache=true"),
    "translation": (*PLAIN, "loss=translation"),
    "distilled": (*PLAIN, "loss=distill", "loss.target=language_agnostic", "loss.pivot=sw", "loss.weight=3"),
    "bf16": (*PLAIN, "model.precision=bf16"),
    "dropout": ("train.steps=4", "model.dropout=0.1", "train.frozen.embeddings=true"),
}


def train(cache: Path, name: str) -> tuple[list[float], torch.Tensor]:
    """Losses of the steps, and all weights in a row."""
    training, retriever, _ = prepared(cache, *OPTIONS[name])
    if name == "recomputed":
        retriever.encoder.backbone.activation_checkpointing_enable()
    losses: list[float] = []
    training.run(Watch(on_point=lambda point: losses.append(point.loss)))
    assert {parameter.dtype for parameter in retriever.encoder.parameters()} == {torch.float32}
    return losses, torch.cat([parameter.detach().ravel() for parameter in retriever.encoder.parameters()])


def one_rank(rank: int, port: int, cache: Path, folder: Path) -> None:
    os.environ.update(
        ACCELERATE_USE_CPU="true", RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", LOCAL_WORLD_SIZE="2",
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
    )  # fmt: skip
    torch.set_num_threads(1)
    module.GradientSum.__init__.__defaults__ = (2**16,)  # bytes: several buckets of a small model
    trained = {name: train(cache, name) for name in OPTIONS}
    again = train(cache, "bf16")
    assert again[0] == trained["bf16"][0]
    assert torch.equal(again[1], trained["bf16"][1])
    torch.save({name: weights for name, (_, weights) in trained.items()}, folder / f"{rank}.pt")
    (folder / f"{rank}.json").write_text(json.dumps({name: losses for name, (losses, _) in trained.items()}))


@pytest.fixture(scope="module")
def ranks(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, tuple[list[float], torch.Tensor]]]:
    """What each of two ranks trained, by option: losses and weights."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    train(cache, "plain")  # a tokenizer is trained
    context = get_context("spawn")
    processes = [context.Process(target=one_rank, args=(rank, port, cache, folder)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(SECONDS)
        assert process.exitcode == 0
    losses = [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]
    weights = [torch.load(folder / f"{rank}.pt") for rank in range(2)]
    return [{name: (losses[rank][name], weights[rank][name]) for name in OPTIONS} for rank in range(2)]


@pytest.mark.parametrize("name", OPTIONS)
def test_both_ranks_train_the_same_weights(
    ranks: list[dict[str, tuple[list[float], torch.Tensor]]], name: str
) -> None:
    assert ranks[0][name][0] == ranks[1][name][0]
    assert torch.equal(ranks[0][name][1], ranks[1][name][1])


@pytest.mark.parametrize(
    ("name", "rounding"),
    [
        ("plain", 1e-3),
        ("cached", 1e-3),
        ("recomputed", 1e-3),
        ("clear", 1e-3),
        ("translation", 1e-3),
        ("distilled", 1e-3),
        ("bf16", 2e-2),
    ],
)
def test_two_ranks_train_as_one_does(
    ranks: list[dict[str, tuple[list[float], torch.Tensor]]], cache: Path, name: str, rounding: float
) -> None:
    losses, _ = train(cache, name)
    assert max(losses) > (1 + 10 * rounding) * min(losses)  # the steps change the weights by more than rounding does
    assert ranks[0][name][0] == pytest.approx(losses, rel=rounding)


def test_bf16_is_no_float32(ranks: list[dict[str, tuple[list[float], torch.Tensor]]]) -> None:
    assert ranks[0]["bf16"][0] != pytest.approx(ranks[0]["plain"][0], rel=1e-5)
