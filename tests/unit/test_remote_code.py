"""Models whose architecture is Python code in their folder, as mGTE's and Arctic-Embed 2.0's medium one.

The code here is a small encoder of its own in the style of that code, which was written for transformers 4: tables of
rotary positions are buffers that no file of weights has, computed when a model is built.
"""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer
from tests.published_families import sentencepiece
from tests.unit.test_encoder_families import OWN_CODE, TEXTS, built, embedded, exported, settings_of
from tests.unit.test_lora import train
from tests.unit.test_vocabulary import token_ids

from sweep.errors import InputError
from sweep.model.own_code import fill_buffers
from sweep.model.vocabulary import restrict_vocabulary, with_full_vocabulary

CODE = """
import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput


class OwnConfig(PretrainedConfig):
    model_type = "own_rotary"

    def __init__(self, vocab_size=100, hidden_size=32, max_position_embeddings=128, pad_token_id=1, **options):
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.max_position_embeddings = max_position_embeddings
        super().__init__(pad_token_id=pad_token_id, **options)


class Rotary(nn.Module):
    def __init__(self, size, positions):
        super().__init__()
        frequency = 1.0 / 100.0 ** (torch.arange(0, size, 2).float() / size)
        angle = torch.outer(torch.arange(positions).float(), frequency).repeat(1, 2)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, states, positions):
        left, right = states.chunk(2, dim=-1)
        return states * self.cos[positions] + torch.cat([-right, left], -1) * self.sin[positions]


class OwnModel(PreTrainedModel):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        size = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, size, padding_idx=config.pad_token_id)
        self.register_buffer("position_ids", torch.arange(config.max_position_embeddings), persistent=False)
        self.rotary = Rotary(size, config.max_position_embeddings)
        self.qkv = nn.Linear(size, 3 * size)
        self.out = nn.Linear(size, size)
        self.norm = nn.LayerNorm(size)
        self.post_init()

    def get_input_embeddings(self):
        return self.word_embeddings

    def set_input_embeddings(self, value):
        self.word_embeddings = value

    def forward(self, input_ids, attention_mask=None, **options):
        states = self.word_embeddings(input_ids)
        positions = self.position_ids[: input_ids.shape[1]]
        query, key, value = self.qkv(states).chunk(3, dim=-1)
        query, key = self.rotary(query, positions), self.rotary(key, positions)
        mask = None if attention_mask is None else attention_mask[:, None].bool()
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, mask)
        return BaseModelOutput(last_hidden_state=self.norm(states + self.out(mixed)))
"""


@pytest.fixture(autouse=True)
def own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where transformers keeps copies of models' code."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))


def published(folder: Path) -> Any:
    """Write the model, pooled by its first token; the model as its own code built it."""
    folder.mkdir()
    (folder / "modeling_own.py").write_text(CODE)
    spec = importlib.util.spec_from_file_location("modeling_own", folder / "modeling_own.py")
    assert spec is not None
    assert spec.loader is not None
    code = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(code)
    tokenizer = sentencepiece()
    torch.manual_seed(0)
    model = code.OwnModel(code.OwnConfig(vocab_size=len(tokenizer)))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.2 * torch.randn(weight.shape))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    names = {"AutoConfig": "modeling_own.OwnConfig", "AutoModel": "modeling_own.OwnModel"}
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": names}))
    return model.eval()


def by_its_code(model: Any, retriever: Any) -> torch.Tensor:
    """The first token's state of every question, each alone."""
    rows = []
    for ids in retriever.tokenize(TEXTS, "query").ids:
        with torch.no_grad():
            states_1th = model(torch.from_numpy(ids.astype("int64"))[None]).last_hidden_state
        rows.append(torch.nn.functional.normalize(states_1th[0, 0], dim=0))
    return torch.stack(rows)


def as_the_card_says(folder: Path) -> SentenceTransformer:
    """transformers 5 leaves buffers unfilled, also in sentence-transformers."""
    model = SentenceTransformer(str(folder), device="cpu", trust_remote_code=True)
    fill_buffers(model[0].auto_model, model[0].auto_model.config)
    return model


@pytest.mark.parametrize("name", sorted(OWN_CODE))
def test_it_computes_what_its_code_computes(name: str, tmp_path: Path, cache: Path) -> None:
    model = published(tmp_path / "model")
    with pytest.raises(InputError, match=r"model\.trust_remote_code=true"):
        built(settings_of(name, tmp_path / "model"))
    retriever = built(settings_of(name, tmp_path / "model", "model.trust_remote_code=true"))
    assert retriever.settings.pooling == "cls"
    expected = by_its_code(model, retriever)
    torch.testing.assert_close(embedded(retriever, "query"), expected, atol=1e-5, rtol=0)
    with torch.no_grad():
        model.rotary.cos.zero_()  # as memory that nobody filled may be
    assert (by_its_code(model, retriever) - expected).abs().max() > 1e-2


def test_it_is_trained_and_exported(tmp_path: Path, cache: Path) -> None:
    published(tmp_path / "model")
    retriever = built(settings_of("gte_multilingual", tmp_path / "model", "model.trust_remote_code=true"))
    original = retriever.encoder.backbone.get_input_embeddings().weight.detach().clone()
    ids = retriever.tokenize(TEXTS, "query").ids
    small = restrict_vocabulary(retriever, [*ids, *token_ids(retriever)])
    train(small, cache, "train.learning_rate=0.003")
    trained = embedded(small, "query")
    whole = with_full_vocabulary(small, original)
    torch.testing.assert_close(embedded(whole, "query"), trained, atol=1e-6, rtol=0)
    exported(whole, tmp_path / "out", "model.trust_remote_code=true", loaded=as_the_card_says)
    assert "`rotary.cos` `rotary.sin`" in (tmp_path / "out" / "README.md").read_text()
