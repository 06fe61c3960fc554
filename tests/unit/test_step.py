"""One contrastive step: neither sub-batches nor the gradient cache change the loss or its gradients."""

from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from sweep.data.load import load_training_set
from sweep.model.registry import build_retriever
from sweep.model.token_cache import TokenCache
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.training.losses.info_nce import InfoNce, info_nce
from sweep.training.losses.protocol import Embeddings, LossBatch
from sweep.training.losses.registry import make_loss
from sweep.training.plan import Batch, BatchPlan
from sweep.training.step import ContrastiveStep
from sweep.training.tokens import TokenTable

SMALL = (
    "languages=cldr_6", "train.batch_size=24", "data.records={high: 60, mid: 30, low: 20}", "evaluation.records=12",
    "model.vocabulary_size=800", "ratio.monolingual=0.0", "ratio.cross_batch=mixed",
)  # fmt: skip


def prepared(cache: Path, *overrides: str) -> tuple[ContrastiveStep, torch.nn.Module, Batch]:
    settings = load_settings(Composer("sweep", [*SMALL, *overrides]))
    data = load_training_set(settings)
    retriever = build_retriever(settings.model, data.texts, cache, 0)
    retriever.encoder.train()
    step = ContrastiveStep(
        retriever,
        TokenTable(retriever, data, TokenCache(retriever, cache / "tokens")),
        settings.train,
        Accelerator(cpu=True),
        InfoNce(settings.train.temperature),
    )
    return (
        step,
        retriever.encoder,
        BatchPlan(data, settings.ratio, settings.train.batch_size, 0, settings.train.steps).batch(3),
    )


def gradients(cache: Path, *overrides: str, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Losses of the batch's rows, and all gradients in a row."""
    step, encoder, batch = prepared(cache, *overrides)
    torch.manual_seed(seed)
    loss_b = step(batch)
    found = [parameter.grad.ravel() for parameter in encoder.parameters() if parameter.grad is not None]
    return loss_b, torch.cat(found)


def test_a_step_is_the_plain_loss_of_the_whole_batch(cache: Path) -> None:
    """Padded to the longest text, in one piece, as one would write it down."""
    loss_b, gradient = gradients(cache, "model.dropout=0.0", "train.tokens_per_pass=64")
    settings = load_settings(Composer("sweep", [*SMALL, "model.dropout=0.0"]))
    data = load_training_set(settings)
    retriever = build_retriever(settings.model, data.texts, cache, 0)
    batch = BatchPlan(data, settings.ratio, settings.train.batch_size, 0, settings.train.steps).batch(3)
    query, passage = (
        retriever.collate(retriever.tokenize([data.texts[index] for index in indices], role).ids)
        for role, indices in (("query", batch.question_b), ("passage", batch.passage_b))
    )
    query_bh, passage_bh = retriever.encoder(query), retriever.encoder(passage)
    negative_bb = torch.as_tensor(batch.negative_bc)
    plain_b = info_nce(query_bh, passage_bh, negative_bb, settings.train.temperature)
    plain_b.mean().backward()
    plain = torch.cat([p.grad.ravel() for p in retriever.encoder.parameters() if p.grad is not None])
    torch.testing.assert_close(loss_b, plain_b.detach(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gradient, plain, atol=1e-6, rtol=1e-3)
    halves = [
        info_nce(query_bh[part], passage_bh[part], negative_bb[part, part], settings.train.temperature)
        for part in (slice(0, 12), slice(12, 24))
    ]
    assert not torch.allclose(torch.cat(halves), plain_b, atol=1e-2)  # fewer negatives: another loss


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_the_gradient_cache_gives_the_gradients_of_the_plain_step(cache: Path, dropout: float) -> None:
    options = f"model.dropout={dropout}", "train.tokens_per_pass=100"
    plain_b, plain = gradients(cache, *options)
    cached_b, cached = gradients(cache, *options, "train.gradient_cache=true")
    assert torch.equal(plain_b, cached_b)
    torch.testing.assert_close(cached, plain, atol=1e-6, rtol=1e-3)
    _, other = gradients(cache, *options, "train.gradient_cache=true", seed=1)
    assert torch.allclose(other, plain, atol=1e-6, rtol=1e-3) == (dropout == 0)


def test_the_gradient_cache_leaves_the_random_state_of_the_plain_step(cache: Path) -> None:
    """So that the steps after it draw the same dropout."""
    states = []
    for cached in ("false", "true"):
        gradients(cache, "model.dropout=0.2", "train.tokens_per_pass=100", f"train.gradient_cache={cached}")
        states.append(torch.get_rng_state())
    assert torch.equal(*states)


def test_gradients_add_up_in_shares(cache: Path) -> None:
    step, encoder, batch = prepared(cache, "model.dropout=0.0")
    step(batch, share=0.25)
    step(batch, share=0.75)
    twice = torch.cat([parameter.grad.ravel() for parameter in encoder.parameters() if parameter.grad is not None])
    torch.testing.assert_close(twice, gradients(cache, "model.dropout=0.0")[1], atol=1e-6, rtol=1e-4)


def test_a_loss_gets_the_languages_of_each_row_and_may_weigh_them(cache: Path) -> None:
    """As another loss would: the rows of one pair count nothing."""
    step, _, batch = prepared(cache, "model.dropout=0.0")
    plain = step._loss
    seen: list[LossBatch] = []

    def weighed(embeddings: Embeddings, of: LossBatch) -> torch.Tensor:
        seen.append(of)
        counts_b = torch.tensor([pair != of.pairs[0] for pair in of.pairs])
        return plain(embeddings, of) * counts_b

    expected_b = step(batch)
    step._loss = weighed
    loss_b = step(batch)
    assert (seen[0].kind, seen[0].pairs) == (batch.kind, batch.pairs)
    for row, pair in enumerate(batch.pairs):
        assert float(loss_b[row]) == (0.0 if pair == batch.pairs[0] else float(expected_b[row]))


def test_every_loss_setting_has_a_loss() -> None:
    settings = load_settings(Composer("sweep", ["loss=info_nce", "train.temperature=0.07"]))
    assert make_loss(settings.loss, settings.train) == InfoNce(0.07)
