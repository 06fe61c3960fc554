"""The average of two trained encoders of one architecture, weight by weight, without any training.

Wortsman et al. 2022 (arXiv 2203.05482) average the weights of fine-tunings of one model; Ilharco et al.
2023 (arXiv 2212.04089) add their differences from it. For two models both come to λ w_1 + (1 - λ) w_0.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from sweep.errors import InputError
from sweep.model.encoder import Encoder
from sweep.records.checksums import digest_of, weights_problem, write_checksums
from sweep.records.files import replacing_folder

WEIGHTS = "encoder.safetensors"


def keep_weights(encoder: Encoder, folder: Path) -> None:
    """Write all weights and buffers of a trained encoder, adapters merged, as it is evaluated: with a restricted
    vocabulary these rows alone. The folder is there as a whole or not at all."""
    tensors = {name: tensor.detach().cpu().clone() for name, tensor in encoder.state_dict().items()}
    with replacing_folder(folder) as draft:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, draft / WEIGHTS)
        write_checksums(draft, {WEIGHTS: digest_of(draft / WEIGHTS)})


def average(first: dict[str, Tensor], second: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """share · first + (1 − share) · second of every tensor of floating numbers, computed in float64 and rounded once:
    shares of 1 and 0 give one of both to the bit. Others (positions, say) have to be the same.

    Raises InputError if the two are not of one architecture.
    """
    if first.keys() != second.keys():
        raise InputError(f"two encoders cannot be averaged: only one has {min(first.keys() ^ second.keys())}")
    averaged = {}
    for name, one in first.items():
        other = second[name]
        if one.shape != other.shape or one.dtype != other.dtype:
            raise InputError(f"two encoders cannot be averaged: {name} is {_kind(one)} in one, {_kind(other)} in one")
        if one.is_floating_point():
            averaged[name] = (share * one.double() + (1 - share) * other.double()).to(one.dtype)
        elif torch.equal(one, other):
            averaged[name] = one
        else:
            raise InputError(f"two encoders cannot be averaged: {name} differs, and has no floating numbers")
    return averaged


def merge_into(encoder: Encoder, first: Path, second: Path, share: float) -> tuple[str, str]:
    """Give an encoder the average of two folders of weights; the SHA-256 of both. Raises InputError if one is damaged
    or they are of other architectures."""
    for folder in (first, second):
        if (problem := weights_problem(folder)) is not None:
            raise InputError(f"{folder}: {problem}")
    averaged = average(load_file(first / WEIGHTS), load_file(second / WEIGHTS), share)
    own = {name: tensor.shape for name, tensor in encoder.state_dict().items()}
    if own != {name: tensor.shape for name, tensor in averaged.items()}:
        raise InputError(f"{first}: the weights there are those of another encoder than this trial's")
    encoder.load_state_dict(averaged)
    return digest_of(first / WEIGHTS), digest_of(second / WEIGHTS)


def _kind(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} of {tensor.dtype}"
