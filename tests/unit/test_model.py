"""Encoders: pooling, prefixes, truncation, precision, and what cannot be loaded."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    ModernBertConfig,
    ModernBertModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from sweep.errors import InputError
from sweep.evaluation.language_removal import PassageSample, fit
from sweep.model.encoder import Retriever
from sweep.model.export import export
from sweep.model.registry import build_retriever
from sweep.model.tokenizer import unigram_tokenizer
from sweep.settings import Debias, HfModel, TinyModel
from sweep.settings.compose import Composer
from sweep.settings.load import load_evaluate_settings
from sweep.settings.tree import group_options

TEXTS = tuple(
    f"{animal} and {plant} {number}"
    for animal in ("cats", "dogs")
    for plant in ("moss", "fern")
    for number in range(40)
)
COMMON: dict[str, Any] = {
    "pooling": "mean",
    "query_prefix": "",
    "passage_prefix": "",
    "max_query_tokens": 16,
    "max_passage_tokens": 16,
    "precision": "float32",
}


def tiny(cache: Path, seed: int = 0, **changes: Any) -> Retriever:
    size = {"layers": 1, "hidden_size": 16, "heads": 2, "vocabulary_size": 300, "dropout": 0.0}
    settings = TinyModel.model_validate({"kind": "tiny", **size, **COMMON, **changes})
    return build_retriever(settings, TEXTS, cache, seed)


def hf(path: Path | str, cache: Path, **changes: Any) -> Retriever:
    fields = {
        "kind": "hf",
        "path": str(path),
        "revision": None,
        "trust_remote_code": False,
        "dropout": None,
        "restrict_vocabulary": False,
        "lora": None,
        "head": "none",
        "lower_case": False,
        "pretrained_on": None,
        **COMMON,
        **changes,
    }
    return build_retriever(HfModel.model_validate(fields), (), cache, 0)


def embed(retriever: Retriever, texts: list[str]) -> torch.Tensor:
    retriever.encoder.eval()
    with torch.no_grad():
        return retriever.encoder(retriever.collate(retriever.tokenize(texts, "query").ids))


@pytest.fixture(params=[(BertConfig, BertModel), (XLMRobertaConfig, XLMRobertaModel)], ids=["bert", "xlm-roberta"])
def saved(request: pytest.FixtureRequest, tmp_path: Path, cache: Path) -> Path:
    """A small randomly initialised model in the hub's layout."""
    config_class, model_class = request.param
    tokenizer = unigram_tokenizer(TEXTS, 300, cache)
    config = config_class(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    model_class(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_the_same_seed_gives_the_same_weights(cache: Path) -> None:
    first, again, other = tiny(cache), tiny(cache), tiny(cache, seed=1)
    texts = ["cats and moss"]
    assert torch.equal(embed(first, texts), embed(again, texts))
    assert not torch.equal(embed(first, texts), embed(other, texts))


def test_mean_pooling_ignores_padding_and_cls_takes_the_first_token(saved: Path, cache: Path) -> None:
    for pooling in ("mean", "cls"):
        retriever = hf(saved, cache, pooling=pooling)
        ids = retriever.tokenize(["cats and moss 3"], "query").ids
        with torch.no_grad():
            states = retriever.encoder.eval().backbone(input_ids=torch.from_numpy(ids[0][None])).last_hidden_state[0]
        expected = torch.nn.functional.normalize(states.mean(0) if pooling == "mean" else states[0], dim=0)
        padded = embed(retriever, ["cats and moss 3", "dogs and fern and moss and cats and fern 17"])
        assert torch.allclose(padded[0], expected, atol=1e-6)
        assert torch.allclose(padded.norm(dim=1), torch.ones(2), atol=1e-6)


def test_prefixes_and_lengths_belong_to_roles(cache: Path) -> None:
    retriever = tiny(cache, query_prefix="cats ", passage_prefix="dogs ", max_query_tokens=5, max_passage_tokens=6)
    query, passage = (retriever.tokenize(["moss fern moss fern moss"], role).ids[0] for role in ("query", "passage"))
    assert (len(query), len(passage)) == (5, 6)
    assert query[1] == retriever.tokenizer("cats")["input_ids"][1]
    assert passage[1] == retriever.tokenizer("dogs")["input_ids"][1]
    assert query[-1] == retriever.tokenizer.eos_token_id  # truncation keeps the closing token


def test_bf16_computes_in_half_precision_and_returns_float32(saved: Path, cache: Path) -> None:
    texts = ["cats and moss 3"]
    full, half = embed(hf(saved, cache), texts), embed(hf(saved, cache, precision="bf16"), texts)
    assert half.dtype == torch.float32
    assert not torch.equal(full, half)
    assert torch.allclose(full, half, atol=0.03)


def test_dropout_can_be_set(saved: Path, cache: Path) -> None:
    assert hf(saved, cache, dropout=0.37).encoder.backbone.config.hidden_dropout_prob == 0.37
    assert hf(saved, cache).encoder.backbone.config.hidden_dropout_prob == 0.1


def test_a_model_that_cannot_be_loaded_is_one_message(tmp_path: Path, saved: Path, cache: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    for path, message in (
        (tmp_path / "absent", "no such folder"),
        ("./absent", "no such folder"),
        (tmp_path / "empty", "has no config.json"),
        (tmp_path / "broken", "cannot be loaded"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            hf(path, cache)
        assert f"model.path={path}" in str(caught.value)
    (saved / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match="cannot be loaded"):
        hf(saved, cache)


def test_a_length_beyond_the_models_positions_is_refused(saved: Path, cache: Path) -> None:
    with pytest.raises(InputError, match=r"model\.max_passage_tokens=65: .* takes at most (64|62) tokens"):
        hf(saved, cache, max_passage_tokens=65)


def test_missing_weights_are_refused(saved: Path, cache: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(saved / "model.safetensors")
    del weights["encoder.layer.0.attention.self.query.weight"]
    save_file(weights, saved / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lack .*query\.weight"):
        hf(saved, cache)


def test_an_unknown_hub_name_is_one_message(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        hf("nobody/no-such-model", cache)
    assert "model.path=nobody/no-such-model" in str(caught.value)


def test_an_exported_model_gives_the_same_embeddings_everywhere(saved: Path, cache: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from transformers import AutoModel, AutoTokenizer

    for pooling in ("mean", "cls"):
        retriever = hf(saved, cache, pooling=pooling, query_prefix="dogs ", passage_prefix="cats ")
        export(retriever, tmp_path / "out", "# A card\n")
        texts = ["moss 3", "fern and moss 12", "cats"]
        expected = embed(retriever, texts)
        loaded = SentenceTransformer(str(tmp_path / "out"), device="cpu")
        torch.testing.assert_close(torch.from_numpy(loaded.encode_query(texts)), expected, atol=1e-6, rtol=1e-5)
        passage = retriever.encoder(retriever.collate(retriever.tokenize(texts, "passage").ids)).detach()
        torch.testing.assert_close(torch.from_numpy(loaded.encode_document(texts)), passage, atol=1e-6, rtol=1e-5)
        assert loaded.max_seq_length == 16
        again = hf(tmp_path / "out", cache, pooling=pooling, query_prefix="dogs ", passage_prefix="cats ")
        assert torch.equal(embed(again, texts), expected)
        tokens = AutoTokenizer.from_pretrained(tmp_path / "out")(["dogs moss 3"], return_tensors="pt")
        states = AutoModel.from_pretrained(tmp_path / "out").eval()(**tokens).last_hidden_state[0]
        one = states[0] if pooling == "cls" else states.mean(0)
        torch.testing.assert_close(
            torch.nn.functional.normalize(one, dim=0).detach(), expected[0], atol=1e-6, rtol=1e-5
        )
    assert (tmp_path / "out" / "README.md").read_text() == "# A card\n"
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.parametrize("method", ["center", "lir"])
def test_an_exported_model_removes_the_language_of_a_text(
    method: Debias, saved: Path, cache: Path, tmp_path: Path
) -> None:
    """With modules of sentence-transformers alone; without a language it gives nothing."""
    from sentence_transformers import SentenceTransformer

    retriever = hf(saved, cache, query_prefix="dogs ", passage_prefix="cats ")
    texts = ["moss 3", "fern and moss 12", "cats", "a fern"]
    passage_nh = retriever.encoder(retriever.collate(retriever.tokenize(texts, "passage").ids)).detach().numpy()
    removal = fit(method, PassageSample(passage_nh, np.array([0, 0, 1, 1])), ("en", "de", "sw"), "en")
    export(retriever, tmp_path / "out", "", removal.maps(("en", "de", "sw")))
    loaded = SentenceTransformer(str(tmp_path / "out"), device="cpu")
    query_nh = embed(retriever, texts).numpy()
    for place, code in enumerate(("en", "de", "sw")):
        for prompt, embedding_nh in (("query", query_nh), ("document", passage_nh)):
            free_nh = removal.of(embedding_nh, np.full(4, place), "passage")
            given_nh = loaded.encode(texts, prompt_name=prompt, task=code)
            np.testing.assert_allclose(given_nh, free_nh, atol=1e-6, rtol=1e-4)
    assert np.abs(removal.of(query_nh, np.zeros(4, int), "query") - query_nh).max() > 0.01
    for task in (None, "fr"):
        with pytest.raises(ValueError, match="en"):
            loaded.encode(texts, task=task)


# Families -----------------------------------------------------------------------------------------------------

FAMILIES = {
    "me5_small": (BertConfig, BertModel),
    "xlmr": (XLMRobertaConfig, XLMRobertaModel),
    "labse": (BertConfig, BertModel),
    "mbert": (BertConfig, BertModel),
    "bge_m3": (XLMRobertaConfig, XLMRobertaModel),
    "modernbert": (ModernBertConfig, ModernBertModel),
}


def of_family(name: str, folder: Path, cache: Path) -> HfModel:
    """A small model of the family's architecture in the hub's layout, and the family's settings for it."""
    config_class, model_class = FAMILIES[name]
    tokenizer = unigram_tokenizer(TEXTS, 300, cache)
    config = config_class(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=400, pad_token_id=tokenizer.pad_token_id, bos_token_id=0, eos_token_id=2,
        cls_token_id=0, sep_token_id=2,
    )  # fmt: skip
    torch.manual_seed(0)
    model_class(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    settings = load_evaluate_settings(Composer("evaluate", [f"model={name}", f"model.path={folder}"])).model
    assert isinstance(settings, HfModel)
    return settings


def test_every_declared_family_is_tested() -> None:
    """ERNIE-M, which transformers no longer has, in a file of its own."""
    elsewhere = {"tiny", "hf", "ernie_m_base", "ernie_m_large"}
    assert set(FAMILIES) == set(group_options()["model"]) - elsewhere


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_family_pools_trains_and_is_exported(name: str, cache: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    settings = of_family(name, tmp_path / "model", cache)
    retriever = build_retriever(settings, (), cache, 0)
    texts = ["moss 3", "fern and moss 12"]
    query = embed(retriever, texts)
    retriever.encoder.train()
    trained = retriever.encoder(retriever.collate(retriever.tokenize(texts, "query").ids))
    trained[:, 0].sum().backward()
    without = [key for key, parameter in retriever.encoder.named_parameters() if parameter.grad is None]
    assert not without  # nothing that the loss does not reach, so nothing that ranks would wait for
    export(retriever, tmp_path / "out", "")
    loaded = SentenceTransformer(str(tmp_path / "out"), device="cpu")
    torch.testing.assert_close(torch.from_numpy(loaded.encode_query(texts)), query, atol=1e-6, rtol=1e-4)
    raw = retriever.encoder.backbone.eval()(
        **retriever.tokenizer([settings.query_prefix + texts[0]], return_tensors="pt")
    )
    states = raw.last_hidden_state[0]
    expected = {"mean": states.mean(0), "cls": states[0]}.get(settings.pooling)
    if settings.pooling == "pooler":
        expected = torch.tanh(retriever.encoder.backbone.pooler.dense(states[0]))
    assert expected is not None
    torch.testing.assert_close(torch.nn.functional.normalize(expected, dim=0), query[0], atol=1e-6, rtol=1e-4)


def test_a_pooler_must_be_there(saved: Path, cache: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = {key: value for key, value in load_file(saved / "model.safetensors").items() if "pooler" not in key}
    save_file(weights, saved / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lack pooler\.dense"):
        hf(saved, cache, pooling="pooler")
    of_family("modernbert", tmp_path / "modern", cache)
    with pytest.raises(InputError, match=r"model\.pooling=pooler: .* has no pooler"):
        hf(tmp_path / "modern", cache, pooling="pooler")


def test_a_tokenizer_without_a_fast_version_is_refused(saved: Path, cache: Path) -> None:
    from transformers import ByT5Tokenizer

    (saved / "tokenizer.json").unlink()
    ByT5Tokenizer().save_pretrained(saved)
    with pytest.raises(InputError, match=r"its tokenizer has no tokenizer\.json"):
        hf(saved, cache)
