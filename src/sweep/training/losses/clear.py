"""CLEAR: InfoNCE, InfoNCE from passages to questions in another language, and the divergence of the two.

Shapes: b = rows of the global batch, n = hard negatives of the batch, c = b + n candidates, h = hidden size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sweep.settings import ClearSettings, TrainSettings
from sweep.training.losses.info_nce import InfoNce, info_nce
from sweep.training.losses.protocol import Embeddings, LossBatch
from sweep.training.needs import NOTHING, Needs


@dataclass(frozen=True)
class Clear:
    """Lee et al. 2026, arXiv 2604.05821: (1 - r - d) x InfoNCE + r x reversed InfoNCE + d x divergence.

    InfoNCE goes from a question to the passages. Reversed, it goes from the row's passage to the questions of the
    batch in another language than the passage's. The divergence is KL(reversed || forward) of the two softmax
    distributions over the rows of the batch; both get gradients. The paper's weights are r = .4 and d = .2.

    The formula is that of the authors' code (github.com/dltmddbs100/CLEAR), which trains one pair of languages: the
    question and the passage are English and the other question is in the target language. Our reading of it for
    batches of any languages: any question of the row's group that is not in the passage's language is the other
    question, also in cross-lingual batches; a false negative of InfoNCE is one of the reversed direction, too, and so
    is an equal text; there are no hard negatives among questions, so that the divergence leaves hard negatives out; a
    row without another question has 0 for both further terms.
    """

    info_nce: InfoNce
    reverse_weight: float
    divergence_weight: float

    @classmethod
    def from_settings(cls, settings: ClearSettings, train: TrainSettings) -> "Clear":
        """The loss with `train.temperature`."""
        return cls(InfoNce(train.temperature), settings.reverse_weight, settings.divergence_weight)

    @property
    def needs(self) -> Needs:
        """Each row's question in another language than its passage; nothing if both weights are 0."""
        return Needs(translation="passage") if self.reverse_weight or self.divergence_weight else NOTHING

    def __call__(self, embeddings: Embeddings, batch: LossBatch) -> Tensor:
        """Loss of each row, float32 (b)."""
        loss_b = self.info_nce(embeddings, batch)
        if not (self.reverse_weight or self.divergence_weight):
            return loss_b
        query_bh, translation_bh = embeddings.query_bh, embeddings.translation_bh
        assert translation_bh is not None
        passage_bh, temperature = embeddings.candidate_ch[: len(query_bh)], self.info_nce.temperature
        negative_bb, has_b = reversed_negatives(batch), _has(batch)
        reversed_b = info_nce(passage_bh, translation_bh, negative_bb, temperature)
        forward_negative_bb = batch.negative_bc[:, : len(query_bh)] & negative_bb
        divergence_b = divergence(
            query_bh @ passage_bh.T / temperature, passage_bh @ translation_bh.T / temperature, forward_negative_bb
        )
        further_b = self.reverse_weight * reversed_b + self.divergence_weight * divergence_b
        share = 1 - self.reverse_weight - self.divergence_weight
        return share * loss_b + torch.where(has_b, further_b, 0)


def _has(batch: LossBatch) -> Tensor:
    assert batch.translation_b is not None
    return batch.translation_b >= 0


def reversed_negatives(batch: LossBatch) -> Tensor:
    """Which row's translated question may be a negative of which row's passage, bool (b, b): one that the passage is
    a negative of, and that is another text than the passage and the passage's own question."""
    assert batch.translation_b is not None
    translation_b, passage_b = batch.translation_b, batch.passage_b
    relevant_bb = ~batch.negative_bc[:, : len(passage_b)].T
    same_bb = (translation_b[:, None] == translation_b) | (passage_b[:, None] == translation_b)
    return ~(relevant_bb | same_bb) & _has(batch)


def divergence(forward_bb: Tensor, reversed_bb: Tensor, negative_bb: Tensor) -> Tensor:
    """KL(softmax of the reversed scores || softmax of the forward scores) of each row, float32 (b), over the row
    itself and those that `negative_bb` (bool) allows."""
    left_out_bb = ~(negative_bb | torch.eye(len(negative_bb), dtype=torch.bool, device=negative_bb.device))
    forward_bb, reversed_bb = (
        scores_bb.masked_fill(left_out_bb, float("-inf")).log_softmax(dim=1).masked_fill(left_out_bb, 0)
        for scores_bb in (forward_bb, reversed_bb)
    )
    return (reversed_bb.exp() * (reversed_bb - forward_bb)).sum(dim=1)
