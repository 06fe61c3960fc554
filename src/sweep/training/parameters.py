"""Which parameters are trained, and how: frozen parts, weight decay, learning rates by layer, and the optimizer."""

import re
from typing import Any

import torch
from torch import nn

from sweep.errors import InputError
from sweep.model.distributed_tensors import is_sharded
from sweep.model.encoder import Encoder
from sweep.settings import TrainSettings

LAYER = re.compile(r"(?:^|\.)(?:layers?|blocks?|h)\.(\d+)\.")  # as the architectures name them


def layer_of(name: str) -> int:
    """The layer that a parameter belongs to: 0 for embeddings, 1 for the lowest layer; what stands above all layers
    counts with the highest, which is -1."""
    layer = LAYER.search(name)
    if layer:
        return int(layer[1]) + 1
    return 0 if "embed" in name else -1


def parameter_groups(encoder: Encoder, settings: TrainSettings) -> list[dict[str, Any]]:
    """Groups for the optimizer, each with its learning rate and weight decay; frozen parameters take no gradients.

    Biases and weights of one dimension (of normalisation) are not decayed (Devlin et al. 2019, arXiv 1810.04805, as
    in its code). With `train.layer_decay` d the learning rate is multiplied by d for every layer down from the top
    (Clark et al. 2020, arXiv 2003.10555, appendix A). Raises InputError for more frozen layers than there are.
    """
    named = [(name, parameter) for name, parameter in encoder.named_parameters()]
    top = max((layer_of(name) for name, _ in named), default=0)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in named:
        layer = layer_of(name)
        embeds = layer == 0
        if not parameter.requires_grad:  # adapters are trained instead of it
            continue
        if (embeds and settings.frozen.embeddings) or 0 < layer <= settings.frozen.layers:
            parameter.requires_grad_(False)
            continue
        depth = 0 if layer < 0 else top - layer
        decay = settings.weight_decay if parameter.dim() > 1 else 0.0
        groups.setdefault((settings.learning_rate * settings.layer_decay**depth, decay), []).append(parameter)
    if settings.frozen.layers > top or not groups:
        raise InputError(f"train.frozen.layers={settings.frozen.layers}: the encoder has {top} layers")
    return [{"params": params, "lr": rate, "weight_decay": decay} for (rate, decay), params in groups.items()]


def make_optimizer(encoder: Encoder, settings: TrainSettings) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2) over what is trained.

    With `train.fused_optimizer` the weights of a CPU, unless they are sharded, are updated by torch's fused kernel,
    which reads and writes each of them once; elsewhere torch chooses.
    """
    on_cpu = encoder.backbone.device.type == "cpu" and not is_sharded(encoder)
    fused = True if settings.fused_optimizer and on_cpu else None
    return torch.optim.AdamW(parameter_groups(encoder, settings), lr=settings.learning_rate, fused=fused)
