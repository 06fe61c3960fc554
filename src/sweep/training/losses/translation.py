"""InfoNCE, and the ranking of translations among the questions of the batch.

Shapes: b = rows of the global batch, h = hidden size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sweep.settings import TrainSettings, TranslationSettings
from sweep.training.losses.info_nce import InfoNce, info_nce
from sweep.training.losses.protocol import Embeddings, LossBatch
from sweep.training.needs import NOTHING, Needs


@dataclass(frozen=True)
class TranslationRanking:
    """InfoNCE + `weight` (>= 0) x translation ranking: each question is to be next to its translation.

    Translation ranking: Feng et al. 2020, arXiv 2007.01852 (LaBSE), eq. 1, in both directions as in Yang et al. 2019,
    arXiv 1902.08564, of which this is the mean; without the additive margin of both. The scores are cosine
    similarities divided by `train.temperature`, as in InfoNCE. Of which languages the passages are does not matter.
    """

    info_nce: InfoNce
    weight: float

    @classmethod
    def from_settings(cls, settings: TranslationSettings, train: TrainSettings) -> "TranslationRanking":
        """The loss with `train.temperature`."""
        return cls(InfoNce(train.temperature), settings.weight)

    @property
    def needs(self) -> Needs:
        """Each row's question in another language; nothing with a weight of 0."""
        return Needs(translation="question") if self.weight else NOTHING

    def __call__(self, embeddings: Embeddings, batch: LossBatch) -> Tensor:
        """Loss of each row, float32 (b); a row without a translation has InfoNCE alone."""
        loss_b = self.info_nce(embeddings, batch)
        if not self.weight:
            return loss_b
        assert embeddings.translation_bh is not None
        assert batch.translation_b is not None
        negative_bb = differing(batch.question_b, batch.translation_b)
        has_b = batch.translation_b >= 0
        ranking_b = translation_ranking(
            embeddings.query_bh, embeddings.translation_bh, negative_bb, has_b, self.info_nce.temperature
        )
        return loss_b + self.weight * ranking_b


def translation_ranking(
    query_bh: Tensor, translation_bh: Tensor, negative_bb: Tensor, has_b: Tensor, temperature: float
) -> Tensor:
    """Loss of each pair, float32 (b), 0 where a row has no translation (`has_b`, bool): the mean of -log softmax of
    the translation's score among the translations, and of the question's among the questions.

    `negative_bb`, bool and symmetric: which rows may be negatives of each other.
    """
    negative_bb = negative_bb & has_b & has_b[:, None]
    there_b = info_nce(query_bh, translation_bh, negative_bb, temperature)
    back_b = info_nce(translation_bh, query_bh, negative_bb, temperature)
    return torch.where(has_b, (there_b + back_b) / 2, 0)


def differing(question_b: Tensor, translation_b: Tensor) -> Tensor:
    """Which rows have no text in common, bool (b, b): two groups may ask the same, in one language or in both."""
    same_bb = torch.zeros(len(question_b), len(question_b), dtype=torch.bool, device=question_b.device)
    for one_b in (question_b, translation_b):
        for other_b in (question_b, translation_b):
            same_bb |= one_b[:, None] == other_b
    return ~same_bb
