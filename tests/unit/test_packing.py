"""Packed batches: the embeddings and gradients of padded ones, without the padding."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.unit.test_model import TEXTS, hf, of_family
from transformers import DistilBertConfig, DistilBertModel

from sweep.model.encoder import Retriever, TokenBatch
from sweep.model.packing import PackedBatch
from sweep.model.tokenizer import unigram_tokenizer

WINDOW = 8  # tokens that ModernBERT's local layers see, the same number to each side
LENGTHS = (5, 40, 3, 5, 17, 40, 1, 29)  # on both sides of the window, some twice, not in order


def small_model(family: str, folder: Path, cache: Path) -> Retriever:
    pooling = of_family(family, folder, cache).pooling
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "local_attention": WINDOW}))
    return hf(folder, cache, dropout=0.0, pooling=pooling)


def sequences(retriever: Retriever) -> list[list[int]]:
    rng = np.random.default_rng(0)
    low, high = retriever.tokenizer.pad_token_id + 1, retriever.encoder.backbone.config.vocab_size
    return [rng.integers(low, high, length).tolist() for length in LENGTHS]


def padded(retriever: Retriever, ids: list[list[int]]) -> TokenBatch:
    """What is taken where batches are not packed."""
    longest = max(map(len, ids))
    rows = [sequence + [retriever.tokenizer.pad_token_id] * (longest - len(sequence)) for sequence in ids]
    mask = [[1] * len(sequence) + [0] * (longest - len(sequence)) for sequence in ids]
    return TokenBatch(torch.tensor(rows), torch.tensor(mask))


def embedded(retriever: Retriever, batch: PackedBatch | TokenBatch) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Embeddings, and the gradients of a function that weighs every embedding differently."""
    retriever.encoder.zero_grad()
    embedding_bh = retriever.encoder(batch)
    weight_bh = torch.randn(embedding_bh.shape, generator=torch.Generator().manual_seed(1))
    (embedding_bh * weight_bh).sum().backward()
    return embedding_bh.detach(), [
        torch.zeros(1) if weight.grad is None else weight.grad.clone() for weight in retriever.encoder.parameters()
    ]


@pytest.mark.parametrize("family", ["xlmr", "labse", "me5_small", "modernbert"])
def test_embeddings_and_gradients_are_those_of_a_padded_batch(family: str, tmp_path: Path, cache: Path) -> None:
    retriever = small_model(family, tmp_path, cache)
    ids = sequences(retriever)
    batch = retriever.collate(ids)
    assert isinstance(batch, PackedBatch)
    assert batch.input_ids_1n.shape == (1, sum(LENGTHS))
    packed_bh, packed_gradients = embedded(retriever, batch)
    padded_bh, padded_gradients = embedded(retriever, padded(retriever, ids))
    torch.testing.assert_close(packed_bh, padded_bh, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(packed_gradients, padded_gradients, atol=1e-5, rtol=1e-4)


def test_sequences_do_not_see_each_other(tmp_path: Path, cache: Path) -> None:
    retriever = small_model("modernbert", tmp_path, cache)
    ids = sequences(retriever)
    batch = retriever.collate(ids)
    assert isinstance(batch, PackedBatch)
    with torch.no_grad():
        together = retriever.encoder(batch)
        ids[1] = ids[1][::-1]
        other = retriever.encoder(retriever.collate(ids))
        # One long sequence instead of eight, with the same tokens and positions: everything sees everything.
        whole = batch._replace(groups=((1, sum(LENGTHS)),), place_b=torch.tensor([0]))
        joined = retriever.encoder(whole)
    changed = (together != other).any(1)
    assert changed.tolist() == [row == 1 for row in range(len(LENGTHS))]
    assert not torch.allclose(joined[0], together[0], atol=1e-3)


def test_positions_start_again_with_every_sequence(tmp_path: Path, cache: Path) -> None:
    retriever = small_model("xlmr", tmp_path, cache)
    batch = retriever.collate([[5, 6, 7], [8, 9], [7, 7]])
    assert isinstance(batch, PackedBatch)
    first = retriever.encoder.backbone.config.pad_token_id + 1
    assert batch.input_ids_1n.tolist() == [[8, 9, 7, 7, 5, 6, 7]]
    assert (batch.position_1n - first).tolist() == [[0, 1, 0, 1, 0, 1, 2]]
    assert batch.groups == ((2, 2), (1, 3))
    assert batch.place_b.tolist() == [2, 0, 1]
    with torch.no_grad():
        right = retriever.encoder(batch)
        wrong = retriever.encoder(batch._replace(position_1n=torch.arange(7)[None] + first))
    assert not torch.allclose(right[1:], wrong[1:], atol=1e-4)


def test_other_architectures_are_padded(tmp_path: Path, cache: Path) -> None:
    tokenizer = unigram_tokenizer(TEXTS, 300, cache)
    config = DistilBertConfig(
        vocab_size=len(tokenizer), dim=16, n_layers=2, n_heads=2, hidden_dim=32, pad_token_id=tokenizer.pad_token_id
    )
    DistilBertModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    retriever = hf(tmp_path, cache, dropout=0.0)
    ids = sequences(retriever)
    batch = retriever.collate(ids)
    assert isinstance(batch, TokenBatch)
    with torch.no_grad():
        alone = torch.cat([retriever.encoder.eval()(retriever.collate([sequence])) for sequence in ids])
        torch.testing.assert_close(retriever.encoder(batch), alone, atol=1e-6, rtol=1e-5)
