"""What a loss gets, and what it gives.

Shapes: b = rows of the global batch, n = hard negatives of the batch, c = b + n candidates, h = hidden size.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from sweep.training.plan import Batch, Kind, Pair


class Embeddings(NamedTuple):
    """L2-normalised embeddings of the whole global batch. Row i of both is a question and its relevant passage; hard
    negatives come after the passages."""

    query_bh: Tensor
    candidate_ch: Tensor


@dataclass(frozen=True, eq=False)
class LossBatch:
    """What a loss may know of a batch: its `kind`, the (question, passage) languages of each row in `pairs`, and
    which candidate may serve as a negative of which question: `negative_bc`, bool, True = may."""

    kind: Kind
    pairs: tuple[Pair, ...]
    negative_bc: Tensor

    @classmethod
    def of(cls, batch: Batch, device: torch.device | str = "cpu") -> "LossBatch":
        """The plan's batch, with its masks on a device."""
        group_b, passage_b, hard_bn = (
            torch.as_tensor(array, device=device) for array in (batch.group_b, batch.passage_b, batch.hard_bn)
        )
        return cls(batch.kind, batch.pairs, negative_mask(group_b, passage_b, hard_bn))


class Loss(Protocol):
    """A loss over the whole global batch, computed by every rank alike."""

    def __call__(self, embeddings: Embeddings, batch: LossBatch) -> Tensor:
        """Loss of each row (b), float32; gradients are taken of its mean."""
        ...


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
