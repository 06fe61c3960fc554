"""A training in processes of its own, for test_kill_anywhere."""

import os
from pathlib import Path

import torch
from safetensors.torch import save_file

from sweep.data.holdout import hold_out
from sweep.data.load import load_training_set
from sweep.evaluation.validation import Validator
from sweep.model.registry import build_retriever
from sweep.model.token_cache import TokenCache
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.training.checkpoint import Checkpoints
from sweep.training.loop import Training
from sweep.training.losses.registry import make_loss
from sweep.training.plan import BatchPlan
from sweep.training.step import ContrastiveStep
from sweep.training.tokens import TokenTable
from sweep.training.watch import Watch
from sweep.trial.pipeline import make_accelerator

OVERRIDES = (
    "languages=cldr_6", "train.steps=150", "train.warmup_steps=3", "train.batch_size=24", "train.log_every=1",
    "data.records={high: 60, mid: 30, low: 20}", "model.vocabulary_size=800", "model.dropout=0.1",
    "train.checkpoint_steps=1", "train.tokens_per_pass=256",
    "train.validation={every_steps: 30, groups: 8}", "train.early_stopping.patience=2",
)  # fmt: skip


def train(folder: Path, cache: Path, rank: int, ranks: int, port: int) -> None:
    """Train from the last checkpoint to the end; rank 0 leaves the weights and the last loss."""
    if ranks > 1:
        os.environ.update(
            ACCELERATE_USE_CPU="true", RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(ranks),
            LOCAL_WORLD_SIZE=str(ranks), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
        )  # fmt: skip
    torch.set_num_threads(1)
    settings = load_settings(Composer("sweep", list(OVERRIDES)))
    data = load_training_set(settings)
    accelerator = make_accelerator()
    retriever = build_retriever(settings.model, data.texts, cache, settings.seed)
    torch.manual_seed(1_000_003 + accelerator.process_index)
    data, held_out = hold_out(data, settings.train.validation.groups)
    tokens = TokenCache(retriever, cache / "tokens")
    validate = Validator(retriever, held_out, {}, accelerator, ("pooled", "map"), tokens)
    plan = BatchPlan(data, settings.ratio, settings.train.batch_size, settings.seed, settings.train.steps)
    step = ContrastiveStep(
        retriever,
        TokenTable(retriever, data, tokens),
        settings.train,
        accelerator,
        make_loss(settings.loss, settings.train),
    )
    checkpoints = Checkpoints(folder / "checkpoint", settings.trial_fingerprint(), accelerator)
    training = Training(step, retriever.encoder, plan, settings.train, accelerator, checkpoints, validate)
    loss = training.run(Watch()).loss
    if accelerator.is_main_process:
        weights = {name: tensor.contiguous() for name, tensor in retriever.encoder.state_dict().items()}
        save_file({**weights, "last_loss": torch.tensor(loss, dtype=torch.float64)}, folder / "draft")
        os.replace(folder / "draft", folder / "weights.safetensors")
    accelerator.end_training()
