"""InfoNCE with in-batch negatives, hard negatives, and masks for false negatives.

Shapes: b = rows of the global batch, n = hard negatives of the batch, c = b + n candidates, h = hidden size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sweep.settings import InfoNceSettings, TrainSettings
from sweep.training.losses.protocol import Embeddings, LossBatch
from sweep.training.needs import NOTHING, Needs


@dataclass(frozen=True)
class InfoNce:
    """InfoNCE over the global batch. `temperature` (> 0) divides the cosine similarities."""

    temperature: float

    @classmethod
    def from_settings(cls, settings: InfoNceSettings, train: TrainSettings) -> "InfoNce":
        """The loss with `train.temperature`."""
        return cls(train.temperature)

    @property
    def needs(self) -> Needs:
        """Nothing but questions and passages."""
        return NOTHING

    def __call__(self, embeddings: Embeddings, batch: LossBatch) -> Tensor:
        """Loss of each row, float32 (b); whatever the languages of the batch."""
        return info_nce(embeddings.query_bh, embeddings.candidate_ch, batch.negative_bc, self.temperature)


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
