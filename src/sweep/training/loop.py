"""The training loop: hybrid batches, one global loss over all ranks, resumed exactly where it was killed."""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from enum import IntFlag
from typing import Any

import torch
import torch.distributed
from accelerate import Accelerator
from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

from sweep.errors import TrialFailed
from sweep.evaluation.validation import Validation
from sweep.model.distributed_tensors import is_sharded
from sweep.model.encoder import Encoder
from sweep.settings import TrainSettings
from sweep.settings.by_kind import EQUAL_WEIGHTS, KindWeights
from sweep.training.checkpoint import Checkpoints
from sweep.training.code_switch import SwitchedPlan
from sweep.training.exposure import NOTHING, Exposure
from sweep.training.gradients import GradientSum
from sweep.training.parameters import make_optimizer
from sweep.training.plan import BatchPlan
from sweep.training.progress import Progress
from sweep.training.step import ContrastiveStep
from sweep.training.units import Unit
from sweep.training.watch import Paused, Pruned, TrainingPoint, Watch

SCHEDULES: dict[str, Callable[[torch.optim.Optimizer, int, int], Any]] = {
    "linear": get_linear_schedule_with_warmup,
    "cosine": get_cosine_schedule_with_warmup,
}


class Verdict(IntFlag):
    """What is to follow a step."""

    GO_ON = 0
    SAVE = 1
    PRUNE = 2
    PAUSE = 4
    END = 8


@dataclass(frozen=True)
class Trained:
    """The last step's loss, how many steps were done, what they were exposed to, and what a reader should know.
    `left_out` are languages and pairs with too few rows for a batch, if these are not drawn."""

    loss: float
    steps: int
    exposure: Exposure = NOTHING
    notes: tuple[str, ...] = ()
    left_out: tuple[Unit, ...] = ()


class Training:
    """A training that can be cut off at any moment and goes on from its last checkpoint, on a CPU with the same bits.

    Every rank has the whole encoder, or one part of all its weights, and computes the same global batches; gradients
    are added up over the ranks.
    """

    def __init__(
        self,
        step: ContrastiveStep,
        encoder: Encoder,
        plan: BatchPlan | SwitchedPlan,
        settings: TrainSettings,
        accelerator: Accelerator,
        checkpoints: Checkpoints | None = None,
        validate: Callable[[int], Validation | None] | None = None,
        weights: KindWeights = EQUAL_WEIGHTS,
    ) -> None:
        self._step = step
        self._encoder = encoder.to(accelerator.device)
        self._plan = plan
        self._settings = settings
        self._accelerator = accelerator
        self._checkpoints = checkpoints
        self._validate = validate
        self._weights = weights
        self._optimizer = make_optimizer(encoder, settings)
        self._schedule = SCHEDULES[settings.decay](self._optimizer, settings.warmup_steps, settings.steps)
        adds_up = 1 if is_sharded(encoder) else accelerator.num_processes  # sharded weights add up by themselves
        self._gradients = GradientSum(encoder.parameters(), adds_up)

    def run(self, watch: Watch) -> Trained:
        """Train to the last step, or until the settings end it.

        Raises TrialFailed (a loss or an embedding is not finite), Paused or Pruned (as `watch` decides), and Fenced.
        """
        try:
            return self._run(watch)
        finally:
            self._gradients.close()

    def _run(self, watch: Watch) -> Trained:
        progress = self._resume(watch)
        self._encoder.train()
        started, before = time.monotonic(), progress.seconds
        saved_at = started
        while progress.step < self._settings.steps and not progress.ended:
            progress = self._advance(progress, watch)
            progress, verdict = self._judge(progress, watch)
            now = time.monotonic()
            verdict |= self._broadcast_verdict(self._ask(before + now - started, now - saved_at, watch))
            progress = replace(progress, seconds=before + now - started)
            if verdict & Verdict.END:
                progress = replace(progress, ended=True)
            if self._checkpoints is not None and (verdict or self._is_due(progress)):
                self._checkpoints.save(
                    self._encoder, self._optimizer, self._schedule, progress, self._step.loss_state()
                )
                saved_at = time.monotonic()
            if verdict & (Verdict.PRUNE | Verdict.PAUSE) and progress.step < self._settings.steps:
                raise Pruned(progress.step) if verdict & Verdict.PRUNE else Paused(progress.step)
        if progress.ended:
            watch.on_note(f"training ended after step {progress.step} of {self._settings.steps}")
        self._take_best(progress, watch)
        return Trained(progress.last_loss, progress.step, progress.exposure, progress.notes, self._plan.left_out)

    def _resume(self, watch: Watch) -> Progress:
        """Set everything to the newest checkpoint, if there is one."""
        if self._checkpoints is None:
            return Progress()
        folder, problems = self._checkpoints.newest()
        for problem in problems:
            watch.on_note(f"a checkpoint is not used: {problem}")
        if folder is None:
            return Progress()
        watch.on_note(f"going on from checkpoint {folder.name}")
        progress = self._checkpoints.restore(folder, self._encoder, self._optimizer, self._schedule)
        self._step.restore_loss(self._checkpoints.loss_state(folder))
        for note in progress.notes:
            watch.on_note(note)
        parts = self._settings.accumulate_batches
        if progress.exposure.batches < progress.step * parts:  # a checkpoint of an earlier version
            progress = replace(progress, exposure=self._exposure_of(progress.step * parts))
        return progress

    def _exposure_of(self, batches: int) -> Exposure:
        """What the plan's first batches exposed the training to; their losses and tokens are not known."""
        exposure = Exposure()
        for number in range(batches):
            exposure = exposure.after(self._plan.batch(number), self._settings.batch_size, None, None)
        return exposure

    def _advance(self, progress: Progress, watch: Watch) -> Progress:
        """One step more."""
        done = progress.step + 1
        last, exposure = self._one_step(done, progress.exposure)
        losses = (*progress.losses, last)
        rate = max(self._schedule.get_last_lr())
        self._schedule.step()
        if done % self._settings.log_every == 0 or done == self._settings.steps:
            watch.on_point(TrainingPoint(done, sum(losses) / len(losses), rate, int(time.time() * 1000)))
            losses = ()
        return replace(progress, step=done, losses=losses, last_loss=last, exposure=exposure)

    def _judge(self, progress: Progress, watch: Watch) -> tuple[Progress, Verdict]:
        """What a validation says, if one is due: whether to prune or to stop early."""
        every, stopping = self._settings.validation.every_steps, self._settings.early_stopping
        if self._validate is None or every is None or progress.step % every:
            return progress, Verdict.GO_ON
        validation = self._validate(progress.step)
        hopeless = validation is not None and watch.on_validation(validation)
        verdict = self._broadcast_verdict(Verdict.PRUNE if hopeless else Verdict.GO_ON)
        if stopping.patience is None:
            return progress, verdict
        value = self._broadcast(0.0 if validation is None else validation.metrics[stopping.metric])
        if progress.best is None or value > progress.best[1] + stopping.min_delta:
            return replace(progress, best=(progress.step, value), worse=0), verdict | Verdict.SAVE
        progress = replace(progress, worse=progress.worse + 1)
        return progress, verdict | (Verdict.END if progress.worse >= stopping.patience else Verdict.GO_ON)

    def _ask(self, seconds: float, since_saved: float, watch: Watch) -> Verdict:
        """What clocks and the user ask for."""
        settings = self._settings
        verdict = Verdict.SAVE if since_saved > 60 * settings.checkpoint_minutes else Verdict.GO_ON
        if settings.max_minutes is not None and seconds > 60 * settings.max_minutes:
            verdict |= Verdict.END
        return verdict | (Verdict.PAUSE if watch.should_pause() else Verdict.GO_ON)

    def _broadcast_verdict(self, verdict: Verdict) -> Verdict:
        """Rank 0's verdict, on every rank: their clocks differ."""
        return Verdict(int(self._broadcast(float(verdict))))

    def _broadcast(self, number: float) -> float:
        if self._accelerator.num_processes == 1:
            return number
        box = torch.tensor([number], dtype=torch.float64, device=self._accelerator.device)
        torch.distributed.broadcast(box, 0)
        return float(box.item())

    def _is_due(self, progress: Progress) -> bool:
        """Whether to save after this step whatever the clock says: the last, and every N steps."""
        every = self._settings.checkpoint_steps
        return progress.step == self._settings.steps or (every is not None and progress.step % every == 0)

    def _take_best(self, progress: Progress, watch: Watch) -> None:
        """With early stopping, the weights of the best validation."""
        if progress.best is None or self._checkpoints is None:
            return
        folder, problems = self._checkpoints.newest(progress.best[0])
        if folder is None:
            reason = "; ".join(problems) or "it is gone"
            raise TrialFailed(
                f"the best validation's checkpoint, of step {progress.best[0]}, cannot be used: {reason}"
            )
        self._checkpoints.restore_weights(folder, self._encoder)
        watch.on_note(f"the weights of step {progress.best[0]} are taken: {progress.best[1]:.4f}")

    def _one_step(self, done: int, exposure: Exposure) -> tuple[float, Exposure]:
        """Forward, backward and update; the batches' mean loss, and the exposure with these batches."""
        parts = self._settings.accumulate_batches
        batches = [self._plan.batch((done - 1) * parts + part) for part in range(parts)]
        losses = []
        for batch in batches:
            last_pass = self._gradients.last_pass if batch is batches[-1] else nullcontext
            share = self._weights.of(batch.kind) / parts
            losses.append(float(self._step(batch, share, last_pass).mean()))
        loss = sum(losses) / parts
        self._gradients.finish()  # whatever the loss is: what is on its way would meet the ranks' next messages
        if not math.isfinite(loss):
            raise TrialFailed(
                f"the loss became {loss} in step {done} of {self._settings.steps}; try a smaller "
                f"train.learning_rate (it is {self._settings.learning_rate:g})"
            )
        torch.nn.utils.clip_grad_norm_(self._encoder.parameters(), self._settings.max_grad_norm)
        self._optimizer.step()
        self._optimizer.zero_grad()
        for batch, of_batch in zip(batches, losses, strict=True):
            exposure = exposure.after(batch, self._settings.batch_size, of_batch, self._step.tokens(batch))
        return loss, exposure
