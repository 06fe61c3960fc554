"""MS MARCO and mMARCO as published: rows in every language, broken files named with their line."""

import gzip
import itertools
import random
import resource
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sweep.data import relevance as relevance_module
from sweep.data import wanted_texts as wanted_texts_module
from sweep.data.registry import TRAINING
from sweep.data.remarks import Remark, remark_lines
from sweep.data.training_row import TrainingRow, TrainingRows
from sweep.errors import InputError, SweepError
from sweep.settings import DataSettings, HubOrigin, LanguageSettings, MixData, MsMarcoData
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings

NAMES = {"en": "english", "de": "german", "zh": "chinese"}
PASSAGES = {
    "en": {"0": "Rome is old.", "7": "Oslo is cold.", "8": "Bern is small.", "12": "Paris is big."},
    "de": {"0": "Rom ist alt.", "7": "Oslo ist kalt.", "8": "Bern ist klein.", "12": "Paris ist groß."},
    "zh": {"0": "罗马很古老。", "7": "奥斯陆很冷。", "8": "伯尔尼很小。", "12": "巴黎很大。"},
}
QUERIES = {
    "en": {"3": "what is old", "5": "what is cold", "9": "never judged"},
    "de": {"3": "was ist alt", "5": "was ist kalt", "9": "nie beurteilt"},
    "zh": {"3": "什么古老", "5": "什么冷", "9": "从未评判"},
}
TRIPLES = "3\t0\t7\n5\t7\t0\n3\t0\t8\n3\t0\t7\n5\t12\t8\n"


def tsv(texts: dict[str, str]) -> str:
    return "".join(f"{id_}\t{text}\n" for id_, text in texts.items())


def write(file: Path, text: str) -> Path:
    """A text file, gzipped if its name says so."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())
    return file


def mmarco(folder: Path, languages: tuple[str, ...] = ("en", "de", "zh"), triples: str = TRIPLES) -> Path:
    """mMARCO as on the hub."""
    for code in languages:
        write(folder / f"data/google/collections/{NAMES[code]}_collection.tsv", tsv(PASSAGES[code]))
        write(folder / f"data/google/queries/train/{NAMES[code]}_queries.train.tsv", tsv(QUERIES[code]))
    write(folder / "data/triples.train.ids.small.tsv", triples)
    return folder


def msmarco(folder: Path, qrels: str = "3\t0\t0\t1\n5\t0\t7\t1\n5\t0\t12\t1\n") -> Path:
    """MS MARCO's passage ranking as published."""
    write(folder / "collection.tsv", tsv(PASSAGES["en"]))
    write(folder / "queries.train.tsv", tsv(QUERIES["en"]))
    write(folder / "qrels.train.tsv", qrels)
    return folder


@cache
def composed(data: str) -> DataSettings:
    """What conf/data/<name>.yaml says."""
    return load_settings(Composer("sweep", [f"data={data}", "languages.train=[en]", "ratio=monolingual"])).data


def opened(data: str, folder: Path | None, *languages: str, **changes: Any) -> TrainingRows:
    """What a user's command line would read."""
    settings = composed(data)
    settings = type(settings).model_validate({**dict(settings), "path": folder and str(folder), **changes})
    train = LanguageSettings(train=languages, evaluate=None, tiers=None)
    return TRAINING[settings.kind].open(settings, train, (folder or Path()) / "cache")


def rows(data: str, folder: Path, *languages: str, **changes: Any) -> list[TrainingRow]:
    return list(opened(data, folder, *languages, **changes).read([]))


def notes(data: str, folder: Path, *languages: str, **changes: Any) -> tuple[str, ...]:
    remarks: list[Remark] = []
    source = opened(data, folder, *languages, **changes)
    list(source.read(remarks))
    return remark_lines(source.title, remarks)


def refused(data: str, folder: Path, *languages: str, **changes: Any) -> str:
    with pytest.raises(InputError) as error:
        rows(data, folder, *languages, **changes)
    assert "\n" not in str(error.value)
    return str(error.value).replace(f"{folder}/", "")


def brief(read: Iterable[TrainingRow]) -> set[tuple[Any, ...]]:
    return {(row.group, row.language, row.question, row.passage, row.negatives) for row in read}


# Reading ------------------------------------------------------------------------------------------------------


def test_mmarco_as_published(tmp_path: Path) -> None:
    read = rows("mmarco", mmarco(tmp_path), "en", "de", "zh")
    assert brief(row for row in read if row.language == "de") == {
        ("3", "de", "was ist alt", "Rom ist alt.", ("Oslo ist kalt.", "Bern ist klein.")),
        ("5", "de", "was ist kalt", "Oslo ist kalt.", ("Rom ist alt.", "Bern ist klein.")),
        ("5", "de", "was ist kalt", "Paris ist groß.", ()),
    }
    assert {(row.group, row.language) for row in read} == {(group, code) for group in "35" for code in NAMES}
    assert {row.question for row in read if row.language == "zh"} == {"什么古老", "什么冷"}
    triples = tmp_path / "data/triples.train.ids.small.tsv"
    assert {row.place for row in read} == {f"{triples}:{line}" for line in (1, 2, 5)}
    assert all((row.weight, row.passage_language) == (1.0, "") for row in read)


def test_only_the_languages_that_are_trained_on_are_looked_at(tmp_path: Path) -> None:
    folder = mmarco(tmp_path)
    write(folder / "data/google/collections/german_collection.tsv", "broken")
    source = opened("mmarco", folder, "zh", "en")
    assert {row.language for row in source.read([])} == {"zh", "en"}
    assert not [file for file in source.files if "german" in file.name]
    assert len(source.files) == 5


def test_msmarco_as_published(tmp_path: Path) -> None:
    read = rows("msmarco", msmarco(tmp_path), "en")
    assert [row[:5] for row in read] == [
        ("3", "en", "what is old", "Rome is old.", ()),
        ("5", "en", "what is cold", "Oslo is cold.", ()),
        ("5", "en", "what is cold", "Paris is big.", ()),
    ]
    assert read[2].place == f"{tmp_path}/qrels.train.tsv:3"
    write(tmp_path / "qidpidtriples.train.full.2.tsv.gz", "3\t0\t8\n5\t7\t8\n")
    with_negatives = rows("msmarco", tmp_path, "en", triples="qidpidtriples.train.full.2.tsv")
    assert [row.negatives for row in with_negatives] == [("Bern is small.",), ("Bern is small.",), ()]


def test_triples_of_texts(tmp_path: Path) -> None:
    lines = ["what is old\tRome is old.\tOslo is cold.", "what is cold\tOslo is cold.\tRome is old.",
             "what is old\tRome is old.\tBern is small.", "what is old\tRome is old.\tOslo is cold.",
             "what is old\tRome, too.\tRome is old."]  # fmt: skip
    write(tmp_path / "triples.train.small.tsv", "\n".join(lines))
    read = rows("msmarco", tmp_path, "en", text_triples="triples.train.small.tsv")
    assert [row[2:5] for row in read] == [
        ("what is old", "Rome is old.", ("Oslo is cold.",)),
        ("what is cold", "Oslo is cold.", ("Rome is old.",)),
        ("what is old", "Rome is old.", ("Bern is small.",)),
        ("what is old", "Rome, too.", ()),
    ]
    assert len({row.group for row in read}) == 2
    assert all(row.group.startswith("en:") for row in read)
    assert read[2].place.endswith("triples.train.small.tsv:3")
    one = rows("msmarco", tmp_path, "en", text_triples="triples.train.small.tsv", max_negatives=1, max_questions=1)
    assert sum(len(row.negatives) for row in one) == 1
    assert len({row.group for row in one}) == 1
    (note,) = notes("msmarco", tmp_path, "en", text_triples="triples.train.small.tsv")
    assert note == "data 'msmarco': 1 hard negatives are relevant to their query, too, and have been left out"


def test_windows_files_gzipped_and_named_by_code(tmp_path: Path) -> None:
    folder = mmarco(tmp_path, ("en",))
    for part, texts in (("collections/{}_collection.tsv", PASSAGES), ("queries/train/{}_queries.train.tsv", QUERIES)):
        content = "\ufeff" + tsv(texts["de"]).replace("\n", "\r\n")
        write(folder / "data/google" / f"{part.format('de')}.gz", content)
    write(folder / "data/triples.train.ids.small.tsv", "\ufeff" + TRIPLES.replace("\n", "\r\n"))
    read = rows("mmarco", folder, "en", "de")
    assert brief(row for row in read if row.language == "de") == brief(
        row for row in rows("mmarco", mmarco(tmp_path / "plain"), "de")
    )


def test_ids_of_any_kind(tmp_path: Path) -> None:
    """An id is the text that it is: "7" and "007" are two."""
    ids = {"0": "D-1", "7": "007", "8": "7", "12": "9" * 25}
    for code in ("en", "de"):
        passages = {ids[id_]: text for id_, text in PASSAGES[code].items()}
        write(tmp_path / code / "collection.tsv", tsv(passages))
        write(tmp_path / code / "queries.tsv", tsv({f"q{id_}": text for id_, text in QUERIES[code].items()}))
    triples = [line.split("\t") for line in TRIPLES.splitlines()]
    write(tmp_path / "triples.tsv", "".join(f"q{q}\t{ids[p]}\t{ids[n]}\n" for q, p, n in triples))
    changes = {
        "collection": "{language}/collection.tsv",
        "queries": "{language}/queries.tsv",
        "triples": "triples.tsv",
    }
    read = rows("mmarco", tmp_path, "de", "en", **changes)
    expected = rows("mmarco", mmarco(tmp_path / "plain"), "de", "en")
    assert {(group.removeprefix("q"), *rest) for group, *rest in brief(read)} == brief(expected)


def test_the_first_negatives_of_a_query_are_kept(tmp_path: Path) -> None:
    folder = mmarco(tmp_path, triples="3\t0\t12\n3\t0\t7\n3\t0\t8\n3\t0\t12\n")
    for number in range(4):
        (row,) = rows("mmarco", folder, "en", max_negatives=number)
        assert row.negatives == ("Paris is big.", "Oslo is cold.", "Bern is small.")[:number]


def test_a_subset_of_the_queries_is_the_same_in_whatever_order(tmp_path: Path) -> None:
    numbers = range(50)
    write(tmp_path / "collection.tsv", tsv({str(n): f"passage {n}" for n in numbers}))
    write(tmp_path / "queries.train.tsv", tsv({str(n): f"query {n}" for n in numbers}))
    lines = [f"{n}\t0\t{n}\t1\n" for n in numbers]
    chosen = []
    for order in (lines, lines[::-1]):
        write(tmp_path / "qrels.train.tsv", "".join(order))
        chosen.append({row.group for row in rows("msmarco", tmp_path, "en", max_questions=7)})
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 7
    assert chosen[0] < {row.group for row in rows("msmarco", tmp_path, "en", max_questions=8)}


def test_what_is_not_relevant_by_the_qrels_is_a_hard_negative(tmp_path: Path) -> None:
    (row,) = rows("msmarco", msmarco(tmp_path, "3 0 0 2\n3 0 7 0\n"), "en")
    assert (row.passage, row.negatives) == ("Rome is old.", ("Oslo is cold.",))


def test_a_negative_that_is_relevant_is_left_out_and_counted(tmp_path: Path) -> None:
    folder = mmarco(tmp_path, triples="3\t0\t7\n3\t7\t8\n")
    assert [row.negatives for row in rows("mmarco", folder, "en")] == [("Bern is small.",), ()]
    assert notes("mmarco", folder, "en") == (
        "data 'mmarco': 1 hard negatives are relevant to their query, too, and have been left out",
    )


def test_a_negative_that_is_relevant_takes_no_other_s_place(tmp_path: Path) -> None:
    folder = mmarco(tmp_path, triples="3\t0\t7\n3\t7\t8\n3\t0\t12\n5\t7\t0\n")
    assert [row.negatives for row in rows("mmarco", folder, "en", max_negatives=1)] == [
        ("Bern is small.",), (), ("Rome is old.",)
    ]  # fmt: skip
    write(folder / "qrels.tsv", "3 0 12 0\n")
    assert rows("mmarco", folder, "en", max_negatives=1, qrels="qrels.tsv")[0].negatives == ("Paris is big.",)


def test_what_is_relevant_further_down_is_no_hard_negative(tmp_path: Path) -> None:
    write(tmp_path / "t.tsv", "q\tp1\tp2\nq\tp2\tp3\nq\tp1\tp2\n")
    read = rows("msmarco", tmp_path, "en", text_triples="t.tsv", max_negatives=1)
    assert [(row.passage, row.negatives) for row in read] == [("p1", ()), ("p2", ("p3",))]
    (note,) = notes("msmarco", tmp_path, "en", text_triples="t.tsv")
    assert note == "data 'msmarco': 1 hard negatives are relevant to their query, too, and have been left out"


def test_what_occurs_again_counts_once_and_is_counted(tmp_path: Path) -> None:
    folder = msmarco(tmp_path)
    write(folder / "collection.tsv", tsv(PASSAGES["en"]) * 2)
    write(folder / "queries.train.tsv", tsv(QUERIES["en"]) + "3\twhat is old\n")
    assert notes("msmarco", folder, "en") == (
        "data 'msmarco': queries that occur again, kept once: en 1 of 3; the first: 3",
        "data 'msmarco': passages that occur again, kept once: en 3 of 6; the first: 0",
    )


@pytest.mark.parametrize("seed", range(3))
def test_any_size_of_blocks_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Against a plain reading of the triples, with blocks of a few lines."""
    monkeypatch.setattr(relevance_module, "LINES_PER_BLOCK", 7)
    monkeypatch.setattr(relevance_module, "ROWS_PER_MERGE", 20)
    monkeypatch.setattr(wanted_texts_module, "ROWS_PER_BATCH", 5)
    rng = random.Random(seed)
    first = (12, 6)[seed % 2]  # with it, passages are relevant and hard negatives
    triples = [(rng.randrange(9), rng.randrange(12), rng.randrange(first, 40)) for _ in range(300)]
    write(tmp_path / "collection.tsv", tsv({str(n): f"p{n}" for n in rng.sample(range(50), 50)}))
    write(tmp_path / "queries.train.tsv", tsv({str(n): f"q{n}" for n in rng.sample(range(20), 20)}))
    write(tmp_path / "triples.tsv", "".join("\t".join(map(str, triple)) + "\n" for triple in triples))
    read = rows("msmarco", tmp_path, "en", qrels=None, triples="triples.tsv", max_negatives=4)
    relevant: dict[str, dict[str, None]] = {}
    negatives: dict[str, dict[str, None]] = {}
    for query, positive, _ in triples:
        relevant.setdefault(f"q{query}", {})[f"p{positive}"] = None
    for query, _, negative in triples:
        if f"p{negative}" not in relevant[f"q{query}"] and len(negatives.setdefault(f"q{query}", {})) < 4:
            negatives[f"q{query}"][f"p{negative}"] = None
    by_question = {question: list(ones) for question, ones in itertools.groupby(read, lambda row: row.question)}
    assert {q: [row.passage for row in ones] for q, ones in by_question.items()} == {
        q: list(ones) for q, ones in relevant.items()
    }
    assert {q: [n for row in ones for n in row.negatives] for q, ones in by_question.items()} == {
        q: list(ones) for q, ones in negatives.items()
    }


def test_the_cache_has_nothing_left(tmp_path: Path) -> None:
    folder = mmarco(tmp_path)
    source = opened("mmarco", folder, "en", "de").read([])
    next(source)
    source.close()  # type: ignore[attr-defined]
    list(opened("mmarco", folder, "en").read([]))
    assert not [file for file in (folder / "cache").rglob("*") if file.is_file()]


def test_what_the_hub_is_asked_for() -> None:
    settings = composed("mmarco")
    assert isinstance(settings, MsMarcoData)
    corpus = settings.corpus
    assert isinstance(corpus.origin, HubOrigin)
    assert sorted(corpus.names) == sorted(corpus.languages)
    assert len(corpus.languages) == 14
    (repository,) = corpus.origin.repositories
    assert [file.format(name=corpus.names["zh"], language="zh", split="") for file in repository.files] == [
        "data/google/collections/chinese_collection.tsv",
        "data/google/queries/train/chinese_queries.train.tsv",
        "data/triples.train.ids.small.tsv",
    ]
    assert settings.title == "mmarco"
    without = settings.model_copy(update={"corpus": corpus.model_copy(update={"names": {}})})
    assert without.fingerprint() == settings.fingerprint()


def test_msmarco_itself_is_not_downloaded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="msmarco has no public origin: give the folder of its files"):
        opened("msmarco", None, "en")


# Bad input ----------------------------------------------------------------------------------------------------


COLLECTION, ASKED = (
    "data/google/collections/german_collection.tsv",
    "data/google/queries/train/german_queries.train.tsv",
)
TRIPLE_FILE = "data/triples.train.ids.small.tsv"
BAD = [
    (TRIPLE_FILE, "3\t0\n", "ids.small.tsv:1: must have 3 fields (ids of query, relevant passage, other passage)"),
    (TRIPLE_FILE, "3\t0\t7\na b\tc d\te f\n", "'a b\tc d\te f'; triples of texts are data.text_triples"),
    (TRIPLE_FILE, "3\t0\t99\n", "ids.small.tsv:1: names the passage '99', which data/google/collections/english_col"),
    (TRIPLE_FILE, "3\t0\t7\n3\tD9\t8\n", "ids.small.tsv:2: names the passage 'D9', which data/google/collections/en"),
    (TRIPLE_FILE, "3\t0\t7\n77\t0\t7\n", "ids.small.tsv:2: names the query '77', which data/google/queries/train/en"),
    (TRIPLE_FILE, "", "data/triples.train.ids.small.tsv: names no passage that is relevant to a query"),
    (COLLECTION, "0 Rom\n", "german_collection.tsv:1: must be the id of a passage, a tab and its text: '0 Rom'"),
    (COLLECTION, tsv(PASSAGES["de"]) + "13\ta\tb\n", "collection.tsv:5: must be the id of a passage, a tab and its"),
    (COLLECTION, tsv(PASSAGES["de"]) + "\tRom\n", "german_collection.tsv:5: must be the id of a passage, a tab"),
    (COLLECTION, tsv(PASSAGES["de"] | {"7": " "}), "german_collection.tsv:2: passage '7' has no text"),
    (COLLECTION, tsv(PASSAGES["de"]) + "7\tBern\n", "tsv:5: passage id '7' occurs twice, with another text at data"),
    (ASKED, tsv(QUERIES["de"]) + "5\twer\n", "train.tsv:4: query id '5' occurs twice, with another text at data"),
    (ASKED, tsv({"3": "was", "5": ""}), "german_queries.train.tsv:2: query '5' has no text"),
    (ASKED, tsv({"3": "was"}), "ids.small.tsv:2: names the query '5', which data/google/queries/train/german_querie"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "content", "message"), BAD)
def test_broken_files_are_named_with_their_line(tmp_path: Path, file: str, content: str, message: str) -> None:
    folder = mmarco(tmp_path)
    write(folder / file, content)
    assert message in refused("mmarco", folder, "en", "de")


@pytest.mark.parametrize(
    ("qrels", "message"),
    [
        ("3\t0\t0\n", "qrels.train.tsv:1: must have 4 fields (query, 0, passage, grade), not 3"),
        ("3\t0\t0\tx\n", "qrels.train.tsv:1: the grade must be a whole number"),
        ("3\t0\t0\t0\n", "qrels.train.tsv: names no passage that is relevant to a query"),
        (
            "3\t0\t7\t0\n3\t0\t7\t1\n",
            "qrels.train.tsv:1: passage '7' is not relevant to query '3', and in another li",
        ),
        ("3\t0\t5\t1\n", "qrels.train.tsv:1: names the passage '5', which collection.tsv does not have"),
    ],
)
def test_broken_qrels(tmp_path: Path, qrels: str, message: str) -> None:
    assert message in refused("msmarco", msmarco(tmp_path, qrels), "en")


def test_a_file_in_latin_1_and_one_that_is_cut_short(tmp_path: Path) -> None:
    folder = mmarco(tmp_path)
    file = folder / "data/google/collections/german_collection.tsv"
    file.write_bytes(tsv(PASSAGES["de"]).encode("cp1252"))
    assert "german_collection.tsv:4: byte 17 is not UTF-8" in refused("mmarco", folder, "de")
    file.unlink()
    file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(tsv(PASSAGES["de"]).encode())[:-20])
    assert "it is cut short; fetch it again" in refused("mmarco", folder, "de")


def test_a_language_without_a_file_is_named_with_what_is_there(tmp_path: Path) -> None:
    folder = mmarco(tmp_path)
    assert refused("mmarco", folder, "en", "vi") == (
        "data/google/queries/train/vietnamese_queries.train.tsv: no such file, for language 'vi' (data.queries="
        "data/google/queries/train/{language}_queries.train.tsv; there: zh, en, de)"
    )
    (folder / "data/google/collections/german_collection.tsv").unlink()
    assert refused("mmarco", folder, "de").startswith("data/google/collections/german_collection.tsv: no such file")
    write(folder / "data/google/queries/train/de_queries.train.tsv", "")
    assert "german_queries.train.tsv: de_queries.train.tsv is the same language, 'de'" in refused(
        "mmarco", folder, "de"
    )


def test_a_missing_file_names_what_is_there(tmp_path: Path) -> None:
    folder = msmarco(tmp_path)
    (folder / "qrels.train.tsv").unlink()
    there = f"in {folder}: collection.tsv, queries.train.tsv"
    assert refused("msmarco", folder, "en") == f"qrels.train.tsv: no such file; {there}"


def test_a_disk_that_is_full_is_named(tmp_path: Path) -> None:
    folder = msmarco(tmp_path)
    write(folder / "collection.tsv", tsv({id_: text * 5000 for id_, text in PASSAGES["en"].items()}))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large") as error:
            rows("msmarco", folder, "en")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert error.value.filename == str(folder / "cache")
    assert not list((folder / "cache").iterdir())


def test_a_file_that_vanishes_while_it_is_read(tmp_path: Path) -> None:
    folder = mmarco(tmp_path)
    source = opened("mmarco", folder, "en", "de").read([])
    next(source)
    (folder / "data/google/collections/german_collection.tsv").unlink()
    with pytest.raises(InputError, match=r"german_collection.tsv: no such file"):
        list(source)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("data.triples=null", "qrels, triples or text_triples must name a file"),
        ("data.triples='{language}.tsv'", "triples holds ids, which are of no language: it must not have {language}"),
        ("data.queries=../q.tsv", "'../q.tsv' is no file below the corpus' folder"),
        ("data.queries='{lang}.tsv'", "{language} may stand there once, and no other braces"),
    ],
)
def test_wrong_settings(changes: str, message: str) -> None:
    with pytest.raises(SweepError) as error:
        load_settings(Composer("sweep", ["data=mmarco", changes]))
    assert message in str(error.value)


def test_files_that_do_not_fit_the_languages(tmp_path: Path) -> None:
    folder = msmarco(mmarco(tmp_path))
    assert refused("msmarco", folder, "de") == "msmarco has no language 'de'; it has: en"
    assert (
        "data.queries=q.tsv is one file for 2 languages; put {language} where its name has the language"
        in refused("mmarco", folder, "de", "en", queries="q.tsv")
    )


def test_a_mix_with_languages_that_its_files_do_not_name(tmp_path: Path) -> None:
    """MS MARCO itself is in English, whatever the other sources are in; files of one's own may be in any language."""
    parts = {"msmarco": msmarco(tmp_path / "en"), "mmarco": mmarco(tmp_path / "other", ("de", "zh"))}
    sources = {}
    for name, folder in parts.items():
        settings = composed(name)
        sources[name] = type(settings).model_validate({**dict(settings), "path": str(folder)})
    train = LanguageSettings(train=("en", "de"), evaluate=None, tiers=None)
    mixed = TRAINING["mix"].open(MixData(kind="mix", sources=sources), train, tmp_path / "cache")
    assert {(row.source, row.language) for row in mixed.read([])} == {("msmarco", "en"), ("mmarco", "de")}
    of_english = sources["msmarco"]
    assert isinstance(of_english, MsMarcoData)
    own = of_english.model_copy(update={"corpus": of_english.corpus.model_copy(update={"languages": ()})})
    assert [TRAINING["msmarco"].languages(one) for one in (of_english, own)] == [("en",), None]


def test_triples_of_the_other_kind(tmp_path: Path) -> None:
    write(tmp_path / "ids.tsv", TRIPLES)
    write(tmp_path / "two.tsv", "who\tthis one\n")
    assert refused("msmarco", tmp_path, "en", text_triples="ids.tsv") == (
        "ids.tsv:1: has ids and no texts: '3\t0\t7'; it is for data.triples"
    )
    assert "two.tsv:1: must have 3 fields (query, relevant passage, other passage), tab-separated, not 2" in refused(
        "msmarco", tmp_path, "en", text_triples="two.tsv"
    )


def test_a_reader_begins_anew_at_each_call(tmp_path: Path) -> None:
    source = opened("mmarco", mmarco(tmp_path), "en", "de")
    assert list(source.read([])) == list(source.read([]))
