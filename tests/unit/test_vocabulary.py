"""Restricted word embeddings: the same losses and weights as with all of them, and all of them again afterwards."""

from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from tests.unit.test_model import TEXTS, hf, of_family

from sweep.data.texts import texts_in_memory
from sweep.data.training_row import TrainingRow
from sweep.data.training_set import training_set
from sweep.model.encoder import Retriever
from sweep.model.token_cache import TokenCache
from sweep.model.vocabulary import restrict_vocabulary, with_full_vocabulary
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.training.loop import Training
from sweep.training.losses.registry import make_loss
from sweep.training.plan import BatchPlan
from sweep.training.step import ContrastiveStep
from sweep.training.tokens import TokenTable
from sweep.training.watch import Watch

ROWS = [TrainingRow(f"g{n}", code, f"cats {n}", f"moss {n} {code}") for n in range(12) for code in ("en", "de")]


def retriever_of(family: str, folder: Path, cache: Path) -> Retriever:
    """With rows that no text here uses."""
    of_family(family, folder, cache)
    return hf(folder, cache, dropout=0.0)


def token_ids(retriever: Retriever) -> list[list[int]]:
    return [
        *retriever.tokenize([row.question for row in ROWS], "query").ids,
        *retriever.tokenize([row.passage for row in ROWS], "passage").ids,
    ]


def trained(retriever: Retriever, cache: TokenCache) -> list[float]:
    settings = load_settings(
        Composer(
            "sweep",
            ["train.steps=12", "train.warmup_steps=0", "train.batch_size=8", "train.learning_rate=0.003",
             "train.log_every=1", "train.weight_decay=0.1"],
        )
    )  # fmt: skip
    data = training_set(ROWS, ("en", "de"))
    accelerator = Accelerator(cpu=True)
    plan = BatchPlan(data, settings.ratio, settings.train.batch_size, 0, settings.train.steps)
    step = ContrastiveStep(
        retriever,
        TokenTable(retriever, data, cache),
        settings.train,
        accelerator,
        make_loss(settings.loss, settings.train),
    )
    losses: list[float] = []
    Training(step, retriever.encoder, plan, settings.train, accelerator).run(
        Watch(on_point=lambda point: losses.append(point.loss))
    )
    return losses


@pytest.mark.parametrize("family", ["xlmr", "mbert", "modernbert"])
def test_training_is_that_of_the_full_model(family: str, cache: Path, tmp_path: Path) -> None:
    full, small = (retriever_of(family, tmp_path, cache) for _ in range(2))
    before = full.encoder.backbone.get_input_embeddings().weight.detach().clone()
    tokens = TokenCache(full, cache / "tokens")
    small = restrict_vocabulary(small, token_ids(small))
    assert small.vocabulary is not None
    kept = torch.from_numpy(small.vocabulary.kept)
    assert len(kept) < small.vocabulary.full_size == len(before)
    assert trained(small, tokens) == pytest.approx(trained(full, tokens), rel=1e-5)
    again = with_full_vocabulary(small, before)
    weight = again.encoder.backbone.get_input_embeddings().weight
    torch.testing.assert_close(
        weight[kept], full.encoder.backbone.get_input_embeddings().weight[kept], atol=1e-6, rtol=1e-4
    )
    others = torch.ones(len(before), dtype=torch.bool)
    others[kept] = False
    assert torch.equal(weight[others], before[others])  # training all of them would only have decayed them
    assert not torch.allclose(full.encoder.backbone.get_input_embeddings().weight[others], before[others])
    for retriever in (again, full):
        retriever.encoder.eval()
    texts = ["cats 3", "moss 4 en"]
    embedded = [
        retriever.encoder(retriever.collate(retriever.tokenize(texts, "query").ids)) for retriever in (again, full)
    ]
    torch.testing.assert_close(*embedded, atol=1e-5, rtol=1e-3)


def test_a_text_that_was_not_counted_is_refused(cache: Path, tmp_path: Path) -> None:
    retriever = retriever_of("xlmr", tmp_path, cache)
    small = restrict_vocabulary(retriever, token_ids(retriever))
    with pytest.raises(KeyError, match="is not in the restricted vocabulary"):
        small.tokenize(list(TEXTS), "query")


def test_saved_memory_is_that_of_adams_four_copies(cache: Path, tmp_path: Path) -> None:
    retriever = retriever_of("xlmr", tmp_path, cache)
    small = restrict_vocabulary(retriever, token_ids(retriever))
    assert small.vocabulary is not None
    missing = small.vocabulary.full_size - len(small.vocabulary.kept)
    assert small.vocabulary.saved_bytes(16) == missing * 16 * 4 * 4


def test_a_restricted_encoder_changes_no_token_ids(cache: Path, tmp_path: Path) -> None:
    """Texts that are read afterwards keep the ids of the whole vocabulary, also through what was made before."""
    retriever = retriever_of("xlmr", tmp_path, cache)
    passages = [row.passage for row in ROWS]
    texts, _ = texts_in_memory(passages)
    tokens = TokenCache(retriever, cache / "later")
    before = retriever.tokenize_whole(passages, "passage").ids
    small = restrict_vocabulary(retriever, token_ids(retriever))
    assert small.vocabulary is not None
    assert small.rows == retriever.rows > len(small.vocabulary.kept)
    for one in (retriever, small):
        assert one.tokenize_whole(passages, "passage").ids == before
    later = tokens.of(texts, "passage").of(np.arange(texts.size))
    assert sorted(map(list, later)) == sorted({tuple(ids): ids for ids in before}.values())
