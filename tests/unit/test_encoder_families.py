"""Each family as it is published gives the embeddings of sentence-transformers here, before training and after."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from tests.published_families import IMAGE, PUBLISHED, SENTENCES, publish
from tests.unit.test_lora import lora, train
from tests.unit.test_model import tiny
from tests.unit.test_vocabulary import token_ids
from transformers import Gemma3nTextConfig

from sweep.data.texts import texts_in_memory
from sweep.errors import InputError
from sweep.model.encoder import Encoder, Retriever, Role
from sweep.model.export import export
from sweep.model.lora import Adapters
from sweep.model.registry import build_retriever, check_encoder
from sweep.model.token_cache import TokenCache
from sweep.model.vocabulary import restrict_vocabulary, with_full_vocabulary
from sweep.settings import HfModel
from sweep.settings.compose import Composer
from sweep.settings.load import load_evaluate_settings
from sweep.settings.tree import group_options

TOKENS = 48
TEXTS = ["", "12", "   ", *SENTENCES, " 7 ".join(SENTENCES * 4), "نهر"]  # the one before the last is cut
FAMILIES = sorted(PUBLISHED)
OWN_CODE = {"gte_multilingual", "arctic_embed_2_medium"}  # see test_remote_code
ELSEWHERE = {"tiny", "hf", *(name for name in group_options()["model"] if name.startswith("ernie"))}


def settings_of(name: str, folder: Path, *overrides: str) -> HfModel:
    """The family's own settings for a folder."""
    lengths = (f"model.max_{role}_tokens={TOKENS}" for role in ("query", "passage"))
    composer = Composer("evaluate", [f"model={name}", f"model.path={folder}", *lengths, *overrides])
    settings = load_evaluate_settings(composer).model
    assert isinstance(settings, HfModel)
    return settings


def built(settings: HfModel) -> Retriever:
    check_encoder(settings)
    return build_retriever(settings, (), Path(), 0)


def embedded(retriever: Retriever, role: Role, padded: bool = False) -> torch.Tensor:
    encoder = retriever.encoder.eval()
    encoder._compiled = padded  # what is compiled takes padded batches
    with torch.no_grad():
        result: torch.Tensor = encoder(retriever.collate(retriever.tokenize(TEXTS, role).ids))
    encoder._compiled = False
    return result


def theirs(folder: Path, retriever: Retriever) -> dict[Role, torch.Tensor]:
    """What sentence-transformers makes of a folder with the prompts of these settings, in one batch."""
    model = SentenceTransformer(str(folder), device="cpu")
    model.max_seq_length = TOKENS
    prompts = {"query": retriever.settings.query_prefix, "passage": retriever.settings.passage_prefix}
    options: dict[str, Any] = {"normalize_embeddings": True, "convert_to_tensor": True, "batch_size": len(TEXTS)}
    return {
        "query": model.encode_query(TEXTS, prompt=prompts["query"], **options),
        "passage": model.encode_document(TEXTS, prompt=prompts["passage"], **options),
    }


def same(retriever: Retriever, expected: dict[Role, torch.Tensor]) -> None:
    for role, embedding_bh in expected.items():
        for padded in (False, True):
            torch.testing.assert_close(embedded(retriever, role, padded), embedding_bh, atol=1e-5, rtol=0)
        for row, text in enumerate(TEXTS):  # alone, without any padding
            ids = retriever.tokenize([text], role).ids
            with torch.no_grad():
                alone_h = retriever.encoder.eval()(retriever.collate(ids))[0]
            torch.testing.assert_close(alone_h, embedding_bh[row], atol=1e-5, rtol=0)


def plain(folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(folder), device="cpu")


def exported(
    retriever: Retriever,
    folder: Path,
    *overrides: str,
    loaded: Callable[[Path], SentenceTransformer] = plain,
) -> None:
    """The export gives what the retriever gives, by its own prompts and length; and so it does here."""
    export(retriever, folder, "")
    model = loaded(folder)
    assert model.max_seq_length == TOKENS
    for role, encode in (("query", model.encode_query), ("passage", model.encode_document)):
        here = embedded(retriever, role)
        torch.testing.assert_close(encode(TEXTS, convert_to_tensor=True), here, atol=1e-5, rtol=0)
        again = built(settings_of("hf", folder, *overrides))
        torch.testing.assert_close(embedded(again, role), here, atol=1e-6, rtol=0)


def test_every_declared_family_is_here() -> None:
    assert set(PUBLISHED) | OWN_CODE | ELSEWHERE == set(group_options()["model"])


@pytest.mark.parametrize("name", FAMILIES)
def test_a_published_model_gives_the_embeddings_of_its_own_library(name: str, tmp_path: Path) -> None:
    folder = publish(name, tmp_path / "model")
    own = built(settings_of(name, folder))
    same(own, theirs(folder, own))
    assert own.tokenize(TEXTS, "query").truncated
    auto = built(settings_of("hf", folder))
    if PUBLISHED[name].prompts is not None:
        assert auto.settings.query_prefix == own.settings.query_prefix
        model = SentenceTransformer(str(folder), device="cpu")
        model.max_seq_length = TOKENS
        torch.testing.assert_close(
            model.encode_query(TEXTS, convert_to_tensor=True), embedded(own, "query"), atol=1e-5, rtol=0
        )
        torch.testing.assert_close(
            model.encode_document(TEXTS, convert_to_tensor=True), embedded(own, "passage"), atol=1e-5, rtol=0
        )
    same(auto, theirs(folder, auto))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_trained_model_is_exported_as_it_is(name: str, tmp_path: Path, cache: Path) -> None:
    """With the words of these texts alone while it is trained."""
    folder = publish(name, tmp_path / "model")
    retriever = built(settings_of(name, folder))
    before = embedded(retriever, "query")
    original = retriever.encoder.backbone.get_input_embeddings().weight.detach().clone()
    ids = [*retriever.tokenize(TEXTS, "query").ids, *retriever.tokenize(TEXTS, "passage").ids]
    ids += token_ids(retriever)
    small = restrict_vocabulary(retriever, ids)
    assert small.vocabulary is not None
    wanted = {0, 1, *retriever.tokenizer.all_special_ids, *(token for sequence in ids for token in sequence)}
    assert set(small.vocabulary.kept) <= wanted  # whatever the padding token's id is
    torch.testing.assert_close(embedded(small, "query"), before, atol=1e-6, rtol=0)
    torch.testing.assert_close(embedded(small, "query", padded=True), before, atol=1e-5, rtol=0)
    train(small, cache, "train.learning_rate=0.003")
    trained = embedded(small, "query")
    assert (trained - before).abs().max() > 1e-3
    whole = with_full_vocabulary(small, original)
    torch.testing.assert_close(embedded(whole, "query"), trained, atol=1e-6, rtol=0)
    exported(whole, tmp_path / "out")


@pytest.mark.parametrize("name", ["embedding_gemma", "qwen3_embedding"])
def test_a_decoder_keeps_nothing_for_a_next_token(name: str, tmp_path: Path) -> None:
    backbone = built(settings_of(name, publish(name, tmp_path / "model"))).encoder.backbone
    assert backbone(input_ids=torch.tensor([[5, 6]])).past_key_values is None


@pytest.mark.parametrize("name", ["bge_m3", "embedding_gemma", "qwen3_embedding"])
def test_adapters_are_trained_and_merged(name: str, tmp_path: Path, cache: Path) -> None:
    retriever = built(settings_of(name, publish(name, tmp_path / "model")))
    before = embedded(retriever, "query")
    adapters = Adapters(retriever, lora(dropout=0.0), seed=0)
    torch.testing.assert_close(embedded(retriever, "query"), before, atol=1e-6, rtol=0)
    train(retriever, cache)
    trained = embedded(retriever, "query")
    assert (trained - before).abs().max() > 1e-3
    adapters.merge()
    torch.testing.assert_close(embedded(retriever, "query"), trained, atol=1e-5, rtol=0)
    exported(retriever, tmp_path / "out")


def test_a_model_from_scratch_is_exported_as_it_is(tmp_path: Path, cache: Path) -> None:
    limits = {"max_query_tokens": TOKENS, "max_passage_tokens": TOKENS, "query_prefix": "cats ", "pooling": "mean"}
    retriever = tiny(cache, **limits)
    train(retriever, cache, "train.learning_rate=0.003")
    exported(retriever, tmp_path / "out")


@pytest.mark.parametrize("name", ["embedding_gemma", "modernbert"])
def test_a_special_token_without_embedding_is_an_unknown_one(name: str, tmp_path: Path, cache: Path) -> None:
    """Gemma's tokenizer has one for images; a text may have its name, and no other text is changed."""
    retriever = built(settings_of(name, publish(name, tmp_path / "model")))
    rows = retriever.encoder.backbone.get_input_embeddings().num_embeddings
    assert len(retriever.tokenizer) == rows + 1
    (ids,) = retriever.tokenize([f"river {IMAGE} 12"], "passage").ids
    (plain,) = retriever.tokenize(["river <unk> 12"], "passage").ids
    assert ids.max() < rows
    assert ids.tolist() == plain.tolist()
    texts = texts_in_memory([f"river {IMAGE} 12"])[0]
    row = np.zeros(1, int)
    assert TokenCache(retriever, cache / "tokens").of(texts, "passage").of(row)[0].tolist() == ids.tolist()
    small = restrict_vocabulary(retriever, [ids])
    assert torch.isfinite(small.encoder(small.collate(small.tokenize([f"river {IMAGE}"], "passage").ids))).all()
    small = built(settings_of(name, tmp_path / "model"))
    backbone = small.encoder.backbone
    backbone.resize_token_embeddings(rows + 1)
    larger = Encoder(backbone, small.encoder.pooling, small.encoder.precision, small.encoder.head)
    retriever = replace(small, encoder=larger)  # a model that knows it keeps other token ids
    known = TokenCache(retriever, cache / "tokens").of(texts, "passage").of(row)[0]
    assert rows in known.tolist()


def test_a_dense_layer_that_is_not_the_pooler_is_refused(tmp_path: Path) -> None:
    folder = publish("labse", tmp_path / "model")
    weights = load_file(folder / "2_Dense" / "model.safetensors")
    save_file(weights | {"linear.bias": weights["linear.bias"] + 0.1}, folder / "2_Dense" / "model.safetensors")
    with pytest.raises(InputError, match=r"the dense layer of .* is not its pooler; set model\.pooling=auto"):
        built(settings_of("labse", folder))
    auto = built(settings_of("hf", folder))
    same(auto, theirs(folder, auto))


def test_word_embeddings_that_cannot_be_restricted_are_refused(tmp_path: Path) -> None:
    """Gemma 3n looks words up for its layers, too."""
    folder = publish("modernbert", tmp_path / "model")
    config = Gemma3nTextConfig(
        vocab_size=500, vocab_size_per_layer_input=500, num_hidden_layers=2, hidden_size=32, intermediate_size=48,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, hidden_size_per_layer_input=8, laurel_rank=4,
        num_kv_shared_layers=0, layer_types=["full_attention"] * 2, activation_sparsity_pattern=[0.0, 0.0],
    )  # fmt: skip
    config.save_pretrained(folder)
    check_encoder(settings_of("hf", folder))
    with pytest.raises(InputError, match=r"model\.restrict_vocabulary=true: .* set it to false"):
        check_encoder(settings_of("hf", folder, "model.restrict_vocabulary=true"))
