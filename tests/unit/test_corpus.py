"""Training data in the cache: the same as a plain reading of the rows, in bounded memory, there as a whole or not."""

import errno
import logging
import os
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.test_damaged_caches import DAMAGES

from sweep.data import corpus_build
from sweep.data.cells import BLOCK, Cells, GroupSet
from sweep.data.corpus_cache import kept_training_set
from sweep.data.remarks import Remark
from sweep.data.stored_texts import ROWS_PER_BATCH, StoredTexts, TextWriter, copy_texts
from sweep.data.texts import distinct_hashes
from sweep.data.training_row import TrainingRow, TrainingRows
from sweep.data.training_set import TrainingSet, training_set, training_set_of
from sweep.errors import InputError
from sweep.settings import CldrData
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings

LANGUAGES = ("en", "de", "sw")


def many_rows(groups: int, seed: int = 0) -> list[TrainingRow]:
    """Some groups lack languages, have several texts in one, share texts, or repeat rows; in random order."""
    rng = random.Random(seed)
    rows = []
    for group in range(groups):
        for _ in range(rng.randint(1, 5)):
            asked, answered = rng.choices(LANGUAGES, k=2)
            negatives = tuple(f"no {rng.randrange(9)}" for _ in range(rng.randrange(3)))
            question = f"q {group} {asked} {rng.randrange(2)}"
            passage = f"p {rng.randrange(groups)} {answered}"
            rows.append(TrainingRow(f"g{group}", asked, question, passage, negatives, answered))
    rng.shuffle(rows)
    return [*rows, *rows[:3]]


def plainly(rows: Sequence[TrainingRow]) -> tuple[dict[Any, list[str]], ...]:
    """Questions, passages and negatives of each group and language, each once, as they come."""
    questions, passages, negatives = defaultdict(list), defaultdict(list), defaultdict(list)
    for row in rows:
        answered = row.group, row.passage_language or row.language
        for cells, cell, texts in (
            (questions, (row.group, row.language), (row.question,)),
            (passages, answered, (row.passage,)),
            (negatives, answered, row.negatives),
        ):
            cells[cell] += [text for text in dict.fromkeys(texts) if text not in cells[cell]]
    return questions, passages, {cell: texts for cell, texts in negatives.items() if texts}


def cells_of(data: TrainingSet, cells: Cells) -> dict[Any, list[str]]:
    return {
        (name, code): data.texts.read(texts)
        for group, name in enumerate(data.groups)
        for column, code in enumerate(data.languages)
        if len(texts := cells.of(group, column))
    }


@pytest.mark.parametrize("seed", range(5))
def test_it_holds_what_the_rows_hold(seed: int) -> None:
    rows = many_rows(40, seed)
    data = training_set(rows, LANGUAGES)
    assert list(data.groups) == list(dict.fromkeys(row.group for row in rows))
    every = [text for row in rows for text in (row.question, row.passage, *row.negatives)]
    assert list(data.texts) == list(dict.fromkeys(every))
    for expected, cells in zip(plainly(rows), (data.questions, data.passages, data.negatives), strict=True):
        assert cells_of(data, cells) == expected
    for asked in LANGUAGES:
        for answered in LANGUAGES:
            rows_of = data.rows(asked, answered)
            names = [data.groups[group] for group in rows_of.at(np.arange(len(rows_of)))]
            questions, passages, _ = plainly(rows)
            assert names == [g for g in data.groups if (g, asked) in questions and (g, answered) in passages]
    assert {data.texts[text] for text in data.texts_of("query")} == {row.question for row in rows}
    passages = {text for row in rows for text in (row.passage, *row.negatives)}
    assert {data.texts[text] for text in data.texts_of("passage")} == passages


@pytest.mark.parametrize("left_out", [False, True])
def test_relevant_passages_are_those_of_the_group_in_any_language(left_out: bool) -> None:
    rows = many_rows(30)
    data = training_set(rows, LANGUAGES)
    if left_out:
        data = data.without(np.array([3, 4]))
        assert not {3, 4} & set(data.rows("en", "en").at(np.arange(len(data.rows("en", "en")))).tolist())
    _, passages, _ = plainly(rows)
    group_b = np.array([5, 0, 17, 5])
    text_n = np.array([9, 3, 3, 0, len(data.texts) - 1, *data.passages.of_groups(group_b)[1][:6]], np.int32)
    expected = [
        [
            any(data.texts[text] in passages.get((data.groups[group], code), ()) for code in LANGUAGES)
            for text in text_n
        ]
        for group in group_b
    ]
    assert data.relevant_bn(group_b, text_n).tolist() == expected


@given(st.lists(st.booleans(), min_size=1, max_size=200), st.integers(1, 3))
def test_a_set_of_groups_has_its_members_in_order(member: list[bool], repeat: int) -> None:
    member_g = np.tile(np.array(member), repeat * 50)  # over several blocks of bits
    groups = GroupSet.of(member_g)
    expected = np.flatnonzero(member_g)
    assert len(groups) == len(expected)
    assert groups.at(np.arange(len(groups))).tolist() == expected.tolist()
    backwards = np.arange(len(groups))[::-1][:7]
    assert groups.at(backwards).tolist() == expected[backwards].tolist()
    assert len(groups & GroupSet.of(~member_g)) == 0


def test_a_set_may_have_several_blocks() -> None:
    assert len(GroupSet.of(np.ones(BLOCK * 8 * 3 + 5, bool)).bits) > 3 * BLOCK


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30))
def test_equal_hashes_are_one_and_others_are_not(pairs: list[tuple[int, int]]) -> None:
    """Even if half of a hash is the same, which no text will ever show."""
    first, number = distinct_hashes(np.array(pairs, np.uint64).reshape(-1, 2))
    known = list(dict.fromkeys(pairs))
    assert [pairs[place] for place in first] == known
    assert [known[place] for place in number] == pairs


def test_texts_are_read_by_number(tmp_path: Path) -> None:
    texts = [f"text {number} ñ" for number in range(ROWS_PER_BATCH + 3)]
    with TextWriter(tmp_path / "texts") as writer:
        for text in texts:
            writer.append(text)
    stored = StoredTexts(tmp_path / "texts")
    assert (len(stored), list(stored)) == (len(texts), texts)
    assert stored.read(np.array([5, ROWS_PER_BATCH + 1, 2])) == [texts[5], texts[ROWS_PER_BATCH + 1], texts[2]]
    assert (stored[-1], stored[1:3]) == (texts[-1], texts[1:3])
    copy_texts(stored, np.arange(0, len(texts), 1000), tmp_path / "some")
    assert list(StoredTexts(tmp_path / "some")) == texts[::1000]
    with TextWriter(tmp_path / "none"):
        pass
    assert list(StoredTexts(tmp_path / "none")) == []


def test_the_digest_is_that_of_the_content() -> None:
    rows = many_rows(20)
    first = training_set(rows, LANGUAGES).digest
    assert training_set(rows, LANGUAGES).digest == first
    changed = [rows[0]._replace(question="another"), *rows[1:]]
    for other in (rows[:-4], changed, [row._replace(weight=2.0) for row in rows], rows[::-1]):
        assert training_set(other, LANGUAGES).digest != first
    assert training_set(rows, ("de", "en", "sw")).digest != first
    assert training_set([row._replace(source="x") for row in rows], LANGUAGES).digest != first


def test_rows_that_add_nothing_are_counted() -> None:
    rows = [TrainingRow("g", "en", "q", "p"), TrainingRow("h", "en", "q", "p"), TrainingRow("g", "en", "q", "p")]
    made = TrainingRows("data 'x'", (), lambda remarks: iter(rows))
    assert training_set_of(made, ("en",)).notes == (
        "data 'x': rows that add nothing to their translation group, kept once: en 1 of 3",
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"question": " "}, "the question is empty"),
        ({"passage": ""}, "the passage is empty"),
        ({"negatives": ("\n",)}, "the negative is empty"),
        ({"question": "a\0b"}, "the question has a NUL character"),
        ({"passage": "x" * 1_000_001}, "the passage has 1,000,001 characters, more than 1,000,000"),
        ({"question": "half \ud800"}, "the question has half a surrogate pair"),
    ],
)
def test_a_text_that_is_none_is_refused_with_its_place(change: dict[str, Any], problem: str) -> None:
    row = TrainingRow("g", "en", "q", "p", place="file.jsonl:7")._replace(**change)
    with pytest.raises(InputError, match=rf"^file\.jsonl:7: {problem}"):
        training_set([row], ("en",))
    with pytest.raises(InputError, match=rf"^group 'g' in en: {problem}"):
        training_set([row._replace(place="")], ("en",))


def test_two_weights_of_a_passage_are_refused() -> None:
    rows = [TrainingRow("g", "en", f"q{n}", "p", weight=weight) for n, weight in enumerate((1.0, 2.0))]
    with pytest.raises(InputError, match="rows: a passage of the translation group 'g' has two weights"):
        training_set(rows, ("en",))


def test_a_language_without_rows_is_refused() -> None:
    with pytest.raises(InputError, match="language 'sw' has no training question"):
        training_set([TrainingRow("g", "en", "q", "p")], ("en", "sw"))
    alone = training_set([TrainingRow("g", "sw", "q", "p", (), "en")], ("en", "sw"))  # passages alone are enough
    assert (len(alone.rows("sw", "en")), len(alone.rows("en", "en"))) == (1, 0)


# In the cache ----------------------------------------------------------------------------------------------------


@pytest.fixture
def settings() -> CldrData:
    data = load_settings(Composer("sweep", [])).data
    assert isinstance(data, CldrData)
    return data


class Source:
    """Rows of a file that counts how often it is read."""

    def __init__(self, file: Path, rows: Sequence[TrainingRow]) -> None:
        file.write_text("x")
        self.rows = TrainingRows("data 'x'", (file,), self._read)
        self._kept = rows
        self.reads = 0

    def _read(self, remarks: list[Remark]) -> Iterator[TrainingRow]:
        self.reads += 1
        remarks.append(Remark("a remark"))
        yield from self._kept


def test_files_are_read_once_and_again_when_they_change(tmp_path: Path, settings: CldrData) -> None:
    source = Source(tmp_path / "file", many_rows(20))

    def kept(**changes: Any) -> TrainingSet:
        return kept_training_set(
            source.rows, changes.get("languages", LANGUAGES), settings.model_copy(update=changes), tmp_path / "cache"
        )

    first = kept()
    assert first.notes[0] == "data 'x': a remark"
    assert (kept().digest, kept().notes, source.reads) == (first.digest, first.notes, 1)
    kept(seed=5)
    assert source.reads == 2
    (tmp_path / "file").write_text("another")
    kept()
    assert source.reads == 3


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("name", ["texts.arrow", "groups.arrow", "questions.text_n.npy", "corpus.json"])
def test_what_is_damaged_is_read_again(
    tmp_path: Path, settings: CldrData, name: str, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source(tmp_path / "file", many_rows(8))
    first = kept_training_set(source.rows, LANGUAGES, settings, tmp_path).digest
    (file,) = (tmp_path / "corpora").glob(f"*/{name}")
    damaged = damage(file.read_bytes())
    file.write_bytes(damaged)
    with caplog.at_level(logging.WARNING, "sweep"):
        assert kept_training_set(source.rows, LANGUAGES, settings, tmp_path).digest == first
    assert f"the training data in {file.parent} are damaged; reading them again" in caplog.text
    assert source.reads == 2


def test_what_is_no_manifest_is_damaged(tmp_path: Path, settings: CldrData) -> None:
    source = Source(tmp_path / "file", many_rows(8))
    kept_training_set(source.rows, LANGUAGES, settings, tmp_path)
    (file,) = (tmp_path / "corpora").glob("*/corpus.json")
    for number, content in enumerate(("[]", "{}", '{"sha256": []}', '{"sha256": {}}'), start=2):
        file.write_text(content)
        kept_training_set(source.rows, LANGUAGES, settings, tmp_path)
        assert source.reads == number


def leftovers(folder: Path) -> list[str]:
    return [entry.name for entry in folder.rglob("*") if entry.suffix != ".lock" and entry.is_file()]


def test_nothing_is_left_of_a_file_that_cannot_be_read_or_changes(tmp_path: Path, settings: CldrData) -> None:
    source = Source(tmp_path / "file", [*many_rows(8), TrainingRow("g", "en", "", "p", place="file:9")])
    with pytest.raises(InputError, match=r"^file:9: the question is empty"):
        kept_training_set(source.rows, LANGUAGES, settings, tmp_path / "cache")

    def changing(remarks: list[Remark]) -> Iterator[TrainingRow]:
        yield from many_rows(8)
        (tmp_path / "file").write_text("changed meanwhile")

    rows = TrainingRows("data 'x'", (tmp_path / "file",), changing)
    with pytest.raises(InputError, match="data 'x': its files changed while they were read; run again"):
        kept_training_set(rows, LANGUAGES, settings, tmp_path / "cache")
    (tmp_path / "file").unlink()
    with pytest.raises(InputError, match="file: cannot be read"):
        kept_training_set(rows, LANGUAGES, settings, tmp_path / "cache")
    assert leftovers(tmp_path / "cache") == []


def test_nothing_is_left_when_the_disk_is_full(
    tmp_path: Path, settings: CldrData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(corpus_build, "copy_texts", full)
    with pytest.raises(OSError, match="No space left"):
        kept_training_set(Source(tmp_path / "file", many_rows(8)).rows, LANGUAGES, settings, tmp_path / "cache")
    assert leftovers(tmp_path / "cache") == []
