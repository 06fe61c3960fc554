"""An encoder whose weights lie in parts on several ranks (torch's FSDP2), so that it may be larger than a GPU."""

from copy import deepcopy

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from sweep.errors import InputError
from sweep.model.distributed_tensors import whole
from sweep.model.encoder import Encoder
from sweep.settings.accelerate_config import Sharding


def shard(encoder: Encoder, sharding: Sharding, device: torch.device, ranks: int) -> None:
    """Leave each rank one part of every weight, in place; layers are put together while they compute.

    Gradients are added up over the ranks (torch would average them), so that nothing else of a training changes. All
    ranks have to call the encoder equally often. Raises InputError for layers that the encoder does not have.
    """
    mesh = init_device_mesh(device.type, (ranks,))
    for layer in _layers(encoder, sharding.layers):
        fully_shard(layer, mesh=mesh, reshard_after_forward=sharding.reshard)
    fully_shard(encoder, mesh=mesh)
    for module in encoder.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # what Gloo can do, too


def _layers(encoder: Encoder, names: tuple[str, ...]) -> list[nn.Module]:
    if not names:
        stacks = [module for module in encoder.backbone.modules() if isinstance(module, nn.ModuleList)]
        return max((list(stack) for stack in stacks), key=len, default=[])
    kinds = {type(module).__name__ for module in encoder.backbone.modules()}
    if missing := sorted(set(names) - kinds):
        raise InputError(f"fsdp_transformer_layer_cls_to_wrap: the encoder has no {missing[0]}")
    return [module for module in encoder.backbone.modules() if type(module).__name__ in names]


def without_weights(encoder: Encoder) -> Encoder:
    """A copy that has no weights yet: what `join_shards` fills. FSDP cannot be taken off an encoder again."""
    empty = {
        id(parameter): nn.Parameter(torch.empty_like(parameter, device="meta"), parameter.requires_grad)
        for parameter in encoder.parameters()
    }
    return deepcopy(encoder, empty)  # what deepcopy has met already it does not copy


def join_shards(encoder: Encoder, empty: Encoder, keeps: bool) -> Encoder:
    """The empty encoder with whole weights, in the CPU's memory of the ranks that keep them; on the others it stays
    empty. Called by all ranks together."""
    weights = {}
    for name, tensor in encoder.state_dict().items():
        full = whole(tensor)
        if keeps:
            weights[name] = full
    if keeps:
        empty.load_state_dict(weights, assign=True)
    return empty
