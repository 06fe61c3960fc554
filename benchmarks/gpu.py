"""What a GPU makes of it: steps, encoding and exact ranks, and steps against sentence-transformers where that is.

    python benchmarks/gpu.py [--device cuda] [--small] [--repeats 5]

Random encoders of the shape of XLM-R base but for its vocabulary, which is that of some made texts (`--small`: a tiny
one, for a CPU); nothing is downloaded. Needs
torch, transformers, accelerate, numpy, pyarrow, safetensors, pydantic and a FAISS package, and this checkout.

    steps     a training step of each way: padded, packed by lengths, bf16, gradient cache, compiled
    peer      the same batches through sentence-transformers (MultipleNegativesRankingLoss, AdamW), in turn with ours;
              what it tokenises is not counted, as ours is done beforehand
    encode    texts a second, as an evaluation encodes them
    ranks     a pool of XQuAD-R's size on the device and on the CPU

Medians; of the peer, medians of the ratios of runs next to each other. Memory is the device's peak above what was
there before (0 on a CPU, which torch does not ask).
"""

import argparse
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.gpu.material import SMALL, Bench, Size, accelerator_on, benchmark_of, train_settings

from sweep.data.texts import texts_in_memory
from sweep.evaluation.device_ranks import rank_parallel_on
from sweep.evaluation.encode import encode
from sweep.evaluation.parallel_ranks import rank_parallel
from sweep.evaluation.ranking import Ranking

BASE = Size(layers=12, hidden=768, groups=600, batch=64, steps=1000, longest=90)
WARM = 2  # steps that are not counted


class Meter:
    """Seconds and peak memory of what runs on a device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def ready(self) -> float:
        """The time at which all that was asked of the device is done."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    @contextmanager
    def peak(self) -> Iterator[Callable[[], float]]:
        """The peak in MB so far, above what was there at the beginning."""
        cuda = self._device.type == "cuda"
        before = torch.cuda.memory_allocated(self._device) if cuda else 0
        if cuda:
            torch.cuda.reset_peak_memory_stats(self._device)
        yield lambda: (torch.cuda.max_memory_allocated(self._device) - before) / 2**20 if cuda else 0.0


def pack_everywhere(bench: Bench) -> None:
    """Have batches packed on this device, too."""
    kind = type(bench.retriever.encoder)
    bench.retriever.encoder.__class__ = type("Packing", (kind,), {"packs": True})


def our_step(bench: Bench, **changes: Any) -> Callable[[int], None]:
    """One step of training: forward, backward, update."""
    settings = train_settings(bench.size, tokens_per_pass=8192, **changes)
    step, plan = bench.step(settings), bench.plan(settings)
    bench.retriever.encoder.train()
    optimizer = torch.optim.AdamW(bench.retriever.encoder.parameters(), lr=3e-5)

    def run(number: int) -> None:
        step(plan.batch(number))
        torch.nn.utils.clip_grad_norm_(bench.retriever.encoder.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return run


def peers_step(bench: Bench, folder: Path, number: int) -> Callable[[int], None]:
    """The same batches through sentence-transformers, as its trainer takes them. Raises ImportError without it."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    retriever, settings = bench.retriever, train_settings(bench.size)
    retriever.encoder.backbone.set_attn_implementation("sdpa")
    retriever.encoder.backbone.save_pretrained(folder)
    retriever.tokenizer.save_pretrained(folder)
    transformer = Transformer(str(folder), max_seq_length=128, model_kwargs={"dtype": torch.float32})
    pooling = Pooling(transformer.get_embedding_dimension(), "mean")
    device = bench.accelerator.device
    model = SentenceTransformer(modules=[transformer, pooling, Normalize()], device=str(device))
    loss = MultipleNegativesRankingLoss(model, scale=1 / settings.temperature)
    optimizer, plan = torch.optim.AdamW(model.parameters(), lr=3e-5), bench.plan(settings)
    model.train()

    def tokenised(rows: Any) -> dict[str, Any]:
        features = model.preprocess([bench.data.texts[row] for row in rows])
        return {name: part.to(device) if torch.is_tensor(part) else part for name, part in features.items()}

    batches = [plan.batch(place) for place in range(number)]
    inputs = [[tokenised(rows) for rows in (batch.question_b, batch.passage_b)] for batch in batches]

    def run(place: int) -> None:
        features = [dict(side) for side in inputs[place]]  # its modules write into them
        loss(features, torch.arange(len(batches[place].question_b), device=device)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return run


def timed(run: Callable[[int], None], steps: int, device: torch.device) -> tuple[float, float]:
    """Seconds of a step, and the peak in MB."""
    meter = Meter(device)
    with meter.peak() as peak:
        for number in range(WARM):
            run(number)
        started = meter.ready()
        for number in range(WARM, WARM + steps):
            run(number)
        return (meter.ready() - started) / steps, peak()


def steps(size: Size, device: torch.device, cache: Path, number: int) -> None:
    """A step of each way."""
    ways: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "as it is": ({}, {}),
        "packed by lengths": ({}, {}),
        "bf16": ({"precision": "bf16"}, {}),
        "bf16, packed by lengths": ({"precision": "bf16"}, {}),
        "gradient cache": ({}, {"gradient_cache": True}),
        "bf16, compiled": ({"precision": "bf16"}, {}),
    }
    for name, (of_model, of_training) in ways.items():
        with accelerator_on(device) as accelerator:
            bench = Bench(size, cache, accelerator, **of_model)
            if "packed" in name:
                pack_everywhere(bench)
            if "compiled" in name:
                if device.type == "cpu":  # whose compiler takes a minute
                    continue
                bench.retriever.encoder.compile_backbone()
            seconds, peak = timed(our_step(bench, **of_training), number, device)
            print(f"step, {name:<26}{1000 * seconds:9.1f} ms{size.batch / seconds:10,.0f} pairs/s{peak:9,.0f} MB")


def peer(size: Size, device: torch.device, cache: Path, number: int, repeats: int) -> None:
    """Ours and sentence-transformers' in turn, each with a new optimizer and model."""
    ratios, memory = [], []
    for repeat in range(repeats):
        figures: dict[str, tuple[float, float]] = {}
        for side in ("ours", "peer")[:: -1 if repeat % 2 else 1]:
            with accelerator_on(device) as accelerator, tempfile.TemporaryDirectory() as folder:
                bench = Bench(size, cache, accelerator)
                run = our_step(bench) if side == "ours" else peers_step(bench, Path(folder), WARM + number)
                figures[side] = timed(run, number, device)
        ratios.append(figures["peer"][0] / figures["ours"][0])
        memory.append(figures["ours"][1] / figures["peer"][1] if figures["peer"][1] else float("nan"))
        ours, theirs = (figures[side][0] for side in ("ours", "peer"))
        print(f"run {repeat + 1}: ours {ours:.4f} s a step, sentence-transformers {theirs:.4f} s", flush=True)
    smaller = f", {statistics.median(memory):.2f} of its memory" if device.type == "cuda" else ""
    print(
        f"{statistics.median(ratios):.2f} times the steps of sentence-transformers a second ({min(ratios):.2f} to "
        f"{max(ratios):.2f}){smaller}"
    )


def encoding(size: Size, device: torch.device, cache: Path) -> None:
    """Texts a second."""
    for precision in ("float32", "bf16"):
        with accelerator_on(device) as accelerator:
            bench = Bench(size, cache, accelerator, precision=precision)
            texts, _ = texts_in_memory([bench.data.texts[number] for number in range(len(bench.data.texts))])
            encode(bench.retriever, texts, "passage", accelerator)
            meter = Meter(device)
            started = meter.ready()
            encode(bench.retriever, texts, "passage", accelerator)
            print(f"encode, {precision:<24}{texts.size / (meter.ready() - started):9,.0f} texts/s")


def ranks(groups: int, hidden: int, device: torch.device) -> None:
    """Exact ranks of random questions and passages, which lie near to each other as a trained encoder's do."""
    made = benchmark_of(replace(SMALL, groups=groups, longest=8))
    rng, near = np.random.default_rng(0), 3 * np.random.default_rng(1).normal(size=hidden)
    sides = [rng.normal(size=(len(side), hidden)) + near for side in (made.questions, made.passages)]
    query_qh, passage_dh = ((one / np.linalg.norm(one, axis=1, keepdims=True)).astype(np.float32) for one in sides)
    numbers, meter = np.arange(len(passage_dh)), Meter(device)
    ways: dict[str, Callable[[], Ranking]] = {
        f"on {device.type}": lambda: rank_parallel_on(device, made, query_qh, passage_dh, numbers),
        "on cpu, float32": lambda: rank_parallel(made, query_qh, passage_dh, numbers),
    }
    given = {}
    for name, rank in ways.items():
        rank()
        started = meter.ready()
        given[name] = rank()
        print(f"ranks {name:<25}{meter.ready() - started:9.2f} s ({len(query_qh):,} x {len(passage_dh):,})")
    one, other = (ranking.own_qr.astype(int) for ranking in given.values())
    print(f"      {np.mean(one != other):.2%} of the ranks differ, by {np.abs(one - other).max()} at most")


def main() -> None:
    """All parts, one after another."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--small", action="store_true", help="a tiny encoder and pool")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5, help="paired runs with sentence-transformers")
    options = parser.parse_args()
    logging.getLogger("sweep").setLevel(logging.ERROR)
    set_verbosity_error()  # type: ignore[no-untyped-call]
    disable_progress_bar()  # type: ignore[no-untyped-call]
    device, size = torch.device(options.device), SMALL if options.small else BASE
    size = replace(size, steps=1000)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "a CPU"
    print(f"{name}, torch {torch.__version__}, {size.layers} layers of {size.hidden}, {size.batch} pairs a step")
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        steps(size, device, cache, options.steps)
        encoding(size, device, cache)
        try:
            peer(size, device, cache, options.steps, options.repeats)
        except ImportError as error:
            print(f"sentence-transformers left out: {error}")
    ranks(*((100, 32) if options.small else (4340, 768)), device)


if __name__ == "__main__":
    main()
