"""Sequences one after another in one row, without padding: the encoder's matrix products see tokens alone.

Everything but attention works on single tokens. Attention takes sequences of the same length together, so that it
needs neither padding nor a mask; the embeddings are those of the padded batch (but for rounding).
Shapes: b = sequences, t = tokens of a sequence, n = tokens of all sequences, a = attention heads, d = head size,
h = hidden size.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from sweep.model.own_code import has_own_code

PACKED = "packed"  # the attention's name for transformers
# Architectures whose positions can be given and whose attention is no more than a scaled dot product.
ROBERTA_LIKE = {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert"}
PACKING_ARCHITECTURES = {"bert", "modernbert", *ROBERTA_LIKE}


class PackedBatch(NamedTuple):
    """Token ids and their positions within their sequence, both int64 (1, n); shorter sequences come first.

    `groups` has the numbers of sequences of the same length, and that length. `place_b` tells where the sequences of
    the batch are among these.
    """

    input_ids_1n: Tensor
    position_1n: Tensor
    groups: tuple[tuple[int, int], ...]
    place_b: Tensor


def can_pack(backbone: Any) -> bool:
    """Whether this architecture can take packed batches: as transformers has it, each token seeing all others."""
    reads_forwards = getattr(backbone.config, "is_decoder", False)
    return not has_own_code(backbone) and not reads_forwards and backbone.config.model_type in PACKING_ARCHITECTURES


def pack(
    ids: Sequence[Sequence[int] | NDArray[np.integer[Any]]], backbone: Any, device: torch.device | str
) -> PackedBatch:
    """Sequences of token ids in one row."""
    length_b = np.array([len(sequence) for sequence in ids])
    order_b = np.argsort(length_b, kind="stable")
    groups = tuple((len(list(same)), int(length)) for length, same in groupby(length_b[order_b]))
    # Positions are counted from the padding token's id in RoBERTa's family.
    first = backbone.config.pad_token_id + 1 if backbone.config.model_type in ROBERTA_LIKE else 0
    position_n = np.concatenate([np.tile(np.arange(first, first + length), size) for size, length in groups])
    input_ids_n = np.concatenate([ids[row] for row in order_b]).astype(np.int64, copy=False)
    return PackedBatch(
        torch.from_numpy(input_ids_n[None]).to(device),
        torch.from_numpy(position_n[None]).to(device),
        groups,
        torch.from_numpy(np.argsort(order_b)).to(device),
    )


def packed_states(backbone: Any, batch: PackedBatch) -> Tensor:
    """Last hidden states of all tokens (n, h)."""
    output = backbone(input_ids=batch.input_ids_1n, position_ids=batch.position_1n, groups=batch.groups)
    states_nh: Tensor = output.last_hidden_state[0]
    return states_nh


def by_sequence(states_nh: Tensor, batch: PackedBatch) -> list[Tensor]:
    """The states of each group's sequences (b, t, h), shorter ones first."""
    parts = torch.split(states_nh, [size * length for size, length in batch.groups])
    return [part.view(size, length, -1) for part, (size, length) in zip(parts, batch.groups, strict=True)]


def _packed_attention(
    module: Any,
    query_1and: Tensor,
    key_1and: Tensor,
    value_1and: Tensor,
    attention_mask: Tensor | None,
    groups: tuple[tuple[int, int], ...] | None = None,
    sliding_window: int | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention within each sequence of a packed row; without `groups` that of transformers on a padded batch.

    Queries, keys and values are (1, a, n, d), the result is (1, n, a, d).
    """
    if groups is None:
        result: tuple[Tensor, None] = sdpa_attention_forward(
            module, query_1and, key_1and, value_1and, attention_mask, **options
        )
        return result
    sizes = [size * length for size, length in groups]
    # Splitting, not slicing: the gradient of a slice is a whole tensor of zeros, once for each slice.
    parts = zip(
        *(torch.split(tensor[0].transpose(0, 1), sizes) for tensor in (query_1and, key_1and, value_1and)), strict=True
    )
    outputs = []
    for (size, length), part in zip(groups, parts, strict=True):
        query, key, value = (tensor.unflatten(0, (size, length)).transpose(1, 2) for tensor in part)
        mask_tt = _window(length, sliding_window, query.device)
        output_batd = scaled_dot_product_attention(
            query, key, value, mask_tt, options.get("dropout", 0.0), scale=options.get("scaling")
        )
        outputs.append(output_batd.transpose(1, 2).flatten(0, 1))
    return torch.cat(outputs)[None], None


def _window(length: int, sliding_window: int | None, device: torch.device) -> Tensor | None:
    """Which tokens see each other, or None if all do. The window has one token more than it reaches to each side."""
    if sliding_window is None or length <= sliding_window:
        return None
    place_t = torch.arange(length, device=device)
    return (place_t[:, None] - place_t).abs() < sliding_window


ALL_ATTENTION_FUNCTIONS.register(PACKED, _packed_attention)
ALL_MASK_ATTENTION_FUNCTIONS.register(PACKED, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
