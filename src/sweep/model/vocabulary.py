"""Training only those word embeddings that occur: most rows of a multilingual vocabulary never do.

XLM-R has 192 M of its 278 M parameters in 250,002 rows of word embeddings. A row that occurs neither in training nor
in evaluation gets no gradient, but the optimizer keeps two moments of it and updates it in every step.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sweep.model.encoder import Retriever, Vocabulary
from sweep.model.own_code import has_own_code


def restrict_vocabulary(retriever: Retriever, token_ids: Iterable[Iterable[int]]) -> Retriever:
    """The retriever with only those rows of its word embeddings that occur in `token_ids`, and the special tokens'.

    Its encoder is changed in place. Losses and gradients are those of the full model.
    """
    backbone = retriever.encoder.backbone
    embeddings: nn.Embedding = backbone.get_input_embeddings()
    rows = embeddings.num_embeddings
    pad = int(retriever.tokenizer.pad_token_id)
    used = {pad, *(token for token in retriever.tokenizer.all_special_ids if token < rows)}
    if _counts_from_padding(backbone):
        used.update(range(pad + 1))
    if embeddings.padding_idx is not None:
        used.add(embeddings.padding_idx)
    for sequence in token_ids:
        used.update(int(token) for token in sequence)
    vocabulary = Vocabulary(np.array(sorted(used)), rows)
    kept = torch.from_numpy(vocabulary.kept).to(embeddings.weight.device)
    _set_rows(backbone, embeddings.weight.detach()[kept], vocabulary.place)
    return replace(retriever, vocabulary=vocabulary)


def with_full_vocabulary(retriever: Retriever, original_weight: Tensor) -> Retriever:
    """The retriever with all rows again: those that were trained, and the others as they were before the training.

    Training them all would have left the others the same but for weight decay. The encoder is changed in place.
    """
    vocabulary = retriever.vocabulary
    assert vocabulary is not None
    backbone = retriever.encoder.backbone
    small: Tensor = backbone.get_input_embeddings().weight.detach()
    full = original_weight.detach().clone()
    full[torch.from_numpy(vocabulary.kept)] = small.cpu()
    _set_rows(backbone, full.to(small.device), lambda place: int(vocabulary.kept[place]))
    return replace(retriever, vocabulary=None)


def _counts_from_padding(backbone: Any) -> bool:
    """Whether positions are counted from the padding token's id, as in RoBERTa's family: it must stay what it is.
    A model's own code may do so, too."""
    return has_own_code(backbone) or any(
        name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None
        for name, module in backbone.named_modules()
    )


def _set_rows(backbone: Any, weight_vh: Tensor, place: Callable[[int], int]) -> None:
    """Give the word embeddings other rows. The module stays the one that it is, with whatever else it does: Gemma's
    multiplies every embedding by the root of the hidden size. `place` says where the padding token's row is now."""
    embeddings: nn.Embedding = backbone.get_input_embeddings()
    embeddings.weight = nn.Parameter(weight_vh)
    embeddings.num_embeddings = len(weight_vh)
    if embeddings.padding_idx is not None:
        embeddings.padding_idx = place(embeddings.padding_idx)
    backbone.set_input_embeddings(embeddings)  # also where the architecture has it under a second name
    backbone.config.vocab_size = len(weight_vh)
