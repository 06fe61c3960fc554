"""The training loop: hybrid batches, one global loss over all ranks, under accelerate."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.distributed.nn.functional import all_gather
from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

from sweep.data.training_set import TrainingSet
from sweep.errors import TrialFailed
from sweep.model.encoder import Retriever, Role
from sweep.settings import TrainSettings
from sweep.training.loss import info_nce, negative_mask
from sweep.training.plan import Batch, BatchPlan, rank_slice

SCHEDULES: dict[str, Callable[[torch.optim.Optimizer, int, int], Any]] = {
    "linear": get_linear_schedule_with_warmup,
    "cosine": get_cosine_schedule_with_warmup,
}


@dataclass(frozen=True)
class TrainingPoint:
    """One logged step: number of steps done, mean loss since the last point, learning rate, unix time in ms."""

    step: int
    loss: float
    learning_rate: float
    timestamp_ms: int


class TokenTable:
    """Token ids of the training texts, tokenised once, by text index and role."""

    def __init__(self, retriever: Retriever, data: TrainingSet) -> None:
        self._ids: dict[Role, dict[int, list[int]]] = {}
        cells_by_role: dict[Role, Any] = {"query": data.question_gl, "passage": data.passage_gl}
        for role, cells in cells_by_role.items():
            used = sorted({int(index) for index in cells.ravel() if index >= 0})
            tokens = retriever.tokenize([data.texts[index] for index in used], role).ids
            self._ids[role] = dict(zip(used, tokens, strict=True))

    def of(self, role: Role, indices: Any) -> list[list[int]]:
        """Token ids of the texts with these indices."""
        return [self._ids[role][int(index)] for index in indices]


def train(
    retriever: Retriever,
    data: TrainingSet,
    plan: BatchPlan,
    settings: TrainSettings,
    accelerator: Accelerator,
    on_point: Callable[[TrainingPoint], None],
) -> None:
    """Train the retriever's encoder in place for `settings.steps` steps.

    Every rank computes the same global batch, encodes its slice, and gathers all embeddings with their gradients;
    the loss is that of the whole batch, whatever the number of ranks. Raises TrialFailed on a NaN or infinite loss.
    """
    encoder = retriever.encoder
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = SCHEDULES[settings.decay](optimizer, settings.warmup_steps, settings.steps)
    model = accelerator.prepare_model(encoder) if accelerator.num_processes > 1 else encoder.to(accelerator.device)
    optimizer = accelerator.prepare_optimizer(optimizer)
    tokens = TokenTable(retriever, data)
    encoder.train()
    losses: list[float] = []
    for step in range(settings.steps):
        batch = plan.batch(step)
        loss_b = batch_loss(model, retriever, tokens, batch, settings.temperature, accelerator)
        loss = loss_b.mean()
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise TrialFailed(
                f"the loss became {losses[-1]} in step {step + 1} of {settings.steps}; try a smaller "
                f"train.learning_rate (it is {settings.learning_rate:g})"
            )
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(encoder.parameters(), settings.max_grad_norm)
        optimizer.step()
        rate = schedule.get_last_lr()[0]
        schedule.step()
        optimizer.zero_grad()
        done = step + 1
        if done % settings.log_every == 0 or done == settings.steps:
            on_point(TrainingPoint(done, sum(losses) / len(losses), rate, int(time.time() * 1000)))
            losses = []


def batch_loss(
    model: Any,
    retriever: Retriever,
    tokens: TokenTable,
    batch: Batch,
    temperature: float,
    accelerator: Accelerator,
) -> Tensor:
    """Loss of every row of the global batch, float32 (b), the same on all ranks."""
    rows = rank_slice(len(batch.group_b), accelerator.process_index, accelerator.num_processes)
    device = accelerator.device
    query = retriever.collate(tokens.of("query", batch.question_b[rows]), device)
    passage = retriever.collate(tokens.of("passage", batch.passage_b[rows]), device)
    query_bh, passage_bh = (gathered(local, len(batch.group_b), accelerator) for local in model([query, passage]))
    negative_bb = negative_mask(
        torch.as_tensor(batch.group_b, device=device), torch.as_tensor(batch.passage_b, device=device)
    )
    return info_nce(query_bh, passage_bh, negative_bb, temperature)


def gathered(local_bh: Tensor, size: int, accelerator: Accelerator) -> Tensor:
    """Embeddings of the whole batch, with gradients to the ranks that computed them.

    Every rank computes the whole loss from the gathered embeddings, so the backward pass of the gather sums
    `num_processes` equal gradients; DistributedDataParallel's averaging over ranks divides by as many.
    """
    if accelerator.num_processes == 1:
        return local_bh
    return torch.cat(all_gather(local_bh))[:size]  # type: ignore[no-untyped-call]
