"""One contrastive step on a global batch: the loss of the whole batch, and its gradients.

The batch is spread over the ranks, and a rank's sequences (questions and passages together) go through the encoder
in length-sorted sub-batches, so that little is padded. Neither changes the loss, which is that of the whole batch.
Shapes: b = rows of the global batch, n = sequences of this rank (its questions, its passages, then its share of the
hard negatives and of the translated questions), h = hidden size.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import numpy as np
import torch
import torch.distributed
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor

from sweep.model.batching import length_sorted_batches, split_into
from sweep.model.distributed_tensors import is_sharded
from sweep.model.encoder import Retriever, TokenBatch
from sweep.model.packing import PackedBatch
from sweep.settings import TrainSettings
from sweep.training.losses.protocol import Embeddings, Loss, LossBatch, Stateful
from sweep.training.plan import NOTHING_SWITCHED, Batch
from sweep.training.random_state import RandomState
from sweep.training.spread import gathered, own_places
from sweep.training.teacher import Teacher
from sweep.training.tokens import TokenTable


class _SubBatch(NamedTuple):
    """Sequences that go through the encoder together, and their places among the rank's."""

    tokens: TokenBatch | PackedBatch
    places: Tensor


class ContrastiveStep:
    """Adds the gradients of a batch's mean loss to the encoder's parameters, the same on every rank.

    With `train.gradient_cache` (Gao et al. 2021, arXiv 2101.06983) a first pass computes all embeddings without
    keeping activations, the loss gives the gradients of the embeddings, and a second pass carries them on, one
    sub-batch at a time: memory is that of one sub-batch, for about a third more work. Dropout draws the same in both
    passes, so the gradients are those of the plain step.
    """

    def __init__(
        self,
        retriever: Retriever,
        tokens: TokenTable,
        settings: TrainSettings,
        accelerator: Accelerator,
        loss: Loss,
        teacher: Teacher | None = None,
    ) -> None:
        self._retriever = retriever
        self._encoder = retriever.encoder
        self._tokens = tokens
        self._settings = settings
        self._accelerator = accelerator
        self._loss = loss
        self._teacher = teacher

    def __call__(
        self,
        batch: Batch,
        share: float = 1.0,
        last_pass: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> Tensor:
        """Loss of every row of the global batch, float32 (b), detached; gradients are those of `share` x the mean of
        the losses, each times the weight of its row. `last_pass` is around the last backward pass."""
        subs = self._sub_batches(batch)
        if not self._settings.gradient_cache:
            embedding_nh = self._joined([self._embed(sub) for sub in subs], subs)
            loss_b = self._loss_of(embedding_nh, batch)
            with last_pass():
                (share * self._weighted(loss_b, batch).mean()).backward()  # type: ignore[no-untyped-call]
            return loss_b.detach()
        states, parts = [], []
        with torch.no_grad():
            for sub in subs:
                states.append(RandomState.now(self._accelerator.device))
                parts.append(self._embed(sub))
        embedding_nh = self._joined(parts, subs).requires_grad_()
        loss_b = self._loss_of(embedding_nh, batch)
        (share * self._weighted(loss_b, batch).mean()).backward()  # type: ignore[no-untyped-call]
        assert embedding_nh.grad is not None
        for sub, state in zip(subs, states, strict=True):
            state.restore(self._accelerator.device)
            embedding_bh = self._embed(sub)
            with last_pass() if sub is subs[-1] else nullcontext():
                embedding_bh.backward(embedding_nh.grad[sub.places])  # type: ignore[no-untyped-call]
        return loss_b.detach()

    def tokens(self, batch: Batch) -> int | None:
        """Tokens of the whole batch, without padding: questions, passages, hard negatives and translated questions.
        None where they are not known beforehand."""
        switched = batch.switched or NOTHING_SWITCHED
        asked = np.concatenate([batch.question_b, _translations(batch)])
        questions = self._tokens.count("query", asked, switched.questions)
        candidates = np.concatenate([batch.passage_b, batch.hard_n])
        passages = self._tokens.count("passage", candidates, switched.passages)
        return None if questions is None or passages is None else questions + passages

    def loss_state(self) -> dict[str, Tensor]:
        """What the loss remembers of the batches before; nothing, but for some losses."""
        return self._loss.state() if isinstance(self._loss, Stateful) else {}

    def restore_loss(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of `loss_state`."""
        if isinstance(self._loss, Stateful):
            self._loss.restore(state, self._accelerator.device)

    @staticmethod
    def _weighted(loss_b: Tensor, batch: Batch) -> Tensor:
        """The losses times the weights of their rows (b)."""
        return loss_b if batch.weight_b is None else loss_b * torch.from_numpy(batch.weight_b).to(loss_b.device)

    def _sub_batches(self, batch: Batch) -> list[_SubBatch]:
        """This rank's rows, in the order of their lengths."""
        rows, hard = self._own(len(batch.group_b)), self._own(len(batch.hard_n))
        passages = np.concatenate([batch.passage_b[rows], batch.hard_n[hard]])
        switched, translations = batch.switched or NOTHING_SWITCHED, _translations(batch)
        ids = [
            *self._tokens.of("query", batch.question_b[rows], _at(rows, switched.questions)),
            *self._tokens.of("passage", passages, _at(rows, switched.passages)),
            *self._tokens.of("query", translations[self._own(len(translations))]),
        ]
        parts = length_sorted_batches(
            [len(sequence) for sequence in ids], self._settings.tokens_per_pass, padded=not self._encoder.packs
        )
        if is_sharded(self._encoder):
            parts = split_into(parts, self._most(len(parts)))
        device = self._accelerator.device
        return [
            _SubBatch(
                self._retriever.collate([ids[place] for place in part], device), torch.from_numpy(part).to(device)
            )
            for part in parts
        ]

    def _own(self, size: int) -> NDArray[np.int64]:
        return own_places(size, self._accelerator)

    def _most(self, number: int) -> int:
        """The highest of the ranks' numbers: with sharded weights all of them call the encoder equally often."""
        box = torch.tensor([number], device=self._accelerator.device)
        torch.distributed.all_reduce(box, torch.distributed.ReduceOp.MAX)
        return int(box.item())

    def _embed(self, sub: _SubBatch) -> Tensor:
        embedding_h: Tensor = self._encoder(sub.tokens)
        return embedding_h

    @staticmethod
    def _joined(parts: Sequence[Tensor], subs: Sequence[_SubBatch]) -> Tensor:
        """Embeddings in the order of the rank's sequences (n, h)."""
        place_n = torch.cat([sub.places for sub in subs])
        return torch.cat(list(parts))[torch.argsort(place_n)]

    def _loss_of(self, embedding_nh: Tensor, batch: Batch) -> Tensor:
        """Loss of every row of the global batch (b), from this rank's embeddings (n, h)."""
        sizes = (len(batch.group_b), len(batch.group_b), len(batch.hard_n), len(_translations(batch)))
        parts = torch.split(embedding_nh, [len(self._own(size)) for size in sizes])
        query_bh, passage_bh, hard_nh, translated_nh = (
            gathered(part, size, self._accelerator) for part, size in zip(parts, sizes, strict=True)
        )
        translation_bh = None
        if batch.translation_b is not None:
            has_b = torch.from_numpy(batch.translation_b >= 0).to(query_bh.device)
            translation_bh = torch.zeros_like(query_bh).index_put((has_b.nonzero()[:, 0],), translated_nh)
        targets = None if self._teacher is None else self._teacher(batch)
        embeddings = Embeddings(query_bh, torch.cat([passage_bh, hard_nh]), translation_bh, targets)
        return self._loss(embeddings, LossBatch.of(batch, self._accelerator.device))


def _translations(batch: Batch) -> NDArray[np.int32]:
    """The translated questions that the rows of a batch have."""
    return np.zeros(0, np.int32) if batch.translation_b is None else batch.translation_b[batch.translation_b >= 0]


def _at(rows: NDArray[np.int64], texts: Mapping[int, str]) -> dict[int, str]:
    """Texts of rows of the batch by their places among a rank's."""
    return {place: texts[row] for place, row in enumerate(rows.tolist()) if row in texts}
