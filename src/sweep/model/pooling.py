"""One vector from the states of a sequence's tokens, in the ways that sentence-transformers has.

Shapes: b = sequences, t = tokens, h = hidden size, p = numbers of all modes together.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

# What sentence-transformers calls the modes: in its files before version 5.5, in the order in which they are put one
# after another, and in those since then where the name is another.
FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
LONG_NAMES = {"mean_sqrt_len": "mean_sqrt_len_tokens"}
FIRST_FLAGS = 4  # that every version reads


def pool(states_bth: Tensor, modes: Sequence[str], mask_bt: Tensor | None = None) -> Tensor:
    """Pooled states (b, p). Tokens come first and padding last; without a mask (1 = token) there is no padding."""
    return torch.cat([_pooled(states_bth, mode, mask_bt) for mode in modes], dim=-1)


def _pooled(states_bth: Tensor, mode: str, mask_bt: Tensor | None) -> Tensor:
    if mode == "cls":
        return states_bth[:, 0]
    if mask_bt is None:
        mask_bt = states_bth.new_ones(states_bth.shape[:2])
        if mode == "mean":
            return states_bth.mean(1)
    mask_bt1 = mask_bt.unsqueeze(-1).to(states_bth.dtype)
    if mode == "max":
        return states_bth.masked_fill(mask_bt1 == 0, -torch.inf).amax(1)
    if mode == "lasttoken":
        last_b = mask_bt.long().sum(1) - 1
        return states_bth[torch.arange(len(last_b), device=last_b.device), last_b]
    if mode == "weightedmean":
        mask_bt1 = mask_bt1 * mask_bt1.cumsum(1)
    total_b1 = mask_bt1.sum(1)
    return (states_bth * mask_bt1).sum(1) / (total_b1.sqrt() if mode == "mean_sqrt_len" else total_b1)


def pooling_of(config: dict[str, Any]) -> str:
    """The setting `model.pooling` for a `1_Pooling/config.json` of any version of sentence-transformers."""
    modes = config.get("pooling_mode", [mode for flag, mode in FLAGS.items() if config.get(flag)] or "mean")
    short = {long: mode for mode, long in LONG_NAMES.items()}
    return "+".join(short.get(mode, mode) for mode in ([modes] if isinstance(modes, str) else modes))


def pooling_config(modes: Sequence[str], hidden_size: int) -> dict[str, Any]:
    """A `1_Pooling/config.json` as every sentence-transformers since 2.0 reads it, as far as it has these modes in
    this order."""
    if list(modes) != [mode for mode in FLAGS.values() if mode in modes]:
        return {"embedding_dimension": hidden_size, "pooling_mode": [LONG_NAMES.get(mode, mode) for mode in modes]}
    flags = {
        flag: mode in modes
        for place, (flag, mode) in enumerate(FLAGS.items())
        if place < FIRST_FLAGS or mode in modes
    }
    return {"word_embedding_dimension": hidden_size, **flags}
