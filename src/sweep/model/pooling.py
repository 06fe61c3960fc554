"""One vector from the states of a sequence's tokens, in the ways that sentence-transformers has.

Shapes: b = sequences, t = tokens, h = hidden size, p = numbers of all modes together.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


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
