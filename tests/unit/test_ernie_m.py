"""ERNIE-M: its tokens and states are those of transformers 4.40.2, from the files as they are published.

The expected numbers are derived by scripts/ernie_m_golden.py.
"""

import errno
import json
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.published_ernie_m import EXPECTED, GOLDEN, published_ernie_m, random_weights
from tests.unit.test_model import COMMON, embed, hf

from sweep.errors import InputError
from sweep.model.ernie_m import conversion
from sweep.model.ernie_m.conversion import converted
from sweep.model.ernie_m.sentence_piece import published_tokenizer
from sweep.model.ernie_m.split_pieces import ErnieMPieceTokenizer, Replacement, split_pieces
from sweep.model.export import export
from sweep.model.lineage import pretraining_of
from sweep.model.registry import build_retriever, check_encoder, untrained_word_embeddings
from sweep.model.token_counts import token_counter
from sweep.model.tokenizer import tokenizer_fingerprint
from sweep.model.vocabulary import restrict_vocabulary, with_full_vocabulary
from sweep.settings import HfModel
from sweep.settings.compose import Composer
from sweep.settings.load import load_evaluate_settings

TEXTS = [
    "2022年北京冬奥会，第24届！",
    "Hello world",
    "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย",
    "",
    "القاهرة هي عاصمة مصر",
]
Q_WEIGHT = "encoder.layers.1.self_attn.self_attn.q_proj.weight"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return published_ernie_m(tmp_path_factory.mktemp("published") / "model")


def settings_of(folder: Path, **changes: Any) -> HfModel:
    fields = {"kind": "hf", "path": str(folder), "revision": None, "dropout": None, "lora": None}
    own = {"restrict_vocabulary": False, "trust_remote_code": False, "head": "none", "lower_case": False}
    return HfModel.model_validate({**fields, **own, "pretrained_on": None, **COMMON, **changes})


# Tokens -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", EXPECTED["texts"], ids=lambda row: ascii(row["text"])[:40])
def test_tokens_are_those_of_the_original(row: dict[str, Any], folder: Path) -> None:
    tokenizer = _tokenizer(folder)
    cut = tokenizer([row["text"]], truncation=True, max_length=EXPECTED["limit"])
    assert cut["input_ids"] == [row["cut"]]
    assert bool(cut.encodings[0].overflowing) == (row["cut"] != row["ids"])
    assert tokenizer([row["text"]])["input_ids"] == [row["ids"]]
    assert tokenizer(row["text"])["input_ids"] == row["ids"]


def test_the_expected_tokens_are_a_test() -> None:
    """They have all kinds of splits, and texts that are cut, and the texts are those of the file."""
    rows = EXPECTED["texts"]
    assert [row["text"] for row in rows] == json.loads((GOLDEN / "texts.json").read_text(encoding="utf-8"))
    assert sum(row["cut"] != row["ids"] for row in rows) == 1
    assert len({tuple(row["ids"]) for row in rows}) > 60
    whole = "".join(row["text"] for row in rows)
    assert all(mark in whole for mark in ",;:.?!~，；：。？！《》【】")


_KEPT: dict[Path, ErnieMPieceTokenizer] = {}


def _tokenizer(folder: Path) -> ErnieMPieceTokenizer:
    if folder not in _KEPT:
        _KEPT[folder] = published_tokenizer(str(folder), None)
    return _KEPT[folder]


@pytest.mark.parametrize(
    ("pieces", "parts"),
    [
        (["▁北京2008年x", "yz"], ["北", "京", "2008", "年", "x", "yz"]),
        (["▁a12b"], ["▁a", "12", "b"]),
        (["▁2020"], ["2020"]),
        (["▁", "a", "▁", "b", "▁", "▁c", "▁"], ["a", "▁", "b", "▁c"]),
        (["▁,", "...x"], [",", ".", ".", ".", "x"]),
        ([], []),
    ],
)
def test_pieces_are_split_again(pieces: list[str], parts: list[str]) -> None:
    assert split_pieces(pieces) == parts


def test_the_longest_sequence_is_replaced() -> None:
    replaced = Replacement({"a": "1", "ab": "2", "abc": "3", "é": "e"})
    assert replaced("abcabax é!") == "321x e!"
    assert replaced("abéabcd") == "2e3d"
    assert replaced("éabcé") == "e3e"


def test_special_tokens_stay_in_capitals(folder: Path) -> None:
    lower = published_tokenizer(str(folder), None)
    fingerprint = tokenizer_fingerprint(lower)
    lower.lower_texts()
    assert tokenizer_fingerprint(lower) != fingerprint
    plain = _tokenizer(folder)
    assert lower("HELLO [SEP] World")["input_ids"] == plain("hello [SEP] world")["input_ids"]
    assert plain("HELLO")["input_ids"] != plain("hello")["input_ids"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("vocab.txt", None, r"needs vocab\.txt, which is not there"),
        ("sentencepiece.bpe.model", None, r"needs sentencepiece\.bpe\.model, which is not there"),
        ("sentencepiece.bpe.model", b"\x01\x02 no model", r"is no SentencePiece model"),
        ("vocab.txt", b"[CLS]\n[PAD]\n[UNK]\n", r"vocab\.txt has no line \[SEP\]"),
        ("tokenizer_config.json", b'{"added_tokens_decoder": {"7": {"content": "<x>"}}}', "added token <x>"),
    ],
)
def test_a_tokenizer_that_cannot_be_read_is_refused(
    name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    published_ernie_m(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        check_encoder(settings_of(tmp_path))


# States -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("padded", [False, True])
def test_states_are_those_of_the_original(padded: bool, folder: Path, cache: Path) -> None:
    """Of the first, the middle and the last token; and what its pooler makes of them. Packed, and padded."""
    sequences = EXPECTED["sequences"]
    encoder = hf(folder, cache, pooling="pooler", max_passage_tokens=512).encoder.eval()
    backbone = encoder.backbone
    with torch.no_grad():
        if padded:
            length = max(map(len, sequences))
            ids = torch.tensor([one + [1] * (length - len(one)) for one in sequences])
            states = list(backbone(input_ids=ids, attention_mask=(ids != 1).long()).last_hidden_state)
        else:
            states = [backbone(input_ids=torch.tensor([one])).last_hidden_state[0] for one in sequences]
        for one, state_th, expected, pooled in zip(
            sequences, states, EXPECTED["states"], EXPECTED["pooled"], strict=True
        ):
            seen = state_th[[0, len(one) // 2, len(one) - 1]]
            torch.testing.assert_close(seen, torch.tensor(expected), atol=2e-6, rtol=1e-5)
            own = backbone.pooler(state_th[None])[0]
            torch.testing.assert_close(own, torch.tensor(pooled), atol=2e-6, rtol=1e-5)


def test_packed_and_padded_batches_have_the_same_embeddings(folder: Path, cache: Path) -> None:
    retriever = hf(folder, cache)
    assert retriever.encoder.packs
    together = embed(retriever, TEXTS)
    for row, text in enumerate(TEXTS):
        torch.testing.assert_close(embed(retriever, [text])[0], together[row], atol=1e-6, rtol=1e-5)
    retriever.encoder._compiled = True  # packs no more
    assert not retriever.encoder.packs
    torch.testing.assert_close(embed(retriever, TEXTS), together, atol=1e-6, rtol=1e-5)


def test_the_longest_text_that_is_allowed(folder: Path, cache: Path) -> None:
    retriever = hf(folder, cache, max_passage_tokens=512)
    ids = retriever.tokenize(["北 京 " * 600], "passage")
    assert len(ids.ids[0]) == 512
    assert ids.truncated == 1
    assert torch.isfinite(retriever.encoder(retriever.collate(ids.ids))).all()
    with pytest.raises(InputError, match="takes at most 512 tokens"):
        check_encoder(settings_of(folder, max_passage_tokens=513))


def test_counts_of_tokens_need_no_weights(tmp_path: Path) -> None:
    published_ernie_m(tmp_path)
    (tmp_path / "pytorch_model.bin").unlink()
    count = token_counter(settings_of(tmp_path, query_prefix="Query: "))
    tokenizer = published_tokenizer(str(tmp_path), None)
    assert count(TEXTS, "passage").tolist() == [len(ids) for ids in tokenizer(TEXTS)["input_ids"]]
    longer = tokenizer([f"Query: {text}" for text in TEXTS])["input_ids"]
    assert count(TEXTS, "query").tolist() == list(map(len, longer))


# Training and export ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ernie_m_base", "ernie_m_large"])
def test_a_declared_family_trains(name: str, folder: Path, cache: Path) -> None:
    """Everything but the types of tokens, which are no part of it, gets a gradient."""
    settings = load_evaluate_settings(Composer("evaluate", [f"model={name}", f"model.path={folder}"])).model
    retriever = build_retriever(settings, (), cache, 0)
    retriever.encoder(retriever.collate(retriever.tokenize(TEXTS, "query").ids))[:, 0].sum().backward()
    without = [key for key, weight in retriever.encoder.named_parameters() if weight.grad is None]
    assert without == ["backbone.embeddings.token_type_embeddings.weight"]


@pytest.mark.slow
def test_types_of_tokens_stay_zeros(folder: Path, cache: Path, tmp_path: Path) -> None:
    """ERNIE-M has none. Also of an exported model that is trained again."""
    retriever = hf(folder, cache)
    export(retriever, tmp_path / "out", "")
    for one in (retriever, hf(tmp_path / "out", cache)):
        frozen = [name for name, weight in one.encoder.named_parameters() if not weight.requires_grad]
        assert frozen == ["backbone.embeddings.token_type_embeddings.weight"]
        assert not one.encoder.backbone.embeddings.token_type_embeddings.weight.any()


def test_a_restricted_vocabulary_gives_the_same(folder: Path, cache: Path) -> None:
    whole = hf(folder, cache)
    before = embed(whole, TEXTS)
    small = restrict_vocabulary(whole, whole.tokenize_whole(TEXTS, "passage").ids)
    assert small.vocabulary is not None
    assert len(small.vocabulary.kept) < small.vocabulary.full_size
    assert torch.equal(embed(small, TEXTS), before)
    again = with_full_vocabulary(small, untrained_word_embeddings(settings_of(folder), cache))
    assert torch.equal(embed(again, TEXTS), before)


@pytest.mark.slow
def test_an_export_gives_the_same_embeddings(folder: Path, cache: Path, tmp_path: Path) -> None:
    """Here as it is; in sentence-transformers where the code in the folder may run, and not without it."""
    from sentence_transformers import SentenceTransformer
    from transformers import AutoModel

    retriever = hf(folder, cache)
    before = embed(retriever, TEXTS)
    out = tmp_path / "out"
    export(retriever, out, "")
    own = hf(out, cache)
    assert torch.equal(embed(own, TEXTS), before)
    assert tokenizer_fingerprint(own.tokenizer) == tokenizer_fingerprint(retriever.tokenizer)
    assert retriever.fingerprint() == hf(folder, cache).fingerprint()
    assert AutoModel.from_pretrained(out).config.model_type == "xlm-roberta"
    config = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps(config | {"vocab_size": 250002}))  # as that of the published ones
    assert pretraining_of(str(out), None) is None
    (out / "config.json").write_text(json.dumps(config))
    loaded = SentenceTransformer(str(out), device="cpu", trust_remote_code=True)
    encoded = torch.from_numpy(loaded.encode_query(TEXTS))
    torch.testing.assert_close(encoded, before, atol=1e-6, rtol=1e-4)
    with pytest.raises(Exception, match=r"trust_remote_code|tokenizer|backend"):
        SentenceTransformer(str(out), device="cpu")


# Weights ------------------------------------------------------------------------------------------------------------


def stacked() -> dict[str, torch.Tensor]:
    weights = random_weights()
    for layer in range(EXPECTED["config"]["num_hidden_layers"]):
        for kind in ("weight", "bias"):
            names = [f"encoder.layers.{layer}.self_attn.self_attn.{part}_proj.{kind}" for part in "qkv"]
            whole = torch.cat([weights.pop(name) for name in names])
            weights[f"encoder.layers.{layer}.self_attn.in_proj_{kind}"] = whole
    return weights


@pytest.mark.parametrize("form", ["stacked", "prefix", "heads", "safetensors", "no pooler"])
def test_other_forms_of_the_weights(form: str, folder: Path, cache: Path, tmp_path: Path) -> None:
    weights = stacked() if form == "stacked" else random_weights()
    if form == "prefix":
        weights = {f"ernie_m.{name}": tensor for name, tensor in weights.items()}
    if form == "heads":
        weights |= {"classifier.weight": torch.ones(2, 32), "cls.bias": torch.ones(3)}
    if form == "no pooler":
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith("pooler.")}
    published_ernie_m(tmp_path / "model", weights)
    if form == "safetensors":
        (tmp_path / "model" / "pytorch_model.bin").unlink()
        save_file(weights, tmp_path / "model" / "model.safetensors")
    assert torch.equal(embed(hf(tmp_path / "model", cache), TEXTS), embed(hf(folder, cache), TEXTS))
    if form == "no pooler":
        with pytest.raises(InputError, match=r"its weights lack pooler\.dense\.(weight|bias)"):
            hf(tmp_path / "model", cache, pooling="pooler")


def changed(name: str, tensor: torch.Tensor | None) -> dict[str, torch.Tensor]:
    weights = random_weights() | ({name: tensor} if tensor is not None else {})
    if tensor is None:
        del weights[name]
    return weights


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (changed(Q_WEIGHT, None), rf"lack {Q_WEIGHT} \(1 are missing\)"),
        (changed("embeddings.layer_norm.bias", None), r"lack embeddings\.layer_norm\.bias"),
        (
            changed("encoder.layers.9.norm1.bias", torch.ones(32)),
            r"have encoder\.layers\.9\.norm1\.bias, which is no",
        ),
        (changed("embeddings.other.weight", torch.ones(1)), r"have embeddings\.other\.weight, which is no part"),
        (changed(Q_WEIGHT, torch.ones(32, 31)), rf"{Q_WEIGHT} has the shape \(32, 31\), .* \(32, 32\)"),
        (changed(f"ernie_m.{Q_WEIGHT}", torch.ones(32, 32)), rf"have {Q_WEIGHT} twice"),
        (changed(Q_WEIGHT, torch.ones(32, 32, dtype=torch.int64)), rf"{Q_WEIGHT} is of type torch\.int64"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(
    weights: dict[str, torch.Tensor], message: str, tmp_path: Path, cache: Path
) -> None:
    with pytest.raises(InputError, match=message):
        hf(published_ernie_m(tmp_path, weights), cache)


@pytest.mark.parametrize("name", ["act_dropout", "pad_token_id", "position_embedding_type"])
def test_what_xlmr_has_no_place_for_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"config\.json has {name}="):
        check_encoder(settings_of(published_ernie_m(tmp_path, **{name: 3})))


# The cache ----------------------------------------------------------------------------------------------------------


def test_weights_are_converted_once(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other content has another place; a damaged conversion is made again."""
    kept = converted(settings_of(folder), tmp_path)
    assert load_file(kept / "model.safetensors")["encoder.layer.2.output.dense.weight"].dtype == torch.float32
    made = (kept / "model.safetensors").stat().st_mtime_ns
    with monkeypatch.context() as patched:
        patched.setattr(conversion, "_convert", None)
        assert converted(settings_of(folder), tmp_path) == kept
    assert (kept / "model.safetensors").stat().st_mtime_ns == made
    content = bytearray((kept / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (kept / "model.safetensors").write_bytes(content)
    assert converted(settings_of(folder), tmp_path) == kept
    assert (kept / "model.safetensors").read_bytes() != content
    other = published_ernie_m(tmp_path / "other", changed(Q_WEIGHT, torch.ones(32, 32)))
    assert converted(settings_of(other), tmp_path) != kept


def _convert_and_tell(folder: Path, cache: Path, marks: Path) -> None:
    convert = conversion._convert

    def counted(*arguments: Any) -> None:
        (marks / str(os.getpid())).touch()
        convert(*arguments)

    conversion._convert = counted
    converted(settings_of(folder), cache)


def _convert_and_die(folder: Path, cache: Path) -> None:
    def killed(*arguments: Any, **options: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    conversion.write_checksums = killed
    converted(settings_of(folder), cache)


@pytest.mark.slow
def test_a_killed_conversion_and_two_at_once(folder: Path, tmp_path: Path) -> None:
    """What a killed one leaves counts for nothing; of two at once one converts."""
    spawn = multiprocessing.get_context("fork")
    marks = tmp_path / "marks"
    marks.mkdir()
    killed = spawn.Process(target=_convert_and_die, args=(folder, tmp_path))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert not [one for one in (tmp_path / "ernie_m").iterdir() if one.is_dir() and not one.name.startswith(".")]
    both = [spawn.Process(target=_convert_and_tell, args=(folder, tmp_path, marks)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert [one.exitcode for one in both] == [0, 0]
    assert len(list(marks.iterdir())) == 1
    assert [one.name for one in (tmp_path / "ernie_m").iterdir() if one.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "the file system is read-only")]
)
def test_a_cache_that_cannot_be_written_is_named(
    number: int, words: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rust's errors have their number in their text alone."""

    def refuse(*arguments: Any, **options: Any) -> None:
        raise RuntimeError(f"I/O error: {os.strerror(number)} (os error {number})")

    monkeypatch.setattr(conversion, "save_file", refuse)
    with pytest.raises(InputError, match=f"into {tmp_path}/ernie_m: {words} .*paths.cache=DIR"):
        hf(folder, tmp_path)
    assert not [one for one in (tmp_path / "ernie_m").iterdir() if one.is_dir()]
