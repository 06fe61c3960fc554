"""InfoNCE with in-batch negatives and masks for false negatives.

Shapes: b = rows of the global batch, h = hidden size.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def negative_mask(group_b: Tensor, passage_b: Tensor) -> Tensor:
    """Which passage of the batch may serve as a negative of which question: bool (b, b), True = may.

    Passage j is no negative of question i if it belongs to the same translation group, or if it has the very text of
    the relevant passage of i (two questions answered by one sentence). The diagonal, the positive, is False too.
    """
    same_group_bb = group_b[:, None] == group_b[None, :]
    same_text_bb = passage_b[:, None] == passage_b[None, :]
    return ~(same_group_bb | same_text_bb)


def info_nce(query_bh: Tensor, passage_bh: Tensor, negative_bb: Tensor, temperature: float) -> Tensor:
    """Loss of each question, float32 (b): -log softmax of its relevant passage's score among the batch's passages.

    Van den Oord et al. 2018, arXiv 1807.03748, eq. 4, with cosine similarity / temperature as the score; negatives
    are the other passages of the batch (Karpukhin et al. 2020, arXiv 2004.04906, section 3.2) that `negative_bb`
    allows. Row i of both inputs is a question and its relevant passage, L2-normalised.
    """
    scores_bb = query_bh @ passage_bh.T / temperature
    diagonal_bb = torch.eye(len(scores_bb), dtype=torch.bool, device=scores_bb.device)
    scores_bb = scores_bb.masked_fill(~(negative_bb | diagonal_bb), float("-inf"))
    target_b = torch.arange(len(scores_bb), device=scores_bb.device)
    return cross_entropy(scores_bb, target_b, reduction="none")
