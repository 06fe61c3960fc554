"""Training only those word embeddings that occur: most rows of a multilingual vocabulary never do.

XLM-R has 192 M of its 278 M parameters in 250,002 rows of word embeddings. A row that occurs neither in training nor
in evaluation gets no gradient, but the optimizer keeps two moments of it and updates it in every step.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from sweep.model.encoder import Retriever, Vocabulary


def restrict_vocabulary(retriever: Retriever, token_ids: Iterable[Iterable[int]]) -> Retriever:
    """The retriever with only those rows of its word embeddings that occur in `token_ids`, and the special tokens'.

    Its encoder is changed in place. Losses and gradients are those of the full model.
    """
    backbone = retriever.encoder.backbone
    full: nn.Embedding = backbone.get_input_embeddings()
    pad = int(retriever.tokenizer.pad_token_id)
    # Positions are counted from the padding token's id in some architectures: it must stay what it is.
    used = {*range(pad + 1), *retriever.tokenizer.all_special_ids}
    for sequence in token_ids:
        used.update(int(token) for token in sequence)
    kept = np.array(sorted(used))
    small = nn.Embedding(len(kept), full.embedding_dim, padding_idx=full.padding_idx)
    with torch.no_grad():
        small.weight.copy_(full.weight[torch.from_numpy(kept)])
    backbone.set_input_embeddings(small.to(full.weight.device))
    backbone.config.vocab_size = len(kept)
    return replace(retriever, vocabulary=Vocabulary(kept, full.num_embeddings))


def with_full_vocabulary(retriever: Retriever, original_weight: Tensor) -> Retriever:
    """The retriever with all rows again: those that were trained, and the others as they were before the training.

    Training them all would have left the others the same but for weight decay. The encoder is changed in place.
    """
    vocabulary = retriever.vocabulary
    assert vocabulary is not None
    backbone = retriever.encoder.backbone
    small: nn.Embedding = backbone.get_input_embeddings()
    full = nn.Embedding(vocabulary.full_size, small.embedding_dim, padding_idx=small.padding_idx)
    with torch.no_grad():
        full.weight.copy_(original_weight)
        full.weight[torch.from_numpy(vocabulary.kept)] = small.weight.cpu()
    backbone.set_input_embeddings(full.to(small.weight.device))
    backbone.config.vocab_size = vocabulary.full_size
    return replace(retriever, vocabulary=None)
