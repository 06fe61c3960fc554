"""Training processes that are killed at random moments end with the bits of one that was not."""

import multiprocessing
import random
import socket
import time
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.integration.killed_training import train

from sweep.launch.local import PRELOAD

pytestmark = pytest.mark.slow

KILLS = 20


@pytest.fixture(scope="module")
def context() -> ForkServerContext:
    """Processes that start in a moment, from the fork server that workers come from: a process has one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOAD])
    return context


def start(context: ForkServerContext, folder: Path, cache: Path, ranks: int) -> list[ForkServerProcess]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [context.Process(target=train, args=(folder, cache, rank, ranks, port)) for rank in range(ranks)]
    for process in processes:
        process.start()
    return processes


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_training_killed_anywhere_ends_with_the_same_bits(
    context: ForkServerContext, tmp_path: Path, cache: Path, ranks: int
) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    for process in start(context, whole, cache, ranks):
        process.join(120)
        assert process.exitcode == 0
    expected = load_file(whole / "weights.safetensors")
    rng = random.Random(ranks)
    kills = trainings = 0
    while kills < KILLS:  # a training may be at its end before that: then another one
        cut = tmp_path / f"cut-{trainings}"
        cut.mkdir()
        trainings += 1
        while not (cut / "weights.safetensors").exists():
            kills += killed(start(context, cut, cache, ranks), cut, rng.uniform(0.0, 0.25) if kills < KILLS else 120)
        found = load_file(cut / "weights.safetensors")
        assert expected.keys() == found.keys()
        for name, tensor in expected.items():
            assert torch.equal(tensor, found[name]), name


def killed(processes: list[ForkServerProcess], cut: Path, limit: float) -> bool:
    """Let a training work for so many seconds, and kill what is left of it then; whether something was."""
    # The clock starts with the first sign of work, so that the kills spread over the training.
    before = {folder.name for folder in (cut / "checkpoint").glob("step-*")}
    deadline = time.monotonic() + 240
    while {folder.name for folder in (cut / "checkpoint").glob("step-*")} == before and processes[0].is_alive():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    processes[0].join(limit)
    lived = processes[0].is_alive()
    for process in processes:
        process.kill()
        process.join()
    return lived
