"""Hard negatives against their definition, looked up text by text, for every language option, window and filter."""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sweep.data.leakage import normalised
from sweep.data.remarks import Remark
from sweep.data.training_row import TrainingRow, TrainingRows
from sweep.errors import InputError
from sweep.mining import parts as parts_module
from sweep.mining.parts import Parts
from sweep.mining.pools import Pools, pools_of
from sweep.mining.relevance import Relevance
from sweep.mining.search import Embeddings, Mined, Miner
from sweep.mining.spool import spooled
from sweep.mining.summary import REFUSALS
from sweep.settings import Mining, MiningSearch
from sweep.settings.compose import Composer
from sweep.settings.load import load_mine_settings

LANGUAGES = ("en", "de", "sw")
SIZE = 16
WORDS = ("lake", "river", "stone", "birch", "heron", "salt", "ember", "frost", "meadow", "tide", "copper", "thistle")


def sentence(*key: int) -> str:
    return " ".join(np.random.default_rng(key).choice(WORDS, 14)).capitalize() + f" {key[0]}."


def mining(**changes: Any) -> Mining:
    search = {"index": "flat", "lists": None, "probes": 64, "neighbours": 8}
    fields = {
        "language": "passage", "negatives": 4, "ranks": (1, 10), "margin": None, "relative": None,
        "near_copies": None, "draw": "top", "keep": True, "seed": 0, "search": MiningSearch.model_validate(search),
    }  # fmt: skip
    return Mining.model_validate({**fields, **changes})


def toy_rows() -> list[TrainingRow]:
    """30 groups in three languages. Some answer across languages, have two questions or two passages, share a passage
    with the next group, have a passage that differs from another's by case and spaces or by a word, a question of
    another group, or negatives."""
    rows = []
    for group in range(30):
        for column, code in enumerate(LANGUAGES):
            if group % 5 == column:  # not in this language
                continue
            passage = sentence(group, column)
            if group % 7 == 1 and code == "en":
                passage = sentence(group - 1, column)  # shared
            elif group % 7 == 2:
                passage = f"  {sentence(group - 2, column).upper()}  "  # a twin
            elif group % 7 == 3:
                passage = f"{sentence(group - 3, column)} Indeed."  # a near copy
            elif group % 7 == 4 and code == "sw":
                passage = sentence(group - 1, 0)  # the text of another language
            negatives = (
                (sentence(group, 9), sentence(group, 9), sentence(group + 1, column)) if group % 4 == 0 else ()
            )
            rows.append(TrainingRow(f"g{group}", code, f"ask {group} {code}", passage, negatives, place=f"t:{group}"))
            if group % 6 == 0:
                rows.append(TrainingRow(f"g{group}", code, f"ask again {group} {code}", passage, (), weight=0.5))
                rows.append(TrainingRow(f"g{group}", code, f"ask {group} {code}", sentence(group, 5), (), "sw"))
            if group % 6 == 1:
                rows.append(TrainingRow(f"g{group}", code, f"ask {group} {code}", passage, (), "de"))
            if group % 9 == 5 and code != "en":  # what another group asks
                rows.append(TrainingRow(f"g{group}", code, f"ask {group - 2} {code}", passage))
    return rows


ROWS = toy_rows()


def training_rows(rows: list[TrainingRow]) -> TrainingRows:
    def read(remarks: list[Remark]) -> Iterator[TrainingRow]:
        remarks.append(Remark("nothing is wrong with it"))
        yield from rows

    return TrainingRows("data 'toy'", (), read)


@cache
def embedding(text: str) -> NDArray[np.float32]:
    """Texts that are alike have near embeddings: a random vector for each word, and a little of the text's own."""
    words = [np.random.default_rng(list(word.encode())).normal(size=SIZE) for word in normalised(text).split()]
    own = np.random.default_rng(list(text.encode())).normal(size=SIZE)
    whole = np.sum(words, axis=0) + 0.5 * own
    return (whole / np.linalg.norm(whole)).astype(np.float32)


def embedded(pools: Pools) -> Embeddings:
    texts = [part.read(np.arange(part.size)) for part in (pools.queries, pools.passages)]
    return Embeddings(*(np.stack([embedding(text) for text in part]) for part in texts))


def mine(how: Mining, folder: Path, rows: list[TrainingRow] = ROWS) -> tuple[list[list[tuple[str, str]]], Mined]:
    """The mined negatives of each row, as text and language."""
    pools = pools_of(spooled(training_rows(rows), LANGUAGES, folder))
    mined = Miner(pools, embedded(pools), how, folder).mine(range(len(rows)))
    texts = pools.passages.read(pools.text_c[mined.candidate_n])
    codes = [LANGUAGES[code] for code in pools.language_c[mined.candidate_n]]
    flat = iter(zip(texts, codes, strict=True))
    return [[next(flat) for _ in range(size)] for size in mined.size_r], mined


# The definition ------------------------------------------------------------------------------------------------


def language_of(row: TrainingRow) -> str:
    return row.passage_language or row.language


CANDIDATES = {(row.passage, language_of(row)) for row in ROWS} | {
    (text, language_of(row)) for row in ROWS for text in row.negatives
}


@cache
def never(wanted: str) -> set[str]:
    """Normalised texts of relevant passages of a group and of those with the same questions, and of the translations
    of all these in other groups."""
    asked = {other.question for other in ROWS if other.group == wanted}
    groups = {other.group for other in ROWS if other.question in asked}
    relevant = {normalised(other.passage) for other in ROWS if other.group in groups}
    more = set()
    for group in {other.group for other in ROWS}:
        of_group = {(language_of(other), normalised(other.passage)) for other in ROWS if other.group == group}
        texts = {text for _, text in of_group}
        if texts & relevant and max(Counter(code for code, _ in of_group).values()) == 1:
            more |= texts
    return relevant | more


@cache
def grams(text: str) -> set[str]:
    text = normalised(text)
    return {text[start : start + 5] for start in range(max(1, len(text) - 4))}


def alike(one: str, other: str) -> float:
    return len(grams(one) & grams(other)) / len(grams(one) | grams(other))


def window(row: TrainingRow, number: int, languages: set[str], how: Mining) -> list[tuple[float, str, str]]:
    """Score, text and language of all that may be taken, in the order in which it would be."""
    barred = never(row.group)
    asked = embedding(row.question)
    ranked = sorted(
        (
            (float(asked @ embedding(text)), text, code)
            for text, code in CANDIDATES
            if code in languages and normalised(text) not in barred
        ),
        key=lambda one: -one[0],
    )
    ranked = ranked[how.ranks[0] - 1 : how.ranks[1]]
    if how.draw == "random":
        ranked = [ranked[place] for place in np.random.default_rng([how.seed, number]).permutation(len(ranked))]
    positive = float(asked @ embedding(row.passage))
    relevant = {other.passage for other in ROWS if other.group == row.group}
    return [
        (score, text, code)
        for score, text, code in ranked
        if (how.margin is None or score <= positive - how.margin)
        and (how.relative is None or score <= positive - (1 - how.relative) * abs(positive))
        and (how.near_copies is None or all(alike(text, other) < how.near_copies for other in relevant))
    ]


def first_different(texts: list[str], most: int, taken: set[str]) -> list[str]:
    chosen: list[str] = []
    for text in texts:
        if len(chosen) < most and normalised(text) not in taken:
            taken.add(normalised(text))
            chosen.append(text)
    return chosen


def lacking(row: TrainingRow, how: Mining) -> int:
    return max(0, how.negatives - len(set(row.negatives))) if how.keep else how.negatives


@pytest.mark.parametrize("language", ["passage", "question", "any"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ranks": (3, 12), "draw": "random", "seed": 5},
        {"margin": 0.1, "ranks": (1, 60)},
        {"relative": 0.7, "keep": False, "negatives": 7, "ranks": (2, 40)},
        {"near_copies": 0.6, "negatives": 9, "ranks": (1, 1000)},
        {"near_copies": 0.7, "relative": 0.9, "margin": 0.05, "draw": "random", "ranks": (1, 30)},
    ],
)
def test_negatives_are_those_of_the_definition(language: str, changes: dict[str, Any], tmp_path: Path) -> None:
    how = mining(language=language, **changes)
    mined, _ = mine(how, tmp_path)
    assert sum(map(len, mined)) > 20
    for number, (row, chosen) in enumerate(zip(ROWS, mined, strict=True)):
        languages = {"passage": {language_of(row)}, "question": {row.language}, "any": set(LANGUAGES)}[language]
        taken = {normalised(text) for text in row.negatives} if how.keep else set()
        texts = [text for _, text, _ in window(row, number, languages, how)]
        assert [text for text, _ in chosen] == first_different(texts, lacking(row, how), taken), row
        assert {code for _, code in chosen} <= languages


@pytest.mark.parametrize("negatives", [2, 4, 6])
def test_balanced_negatives_are_equal_numbers_of_each_language(negatives: int, tmp_path: Path) -> None:
    how = mining(language="balanced", negatives=negatives, ranks=(2, 30), relative=0.95)
    mined, _ = mine(how, tmp_path)
    for number, (row, chosen) in enumerate(zip(ROWS, mined, strict=True)):
        numbers = Counter({code: 0 for code in LANGUAGES} | Counter(code for _, code in chosen))
        numbers[language_of(row)] += len(set(row.negatives))
        full = all(len(window(row, number, {code}, how)) > negatives for code in LANGUAGES)
        if full and len(set(row.negatives)) <= negatives // 3:
            assert max(numbers.values()) - min(numbers.values()) <= 1
            assert sum(numbers.values()) == negatives
        for code in LANGUAGES:  # the best ones of each language, but for texts that another language gave
            texts = [text for _, text, _ in window(row, number, {code}, how)]
            there = [text for text, other in chosen if other == code]
            assert there == [text for text in texts if text in there]
            missing = texts[: texts.index(there[-1])] if there else []
            others = {normalised(text) for text in row.negatives} | {normalised(text) for text, _ in chosen}
            assert all(normalised(text) in others for text in missing)


@pytest.mark.parametrize("language", ["passage", "question", "any", "balanced"])
def test_no_negative_is_relevant_a_translation_a_twin_or_a_near_copy(language: str, tmp_path: Path) -> None:
    how = mining(language=language, negatives=12, ranks=(1, 1000), near_copies=0.8)
    mined, whole = mine(how, tmp_path)
    for row, chosen in zip(ROWS, mined, strict=True):
        relevant = [other.passage for other in ROWS if other.group == row.group]
        texts = [normalised(text) for text, _ in chosen]
        assert len(set(texts)) == len(texts)
        assert not set(texts) & never(row.group)
        assert all(alike(text, passage) < 0.8 for text, _ in chosen for passage in relevant)
    reasons = {"relevant", "translation", "twin", "same question", "near copy"}
    assert reasons <= set(whole.refused) <= {*reasons, "repeated"}
    without, _ = mine(how.model_copy(update={"near_copies": None}), tmp_path)
    assert any(  # or there would have been nothing to refuse
        alike(text, row.passage) >= 0.8 for row, chosen in zip(ROWS, without, strict=True) for text, _ in chosen
    )


def test_a_translation_is_known_through_a_group_that_shares_the_passage(tmp_path: Path) -> None:
    """As in MLQA: two questions about one English sentence, one of them asked in German as well."""
    rows = [
        TrainingRow("one", "en", "who", "The moss."),
        TrainingRow("one", "sw", "nani", "Kuvu."),
        TrainingRow("two", "en", "what", "The  MOSS."),
        TrainingRow("two", "de", "was", "Das Moos."),
        TrainingRow("many", "en", "which", "The moss."),
        TrainingRow("many", "en", "which", "A fern."),  # so its German passage need be no translation of the moss
        TrainingRow("many", "de", "welches", "Der Farn."),
    ]
    pools = pools_of(spooled(training_rows(rows), LANGUAGES, tmp_path))
    barred = Relevance(pools).of(int(pools.group_r[0]))
    reasons = {
        text: barred.reason(number, int(pools.twin_u[number]))
        for number, text in enumerate(pools.passages.read(np.arange(pools.passages.size)))
    }
    assert reasons == {
        "The moss.": "relevant", "Kuvu.": "relevant", "The  MOSS.": "twin", "Das Moos.": "translation",
        "A fern.": "", "Der Farn.": "",
    }  # fmt: skip


def test_another_answer_to_the_same_question_is_no_negative(tmp_path: Path) -> None:
    """Rows without groups: each is one of its own."""
    rows = [
        TrainingRow("1", "en", "who", "The moss."),
        TrainingRow("2", "en", "who", "A fern."),
        TrainingRow("3", "en", "what", "a  FERN."),
        TrainingRow("4", "en", "which", "The heron."),
        TrainingRow("5", "en", "which", "The heron."),  # there again
    ]
    mined, whole = mine(mining(), tmp_path, rows)
    assert [sorted(text for text, _ in of_row) for of_row in mined] == [
        ["The heron."], ["The heron."], ["The heron.", "The moss."],
        *[["A fern.", "The moss."]] * 2,
    ]  # fmt: skip
    assert whole.refused["same question"] == 3
    assert set(whole.refused) <= set(REFUSALS)


@pytest.mark.parametrize("language", ["passage", "any", "balanced"])
@pytest.mark.parametrize("draw", ["top", "random"])
def test_rows_are_mined_alike_whatever_is_mined_with_them(language: str, draw: str, tmp_path: Path) -> None:
    how = mining(language=language, draw=draw, near_copies=0.8)
    pools = pools_of(spooled(training_rows(ROWS), LANGUAGES, tmp_path))
    miner = Miner(pools, embedded(pools), how, tmp_path)
    whole = miner.mine(range(len(ROWS)))
    parts = [miner.mine(range(low, min(low + 7, len(ROWS)))) for low in range(0, len(ROWS), 7)]
    assert np.concatenate([part.candidate_n for part in parts]).tolist() == whole.candidate_n.tolist()
    assert np.concatenate([part.size_r for part in parts]).tolist() == whole.size_r.tolist()


def test_clusters_and_graphs_give_what_comparing_all_gives(tmp_path: Path) -> None:
    """On so few passages they miss none, with all clusters probed and a graph of all."""
    flat, _ = mine(mining(), tmp_path)
    for index in ("ivf", "hnsw"):
        search = MiningSearch(index=index, lists=2, probes=200, neighbours=32)
        assert mine(mining(search=search), tmp_path)[0] == flat


def test_a_language_without_passages_gives_no_negatives(tmp_path: Path) -> None:
    rows = [TrainingRow(f"g{row}", "sw", f"swali {row}", sentence(row), (), "en") for row in range(4)]
    mined, whole = mine(mining(language="question", negatives=2), tmp_path, rows)
    assert mined == [[]] * 4
    assert not whole.refused
    mined, _ = mine(mining(language="balanced", negatives=2), tmp_path, rows)
    assert [len(chosen) for chosen in mined] == [2] * 4
    assert all(one != other for one, other in combinations(mined[0], 2))


def test_a_damaged_part_is_mined_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts_module, "ROWS_PER_PART", 40)
    pools = pools_of(spooled(training_rows(ROWS), LANGUAGES, tmp_path))
    miner, parts, done = Miner(pools, embedded(pools), mining(), tmp_path), Parts(tmp_path, len(ROWS)), list[int]()
    parts.mine(miner, lambda rows, size: None)
    first = [(rows, [array.tolist() for array in mined[:4]], mined.refused) for rows, mined in parts]
    files = sorted(tmp_path.glob("part-*.npz"))
    assert len(files) == -(-len(ROWS) // 40)
    content = bytearray(files[0].read_bytes())
    content[len(content) // 2] ^= 1
    files[0].write_bytes(content)
    files[1].write_bytes(files[1].read_bytes()[:50])
    monkeypatch.setattr(miner, "mine", lambda rows: done.append(rows.start) or Miner.mine(miner, rows))
    parts.mine(miner, lambda rows, size: None)
    assert done == [0, 40]
    assert [(rows, [array.tolist() for array in mined[:4]], mined.refused) for rows, mined in parts] == first


# Rows of the data ----------------------------------------------------------------------------------------------


def test_rows_are_kept_and_read_once(tmp_path: Path) -> None:
    first = spooled(training_rows(ROWS), LANGUAGES, tmp_path)
    again = spooled(training_rows([]), LANGUAGES, tmp_path)
    for spool in (first, again):
        assert spool.notes == ("data 'toy': nothing is wrong with it",)
        assert [
            (row["group"], row["query"], row["passage"], tuple(row["negatives"]), row["weight"])
            for row in spool.rows(0, len(spool))
        ] == [(row.group, row.question, row.passage, row.negatives, row.weight) for row in ROWS]
    file = tmp_path / "rows.arrow"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert len(spooled(training_rows(ROWS[:3]), LANGUAGES, tmp_path)) == 3


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (TrainingRow("g", "en", "  ", "moss", place="data.jsonl:7"), "data.jsonl:7: the question is empty"),
        (TrainingRow("g", "en", "ask", "moss", ("",), place="data.jsonl:8"), "data.jsonl:8: the negative is empty"),
        (TrainingRow("g", "en", "ask", "\ud800", place="data.jsonl:9"), "data.jsonl:9: the passage has half a surro"),
        (TrainingRow("g", "en", "a\0b", "moss", place="data.jsonl:10"), "data.jsonl:10: the question has a NUL char"),
        (
            TrainingRow("g", "en", "ask", "m" * 1_000_001, place="data.jsonl:11"),
            "data.jsonl:11: the passage has 1,000,001 characters, more than 1,000,000; cut it into passages",
        ),
    ],
)
def test_bad_rows_are_named_and_leave_nothing(row: TrainingRow, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        spooled(training_rows([*ROWS[:2], row]), LANGUAGES, tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="has no row in languages"):
        spooled(training_rows([]), LANGUAGES, tmp_path)


# Settings ------------------------------------------------------------------------------------------------------


def test_every_default_is_valid() -> None:
    settings = load_mine_settings(Composer("mine", ["model.path=x", "output=x.jsonl"]))
    assert settings.mine.ranks == (1, 100)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("mine.language=other", "mine.language"),
        ("mine.negatives=0", "mine.negatives"),
        ("mine.ranks=[9,2]", "ranks begin at 9, which is behind their end, 2"),
        ("mine.ranks=[0,10]", "mine.ranks"),
        ("mine.ranks=[1,5000]", "mine.ranks"),
        ("mine.ranks=[1]", "mine.ranks"),
        ("mine.ranks=[1,4]", "ranks 1 to 4 are fewer than 8 negatives"),
        ("mine.margin=-0.1", "mine.margin"),
        ("mine.relative=1.5", "mine.relative"),
        ("mine.relative=95", "mine.relative"),
        ("mine.near_copies=0.1", "mine.near_copies"),
        ("mine.draw=best", "mine.draw"),
        ("mine.search.index=exact", "mine.search.index"),
        ("mine.rank=[1,2]", "mine.rank"),
        ("threads=0", "threads"),
    ],
)
def test_bad_settings_are_named(override: str, problem: str) -> None:
    with pytest.raises(InputError) as error:
        load_mine_settings(Composer("mine", ["model.path=x", "output=x.jsonl", override]))
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_an_output_is_needed() -> None:
    with pytest.raises(InputError, match="output is required and not set; add output=VALUE"):
        load_mine_settings(Composer("mine", ["model.path=x"]))
