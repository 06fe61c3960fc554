"""Gradients added up over two ranks: in our buckets, in one flat copy, and by torch's DistributedDataParallel.

    python benchmarks/gradient_buckets.py [--layers 12] [--hidden 384] [--rows 16] [--tokens 64] [--steps 5]
                                          [--repeats 5] [--ranks 2]

A random Transformer encoder of this shape, with 30,000 word embeddings, is trained with AdamW on random tokens, on
ranks of this machine (Gloo), one thread each.
A step is forward, backward, the sum, and the update; gradients are clipped as in a training. Each run is a group of
processes of its own, and the three sides take turns, so that runs of one turn are paired. Printed are the medians,
over the turns, of a step's wall seconds (the slower rank's; the mean after the first two steps) and of its memory:
the peak of a rank's process above what it had before the first step. "flat" is how it was done before: all gradients
are copied into one tensor after the backward pass. DDP averages where the others add up, and takes one forward pass a
backward pass; so do all sides here. The last losses are printed, too: the sides must agree.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

SIDES = ("buckets", "flat", "ddp")
VOCABULARY, WARM = 30_000, 2


class Run(NamedTuple):
    """Seconds of a step, bytes that the steps took, and the last loss."""

    seconds: float
    peak: int
    loss: float


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def add_up_flat(model: Any) -> None:
    """The sum over the ranks, all gradients in one message after the backward pass."""
    import torch
    import torch.distributed

    gradients = [one.grad for one in model.parameters() if one.grad is not None]
    flat = torch.cat([gradient.ravel() for gradient in gradients])
    torch.distributed.all_reduce(flat)
    parts = torch.split(flat, [gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def rank_of(side: str, options: argparse.Namespace) -> Run:
    """One rank's run."""
    import torch
    import torch.distributed
    from torch import nn
    from torch.distributed import FileStore  # type: ignore[attr-defined]  # documented, not listed
    from torch.nn.parallel import DistributedDataParallel

    from sweep.training.gradients import GradientSum

    torch.set_num_threads(1)
    store = FileStore(options.store, options.ranks)
    torch.distributed.init_process_group("gloo", store=store, rank=options.rank, world_size=options.ranks)
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(options.hidden, 6, 4 * options.hidden, dropout=0.0, batch_first=True)
    encoder = nn.TransformerEncoder(layer, options.layers, enable_nested_tensor=False)
    model = nn.Sequential(nn.Embedding(VOCABULARY, options.hidden), encoder)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    called: Any = DistributedDataParallel(model, gradient_as_bucket_view=True) if side == "ddp" else model
    buckets = GradientSum(model.parameters(), options.ranks if side == "buckets" else 1)
    finish: Callable[[], None] = {
        "flat": lambda: add_up_flat(model),
        "buckets": buckets.finish,
        "ddp": lambda: None,
    }[side]
    share = 1.0 if side == "ddp" else 1 / options.ranks  # DDP averages
    data = torch.Generator().manual_seed(options.rank)
    before, ends, loss = peak(), [], torch.zeros(())
    for _ in range(WARM + options.steps):
        tokens = torch.randint(VOCABULARY, (options.rows, options.tokens), generator=data)
        loss = called(tokens)[:, 0].square().mean() * share
        with buckets.last_pass():
            loss.backward()
        finish()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        ends.append(time.perf_counter())
    return Run((ends[-1] - ends[WARM - 1]) / options.steps, peak() - before, float(loss.detach()) / share)


def run(side: str, options: argparse.Namespace) -> Run:
    """A group of processes; the slower, larger rank of it, with rank 0's loss."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, *sys.argv[1:], "--side", side, "--store", str(Path(folder) / "store")]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        ranks = [
            subprocess.Popen([*command, "--rank", str(rank)], stdout=subprocess.PIPE, text=True, env=environment)
            for rank in range(options.ranks)
        ]
        outputs = [process.communicate()[0] for process in ranks]
    if any(process.returncode for process in ranks):
        raise SystemExit(f"{side}: a rank failed")
    runs = [Run(*json.loads(output.splitlines()[-1])) for output in outputs]
    return Run(max(one.seconds for one in runs), max(one.peak for one in runs), runs[0].loss)


def main() -> None:
    """Run all sides in turns and print their medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = {
        "layers": 12,
        "hidden": 384,
        "rows": 16,
        "tokens": 64,
        "steps": 5,
        "repeats": 5,
        "ranks": 2,
        "rank": -1,
    }
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--side", choices=SIDES)
    parser.add_argument("--store", default="")
    options = parser.parse_args()
    if options.rank >= 0:
        print(json.dumps(rank_of(options.side, options)), flush=True)
        os._exit(0)
    turns = [{side: run(side, options) for side in SIDES} for _ in range(options.repeats)]
    for side in SIDES:
        seconds, memory = (statistics.median(turn[side][place] for turn in turns) for place in (0, 1))
        to_flat = statistics.median(turn[side].seconds / turn["flat"].seconds for turn in turns)
        print(
            f"{side:8} {seconds:7.3f} s a step ({to_flat:.2f} of flat) {memory / 2**20:8,.0f} MB "
            f"loss {turns[0][side].loss:.6f}"
        )


if __name__ == "__main__":
    main()
