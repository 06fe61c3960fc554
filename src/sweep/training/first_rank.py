"""What rank 0 reads or keeps for all ranks. Ranks may be on several nodes, and files on rank 0's alone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from safetensors import safe_open
from torch import Tensor

T = TypeVar("T")


def read_by_first(read: Callable[[], T], accelerator: Accelerator) -> T:
    """What rank 0 reads, on every rank: something small."""
    if accelerator.num_processes == 1:
        return read()
    box: list[Any] = [read() if accelerator.is_main_process else None]
    broadcast_object_list(box, from_process=0)
    value: T = box[0]
    return value


def tensors_of_first(file: Path, accelerator: Accelerator) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of rank 0's file, on every rank, one after another: there may be no room for all of them."""

    def outline() -> list[tuple[str, torch.Size, torch.dtype]]:
        with safe_open(file, "pt") as opened:
            tensors = ((name, opened.get_tensor(name)) for name in opened.keys())  # noqa: SIM118
            return [(name, tensor.shape, tensor.dtype) for name, tensor in tensors]

    listed = read_by_first(outline, accelerator)
    if not accelerator.is_main_process:
        for name, shape, dtype in listed:
            yield name, _sent(torch.empty(shape, dtype=dtype), accelerator)
        return
    with safe_open(file, "pt") as opened:
        for name, _, _ in listed:
            yield name, _sent(opened.get_tensor(name), accelerator)


def _sent(tensor: Tensor, accelerator: Accelerator) -> Tensor:
    """Rank 0's tensor on every rank, byte by byte: not every backend knows every type."""
    if accelerator.num_processes == 1 or not tensor.numel():
        return tensor
    bytes_n = tensor.contiguous().reshape(-1).view(torch.uint8).to(accelerator.device)
    torch.distributed.broadcast(bytes_n, 0)
    return bytes_n.to(tensor.device).view(tensor.dtype).reshape(tensor.shape)


def kept_by_first(value: T, accelerator: Accelerator) -> list[T]:
    """Every rank's value, by rank, on rank 0; on the others nothing."""
    if accelerator.num_processes == 1:
        return [value]
    values: list[Any] | None = [None] * accelerator.num_processes if accelerator.is_main_process else None
    torch.distributed.gather_object(value, values)
    return values or []
