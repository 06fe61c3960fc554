"""A trial that no memory is left for, on a GPU or beside one: its reason, and that it leaves its memory."""

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.unit.test_attempt import attempt
from tests.unit.test_study import store_of

from sweep.errors import is_device_out_of_memory, is_out_of_memory
from sweep.trial.pipeline import TrialData
from sweep.trial.reasons import reason_of

OF_TORCH = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 79.10 GiB, of which 1.21 GiB is free."


def no_host_memory() -> None:
    torch.empty(2**60, dtype=torch.uint8)  # more than any machine has: torch's own error


def no_device_memory() -> None:
    raise torch.OutOfMemoryError(OF_TORCH)


class Holder:
    """A module's place in a trial: it refers to itself, as modules with hooks do, and to a tensor."""

    def __init__(self) -> None:
        self.itself, self.weight = self, torch.ones(8)


@pytest.mark.parametrize(
    ("ask", "begins"),
    [(no_host_memory, "out of memory; launcher.workers=1"), (no_device_memory, "out of memory on the GPU; ")],
)
def test_a_trial_without_memory_fails_and_leaves_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Callable[[], None], begins: str
) -> None:
    held: list[weakref.ref[torch.Tensor]] = []

    def run_trial(*_: Any) -> None:
        holder = Holder()
        held.append(weakref.ref(holder.weight))
        ask()

    monkeypatch.setattr("sweep.trial.attempt.run_trial", run_trial)
    store = store_of(tmp_path)
    claim = store.claim("w")
    assert claim is not None
    attempt(store, claim).run(TrialData())
    assert held[0]() is None
    (record,) = [record for record in store.view.records() if record.state == "FAILED"]
    assert record.reason is not None
    assert record.reason.startswith(begins)
    for name in ("train.tokens_per_pass", "train.batch_size", "train.gradient_cache"):
        assert name in record.reason


@pytest.mark.parametrize(
    ("error", "of_device", "of_any"),
    [
        (torch.OutOfMemoryError(OF_TORCH), True, True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True, True),
        (RuntimeError("Error in faiss: cudaMalloc error out of memory [2]"), True, True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."), False, True),
        (MemoryError(), False, True),
        (RuntimeError("CUDA error: device-side assert triggered"), False, False),
    ],
    ids=repr,
)
def test_whose_memory_it_is(error: Exception, of_device: bool, of_any: bool) -> None:
    assert is_device_out_of_memory(error) == of_device
    assert is_out_of_memory(error) == of_any


def test_an_error_that_came_of_it_counts_and_a_long_one_is_cut() -> None:
    error = RuntimeError("the encoder cannot be compiled " * 20)
    error.__cause__ = torch.OutOfMemoryError(OF_TORCH)
    assert reason_of(error).startswith("out of memory on the GPU")
    assert len(reason_of(error)) < 500
