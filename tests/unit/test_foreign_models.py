"""Model folders as others publish them: with code of their own, of other architectures, with odd tokenizers."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.test_model import COMMON, TEXTS, embed, hf
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BartConfig,
    BartModel,
    BertConfig,
    BertModel,
    CamembertConfig,
    CamembertModel,
    GPT2Config,
    GPT2Model,
    LlamaConfig,
    LlamaModel,
    MPNetConfig,
    MPNetModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5Model,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from sweep.data.texts import texts_in_memory
from sweep.errors import InputError
from sweep.evaluation.encode import encode
from sweep.model.encoder import TokenBatch
from sweep.model.export import export
from sweep.model.registry import check_encoder
from sweep.model.vocabulary import restrict_vocabulary
from sweep.settings import HfModel

WORDS = sorted({word for text in TEXTS for word in text.split()})
POSITIONS = 20
SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
T5_SHAPE = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
BART_SHAPE = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
              "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}  # fmt: skip
GPT2_SHAPE = {"n_embd": 16, "n_layer": 1, "n_head": 2}

Build = tuple[type, type, dict[str, Any]]
ARCHITECTURES: dict[str, Build] = {
    "bert": (BertConfig, BertModel, SHAPE),
    "xlm-roberta": (XLMRobertaConfig, XLMRobertaModel, SHAPE),
    "camembert": (CamembertConfig, CamembertModel, SHAPE),
    "mpnet": (MPNetConfig, MPNetModel, SHAPE),
    "t5": (T5Config, T5Model, T5_SHAPE),
    "gpt2": (GPT2Config, GPT2Model, GPT2_SHAPE),
    "llama": (LlamaConfig, LlamaModel, SHAPE),
    "bart": (BartConfig, BartModel, BART_SHAPE),
}
USABLE = {"bert": POSITIONS, "xlm-roberta": POSITIONS - 2, "camembert": POSITIONS - 2, "mpnet": POSITIONS - 2,
          "t5": None, "gpt2": POSITIONS, "llama": POSITIONS}  # fmt: skip


def tokenizer_of(special: bool = True, **options: Any) -> PreTrainedTokenizerFast:
    """One token a word; with `special`, <s> and </s> around them. The padding token is 1, as in RoBERTa's family."""
    names = ["<s>", "<pad>", "</s>", "<unk>", *WORDS]
    tokenizer = Tokenizer(models.WordLevel({name: place for place, name in enumerate(names)}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if special:
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>",
        pad_token="<pad>", unk_token="<unk>", **options,
    )  # fmt: skip


def published(name: str, folder: Path, special: bool = True, **options: Any) -> Path:
    """A small model with random weights in the hub's layout."""
    config_class, model_class, shape = ARCHITECTURES[name]
    tokenizer = tokenizer_of(special, **options)
    limit = {} if name == "t5" else {"max_position_embeddings": POSITIONS}
    config = config_class(
        vocab_size=len(tokenizer), pad_token_id=1, bos_token_id=0, eos_token_id=2, decoder_start_token_id=0,
        **limit, **shape,
    )  # fmt: skip
    torch.manual_seed(0)
    model_class(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def check(folder: Path, **changes: Any) -> None:
    """What is done before any trial starts; there are no weights to look at."""
    (folder / "model.safetensors").unlink(missing_ok=True)
    fields = {"kind": "hf", "path": str(folder), "revision": None, "dropout": None, "lora": None}
    own = {"restrict_vocabulary": False, "trust_remote_code": False, "head": "none", "lower_case": False}
    own |= {"pretrained_on": None}
    check_encoder(HfModel.model_validate({**fields, **own, **COMMON, **changes}))


def change(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


# Code of its own ------------------------------------------------------------------------------------------------

CODE = """
from pathlib import Path
from transformers import BertConfig, BertModel

class OwnConfig(BertConfig):
    model_type = {kind!r}

class OwnModel(BertModel):
    config_class = OwnConfig

    def forward(self, *args, **options):
        Path({mark!r}).touch()
        output = super().forward(*args, **options)
        output.last_hidden_state = -output.last_hidden_state
        return output
"""


def with_code(folder: Path, mark: Path, kind: str = "own") -> Path:
    """A BERT whose last hidden states are negative, which only its own code says; it leaves a mark when it runs."""
    published("bert", folder)
    (folder / "modeling_own.py").write_text(CODE.format(kind=kind, mark=str(mark)))
    code = {"AutoConfig": "modeling_own.OwnConfig", "AutoModel": "modeling_own.OwnModel"}
    change(folder / "config.json", model_type=kind, auto_map=code)
    return folder


@pytest.fixture(autouse=True)
def own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where transformers keeps copies of models' code."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))


@pytest.mark.parametrize("kind", ["own", "bert"])  # the second is one of transformers, too
def test_code_that_is_allowed_really_runs(kind: str, tmp_path: Path, cache: Path) -> None:
    folder = with_code(tmp_path / "model", tmp_path / "ran", kind)
    plain = embed(hf(published("bert", tmp_path / "plain"), cache), ["cats and moss 3"])
    own = hf(folder, cache, trust_remote_code=True)
    assert torch.allclose(embed(own, ["cats and moss 3"]), -plain, atol=1e-6)
    assert (tmp_path / "ran").exists()


def test_code_of_a_tokenizer_is_code(tmp_path: Path, cache: Path) -> None:
    folder = published("bert", tmp_path / "model")
    change(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["own.Tokenizer", None]})
    with pytest.raises(InputError, match=r"model\.trust_remote_code=true"):
        hf(folder, cache)


class _Runs:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.file,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_is_more_than_weights_is_not_run(zipped: bool, tmp_path: Path, cache: Path) -> None:
    folder = published("bert", tmp_path / "model")
    (folder / "model.safetensors").unlink()
    content = {"embeddings.word_embeddings.weight": _Runs(tmp_path / "ran")}
    if zipped:
        torch.save(content, folder / "pytorch_model.bin")
    else:
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match="convert them to safetensors") as caught:
        hf(folder, cache)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_weights_in_a_plain_pickle_are_read(tmp_path: Path, cache: Path) -> None:
    folder = published("bert", tmp_path / "model")
    before = embed(hf(folder, cache), ["cats and moss 3"])
    torch.save(BertModel.from_pretrained(folder).state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert torch.equal(embed(hf(folder, cache), ["cats and moss 3"]), before)


# Architectures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(USABLE))
def test_the_longest_text_that_is_allowed_can_be_encoded(name: str, tmp_path: Path, cache: Path) -> None:
    """All of the positions that are left once the padding has its own; one more token is refused before any weights
    are there."""
    folder = published(name, tmp_path / "model")
    usable = USABLE[name] or 100
    retriever = hf(folder, cache, max_passage_tokens=usable)
    ids = retriever.tokenize(["cats " * 200], "passage").ids
    assert len(ids[0]) == usable
    batch = retriever.collate(ids)
    assert torch.isfinite(retriever.encoder(batch)).all()
    if USABLE[name] is not None:
        with pytest.raises(InputError, match=f"takes at most {usable} tokens"):
            check(folder, max_passage_tokens=usable + 1)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", sorted(USABLE))
def test_an_export_gives_the_same_embeddings(name: str, side: str, tmp_path: Path, cache: Path) -> None:
    """Alone, among longer texts, and in sentence-transformers, whichever side the tokenizer pads and cuts at."""
    from sentence_transformers import SentenceTransformer

    folder = published(name, tmp_path / "model", padding_side=side, truncation_side=side)
    texts = ["moss 3", "cats and moss 7 dogs and fern 12", "cats", "dogs and " * 20]
    for pooling in ("mean",) if name in ("gpt2", "llama") else ("mean", "cls"):
        retriever = hf(folder, cache, pooling=pooling)
        together = embed(retriever, texts)
        for row, text in enumerate(texts):
            torch.testing.assert_close(embed(retriever, [text])[0], together[row], atol=1e-6, rtol=1e-5)
        export(retriever, tmp_path / "out", "")
        loaded = SentenceTransformer(str(tmp_path / "out"), device="cpu")
        torch.testing.assert_close(torch.from_numpy(loaded.encode_query(texts)), together, atol=1e-6, rtol=1e-4)
        assert torch.equal(embed(hf(tmp_path / "out", cache, pooling=pooling), texts), together)


def test_t5_is_its_encoder(tmp_path: Path, cache: Path) -> None:
    """Trained as a whole, with the words that occur alone, and with dropout as it is set."""
    retriever = hf(published("t5", tmp_path / "model"), cache, dropout=0.3)
    assert retriever.encoder.backbone.config.dropout_rate == 0.3
    ids = retriever.tokenize(["cats and moss"], "query").ids
    small = restrict_vocabulary(retriever, ids)
    small.encoder(small.collate(small.tokenize(["cats and moss"], "query").ids))[:, 0].sum().backward()
    assert not [name for name, weight in small.encoder.named_parameters() if weight.grad is None]


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("bart", {}, r"cannot be loaded \(bart is an encoder with a decoder\)"),
        ("gpt2", {"pooling": "cls"}, r"model\.pooling=cls: .* reads from left to right"),
        ("llama", {"pooling": "cls"}, r"model\.pooling=cls: .* reads from left to right"),
    ],
)
def test_what_has_no_use_is_refused_before_its_weights_are_read(
    name: str, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message):
        check(published(name, tmp_path / "model"), **changes)


def test_a_bert_that_reads_forwards_is_not_packed(tmp_path: Path, cache: Path) -> None:
    folder = published("bert", tmp_path / "model")
    change(folder / "config.json", is_decoder=True)
    retriever = hf(folder, cache)
    batch = retriever.collate(retriever.tokenize(["cats and moss"], "query").ids)
    assert isinstance(batch, TokenBatch)
    with pytest.raises(InputError, match="reads from left to right"):
        hf(folder, cache, pooling="cls")


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path, cache: Path) -> None:
    folder = published("bert", tmp_path / "model")
    tokenizer = tokenizer_of()
    tokenizer.add_tokens(["one more"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(InputError, match="are both of the same model"):
        hf(folder, cache)


@pytest.mark.parametrize("name", ["bert", "camembert", "mpnet", "t5", "llama"])
def test_an_empty_text_has_an_embedding(name: str, tmp_path: Path, cache: Path) -> None:
    """Also where the tokenizer adds nothing to a text; and other texts keep theirs."""
    from accelerate import Accelerator

    retriever = hf(published(name, tmp_path / "model", special=False), cache)
    texts = ["", "cats and moss 3", "   "]
    assert [len(ids) for ids in retriever.tokenize(texts, "passage").ids] == [1, 4, 1]
    encoded = encode(retriever, texts_in_memory(texts)[0], "passage", Accelerator(cpu=True)).embedding_uh
    np.testing.assert_allclose(np.linalg.norm(encoded, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(encoded[1], embed(retriever, [texts[1]]).numpy()[0], atol=1e-6)
