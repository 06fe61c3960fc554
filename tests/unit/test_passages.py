"""Passage tables: memory and disk agree, and the disk's is built once, whole, and for the right source files."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.data import passages as module
from sweep.data.passages import Passage, Passages, passages_in_memory, passages_on_disk
from sweep.errors import InputError

LANGUAGES = ("sw", "en", "th")
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8)
ROWS = st.lists(
    st.builds(Passage, TEXT, st.sampled_from(LANGUAGES), TEXT, TEXT), max_size=20, unique_by=lambda row: row.id
)
TOY = [
    Passage("sw:2", "sw", "Mto ni mrefu.", "river"),
    Passage("en:2", "en", "The river is long.", "river"),
    Passage("sw:10", "sw", "Mwezi"),
    Passage("en:10", "en", "The moon"),
]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few rows are already several batches."""
    monkeypatch.setattr(module, "ROWS_PER_BATCH", 3)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "corpus.jsonl"
    file.write_text("the state of this file is the key of the table")
    return file


def unread() -> Iterator[Passage]:
    """Passages that must not be asked for."""
    raise AssertionError("the source was read again")
    yield


def arrow_files(cache: Path) -> list[Path]:
    return list((cache / "passages").glob("*.arrow"))


# One table, two places ----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(rows=ROWS, batch=st.integers(1, 7))
def test_memory_and_disk_agree(rows: list[Passage], batch: int) -> None:
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROWS_PER_BATCH", batch)
        source = Path(name) / "source"
        source.touch()
        tables = (
            passages_in_memory(iter(rows), LANGUAGES),
            passages_on_disk(iter(rows), LANGUAGES, [source], Path(name)),
            passages_on_disk(unread(), LANGUAGES, [source], Path(name)),
        )
        for table in tables:
            check(table, sorted(rows))


def check(table: Passages, expected: list[Passage]) -> None:
    """Every way of reading the table gives the expected rows."""
    assert list(table) == expected
    assert len(table) == len(expected)
    assert [table[row] for row in range(len(table))] == expected
    assert list(table[1:3]) == expected[1:3]
    assert [LANGUAGES[number] for number in table.language_d] == [row.language for row in expected]
    assert list(table.texts()) == [row.text for row in expected]
    backwards = np.arange(len(expected))[::-1]
    assert table.texts_at(backwards) == [row.text for row in expected[::-1]]
    asked = [row.id for row in expected[::2]]
    assert table.rows_of([*asked, "\nno such id"]) == {id_: 2 * place for place, id_ in enumerate(asked)}
    # Same number exactly for the same unit; a passage without one shares its number with no other.
    names = [row.unit or ("of its own", row.id) for row in expected]
    numbers = table.unit_d.tolist()
    assert len(numbers) == len(expected)
    assert len(set(zip(names, numbers, strict=True))) == len(set(names)) == len(set(numbers))
    assert not len(table.again())


def test_rows_and_units_of_a_known_table() -> None:
    table = passages_in_memory(TOY, LANGUAGES)
    assert [table.id(row) for row in range(4)] == ["en:10", "en:2", "sw:10", "sw:2"]  # ids are text, not numbers
    assert table.language_d.tolist() == [1, 1, 0, 0]
    assert table.rows_of({"sw:2", "en:10", "th:1"}) == {"sw:2": 3, "en:10": 0}
    assert table.rows_of(()) == {}
    moon, river, mwezi, mto = table.unit_d.tolist()
    assert river == mto
    assert len({moon, river, mwezi}) == 3
    assert table[-1] == TOY[0]
    with pytest.raises(IndexError):
        table[4]


@pytest.mark.usefixtures("small_batches")
def test_an_id_given_twice_is_refused(tmp_path: Path, source: Path) -> None:
    twice = [*TOY, Passage("sw:10", "en", "The moon")]  # in another batch, language and text
    with pytest.raises(InputError, match="passage id 'sw:10' occurs twice"):
        passages_in_memory(twice, LANGUAGES)
    for _ in range(2):  # the refused table is not used the second time
        with pytest.raises(InputError, match="passage id 'sw:10' occurs twice"):
            passages_on_disk(twice, LANGUAGES, [source], tmp_path)
    assert arrow_files(tmp_path) == []


# Built once, and again when it must be ------------------------------------------------------------------------


def append_at_the_same_time(file: Path) -> None:
    before = file.stat().st_mtime_ns
    file.write_text(file.read_text() + ".")
    os.utime(file, ns=(before, before))


def rewrite_at_another_time(file: Path) -> None:
    changed = file.stat().st_mtime_ns + 10_000_000
    os.utime(file, ns=(changed, changed))


@pytest.mark.parametrize("change", [append_at_the_same_time, rewrite_at_another_time])
def test_a_changed_source_is_read_again(tmp_path: Path, source: Path, change: Callable[[Path], None]) -> None:
    other = tmp_path / "docs-1.jsonl"
    other.touch()
    passages_on_disk(TOY, LANGUAGES, [source, other], tmp_path)
    assert list(passages_on_disk(unread(), LANGUAGES, [source, other], tmp_path)) == sorted(TOY)
    change(other)
    assert list(passages_on_disk(TOY[:2], LANGUAGES, [source, other], tmp_path)) == sorted(TOY[:2])
    assert list(passages_on_disk(unread(), LANGUAGES, [source, other], tmp_path)) == sorted(TOY[:2])


def test_other_files_or_languages_are_another_table(tmp_path: Path, source: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(source.read_bytes())
    passages_on_disk(TOY, LANGUAGES, [source], tmp_path)
    assert len(passages_on_disk(TOY[:2], LANGUAGES, [copy], tmp_path)) == 2
    assert len(passages_on_disk(TOY[:1], LANGUAGES, [source, copy], tmp_path)) == 1
    swapped = passages_on_disk(TOY, LANGUAGES[::-1], [source], tmp_path)
    assert [row.language for row in swapped] == [row.language for row in sorted(TOY)]


@pytest.mark.usefixtures("small_batches")
def test_a_failed_build_is_not_used(tmp_path: Path, source: Path) -> None:
    def broken() -> Iterator[Passage]:
        yield from TOY
        raise InputError("corpus.jsonl:5: Invalid JSON")

    with pytest.raises(InputError, match=r"corpus\.jsonl:5"):
        passages_on_disk(broken(), LANGUAGES, [source], tmp_path)
    assert arrow_files(tmp_path) == []
    assert list(passages_on_disk(TOY, LANGUAGES, [source], tmp_path)) == sorted(TOY)


# Several processes --------------------------------------------------------------------------------------------


def thousand() -> list[Passage]:
    return sorted(Passage(f"{999 - number:03}", "sw", f"text {number}") for number in range(1000))
