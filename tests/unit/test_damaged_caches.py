"""Entries of the cache that were damaged: each is made again, with a note, and gives what a sound one gives."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import Sweep

from sweep.data.passages import Passage, Passages, passages_on_disk
from sweep.model.tokenizer import unigram_tokenizer
from sweep.records.sealed import seal, sealed_content

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "flipped": lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:],
    "longer": lambda content: content + b"x",
    "foreign": lambda content: b"{}",
    "of an earlier version": lambda content: content[:-32],
}
damages = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
TEXTS = tuple(f"some words of text {number} and others" for number in range(40))


@damages
def test_what_is_sealed_is_what_was_written(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    file = tmp_path / "file"
    assert sealed_content(file) is None
    file.write_bytes(b"content" * 10)
    seal(file)
    content = sealed_content(file)
    assert content is not None
    assert content.to_pybytes() == b"content" * 10
    file.write_bytes(damage(file.read_bytes()))
    assert sealed_content(file) is None


@damages
def test_a_damaged_tokenizer_is_trained_again(
    tmp_path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    first = unigram_tokenizer(TEXTS, 300, tmp_path)("some words").input_ids
    (file,) = (tmp_path / "tokenizers").iterdir()
    sound = file.read_bytes()
    file.write_bytes(damage(sound))
    with caplog.at_level(logging.WARNING, "sweep"):
        assert unigram_tokenizer(TEXTS, 300, tmp_path)("some words").input_ids == first
    assert f"the tokenizer in {file} is damaged; training it again" in caplog.text
    assert file.read_bytes() == sound
    caplog.clear()
    assert unigram_tokenizer(TEXTS, 300, tmp_path)("some words").input_ids == first
    assert not caplog.text


@damages
def test_damaged_passages_are_read_again(
    tmp_path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "corpus"
    source.write_text("")

    def table() -> Passages:
        passages = [Passage(f"{9 - number}", "en", f"text {number}") for number in range(9)]
        return passages_on_disk(passages, ("en",), [source], tmp_path / "cache")

    first = list(table())
    (file,) = (tmp_path / "cache" / "passages").glob("*.arrow")
    file.write_bytes(damage(file.read_bytes()))
    with caplog.at_level(logging.WARNING, "sweep"):
        assert list(table()) == first
    assert f"the passages in {file} are damaged; reading them again" in caplog.text
    assert {entry.suffix for entry in file.parent.iterdir()} == {".arrow", ".lock"}


@pytest.mark.parametrize("cache", ["file/below", "/proc/none", "x" * 300])
@pytest.mark.parametrize("module", ["sweep", "sweep.evaluate"])
def test_a_cache_that_cannot_be_written_is_refused(sweep: Sweep, tmp_path: Path, module: str, cache: str) -> None:
    (tmp_path / "file").write_text("")
    command = ("+experiment=smoke",) if module == "sweep" else ("model=hf", "model.path=x", "evaluation=cldr")
    refused = sweep(*command, f"paths.cache={cache}", module=module)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: the cache folder ")
    assert "paths.cache=DIR" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "sweeps").exists()
