"""The file of ranks: nothing that a metric needs is lost in it, and what is no such file is refused by name."""

import json
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.errors import InputError
from sweep.evaluation.cells import rank_cells, searched_metrics
from sweep.evaluation.monolingual_ranks import rank_monolingual
from sweep.evaluation.parallel_ranks import rank_parallel
from sweep.evaluation.rank_file import FORMAT, META, _json, read_ranking, write_ranking
from sweep.evaluation.ranking import FAR, NO_UNIT, PAD, Pooled, Ranking, Search
from sweep.evaluation.summarise import Evaluated, summarise
from sweep.settings import Protocol, SearchSettings

CODES = ("en", "de", "th")
TIERS = {"high": frozenset({"en"}), "low": frozenset({"de", "th"}), "unseen": frozenset[str]()}


def bench(rng: np.random.Generator, languages: int, groups: int, passages: int, protocol: Protocol) -> Benchmark:
    """A benchmark with missing questions, graded and absent relevant passages, and units in several languages.

    Groups are numbered so that their order is not the order of the questions."""
    codes = CODES[:languages]
    candidates = [
        Passage(f"{code}{n}", code, f"{code} {n}", f"unit {n // 2}") for code in codes for n in range(passages)
    ]
    names = [f"g{number}" for number in rng.permutation(groups)]
    questions, relevant = [], {}
    for place, name in enumerate(names):
        asked = [code for code in codes if rng.random() < 0.7] or [codes[0]]
        if protocol == "monolingual":  # a translation group of one question: relevant passages in its language only
            asked = [codes[place % languages]]
        if place == 0 and protocol == "parallel":
            asked = list(codes)
        questions += [Question(name, code, f"{name} {code}") for code in asked]
        pool = [passage.id for passage in candidates if protocol == "parallel" or passage.language in asked]
        found = rng.choice(pool, rng.integers(0, min(6, len(pool)) + 1), replace=False).tolist()
        relevant[name] = {id_: int(grade) for id_, grade in zip(found, rng.integers(1, 4, len(found)), strict=True)}
    return benchmark("toy", codes, questions, candidates, relevant, protocol, unanswered=True)


def ranked(seed: int, languages: int, groups: int, passages: int, depth: int | None) -> Ranking:
    """Real ranks of random embeddings: in all pools, or with a `depth` in monolingual ones to that depth (0: all)."""
    rng = np.random.default_rng(seed)
    toy = bench(rng, languages, max(groups, languages), passages, "parallel" if depth is None else "monolingual")
    query_qh, passage_uh = (
        rng.normal(size=(size, 4)).astype(np.float32) for size in (len(toy.questions), len(toy.passages))
    )
    text_d = np.arange(len(toy.passages))
    if depth is None:
        return rank_parallel(toy, query_qh, passage_uh, text_d)
    search = SearchSettings(
        index="flat" if depth else "exact", depth=max(depth, 1), lists=None, probes=1, neighbours=4
    )
    with TemporaryDirectory() as folder:
        return rank_monolingual(toy, query_qh, passage_uh, text_d, search, Path(folder))


PARALLEL = ranked(3, 3, 12, 20, None)
TO_A_DEPTH = ranked(1, 2, 30, 20, 3)


def figures(found: Ranking) -> Evaluated:
    table, counts = rank_cells(found)
    return summarise(found.benchmark, table, counts, {}, TIERS)


def assert_same(one: Any, other: Any) -> None:
    """All fields of a Ranking, and within it of Pooled and Search: types and shapes of arrays too."""
    assert type(one) is type(other)
    for field in fields(one):
        first, second = getattr(one, field.name), getattr(other, field.name)
        if isinstance(first, np.ndarray):
            assert first.dtype == second.dtype, field.name
            np.testing.assert_array_equal(first, second, err_msg=field.name, strict=True)
        elif isinstance(first, Pooled | Search):
            assert_same(first, second)
        else:
            assert first == second, field.name


def round_trip(found: Ranking) -> Ranking:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "new/ranks.parquet"
        write_ranking(file, found, TIERS)
        again, tiers = read_ranking(file)
    assert tiers == TIERS
    return again


# Nothing is lost ----------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.integers(1, 12),
    st.integers(1, 30),
    st.sampled_from([None, None, 0, 1, 3, 10, 100]),
)
def test_a_ranking_survives_the_file(
    seed: int, languages: int, groups: int, passages: int, depth: int | None
) -> None:
    found = ranked(seed, languages, groups, passages, depth)
    again = round_trip(found)
    assert_same(found, again)
    assert again.protocol == ("parallel" if depth is None else "monolingual")
    expected, got = figures(found), figures(again)
    assert got.metrics == expected.metrics
    assert got.intervals == expected.intervals


def test_what_the_toys_have() -> None:
    """The rankings above are the cases that could go wrong."""
    assert (PARALLEL.own_qr == PAD).all(1).any()  # a question without a relevant passage
    assert (PARALLEL.own_qr != PAD).sum(1).max() > 2
    assert set(np.unique(PARALLEL.grade_qr)) == {0, 1, 2, 3}
    assert len(PARALLEL.group_q) < 3 * len(PARALLEL.groups)  # questions are missing
    assert (np.diff(PARALLEL.group_q) < 0).any()
    assert (TO_A_DEPTH.own_qr == FAR).any()
    assert {1, 2, 3} < set(np.unique(TO_A_DEPTH.own_qr).tolist())
    assert_same(PARALLEL, round_trip(PARALLEL))
    assert_same(TO_A_DEPTH, round_trip(TO_A_DEPTH))


def test_passages_out_of_reach_and_padding_stay_apart() -> None:
    again = round_trip(TO_A_DEPTH)
    np.testing.assert_array_equal(again.own_qr == FAR, TO_A_DEPTH.own_qr == FAR)
    np.testing.assert_array_equal(again.own_qr == PAD, TO_A_DEPTH.own_qr == PAD)
    assert (again.search.index, again.search.depth) == ("flat", 3)
    assert searched_metrics(again) == ["recall@1"]
    assert set(rank_cells(again)[0]) == {("mono", "recall@1")}


def test_a_pool_of_few_units() -> None:
    found = ranked(2, 2, 5, 7, None)
    assert found.pooled is not None
    assert ((found.pooled.units_qk != NO_UNIT).sum(1) == 4).all()
    assert_same(found, round_trip(found))


def test_no_relevant_passage_at_all(tmp_path: Path) -> None:
    candidates = [Passage("a", "en", "a"), Passage("b", "de", "b")]
    toy = benchmark(
        "toy", ("en", "de"), [Question("g", "en", "g"), Question("g", "de", "g")], candidates, {}, unanswered=True
    )
    found = rank_parallel(toy, np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32), np.arange(2))
    again = round_trip(found)
    assert_same(found, again)
    assert figures(again).metrics["toy/mono/left_out"] == 2


def test_other_programs_can_read_the_file(tmp_path: Path) -> None:
    """Language, grade and rank of each relevant passage, in plain columns."""
    write_ranking(tmp_path / "ranks.parquet", TO_A_DEPTH, TIERS)
    rows = pq.read_table(tmp_path / "ranks.parquet").to_pylist()
    assert len(rows) == len(TO_A_DEPTH.group_q)
    for place, row in enumerate(rows):
        real_r = TO_A_DEPTH.own_qr[place] != PAD
        assert row["group"] == TO_A_DEPTH.groups[TO_A_DEPTH.group_q[place]]
        assert row["language"] == TO_A_DEPTH.languages[TO_A_DEPTH.language_q[place]]
        assert row["grade"] == TO_A_DEPTH.grade_qr[place, real_r].tolist()
        assert row["own_rank"] == [0 if rank == FAR else rank for rank in TO_A_DEPTH.own_qr[place, real_r].tolist()]


# Writing ------------------------------------------------------------------------------------------------------


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = tmp_path / "ranks.parquet"
    write_ranking(file, PARALLEL, TIERS)
    before = file.read_bytes()
    with file.open("rb") as reader:
        write_ranking(file, TO_A_DEPTH, {})
        assert reader.read() == before  # who reads the old one reads all of it
    again, tiers = read_ranking(file)
    assert_same(again, TO_A_DEPTH)
    assert tiers == {}
    assert [path.name for path in tmp_path.iterdir()] == ["ranks.parquet"]
    write_ranking(file, PARALLEL, TIERS)
    assert file.read_bytes() == before


# What is refused ----------------------------------------------------------------------------------------------


def refused(file: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_ranking(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_that_are_no_ranks_are_named(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "absent.parquet")
    for name, content in (("empty", b""), ("text", b"not a table\n"), ("metrics.json", b"{}")):
        (tmp_path / name).write_bytes(content)
        assert "is no file of ranks, or is damaged" in refused(tmp_path / name)
    pq.write_table(pa.table({"group": ["g"]}), tmp_path / "foreign.parquet")
    assert "is no file of ranks" in refused(tmp_path / "foreign.parquet")
    (tmp_path / "folder").mkdir()
    assert "is no file of ranks" in refused(tmp_path / "folder")


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_is_named(tmp_path: Path, keep: float) -> None:
    file = tmp_path / "ranks.parquet"
    write_ranking(file, PARALLEL, TIERS)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(keep * len(whole))])
    assert "damaged" in refused(file)


def test_bytes_that_are_lost_within_a_file_are_noticed(tmp_path: Path) -> None:
    file = tmp_path / "ranks.parquet"
    write_ranking(file, PARALLEL, TIERS)
    whole = bytearray(file.read_bytes())
    whole[4:400] = bytes(396)
    file.write_bytes(whole)
    assert "damaged" in refused(file)


def with_meta(file: Path, meta: bytes) -> Path:
    write_ranking(file, PARALLEL, TIERS)
    pq.write_table(pq.read_table(file).replace_schema_metadata({META: meta}), file)
    return file


def test_other_formats_are_refused(tmp_path: Path) -> None:
    assert "damaged" in refused(with_meta(tmp_path / "ranks.parquet", b"{"))
    newer = json.dumps({"format": FORMAT + 1}).encode()
    message = refused(with_meta(tmp_path / "ranks.parquet", newer))
    assert f"has format {FORMAT + 1}, this version reads {FORMAT}; evaluate again" in message


def test_a_file_of_which_a_bit_is_another_gives_the_same_ranks_or_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ranks.parquet"
    write_ranking(file, PARALLEL, TIERS)
    whole, rng = file.read_bytes(), np.random.default_rng(0)
    refusals = 0
    for place, bit in zip(rng.integers(len(whole), size=400), rng.integers(8, size=400), strict=True):
        broken = bytearray(whole)
        broken[place] ^= 1 << int(bit)
        file.write_bytes(broken)
        try:
            again, tiers = read_ranking(file)
        except InputError:
            refusals += 1
        else:
            assert_same(again, PARALLEL)
            assert tiers == TIERS
    assert refusals > 200


@pytest.mark.parametrize("column", ["group", "own_rank", "top_units", "grade"])
def test_a_column_that_is_gone_is_damage(tmp_path: Path, column: str) -> None:
    file = tmp_path / "ranks.parquet"
    write_ranking(file, PARALLEL, TIERS)
    pq.write_table(pq.read_table(file).drop_columns([column]), file)
    assert "is damaged" in refused(file)


def test_a_file_of_an_earlier_version_has_no_checksum(tmp_path: Path) -> None:
    file = tmp_path / "ranks.parquet"
    write_ranking(file, PARALLEL, TIERS)
    table = pq.read_table(file)
    pq.write_table(table.replace_schema_metadata({META: table.schema.metadata[META]}), file)
    assert_same(read_ranking(file)[0], PARALLEL)


@pytest.mark.parametrize("texts", [[], ["a", "b", "a"], ['"', "\\", "ä\n", "☃", "\x7f", '"'], ["a", None], [None]])
@pytest.mark.parametrize("encoded", [True, False])
def test_a_checksum_sees_the_json_of_all_texts(texts: list[str | None], encoded: bool) -> None:
    """Each different text is made into JSON once; a file of an earlier version has the checksum of all of them."""
    column = pa.array(texts, pa.string())
    assert _json(column.dictionary_encode() if encoded else column) == json.dumps(texts)


@pytest.mark.parametrize("name", ["group", "language", "top_language"])
def test_a_gap_in_a_column_of_texts_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "ranks.parquet"
    write_ranking(file, ranked(1, 2, 4, 5, None), TIERS)
    table = pq.read_table(file)
    texts = [None, *table[name].to_pylist()[1:]]
    gappy = table.set_column(table.column_names.index(name), name, pa.array(texts, pa.string()))
    pq.write_table(gappy.replace_schema_metadata({META: table.schema.metadata[META]}), file)
    with pytest.raises(InputError, match="damaged"):
        read_ranking(file)
