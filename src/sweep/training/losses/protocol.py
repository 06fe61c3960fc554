"""What a loss gets, and what it gives.

Shapes: b = rows of the global batch, n = hard negatives of the batch, c = b + n candidates, h = hidden size, g =
that of the teacher.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from sweep.training.needs import Needs
from sweep.training.plan import Batch, Kind, Pair


class Targets(NamedTuple):
    """What the teacher makes of each row's question and passage, or of their translations: L2-normalised, without
    gradients, of the teacher's own size (g); zeros where there is no translation, which `has_...` say (bool)."""

    query_bg: Tensor
    passage_bg: Tensor
    has_query_b: Tensor
    has_passage_b: Tensor


class Embeddings(NamedTuple):
    """L2-normalised embeddings of the whole global batch. Row i of both is a question and its relevant passage; hard
    negatives come after the passages. If the loss needs them: row i of `translation_bh` is the question in another
    language, zeros where there is none, and `targets` are the teacher's."""

    query_bh: Tensor
    candidate_ch: Tensor
    translation_bh: Tensor | None = None
    targets: Targets | None = None


@dataclass(frozen=True, eq=False)
class LossBatch:
    """What a loss may know of a batch: its `kind`, the (question, passage) languages of each row in `pairs`, and
    which candidate may serve as a negative of which question: `negative_bc`, bool, True = may. Equal numbers are
    equal texts in `question_b`, `passage_b` and `translation_b`, which has -1 where a row has no translation."""

    kind: Kind
    pairs: tuple[Pair, ...]
    negative_bc: Tensor
    question_b: Tensor
    passage_b: Tensor
    translation_b: Tensor | None = None

    @classmethod
    def of(cls, batch: Batch, device: torch.device | str = "cpu") -> "LossBatch":
        """The plan's batch, with its mask and texts on a device."""
        negative_bc, question_b, passage_b = (
            torch.as_tensor(array, device=device) for array in (batch.negative_bc, batch.question_b, batch.passage_b)
        )
        translation_b = None
        if batch.translation_b is not None:
            translation_b = torch.as_tensor(batch.translation_b, device=device)
        return cls(batch.kind, batch.pairs, negative_bc, question_b, passage_b, translation_b)


class Loss(Protocol):
    """A loss over the whole global batch, computed by every rank alike."""

    @property
    def needs(self) -> Needs:
        """What it needs besides the questions and passages."""
        ...

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
