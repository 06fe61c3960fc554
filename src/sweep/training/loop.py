"""The training loop: hybrid batches, one global loss over all ranks, resumed exactly where it was killed."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed
from accelerate import Accelerator
from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

from sweep.errors import TrialFailed
from sweep.model.encoder import Encoder
from sweep.settings import TrainSettings
from sweep.training.checkpoint import Checkpoints, Progress
from sweep.training.parameters import parameter_groups
from sweep.training.plan import BatchPlan
from sweep.training.step import ContrastiveStep

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


class Training:
    """A training that can be cut off at any moment and goes on from its last checkpoint, on a CPU with the same bits.

    Every rank has the whole encoder and computes the same global batches; gradients are added up over the ranks.
    """

    def __init__(
        self,
        step: ContrastiveStep,
        encoder: Encoder,
        plan: BatchPlan,
        settings: TrainSettings,
        accelerator: Accelerator,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self._step = step
        self._encoder = encoder.to(accelerator.device)
        self._plan = plan
        self._settings = settings
        self._accelerator = accelerator
        self._checkpoints = checkpoints
        self._optimizer = torch.optim.AdamW(parameter_groups(encoder, settings), lr=settings.learning_rate)
        self._schedule = SCHEDULES[settings.decay](self._optimizer, settings.warmup_steps, settings.steps)
        self._saved_at = time.monotonic()

    def run(self, on_point: Callable[[TrainingPoint], None], on_note: Callable[[str], None] = print) -> float:
        """Train to the last step; the loss of the last one. `on_note` is told of damaged checkpoints.

        Raises TrialFailed on a NaN or infinite loss.
        """
        progress = self._resumed(on_note)
        self._encoder.train()
        losses = list(progress.losses)
        last = progress.last_loss
        for done in range(progress.step + 1, self._settings.steps + 1):
            last = self._one_step(done)
            losses.append(last)
            rate = max(self._schedule.get_last_lr())
            self._schedule.step()
            if done % self._settings.log_every == 0 or done == self._settings.steps:
                on_point(TrainingPoint(done, sum(losses) / len(losses), rate, int(time.time() * 1000)))
                losses = []
            if self._checkpoints is not None and self._due(done):
                progress = Progress(done, tuple(losses), last)
                self._checkpoints.save(self._encoder, self._optimizer, self._schedule, progress)
                self._saved_at = time.monotonic()
        return last

    def _resumed(self, on_note: Callable[[str], None]) -> Progress:
        if self._checkpoints is None:
            return Progress(0, (), math.nan)
        folder, problems = self._checkpoints.newest()
        for problem in problems:
            on_note(f"a checkpoint is not used: {problem}")
        if folder is None:
            return Progress(0, (), math.nan)
        on_note(f"going on from checkpoint {folder.name}")
        return self._checkpoints.restore(folder, self._encoder, self._optimizer, self._schedule)

    def _one_step(self, done: int) -> float:
        """Forward, backward and update; the batches' mean loss."""
        parts = self._settings.accumulate_batches
        batches = [self._plan.batch((done - 1) * parts + part) for part in range(parts)]
        loss = sum(float(self._step(batch, share=1 / parts).mean()) for batch in batches) / parts
        if not math.isfinite(loss):
            raise TrialFailed(
                f"the loss became {loss} in step {done} of {self._settings.steps}; try a smaller "
                f"train.learning_rate (it is {self._settings.learning_rate:g})"
            )
        self._add_up_gradients()
        torch.nn.utils.clip_grad_norm_(self._encoder.parameters(), self._settings.max_grad_norm)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return loss

    def _add_up_gradients(self) -> None:
        """Sum over the ranks, all parameters in one message."""
        if self._accelerator.num_processes == 1:
            return
        gradients = [parameter.grad for parameter in self._encoder.parameters() if parameter.grad is not None]
        flat = torch.cat([gradient.ravel() for gradient in gradients])
        torch.distributed.all_reduce(flat)
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def _due(self, done: int) -> bool:
        """Whether to save after this step: the last, every N steps, and every so many minutes by rank 0's clock."""
        settings = self._settings
        if done == settings.steps or (settings.checkpoint_steps and done % settings.checkpoint_steps == 0):
            return True
        late = time.monotonic() - self._saved_at > 60 * settings.checkpoint_minutes
        if self._accelerator.num_processes == 1:
            return late
        told = torch.tensor([float(late)], device=self._accelerator.device)
        torch.distributed.broadcast(told, 0)
        return bool(told.item())
