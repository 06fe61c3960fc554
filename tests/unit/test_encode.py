"""Embeddings: what is finished is kept, bit by bit the same, through kills and over processes; distinct texts."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sweep.data.texts import Texts, distinct
from sweep.errors import TrialFailed
from sweep.evaluation import encode as module
from sweep.evaluation.encode import Encoded, encode
from sweep.model.encoder import Retriever
from sweep.model.registry import build_retriever
from sweep.settings import TinyModel

WORDS = ("moss", "fern", "cats", "dogs", "river", "stone")
SHARD = 10
LIMIT = 8  # tokens of a passage
MODEL: dict[str, Any] = {
    "kind": "tiny", "layers": 1, "hidden_size": 16, "heads": 2, "vocabulary_size": 300, "dropout": 0.0,
    "pooling": "mean", "query_prefix": "ask ", "passage_prefix": "", "max_query_tokens": LIMIT,
    "max_passage_tokens": LIMIT, "precision": "float32",
}  # fmt: skip


def sentences(size: int) -> list[str]:
    """Different texts of 1 to 9 words, so that some are cut."""
    rng = np.random.default_rng(0)
    return [f"{' '.join(rng.choice(WORDS, rng.integers(1, 9)))} {number % 10}" for number in range(size)]


TEXTS = sentences(34)  # three whole shards and a part


def texts_of(texts: list[str]) -> Texts:
    return Texts(len(texts), lambda rows: [texts[row] for row in rows], distinct(texts)[2])


def tiny(cache: Path, **changes: Any) -> Retriever:
    return build_retriever(TinyModel.model_validate(MODEL | changes), tuple(sentences(200)), cache, 0)


@pytest.fixture
def retriever(cache: Path) -> Retriever:
    return tiny(cache)


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several shards, and several batches in each."""
    monkeypatch.setattr(module, "TEXTS_PER_SHARD", SHARD)
    monkeypatch.setattr(module, "TOKENS_PER_BATCH", 24)


pytestmark = pytest.mark.usefixtures("small_shards")


def run(
    retriever: Retriever,
    folder: Path | None = None,
    texts: list[str] = TEXTS,
    progress: Callable[[int, int], None] = lambda done, size: None,
) -> Encoded:
    return encode(retriever, texts_of(texts), "passage", Accelerator(cpu=True), folder, progress)


class Counter:
    """How many texts go through the encoder from now on."""

    def __init__(self, retriever: Retriever) -> None:
        self.texts = 0
        retriever.encoder.register_forward_pre_hook(self._count)

    def _count(self, encoder: torch.nn.Module, given: tuple[Any, ...]) -> None:
        self.texts += len(given[0].place_b)


def cut(retriever: Retriever, texts: list[str]) -> int:
    """Texts that are longer than the limit, counted without truncation."""
    return sum(len(retriever.tokenizer(text)["input_ids"]) > LIMIT for text in texts)


def assert_same_bits(one: NDArray[np.float32], other: NDArray[np.float32]) -> None:
    assert one.dtype == other.dtype == np.float32
    assert one.shape == other.shape
    assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


# Memory and disk ----------------------------------------------------------------------------------------------


def test_the_disk_gives_what_memory_gives(retriever: Retriever, tmp_path: Path) -> None:
    in_memory, on_disk = run(retriever), run(retriever, tmp_path)
    assert_same_bits(in_memory.embedding_uh, on_disk.embedding_uh)
    assert in_memory.embedding_uh.shape == (len(TEXTS), 16)
    np.testing.assert_allclose(np.linalg.norm(in_memory.embedding_uh, axis=1), 1, atol=1e-6)
    for row in (0, 9, 10, 33):  # every text is in its own row
        alone = retriever.encoder(retriever.collate(retriever.tokenize([TEXTS[row]], "passage").ids))
        np.testing.assert_allclose(in_memory.embedding_uh[row], alone[0].detach().numpy(), atol=1e-6)
    assert 0 < in_memory.truncated == on_disk.truncated == cut(retriever, TEXTS) < len(TEXTS)


def test_the_size_of_a_shard_changes_nothing(
    retriever: Retriever, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run(retriever)
    monkeypatch.setattr(module, "TEXTS_PER_SHARD", 4096)
    whole = run(retriever, tmp_path)
    np.testing.assert_allclose(whole.embedding_uh, found.embedding_uh, atol=1e-6)
    assert whole.truncated == found.truncated


def test_finished_embeddings_are_read(retriever: Retriever, tmp_path: Path) -> None:
    counter = Counter(retriever)
    first = run(retriever, tmp_path)
    assert counter.texts == len(TEXTS)
    again = run(retriever, tmp_path)
    assert counter.texts == len(TEXTS)
    assert_same_bits(first.embedding_uh, again.embedding_uh)
    assert first.truncated == again.truncated > 0


def test_roles_do_not_share_their_embeddings(retriever: Retriever, tmp_path: Path) -> None:
    accelerator = Accelerator(cpu=True)
    passage = encode(retriever, texts_of(TEXTS), "passage", accelerator, tmp_path)
    query = encode(retriever, texts_of(TEXTS), "query", accelerator, tmp_path)
    assert not np.allclose(passage.embedding_uh, query.embedding_uh)
    expected = encode(retriever, texts_of(TEXTS), "query", accelerator)
    assert_same_bits(query.embedding_uh, expected.embedding_uh)
    assert query.truncated == cut(retriever, [f"ask {text}" for text in TEXTS]) > passage.truncated


def test_progress_grows_to_the_end(retriever: Retriever, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    run(retriever, tmp_path, progress=lambda done, size: told.append((done, size)))
    done = [number for number, _ in told]
    assert {size for _, size in told} == {len(TEXTS)}
    assert done == sorted(done)
    assert done[-1] == len(TEXTS)
    assert any(number % SHARD for number in done[:-1])  # within shards too
    told.clear()
    run(retriever, tmp_path, progress=lambda done, size: told.append((done, size)))
    assert [number for number, _ in told] == [10, 20, 30, 34]


def test_dropout_is_off(cache: Path) -> None:
    retriever = tiny(cache, dropout=0.5)
    retriever.encoder.train()
    assert_same_bits(run(retriever).embedding_uh, run(retriever).embedding_uh)


def test_no_texts(retriever: Retriever) -> None:
    found = run(retriever, texts=[])
    assert found.embedding_uh.shape == (0, 16)
    assert found.truncated == 0


# Runs that end early ------------------------------------------------------------------------------------------


class Stopped(Exception):
    """A run's end in the middle of its work."""


def stop_within(shard: int) -> Callable[[int, int], None]:
    def progress(done: int, size: int) -> None:
        if shard * SHARD < done < (shard + 1) * SHARD:
            raise Stopped

    return progress


def test_a_run_that_failed_goes_on_with_the_first_unfinished_shard(retriever: Retriever, tmp_path: Path) -> None:
    whole = run(retriever, tmp_path / "whole")
    with pytest.raises(Stopped):
        run(retriever, tmp_path / "again", progress=stop_within(1))
    counter = Counter(retriever)
    with pytest.raises(Stopped):
        run(retriever, tmp_path / "again", progress=stop_within(2))
    assert SHARD < counter.texts < 2 * SHARD  # the second shard, and a part of the third
    counter.texts = 0
    resumed = run(retriever, tmp_path / "again")
    assert counter.texts == len(TEXTS) - 2 * SHARD
    assert_same_bits(resumed.embedding_uh, whole.embedding_uh)
    assert resumed.truncated == whole.truncated == cut(retriever, TEXTS)
    assert cut(retriever, TEXTS[:SHARD]) > 0  # so some of them are known from the first run only
    files = [tmp_path / name / "passage/embeddings.npy" for name in ("whole", "again")]
    assert files[0].read_bytes() == files[1].read_bytes()


# When what is there is of no use ------------------------------------------------------------------------------


def test_other_texts_start_anew(retriever: Retriever, tmp_path: Path) -> None:
    run(retriever, tmp_path)
    others = [*TEXTS[:-1], "river"]
    counter = Counter(retriever)
    found = run(retriever, tmp_path, others)
    assert counter.texts == len(others)
    assert_same_bits(found.embedding_uh, run(retriever, None, others).embedding_uh)
    assert found.truncated == cut(retriever, others)


def test_another_size_of_shards_starts_anew(
    retriever: Retriever, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Stopped):
        run(retriever, tmp_path, progress=stop_within(1))
    monkeypatch.setattr(module, "TEXTS_PER_SHARD", 2 * SHARD)
    counter = Counter(retriever)
    found = run(retriever, tmp_path)
    assert counter.texts == len(TEXTS)
    assert_same_bits(found.embedding_uh, run(retriever).embedding_uh)
    assert found.truncated == cut(retriever, TEXTS)


def test_another_model_size_starts_anew(retriever: Retriever, cache: Path, tmp_path: Path) -> None:
    run(retriever, tmp_path)
    wider = tiny(cache, hidden_size=32)
    found = run(wider, tmp_path)
    assert_same_bits(found.embedding_uh, run(wider).embedding_uh)


@pytest.mark.parametrize("content", [b"", b'{"identity": {"dig', b"\xff\xfe", b"{}", b"[]", b'{"identity": 3}'])
def test_damaged_marks_start_anew(retriever: Retriever, tmp_path: Path, content: bytes) -> None:
    expected = run(retriever, tmp_path / "kept")
    (tmp_path / "kept/passage/shards.json").write_bytes(content)
    counter = Counter(retriever)
    found = run(retriever, tmp_path / "kept")
    assert counter.texts == len(TEXTS)
    assert_same_bits(found.embedding_uh, expected.embedding_uh)
    assert found.truncated == expected.truncated


def test_marks_without_embeddings_start_anew(retriever: Retriever, tmp_path: Path) -> None:
    expected = np.array(run(retriever, tmp_path).embedding_uh)
    (tmp_path / "passage/embeddings.npy").unlink()
    assert_same_bits(run(retriever, tmp_path).embedding_uh, expected)


@pytest.mark.parametrize(("place", "again"), [(-1, len(TEXTS) % SHARD), (200, SHARD), (None, len(TEXTS))])
def test_damaged_embeddings_are_encoded_again(
    retriever: Retriever, tmp_path: Path, place: int | None, again: int
) -> None:
    """Those of the shard alone; of a file that was cut short, all."""
    first = run(retriever, tmp_path)
    expected, truncated = np.array(first.embedding_uh), first.truncated
    file = tmp_path / "passage/embeddings.npy"
    content = bytearray(file.read_bytes())
    if place is None:
        del content[len(content) // 2 :]
    else:
        content[place] ^= 1
    file.write_bytes(content)
    counter = Counter(retriever)
    encoded = run(retriever, tmp_path)
    assert counter.texts == again
    assert_same_bits(encoded.embedding_uh, expected)
    assert encoded.truncated == truncated


def test_only_the_embeddings_and_the_marks_are_left(retriever: Retriever, tmp_path: Path) -> None:
    run(retriever, tmp_path)
    assert {path.name for path in (tmp_path / "passage").iterdir()} == {"embeddings.npy", "shards.json"}
    marks = json.loads((tmp_path / "passage/shards.json").read_text())
    parts = [TEXTS[low : low + SHARD] for low in range(0, len(TEXTS), SHARD)]
    assert list(marks["truncated"]) == ["0", "1", "2", "3"]
    assert len(set(marks["truncated"].values())) > 1
    assert marks["truncated"] == {str(shard): cut(retriever, part) for shard, part in enumerate(parts)}


# Cut texts ----------------------------------------------------------------------------------------------------


def test_a_text_at_the_limit_is_not_cut(retriever: Retriever) -> None:
    by_length: dict[int, str] = {}
    for size in range(1, 40):
        text = "7" * size
        by_length.setdefault(len(retriever.tokenizer(text)["input_ids"]), text)
    assert {LIMIT - 1, LIMIT, LIMIT + 1} <= by_length.keys()
    for length, text in by_length.items():
        assert run(retriever, texts=[text]).truncated == (length > LIMIT)


# Embeddings that are not finite -------------------------------------------------------------------------------


def test_a_text_whose_embedding_is_not_finite_is_named(retriever: Retriever, tmp_path: Path) -> None:
    unknown = retriever.tokenizer.unk_token_id
    bad = f"§ fern {'7' * 100}"
    assert unknown in retriever.tokenizer(bad)["input_ids"][: LIMIT - 1]
    assert not any(unknown in retriever.tokenizer(text)["input_ids"] for text in TEXTS)
    texts = [*TEXTS[:15], bad, *TEXTS[15:]]
    with torch.no_grad():
        retriever.encoder.backbone.embeddings.word_embeddings.weight[unknown] = float("nan")
    assert np.isfinite(run(retriever).embedding_uh).all()
    with pytest.raises(TrialFailed) as caught:
        run(retriever, tmp_path, texts)
    assert str(caught.value) == f"the embedding of a passage is not finite (text: {bad[:80]!r})"
    assert list(json.loads((tmp_path / "passage/shards.json").read_text())["truncated"]) == ["0"]


# Distinct texts -----------------------------------------------------------------------------------------------


@given(st.lists(st.text(st.sampled_from("ab \u00e9\u0435e\ud800"), max_size=2)))
def test_distinct_texts_as_a_dict_has_them(texts: list[str]) -> None:
    first_u, text_d, digest = distinct(iter(texts))
    assert [texts[place] for place in first_u] == list(dict.fromkeys(texts))
    assert first_u.tolist() == [texts.index(text) for text in dict.fromkeys(texts)]
    assert [texts[first_u[number]] for number in text_d] == texts
    assert distinct(dict.fromkeys(texts))[2] == digest  # repetitions do not count
    backwards = list(dict.fromkeys(texts))[::-1]
    assert (distinct(backwards)[2] == digest) == (len(backwards) < 2)  # the order does


def test_the_digest_tells_texts_apart() -> None:
    digests = {distinct(texts)[2] for texts in ([], [""], ["ab"], ["a", "b"], ["b", "a"], ["a"], ["a", "c"])}
    assert len(digests) == 7
    assert all(len(digest) == hashlib.sha256().digest_size * 2 for digest in digests)


def embedding_uh(retriever: Retriever) -> NDArray[np.float32]:
    return encode(retriever, texts_of(TEXTS), "passage", Accelerator(cpu=True)).embedding_uh


def test_the_models_precision_is_that_of_encoding_whatever_autocast_is_around_it(cache: Path) -> None:
    full, half = embedding_uh(tiny(cache)), embedding_uh(tiny(cache, precision="bf16"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        nested = embedding_uh(tiny(cache))
    np.testing.assert_array_equal(nested, full)
    assert full.dtype == half.dtype == np.float32
    assert not np.array_equal(half, full)
    np.testing.assert_allclose(half, full, atol=0.05)
