"""InfoNCE with in-batch negatives, hard negatives, and masks for false negatives.

Shapes: b = rows of the global batch, n = hard negatives of the batch, c = b + n candidates, h = hidden size.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


def negative_mask(group_b: Tensor, passage_b: Tensor, hard_bn: Tensor | None = None) -> Tensor:
    """Which candidate may serve as a negative of which question: bool (b, c), True = may.

    Candidates are the passages of the batch, then its hard negatives, for which `hard_bn` says it.

    Passage j is no negative of question i if it belongs to the same translation group, or if it has the very text of
    the relevant passage of i (two questions answered by one sentence). The diagonal, the positive, is False too.
    """
    same_group_bb = group_b[:, None] == group_b[None, :]
    same_text_bb = passage_b[:, None] == passage_b[None, :]
    in_batch_bb = ~(same_group_bb | same_text_bb)
    return in_batch_bb if hard_bn is None else torch.cat([in_batch_bb, hard_bn], dim=1)


def info_nce(query_bh: Tensor, candidate_ch: Tensor, negative_bc: Tensor, temperature: float) -> Tensor:
    """Loss of each question, float32 (b): -log softmax of its relevant passage's score among the candidates'.

    Van den Oord et al. 2018, arXiv 1807.03748, eq. 4, with cosine similarity / temperature as the score; negatives
    are the other passages of the batch and the hard negatives of all its questions (Karpukhin et al. 2020, arXiv
    2004.04906, section 3.2) that `negative_bc` allows. Row i of both inputs is a question and its relevant passage;
    hard negatives come after these. All are L2-normalised.
    """
    scores_bc = query_bh @ candidate_ch.T / temperature
    positive_bc = torch.eye(*scores_bc.shape, dtype=torch.bool, device=scores_bc.device)
    scores_bc = scores_bc.masked_fill(~(negative_bc | positive_bc), float("-inf"))
    target_b = torch.arange(len(scores_bc), device=scores_bc.device)
    return cross_entropy(scores_bc, target_b, reduction="none")
