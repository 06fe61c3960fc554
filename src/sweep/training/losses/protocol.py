"""What a loss gets, and what it gives.

Shapes: b = rows of the global batch, n = hard negatives of the batch, c = b + n candidates, h = hidden size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

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
        """The plan's batch, with its mask on a device."""
        return cls(batch.kind, batch.pairs, torch.as_tensor(batch.negative_bc, device=device))


class Loss(Protocol):
    """A loss over the whole global batch, computed by every rank alike."""

    def __call__(self, embeddings: Embeddings, batch: LossBatch) -> Tensor:
        """Loss of each row (b), float32; gradients are taken of its mean."""
        ...


@runtime_checkable
class Stateful(Protocol):
    """A loss that remembers something of the batches before: it is called once for each, and checkpoints keep its
    state."""

    def state(self) -> dict[str, Tensor]:
        """What it remembers, the same on every rank."""
        ...

    def restore(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Remember this and nothing else."""
        ...
