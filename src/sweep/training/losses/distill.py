"""InfoNCE, and the distance to what a frozen teacher makes of the batch.

Shapes: b = rows of the global batch, h = hidden size, g = hidden size of the teacher.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sweep.settings import DistillSettings, TrainSettings
from sweep.training.losses.info_nce import InfoNce
from sweep.training.losses.protocol import Embeddings, LossBatch, Targets
from sweep.training.needs import NOTHING, Needs


@dataclass(frozen=True)
class Distill:
    """InfoNCE + `weight` (>= 0) x distillation; hard negatives have no part in the second.

    The targets are the teacher's embeddings of the same texts, so that training changes little of what was there (Li
    and Hoiem 2016, arXiv 1606.09282, learning without forgetting), or with `pivot` those of their translations in one
    language, so that a text is where its translation was (Reimers and Gurevych 2020, arXiv 2004.09813, eq. 1; a text
    that is in the pivot language has its own, the first term there). `compare`: see `embedding_distance` and
    `similarity_divergence`.
    """

    info_nce: InfoNce
    weight: float
    pivot: str | None
    compare: Literal["embeddings", "similarities"]

    @classmethod
    def from_settings(cls, settings: DistillSettings, train: TrainSettings) -> "Distill":
        """The loss with `train.temperature`."""
        pivot = settings.pivot if settings.target == "language_agnostic" else None
        return cls(InfoNce(train.temperature), settings.weight, pivot, settings.compare)

    @property
    def needs(self) -> Needs:
        """A teacher, of the texts or of their translations; nothing with a weight of 0."""
        return Needs(teacher=True, pivot=self.pivot) if self.weight else NOTHING

    def __call__(self, embeddings: Embeddings, batch: LossBatch) -> Tensor:
        """Loss of each row, float32 (b); a text without a translation has nothing to be near to."""
        loss_b = self.info_nce(embeddings, batch)
        if not self.weight:
            return loss_b
        query_bh, targets = embeddings.query_bh, embeddings.targets
        assert targets is not None
        passage_bh = embeddings.candidate_ch[: len(query_bh)]
        if self.compare == "embeddings":
            return loss_b + self.weight * embedding_distance(query_bh, passage_bh, targets)
        return loss_b + self.weight * similarity_divergence(query_bh, passage_bh, targets, self.info_nce.temperature)


def embedding_distance(query_bh: Tensor, passage_bh: Tensor, targets: Targets) -> Tensor:
    """Half the sum of the squared distances of a row's question and passage to their targets, float32 (b), in [0, 4].

    The mean squared error of Reimers and Gurevych 2020, arXiv 2004.09813, eq. 1, but summed over the h = g
    components: of unit vectors, 2 - 2 x cosine.
    """
    query_b = (query_bh - targets.query_bg).square().sum(dim=1)
    passage_b = (passage_bh - targets.passage_bg).square().sum(dim=1)
    return (torch.where(targets.has_query_b, query_b, 0) + torch.where(targets.has_passage_b, passage_b, 0)) / 2


def similarity_divergence(query_bh: Tensor, passage_bh: Tensor, targets: Targets, temperature: float) -> Tensor:
    """KL(teacher || student) of each question's softmax over the passages of the batch, float32 (b); the sizes h and
    g may differ. Fang et al. 2021, arXiv 2101.04731 (SEED), eq. 5, with the batch in place of a queue.

    Passages without a target are left out, and questions without one have 0.
    """
    left_out_bb = ~targets.has_passage_b.expand(len(query_bh), -1)
    has_b = targets.has_query_b & targets.has_passage_b.any()
    left_out_bb = left_out_bb & has_b[:, None]  # a softmax over nothing is no number
    student_bb, teacher_bb = (
        (scores_bb / temperature).masked_fill(left_out_bb, float("-inf")).log_softmax(dim=1)
        for scores_bb in (query_bh @ passage_bh.T, targets.query_bg @ targets.passage_bg.T)
    )
    difference_bb = teacher_bb.masked_fill(left_out_bb, 0) - student_bb.masked_fill(left_out_bb, 0)
    return torch.where(has_b, (teacher_bb.exp() * difference_bb).sum(dim=1), 0)
