"""Buckets of gradients on real ranks: the sum, the same everywhere and every time, sent while others still come."""

import os
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
import torch.distributed
from tests.waiting import SECONDS
from torch import Tensor, nn

from sweep.training.gradients import GradientSum

pytestmark = pytest.mark.slow

WIDTH, STEPS, PASSES = 24, 4, 3
BYTES = 2 * WIDTH * WIDTH * 4  # of a bucket: two layers


class Layers(nn.Module):
    """Five layers; a loss never reaches `unused`, and `sometimes` on rank 0 in the steps 1 and 2 alone."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(5))
        self.scale = nn.Parameter(torch.ones(WIDTH, dtype=torch.float64))
        self.sometimes = nn.Linear(WIDTH, WIDTH)
        self.unused = nn.Linear(WIDTH, WIDTH)

    def forward(self, x_bh: Tensor, sometimes: bool) -> Tensor:
        for layer in self.layers:
            x_bh = torch.tanh(layer(x_bh))
        x_bh = x_bh * self.scale
        return (self.sometimes(x_bh.float()) if sometimes else x_bh).square().mean()


def backward(model: Layers, rank: int, step: int, gradients: GradientSum | None) -> None:
    """A step's passes, on data of this rank's own."""
    data = torch.Generator().manual_seed(100 * step + rank)
    for number in range(PASSES):
        loss = model(torch.randn(7, WIDTH, generator=data), rank == 0 and step in (1, 2))
        last = gradients is not None and number == PASSES - 1
        with gradients.last_pass() if last and gradients else nullcontext():
            loss.backward()


def added_flat(model: Layers) -> dict[str, Tensor]:
    """The sums by the plain way: all gradients in one message."""
    named = dict(model.named_parameters())
    parts = [torch.zeros_like(one) if one.grad is None else one.grad for one in named.values()]
    flat = torch.cat([part.ravel().double() for part in parts])
    torch.distributed.all_reduce(flat)
    sums = torch.split(flat, [one.numel() for one in named.values()])
    return {name: part.view_as(one).to(one.dtype) for (name, one), part in zip(named.items(), sums, strict=True)}


def steps_of(rank: int, ranks: int, first: int) -> list[dict[str, Tensor]]:
    """The gradients of every step from `first` on."""
    torch.manual_seed(0)
    model = Layers()
    gradients = GradientSum(model.parameters(), ranks, BYTES)
    on_its_way = []
    model.layers[0].bias.register_post_accumulate_grad_hook(lambda _: on_its_way.append(gradients.sent))
    sums = []
    for step in range(first, STEPS):
        model.zero_grad()
        backward(model, rank, step, None)
        expected = added_flat(model)
        model.zero_grad()
        on_its_way.clear()
        backward(model, rank, step, gradients)
        early = on_its_way[-1]
        assert on_its_way[:-1] == [0] * (PASSES - 1)  # nothing is sent before the last pass
        if step > first:  # the bucket of `unused` waits now, and holds nobody up
            assert early >= 2, on_its_way
        gradients.finish()
        reached = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
        assert {name for name in expected if name not in reached} == {
            name
            for name in expected
            if name.startswith("unused") or (name.startswith("sometimes") and step not in (1, 2))
        }
        for name, gradient in reached.items():
            torch.testing.assert_close(gradient, expected[name], atol=1e-7, rtol=1e-5)
            assert gradient.shape == expected[name].shape
        sums.append({name: gradient.clone() for name, gradient in reached.items()})
    gradients.close()
    assert not model.layers[0].weight._post_accumulate_grad_hooks
    return sums


def refuse_late_gradients(ranks: int) -> None:
    """A gradient that comes after its bucket is an error, not a wrong sum."""
    model = nn.Linear(2, 1)
    gradients = GradientSum(model.parameters(), ranks)
    with gradients.last_pass():
        model(torch.ones(1, 2)).sum().backward()
        assert gradients.sent == 1
        loss = model(torch.ones(1, 2)).sum()
        with pytest.raises(RuntimeError, match="after its bucket had been sent"):
            loss.backward()


def one_rank(rank: int, ranks: int, folder: Path) -> None:
    torch.set_num_threads(1)
    store = torch.distributed.FileStore(str(folder / "store"), ranks)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=ranks)
    whole, again, resumed = steps_of(rank, ranks, 0), steps_of(rank, ranks, 0), steps_of(rank, ranks, 2)
    refuse_late_gradients(ranks)
    torch.save((whole, again, resumed), folder / f"{rank}.pt")
    torch.distributed.barrier()
    os._exit(0)


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_have_the_same_sums_every_time(ranks: int, tmp_path: Path) -> None:
    context = get_context("spawn")
    processes = [context.Process(target=one_rank, args=(rank, ranks, tmp_path)) for rank in range(ranks)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(SECONDS)
        assert process.exitcode == 0
    runs = [torch.load(tmp_path / f"{rank}.pt") for rank in range(ranks)]
    whole = runs[0][0]
    for run in runs:
        for steps, expected in zip(run, (whole, whole, whole[2:]), strict=True):
            for one, other in zip(steps, expected, strict=True):
                assert one.keys() == other.keys()
                assert all(torch.equal(one[name], other[name]) for name in one)


def test_one_rank_has_no_buckets() -> None:
    model = nn.Linear(2, 1)
    gradients = GradientSum(model.parameters(), 1)
    with gradients.last_pass():
        model(torch.ones(1, 2)).sum().backward()
    before = model.weight.grad
    gradients.finish()
    assert model.weight.grad is before
    assert not model.weight._post_accumulate_grad_hooks
