"""Tensors whose parts lie on several ranks, each of which has one part: torch's DTensor."""

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor


def whole(tensor: Tensor) -> Tensor:
    """The whole tensor, detached. One in parts is put together by all ranks, in the CPU's memory: a GPU may have room
    for one whole tensor and not for all of them."""
    tensor = tensor.detach()
    return tensor.full_tensor().cpu() if isinstance(tensor, DTensor) else tensor


def in_parts_of(tensor: Tensor, own: Tensor) -> Tensor:
    """The part of a whole tensor that a rank has of `own`, on the same device; all of it if `own` is no DTensor.

    Every rank gives the same tensor, so nothing is sent."""
    tensor = tensor.to(own.device)
    if not isinstance(own, DTensor):
        return tensor
    return distribute_tensor(tensor, own.device_mesh, own.placements, src_data_rank=None)


def is_sharded(module: torch.nn.Module) -> bool:
    """Whether its parameters lie on several ranks."""
    return any(isinstance(parameter, DTensor) for parameter in module.parameters())
