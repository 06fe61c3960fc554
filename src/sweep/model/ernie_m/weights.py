"""ERNIE-M's weights under the names of XLM-R, which has the same architecture."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import XLMRobertaConfig

from sweep.errors import InputError
from sweep.model.folder_files import model_file

WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
PREFIX = "ernie_m."
# What stands on top of the encoder for a task, and for its pretraining.
HEADS = ("cls.", "lm_head.", "classifier.", "qa_outputs.", "linear_start.", "linear_end.")
TOKEN_TYPES = "embeddings.token_type_embeddings.weight"  # XLM-R has one type, ERNIE-M none
LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")
STACKED = re.compile(r"(encoder\.layers\.\d+\.self_attn\.)(?:self_attn\.)?in_proj_(weight|bias)")
EMBEDDINGS = {
    "embeddings.word_embeddings.weight": "embeddings.word_embeddings.weight",
    "embeddings.position_embeddings.weight": "embeddings.position_embeddings.weight",
    "embeddings.layer_norm.weight": "embeddings.LayerNorm.weight",
    "embeddings.layer_norm.bias": "embeddings.LayerNorm.bias",
    "pooler.dense.weight": "pooler.dense.weight",
    "pooler.dense.bias": "pooler.dense.bias",
}
IN_LAYER = {
    "self_attn.self_attn.q_proj": "attention.self.query",
    "self_attn.self_attn.k_proj": "attention.self.key",
    "self_attn.self_attn.v_proj": "attention.self.value",
    "self_attn.out_proj": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "linear1": "intermediate.dense",
    "linear2": "output.dense",
    "norm2": "output.LayerNorm",
}


def weights_file(path: str, revision: str | None) -> Path:
    """The file with the weights. Raises InputError if there is none."""
    for name in WEIGHT_FILES:
        if file := model_file(path, name, revision):
            return file
    raise InputError(f"model.path={path}: it has no {' or '.join(WEIGHT_FILES)}")


def read_weights(file: Path) -> Mapping[str, Tensor]:
    """All tensors of a file, in the CPU's memory; no code of a pickle is run."""
    if file.suffix == ".safetensors":
        tensors: dict[str, Tensor] = load_file(file)
        return tensors
    content: Any = torch.load(file, "cpu", weights_only=True)
    if not isinstance(content, Mapping) or not all(isinstance(one, Tensor) for one in content.values()):
        raise ValueError(f"{file.name} holds more than tensors by name")
    return content


def xlmr_weights(published: Mapping[str, Tensor], config: XLMRobertaConfig, path: str) -> dict[str, Tensor]:
    """The same weights, in float32, as XLMRobertaModel has them; token types are zeros. The pooler may be missing.

    Raises InputError that names a tensor that is missing, not known, there twice, or of another shape.
    """
    result: dict[str, Tensor] = {TOKEN_TYPES: torch.zeros(1, config.hidden_size)}
    shapes = _shapes(config)
    for name, tensor in _unstacked(published, config.hidden_size, path):
        target = _target(name)
        if target not in shapes:
            raise InputError(f"model.path={path}: its weights have {name}, which is no part of ERNIE-M")
        if target in result:
            raise InputError(f"model.path={path}: its weights have {name} twice")
        if tuple(tensor.shape) != shapes[target]:
            raise InputError(
                f"model.path={path}: {name} has the shape {tuple(tensor.shape)}, and its config.json says "
                f"{shapes[target]}"
            )
        if not tensor.is_floating_point():
            raise InputError(f"model.path={path}: {name} is of type {tensor.dtype}, and not of floating point")
        result[target] = tensor.to(torch.float32).contiguous().clone()
    has_pooler = any(name.startswith("pooler.") for name in result)
    missing = [name for name in shapes if name not in result and (has_pooler or not name.startswith("pooler."))]
    if missing:
        raise InputError(f"model.path={path}: its weights lack {_source(missing[0])} ({len(missing)} are missing)")
    return result


def _unstacked(published: Mapping[str, Tensor], hidden_size: int, path: str) -> list[tuple[str, Tensor]]:
    """Names without the prefix, and queries, keys and values apart; without heads."""
    named = []
    for full_name, tensor in published.items():
        name = full_name.removeprefix(PREFIX)
        if name.startswith(HEADS):
            continue
        stacked = STACKED.fullmatch(name)
        if stacked is None:
            named.append((name, tensor))
            continue
        if tensor.shape[0] != 3 * hidden_size:
            raise InputError(
                f"model.path={path}: {name} has the shape {tuple(tensor.shape)}, and its config.json says "
                f"{3 * hidden_size} rows"
            )
        for part, of_part in zip("qkv", tensor.chunk(3), strict=True):
            named.append((f"{stacked[1]}self_attn.{part}_proj.{stacked[2]}", of_part))
    return named


def _target(name: str) -> str | None:
    """XLM-R's name of a tensor; None if it has no such thing."""
    layer = LAYER.fullmatch(name)
    if layer is None:
        return EMBEDDINGS.get(name)
    return f"encoder.layer.{layer[1]}.{IN_LAYER[layer[2]]}.{layer[3]}" if layer[2] in IN_LAYER else None


def _source(target: str) -> str:
    """ERNIE-M's name of a tensor of XLM-R."""
    of_embeddings = {new: old for old, new in EMBEDDINGS.items()}
    if target in of_embeddings:
        return of_embeddings[target]
    _, _, number, rest = target.split(".", 3)
    part, kind = rest.rsplit(".", 1)
    return f"encoder.layers.{number}.{next(old for old, new in IN_LAYER.items() if new == part)}.{kind}"


def _shapes(config: XLMRobertaConfig) -> dict[str, tuple[int, ...]]:
    """The shapes of all tensors but the token types, by XLM-R's names."""
    h, i = config.hidden_size, config.intermediate_size
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config.vocab_size, h),
        "embeddings.position_embeddings.weight": (config.max_position_embeddings, h),
        "embeddings.LayerNorm.weight": (h,),
        "embeddings.LayerNorm.bias": (h,),
    }
    of_weight = {"intermediate.dense": (i, h), "output.dense": (h, i)}
    of_bias = {"intermediate.dense": (i,)}
    for number in range(config.num_hidden_layers):
        for part in IN_LAYER.values():
            weight = (h,) if part.endswith("LayerNorm") else of_weight.get(part, (h, h))
            shapes[f"encoder.layer.{number}.{part}.weight"] = weight
            shapes[f"encoder.layer.{number}.{part}.bias"] = of_bias.get(part, (h,))
    return shapes | {"pooler.dense.weight": (h, h), "pooler.dense.bias": (h,)}
