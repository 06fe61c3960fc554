"""Token ids in the cache: the tokenizer's own, in a file for all they depend on, made once, whole or not used."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.test_model import TEXTS, tiny

from sweep.data.texts import Texts, texts_in_memory
from sweep.model import token_cache as module
from sweep.model.encoder import Retriever, Role
from sweep.model.registry import build_retriever
from sweep.model.token_cache import TokenCache, TokenIds
from sweep.model.vocabulary import restrict_vocabulary

MANY = [f"{text} {number}" for text in TEXTS for number in range(3)]


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.arrow"))


def kept(
    retriever: Retriever, folder: Path, texts: list[str] = MANY, role: Role = "query"
) -> tuple[TokenIds, list[str]]:
    """Token ids, and what was told."""
    notes: list[str] = []
    return TokenCache(retriever, folder, notes.append).of(texts_in_memory(texts)[0], role), notes


def lists(ids: TokenIds) -> list[list[int]]:
    return [sequence.tolist() for sequence in ids.of(np.arange(len(ids)))]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several batches, the last of them not full."""
    monkeypatch.setattr(module, "TEXTS_PER_BATCH", 100)


@pytest.mark.parametrize("role", ["query", "passage"])
def test_ids_are_those_of_the_tokenizer(cache: Path, tmp_path: Path, role: Role) -> None:
    retriever = tiny(cache, passage_prefix="dogs ", max_query_tokens=60, max_passage_tokens=6)
    assert len(MANY) % 100
    expected = retriever.tokenize(MANY, role)
    for built in (True, False):  # then from the file
        ids, notes = kept(retriever, tmp_path, role=role)
        assert lists(ids) == [sequence.tolist() for sequence in expected.ids]
        assert ids.truncated() == expected.truncated
        assert ids.truncated(slice(90, 110)) == retriever.tokenize(MANY[90:110], role).truncated
        assert ids.distinct().tolist() == sorted({token for sequence in lists(ids) for token in sequence})
        assert notes == ([f"tokenised {len(MANY)} distinct {role} texts"] if built else [])
    assert (ids.truncated() > 0) == (role == "passage")


def test_ids_are_mapped_and_not_copied(cache: Path, tmp_path: Path) -> None:
    kept(tiny(cache), tmp_path)
    before = pa.total_allocated_bytes()
    ids, _ = kept(tiny(cache), tmp_path)
    assert pa.total_allocated_bytes() - before < 1024
    with pytest.raises(ValueError, match="read-only"):
        ids.of(np.array([3]))[0][0] = 1


def test_what_ids_depend_on_names_the_file(cache: Path, tmp_path: Path) -> None:
    def file_of(role: Role = "query", texts: list[str] = MANY, **changes: Any) -> set[str]:
        before = set(files(tmp_path))
        kept(tiny(cache, **changes), tmp_path, texts, role)
        return set(files(tmp_path)) - before

    assert len(file_of()) == 1
    assert not file_of()
    assert not file_of(hidden_size=32)  # the model is another, its tokens are not
    assert not file_of(passage_prefix="dogs ")  # no part of a question
    assert len(file_of(query_prefix="dogs ")) == 1
    assert len(file_of(max_query_tokens=5)) == 1
    assert len(file_of("passage")) == 1
    assert len(file_of(texts=MANY[1:])) == 1
    other = build_retriever(tiny(cache).settings, tuple(MANY[:50]), cache, 0)
    assert other.tokenizer.get_vocab() != tiny(cache).tokenizer.get_vocab()
    before = files(tmp_path)
    kept(other, tmp_path)
    assert len(files(tmp_path)) == len(before) + 1


def test_a_tokenizer_that_was_used_is_the_same_tokenizer(cache: Path, tmp_path: Path) -> None:
    """Its last call's truncation is a part of its state."""
    retriever = tiny(cache)
    kept(retriever, tmp_path)
    retriever.tokenizer(["cats"], truncation=True, max_length=7, padding=True)
    assert kept(retriever, tmp_path)[1] == []


@pytest.mark.parametrize("damage", ["truncated", "changed", "empty", "digest"])
def test_a_damaged_file_is_told_and_built_again(cache: Path, tmp_path: Path, damage: str) -> None:
    whole = lists(kept(tiny(cache), tmp_path)[0])
    file = tmp_path / files(tmp_path)[0]
    content = bytearray(file.read_bytes())
    if damage == "changed":
        content[len(content) // 2] ^= 1
    elif damage == "digest":
        content[-1] ^= 1
    file.write_bytes(content[: {"truncated": len(content) - 100, "empty": 0}.get(damage)])
    ids, notes = kept(tiny(cache), tmp_path)
    assert notes == [
        f"token ids in {file} are damaged; tokenising again",
        f"tokenised {len(MANY)} distinct query texts",
    ]
    assert lists(ids) == whole
    assert kept(tiny(cache), tmp_path)[1] == []


def test_a_restricted_vocabulary_maps_the_same_file(cache: Path, tmp_path: Path) -> None:
    full = tiny(cache)
    some = [text for text in MANY if "cats" in text]
    ids, _ = kept(full, tmp_path, some)
    small = restrict_vocabulary(tiny(cache), [ids.distinct()])
    again, notes = kept(small, tmp_path, some)
    assert notes == []
    assert lists(again) == lists(ids)
    rows = small.places(again.of(np.arange(5)))
    assert small.vocabulary is not None
    assert [small.vocabulary.kept[row].tolist() for row in rows] == lists(ids)[:5]
    assert [row.tolist() for row in rows] == [row.tolist() for row in small.tokenize(some[:5], "query").ids]
    assert [row.tolist() for row in rows] != lists(ids)[:5]


def test_the_texts_need_not_be_in_memory(cache: Path, tmp_path: Path) -> None:
    asked: list[int] = []

    def read(rows: np.ndarray[Any, Any]) -> list[str]:
        asked.append(len(rows))
        return [MANY[row] for row in rows]

    TokenCache(tiny(cache), tmp_path, lambda note: None).of(Texts(len(MANY), read, "digest"), "query")
    assert asked == [100, 100, 100, 100, 80]


# Real processes ------------------------------------------------------------------------------------------------


def test_the_file_is_an_arrow_stream_with_its_digest_behind_it(cache: Path, tmp_path: Path) -> None:
    ids, _ = kept(tiny(cache), tmp_path)
    file = tmp_path / files(tmp_path)[0]
    with pa.memory_map(str(file)) as source:
        table = pa.ipc.open_stream(source).read_all()
    assert table["ids"].to_pylist() == lists(ids)
    content = file.read_bytes()
    assert hashlib.sha256(content[:-32]).digest() == content[-32:]
