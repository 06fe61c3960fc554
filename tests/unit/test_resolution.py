"""What is read from a model's folder: real ones, written by sentence-transformers, give its embeddings."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from tests.unit.test_lora import lora, train
from tests.unit.test_model import TEXTS, hf
from tests.unit.test_parameters import rates
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from sweep.errors import InputError
from sweep.model.encoder import Retriever, Role
from sweep.model.export import export
from sweep.model.head import KINDS
from sweep.model.lora import Adapters
from sweep.model.published_layers import LAYERS
from sweep.model.resolution import model_lines, resolved_model
from sweep.model.tokenizer import unigram_tokenizer
from sweep.settings import HfModel

AUTO = {"pooling": "auto", "head": "auto", "lower_case": "auto", "query_prefix": "auto", "passage_prefix": "auto"}
PROMPTS = {"query": "dogs ", "document": "cats and "}
SIZE = 16
GIVEN = ["moss 3", "Fern and Moss 12", "cats", "a fern and a dog and moss and dogs and fern and dogs 1 2 3"]
Modules = Callable[[], Sequence[Any]]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A small model without any file of sentence-transformers."""
    folder = tmp_path_factory.mktemp("plain")
    tokenizer: PreTrainedTokenizerFast = unigram_tokenizer((*TEXTS, *(text.upper() for text in TEXTS)), 300, cache)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=SIZE, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def published(plain: Path, folder: Path, *behind: Any, lower: bool = False, **options: Any) -> SentenceTransformer:
    """A model of sentence-transformers, written to a folder."""
    torch.manual_seed(1)
    encoder = modules.Transformer(str(plain), max_seq_length=32, do_lower_case=lower)
    model = SentenceTransformer(modules=[encoder, *behind], device="cpu", **options).eval()
    model.save(str(folder), create_model_card=False)
    return model


def embeddings(retriever: Retriever, role: Role, packed: bool = True) -> torch.Tensor:
    encoder = retriever.encoder.eval()
    if not packed:
        encoder._compiled = True  # what padded batches are for
    ids = retriever.tokenize(GIVEN, role).ids
    with torch.no_grad():
        result: torch.Tensor = encoder(retriever.collate(ids))
    encoder._compiled = False
    return result


def auto(folder: Path, cache: Path, **changes: Any) -> Retriever:
    return hf(folder, cache, **AUTO | {"max_query_tokens": 32, "max_passage_tokens": 32} | changes)


def asked(folder: Path, **changes: Any) -> HfModel:
    fields: dict[str, Any] = {
        "kind": "hf", "path": str(folder), "revision": None, "dropout": None, "restrict_vocabulary": False,
        "trust_remote_code": False, "lora": None, "precision": "float32", "max_query_tokens": 32,
        "max_passage_tokens": 32, "pretrained_on": None,
    }  # fmt: skip
    return HfModel.model_validate(fields | AUTO | changes)


def same(retriever: Retriever, model: SentenceTransformer, role: Role, prompt: str | None) -> None:
    expected = model.encode(GIVEN, prompt_name=prompt, normalize_embeddings=True, convert_to_tensor=True)
    for packed in (True, False):
        torch.testing.assert_close(embeddings(retriever, role, packed), expected, atol=1e-5, rtol=1e-4)


def round_trip(retriever: Retriever, folder: Path, cache: Path) -> None:
    """Our export is read by sentence-transformers, and by us again, with the same embeddings."""
    expected = embeddings(retriever, "query")
    export(retriever, folder / "out", "")
    loaded = SentenceTransformer(str(folder / "out"), device="cpu")
    torch.testing.assert_close(torch.from_numpy(loaded.encode_query(GIVEN)), expected, atol=1e-5, rtol=1e-4)
    again = auto(folder / "out", cache)
    torch.testing.assert_close(embeddings(again, "query"), expected, atol=1e-6, rtol=1e-5)


POOLINGS = [
    "cls", "mean", "max", "mean_sqrt_len_tokens", "lasttoken", "weightedmean", ("cls", "mean"),
    ("lasttoken", "max", "mean_sqrt_len_tokens"),
]  # fmt: skip


@pytest.mark.parametrize("mode", POOLINGS, ids=str)
def test_every_pooling_of_sentence_transformers_is_read(mode: Any, plain: Path, cache: Path, tmp_path: Path) -> None:
    model = published(plain, tmp_path / "model", modules.Pooling(SIZE, mode), prompts=PROMPTS)
    retriever = auto(tmp_path / "model", cache)
    same(retriever, model, "query", "query")
    same(retriever, model, "passage", "document")
    round_trip(retriever, tmp_path, cache)


@pytest.mark.parametrize("flags", [("cls_token",), ("mean_tokens",), ("max_tokens", "mean_tokens"), ()], ids=str)
def test_the_older_form_of_a_pooling_is_read(
    flags: tuple[str, ...], plain: Path, cache: Path, tmp_path: Path
) -> None:
    published(plain, tmp_path / "model", modules.Pooling(SIZE, "max"))
    older = {f"pooling_mode_{flag}": flag in flags for flag in ("cls_token", "mean_tokens", "max_tokens")}
    config = {"word_embedding_dimension": SIZE, **older}
    (tmp_path / "model" / "1_Pooling" / "config.json").write_text(json.dumps(config))
    names = json.loads((tmp_path / "model" / "modules.json").read_text())
    for module in names:  # as they were called before version 5
        module["type"] = "sentence_transformers.models." + module["type"].rpartition(".")[2]
    (tmp_path / "model" / "modules.json").write_text(json.dumps(names))
    same(auto(tmp_path / "model", cache), SentenceTransformer(str(tmp_path / "model"), device="cpu"), "query", None)


HEADS: dict[str, Modules] = {
    "labse": lambda: [modules.Pooling(SIZE, "cls"), modules.Dense(SIZE, SIZE), modules.Normalize()],
    "smaller": lambda: [
        modules.Pooling(SIZE, "mean"),
        modules.Dense(SIZE, 8, bias=False, activation_function=torch.nn.Identity()),
    ],
    "several": lambda: [
        modules.Pooling(SIZE, ("mean", "cls")),
        modules.Normalize(),
        modules.Dense(2 * SIZE, 12, activation_function=torch.nn.ReLU()),
        modules.Dropout(0.3),
        modules.LayerNorm(12),
        modules.Dense(12, 12, use_residual=True),
        modules.Dense(12, 8, use_residual=True),
        modules.Normalize(),
    ],
}


@pytest.mark.parametrize("name", HEADS)
def test_layers_behind_the_pooling_are_part_of_the_encoder(
    name: str, plain: Path, cache: Path, tmp_path: Path
) -> None:
    model = published(plain, tmp_path / "model", *HEADS[name](), prompts=PROMPTS)
    retriever = auto(tmp_path / "model", cache)
    assert retriever.settings.model_dump()["head"] == "folder"
    same(retriever, model, "query", "query")
    encoder = retriever.encoder.train()
    encoder(retriever.collate(retriever.tokenize(GIVEN, "query").ids))[:, 0].sum().backward()
    trained = [key for key, parameter in encoder.named_parameters() if parameter.grad is not None]
    assert [key for key in trained if key.startswith("head.")]
    with torch.no_grad():
        for parameter in encoder.parameters():  # as if trained
            parameter += 0.01
    round_trip(retriever, tmp_path, cache)


def test_weights_of_an_older_layer_are_read(plain: Path, cache: Path, tmp_path: Path) -> None:
    model = published(plain, tmp_path / "model", *HEADS["labse"]())
    torch.save(model[2].state_dict(), tmp_path / "model" / "2_Dense" / "pytorch_model.bin")
    (tmp_path / "model" / "2_Dense" / "model.safetensors").unlink()
    same(auto(tmp_path / "model", cache), model, "query", None)
    (tmp_path / "model" / "2_Dense" / "pytorch_model.bin").write_bytes(b"broken")
    with pytest.raises(InputError, match="cannot be loaded"):
        auto(tmp_path / "model", cache)
    (tmp_path / "model" / "2_Dense" / "pytorch_model.bin").unlink()
    with pytest.raises(InputError, match="2_Dense has no weights"):
        auto(tmp_path / "model", cache)


@pytest.mark.parametrize(
    ("prompts", "default", "query", "passage"),
    [
        ({"query": "query: ", "passage": "passage: "}, None, "query: ", "passage: "),
        ({"query": "query: ", "corpus": "c: "}, None, "query: ", "c: "),
        ({"query": "q: ", "document": "d: ", "passage": "p: "}, None, "q: ", "d: "),
        ({"dogs": "dogs "}, "dogs", "dogs ", "dogs "),
        ({"query": "", "document": ""}, None, "", ""),
        ({}, None, "", ""),
    ],
)
def test_prompts_are_read(
    prompts: dict[str, str], default: str | None, query: str, passage: str, plain: Path, tmp_path: Path
) -> None:
    published(plain, tmp_path / "model", modules.Pooling(SIZE, "cls"))
    written = {"prompts": prompts, "default_prompt_name": default, "similarity_fn_name": "cosine"}
    (tmp_path / "model" / "config_sentence_transformers.json").write_text(json.dumps(written))
    model = resolved_model(asked(tmp_path / "model"))
    assert (model.query_prefix, model.passage_prefix, model.pooling) == (query, passage, "cls")


def test_texts_are_lower_cased_as_the_folder_says(plain: Path, cache: Path, tmp_path: Path) -> None:
    model = published(plain, tmp_path / "model", modules.Pooling(SIZE, "mean"), lower=True)
    retriever = auto(tmp_path / "model", cache)
    same(retriever, model, "query", None)
    assert not torch.allclose(embeddings(retriever, "query"), embeddings(auto(plain, cache), "query"), atol=1e-4)
    round_trip(retriever, tmp_path, cache)


LATER = ("head", "lower_case", "trust_remote_code", "pretrained_on")  # settings that old studies do not name


def test_a_model_without_files_is_pooled_by_its_mean_without_prefixes(plain: Path, cache: Path) -> None:
    model = resolved_model(asked(plain))
    assert (model.pooling, model.head, model.query_prefix, model.lower_case) == ("mean", "none", "", False)
    assert torch.equal(
        embeddings(auto(plain, cache), "query"), embeddings(auto(plain, cache, pooling="mean"), "query")
    )
    # What studies were begun with has the name that it had.
    before = {name: value for name, value in model.model_dump().items() if name not in LATER}
    assert model.plain() == {**before, "path": str(plain)}
    assert model_lines(asked(plain)) == [
        f"Model {plain}: pooling mean (default), query prefix '' (default), passage prefix '' (default)"
    ]


def test_a_setting_that_disagrees_with_the_folder_is_a_warning(plain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    published(plain, folder, *HEADS["labse"]()[:2], prompts=PROMPTS, similarity_fn_name="dot")
    changes = {"pooling": "mean", "head": "none", "passage_prefix": "x ", "max_passage_tokens": 64}
    line, *warnings = model_lines(asked(folder, **changes))
    assert line == (
        f"Model {folder}: pooling mean (as set), query prefix 'dogs ' (its folder), passage prefix 'x ' (as set)"
    )
    assert warnings == [
        f"warning: model.pooling=mean, but of {folder} it is known that it pools by cls",
        f"warning: model.head=none leaves out what {folder} has behind its pooling: Dense 16 to 16 with Tanh",
        f"warning: model.passage_prefix='x ', but {folder} has 'cats and '",
        f"warning: model.max_passage_tokens=64, but {folder} is made for 32 tokens",
        f"warning: {folder} compares by dot what it does not normalise; here it is the cosine",
    ]
    agreeing = model_lines(asked(folder, pooling="pooler"))[1:]
    assert [line for line in agreeing if "pool" in line or "head" in line] == []
    (line,) = model_lines(asked(folder))[:1]
    assert "pooling cls (its folder), then Dense 16 to 16 with Tanh (its folder), query prefix 'dogs '" in line


def test_every_kind_of_layer_that_is_accepted_can_be_built() -> None:
    assert set(KINDS) == set(LAYERS)


UNKNOWN: dict[str, tuple[Modules, str]] = {
    "custom": (lambda: [modules.Pooling(SIZE), modules.CNN(SIZE)], "it has a module CNN behind its pooling"),
    "lstm": (lambda: [modules.LSTM(SIZE, 4)], "behind its Transformer comes LSTM, no Pooling"),
    "prompt": (lambda: [modules.Pooling(SIZE, include_prompt=False)], "leaves the prompt out of its pooling"),
    "router": (
        lambda: [
            modules.Pooling(SIZE),
            modules.Router.for_query_document([modules.Dense(SIZE, 4)], [modules.Dense(SIZE, 4)]),
        ],
        r"a Router of query document\)",
    ),
    "tokens": (
        lambda: [modules.Dense(SIZE, 4, module_input_name="token_embeddings"), modules.Pooling(4)],
        "behind its Transformer comes Dense, no Pooling",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_cannot_be_represented_is_refused(name: str, plain: Path, tmp_path: Path) -> None:
    behind, message = UNKNOWN[name]
    published(plain, tmp_path / "model", *behind(), prompts=PROMPTS)
    with pytest.raises(InputError, match=message) as caught:
        resolved_model(asked(tmp_path / "model"))
    assert "\n" not in str(caught.value)
    # Who says how to pool, and that nothing comes behind it, is warned.
    given = asked(tmp_path / "model", pooling="mean", head="none")
    assert resolved_model(given).pooling == "mean"
    assert any(line.startswith("warning: ") for line in model_lines(given))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("modules.json", "{", "modules.json is no JSON"),
        ("modules.json", '[{"name": "0"}]', "cannot be read"),
        ("modules.json", '[{"type": "clip.CLIPModel", "path": "0_CLIPModel"}]', "its first module is clip.CLIPModel"),
        (
            "modules.json",
            '[{"type": "sentence_transformers.models.Transformer", "path": "0_Transformer"}]',
            "its Transformer lies in 0_Transformer",
        ),
        ("config_sentence_transformers.json", '{"model_type": "CrossEncoder"}', "it is a CrossEncoder"),
        ("config_sentence_transformers.json", '{"truncate_dim": 8}', "it cuts embeddings to 8 numbers"),
        ("sentence_bert_config.json", '{"transformer_task": "fill-mask"}', "its Transformer is made for fill-mask"),
        ("1_Pooling/config.json", '{"pooling_mode": "attention"}', "it pools by attention"),
        ("2_Dense/config.json", '{"in_features": 16, "out_features": 16, "activation_function": "os.system"}', "os."),
    ],
)  # fmt: skip
def test_damaged_and_foreign_files_are_refused(
    file: str, content: str, message: str, plain: Path, tmp_path: Path
) -> None:
    published(plain, tmp_path / "model", *HEADS["labse"]())
    (tmp_path / "model" / file).write_text(content)
    with pytest.raises(InputError, match=message):
        resolved_model(asked(tmp_path / "model"))


def test_a_pooling_that_the_layers_behind_it_cannot_take_is_refused(plain: Path, tmp_path: Path) -> None:
    published(plain, tmp_path / "model", *HEADS["labse"]())
    with pytest.raises(InputError, match=r"model\.pooling=cls\+mean: the layers behind the pooling"):
        resolved_model(asked(tmp_path / "model", pooling="cls+mean"))
    with pytest.raises(InputError, match=r"model\.head=folder: .* has no layers"):
        resolved_model(asked(plain, head="folder"))


def test_a_folder_without_its_modules_is_not_read(plain: Path, tmp_path: Path) -> None:
    published(plain, tmp_path / "model", *HEADS["labse"](), prompts=PROMPTS)
    shutil.copytree(tmp_path / "model", tmp_path / "copy")
    (tmp_path / "copy" / "modules.json").unlink()
    assert resolved_model(asked(tmp_path / "copy")).pooling == "mean"


def test_a_file_that_the_hub_would_have_to_be_asked_for_is_no_guess(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache has a model and does not know whether it has a modules.json."""
    snapshot = tmp_path / "models--me--mine" / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (tmp_path / "models--me--mine" / "refs").mkdir()
    (tmp_path / "models--me--mine" / "refs" / "main").write_text("1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for place in ("constants", "file_download"):
        monkeypatch.setattr(f"huggingface_hub.{place}.HF_HUB_CACHE", str(tmp_path), raising=False)
    with pytest.raises(InputError, match=r"model.path=me/mine: whether it has a modules\.json is not known"):
        resolved_model(asked(Path("me/mine")))
    (snapshot / "modules.json").write_text("[]")
    (snapshot / "config_sentence_transformers.json").write_text("{}")
    (snapshot / "sentence_bert_config.json").write_text('{"max_seq_length": 8}')
    with pytest.raises(InputError, match="its first module is missing"):
        resolved_model(asked(Path("me/mine")))


def test_a_head_is_trained_as_the_top_and_goes_on_from_a_checkpoint(plain: Path, cache: Path, tmp_path: Path) -> None:
    published(plain, tmp_path / "model", *HEADS["several"](), prompts=PROMPTS)
    groups = rates(auto(tmp_path / "model", cache).encoder, "train.layer_decay=0.5", "train.frozen.layers=1")
    assert all(found is not None and found[0] == 0.1 for name, found in groups.items() if name.startswith("head."))
    whole, first, second = (auto(tmp_path / "model", cache) for _ in range(3))
    losses = train(whole, cache)
    train(first, cache, folder=tmp_path / "checkpoint", stop=5)
    assert train(second, cache, folder=tmp_path / "checkpoint") == losses[4:]
    for name, tensor in whole.encoder.state_dict().items():
        assert torch.equal(tensor, second.encoder.state_dict()[name]), name


def test_adapters_leave_a_head_as_it_is(plain: Path, cache: Path, tmp_path: Path) -> None:
    published(plain, tmp_path / "model", *HEADS["labse"]())
    retriever = auto(tmp_path / "model", cache)
    assert retriever.encoder.head is not None
    before = {name: tensor.clone() for name, tensor in retriever.encoder.head.state_dict().items()}
    adapters = Adapters(retriever, lora(), seed=0)
    train(retriever, cache)
    adapters.merge()
    after = retriever.encoder.head.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    round_trip(retriever, tmp_path, cache)
