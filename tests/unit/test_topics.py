"""Training topics of MIRACL, BEIR's collections and Mr. TyDi as published; broken files named with their line."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.test_judged import DOCUMENTS, QRELS, beir, json_lines, miracl, miracl_files
from tests.unit.test_judged import load as load_benchmark
from tests.unit.test_msmarco import composed, notes, opened, refused, rows, write

from sweep.data.leakage import check_zero_shot
from sweep.data.registry import TRAINING
from sweep.data.training_set import training_set_of
from sweep.errors import InputError
from sweep.settings import HubOrigin, JudgedData, MrTydiData
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings

# MIRACL and BEIR -------------------------------------------------------------------------------------------------


def collection(folder: Path, language: str = "sw", split: str = "train", **changes: Any) -> Path:
    """MIRACL in the published layout."""
    published = miracl(folder, language, **changes)
    if split != "dev":
        for file in miracl_files(folder, language)[:2]:
            file.rename(file.with_name(file.name.replace("-dev.", f"-{split}.")))
    return published


def test_miracl_as_published(tmp_path: Path) -> None:
    folder = collection(tmp_path)
    read = rows("miracl", folder, "sw")
    assert [row[:5] for row in read] == [
        ("sw:train:7", "sw", "Mto upi ni mrefu?", "Mto Nile ni mrefu.", ("Nile ni wa kale.",)),
        ("sw:train:7", "sw", "Mto upi ni mrefu?", "Mwezi Mwezi ni mdogo.", ()),
    ]
    qrels = miracl_files(folder, split="train")[1]
    assert [row.place for row in read] == [f"{qrels}:1", f"{qrels}:3"]
    assert notes("miracl", folder, "sw") == (
        "data 'miracl': questions without a relevant passage, left out: sw 1 of 2; the first: 9",
    )
    assert [row.negatives for row in rows("miracl", folder, "sw", max_negatives=0)] == [(), ()]


def test_groups_are_of_one_language_each(tmp_path: Path) -> None:
    folder = collection(collection(tmp_path), "yo", topics="7\tOdo?\n", qrels="7\tQ0\t1#1\t1\n")
    read = rows("miracl", folder, "yo", "sw")
    assert {(row.group, row.language) for row in read} == {("sw:train:7", "sw"), ("yo:train:7", "yo")}
    source = opened("miracl", folder, "yo")
    assert sorted(file.name for file in source.files) == [
        "docs-0.jsonl.gz", "docs-1.jsonl.gz", "qrels.miracl-v1.0-yo-train.tsv", "topics.miracl-v1.0-yo-train.tsv"
    ]  # fmt: skip
    assert list(source.read([])) == list(source.read([]))


def test_beir_with_parallel_queries(tmp_path: Path) -> None:
    qrels = "q1\ta\t1\nq1\tb\t0\n"
    beir(tmp_path, "en", {"a": "Rome", "b": "Oslo"}, {"q1": "Where?", "q2": "Who?"}, qrels)
    beir(tmp_path, "de", {"a": "Rom", "b": "Oslo (de)"}, {"q1": "Wo?"}, qrels, ".gz")
    read = rows("beir", tmp_path, "en", "de", split="test", protocol="parallel")
    assert [row[:5] for row in read] == [
        ("q1", "en", "Where?", "Rome", ("Oslo",)),
        ("q1", "de", "Wo?", "Rom", ("Oslo (de)",)),
    ]
    alone = rows("beir", tmp_path, "en", "de", split="test")
    assert [row.group for row in alone] == ["en:test:q1", "de:test:q1"]


def test_a_subset_of_a_language_s_questions(tmp_path: Path) -> None:
    topics = "".join(f"{number}\tSwali {number}?\n" for number in range(20))
    lines = [f"{number}\tQ0\t1#0\t1\n" for number in range(20)]
    chosen = []
    for name, order in (("one", lines), ("other", lines[::-1])):
        folder = collection(tmp_path / name, topics=topics, qrels="".join(order))
        chosen.append({row.group for row in rows("miracl", folder, "sw", max_questions=6)})
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 6


def beir_splits(folder: Path) -> Path:
    """A language of BEIR, whose queries are those of all splits in one file."""
    texts = {"a": "Rome", "b": "Oslo", "c": "Bern", "d": "Paris"}
    queries = {"q1": "Where?", "q2": "Who?", "q3": "What?", "q4": "Which?", "q5": "where?", "q6": "Never judged?"}
    beir(folder, "en", texts, queries, "q3\tc\t1\nq4\td\t1\nq5\td\t1\n")
    judged = "q1\ta\t1\nq2\tb\t1\nq2\td\t0\nq2\ta\t0\nq3\ta\t1\nq6\tc\t1\n"
    write(folder / "en/qrels/train.tsv", f"query-id\tcorpus-id\tscore\n{judged}")
    return folder


def test_beir_apart_from_the_split_that_is_evaluated_on(tmp_path: Path) -> None:
    """A question that both splits judge is left out, one that the other asks, and one that its passage answers."""
    folder = beir_splits(tmp_path / "data")
    source = opened("beir", folder, "en", apart_from=("test",))
    (row,) = source.read([])
    assert row[:5] == ("en:train:q2", "en", "Who?", "Oslo", ("Rome",))
    assert notes("beir", folder, "en", apart_from=("test",)) == (
        "data 'own': questions left out for data.apart_from=[test]: en 3 of 4; the first: q1",
    )
    benchmark = load_benchmark("beir", folder, tmp_path / "cache", "en", split="test")
    check_zero_shot(training_set_of(source, ("en",)), benchmark)


def test_the_limit_is_one_of_questions_that_are_trained_on(tmp_path: Path) -> None:
    folder = beir_splits(tmp_path)
    (row,) = rows("beir", folder, "en", apart_from=("test",), max_questions=1)
    assert row.question == "Who?"


@pytest.mark.parametrize("flat", [True, False])
def test_a_folder_without_languages(tmp_path: Path, flat: bool) -> None:
    if flat:
        beir(tmp_path, ".", {"a": "Rome"}, {"q": "Where?"}, "q\ta\t1\n")
    holds = f"data 'own': {tmp_path} holds no corpus in the layout of beir: "
    advice = "its files need a folder of their language" if flat else "it needs a folder for each language"
    assert no_languages("beir", tmp_path).startswith(holds + advice)
    assert "miracl-corpus-v1.0-<language>" in no_languages("miracl", tmp_path)
    tydi = no_languages("mr_tydi", tmp_path)
    assert tydi.startswith(f"data 'mr_tydi': {tmp_path} has no mrtydi-v1.1-<language>/train.jsonl.gz (there: ")
    assert "no file of data.queries=data/google/queries/train/{language}_q" in no_languages("mmarco", tmp_path)
    for data in ("beir", "miracl", "mr_tydi", "mmarco"):
        assert no_languages(data, tmp_path / "gone").endswith(f": no such folder: {tmp_path / 'gone'}")


def no_languages(data: str, folder: Path) -> str:
    """What a look at the data in all of its languages is refused with."""
    settings = composed(data)
    settings = type(settings).model_validate({**dict(settings), "path": str(folder)})
    with pytest.raises(InputError) as error:
        TRAINING[settings.kind].languages(settings)
    assert "\n" not in str(error.value)
    return str(error.value)


DEV = {"topics": "1\tMwezi ni mkubwa?\n", "qrels": "1\tQ0\t9#0\t1\n1\tQ0\t1#0\t0\n"}


def both_splits(folder: Path) -> Path:
    """The training topics, and a question of the other split that one of their passages answers."""
    return miracl(collection(folder), **DEV)


def test_a_passage_that_answers_a_question_of_the_benchmark_is_refused(tmp_path: Path) -> None:
    folder = both_splits(tmp_path)
    benchmark = load_benchmark("miracl", folder, tmp_path / "cache", "sw")
    training = training_set_of(opened("miracl", folder, "sw"), ("sw",))
    with pytest.raises(InputError, match=r"^1 passages of the benchmark 'miracl' occur in the training data"):
        check_zero_shot(training, benchmark)


def test_training_apart_from_the_split_that_is_evaluated_on(tmp_path: Path) -> None:
    folder = both_splits(tmp_path)
    benchmark = load_benchmark("miracl", folder, tmp_path / "cache", "sw")
    source = opened("miracl", folder, "sw", apart_from=("dev",))
    check_zero_shot(training_set_of(source, ("sw",)), benchmark)
    (row,) = source.read([])
    assert (row.passage, row.negatives) == ("Mto Nile ni mrefu.", ("Nile ni wa kale.",))
    assert "topics.miracl-v1.0-sw-dev.tsv" in {file.name for file in source.files}


def test_what_training_apart_leaves_out(tmp_path: Path) -> None:
    """A hard negative, an exact copy under another id, and a question that is asked in both splits."""
    documents = [*DOCUMENTS, {"docid": "30#1", "title": "mwezi", "text": "Mwezi  ni mdogo."}]
    qrels = "7\tQ0\t1#0\t1\n7\tQ0\t9#0\t0\n9\tQ0\t30#1\t1\n8\tQ0\t1#1\t1\n"
    folder = collection(tmp_path, qrels=qrels, parts=(json_lines(documents),))
    topics, judged, _ = miracl_files(folder)
    write(topics, DEV["topics"] + "2\tHakuna  HUKUMU?\n")
    write(judged, DEV["qrels"] + "2\tQ0\t1#1\t0\n")
    (row,) = rows("miracl", folder, "sw", apart_from=("dev",))
    assert (row.group, row.passage, row.negatives) == ("sw:train:7", "Mto Nile ni mrefu.", ())
    assert notes("miracl", folder, "sw", apart_from=("dev",)) == (
        "data 'miracl': questions left out for data.apart_from=[dev]: sw 2 of 3; the first: 8",
    )


BAD_MIRACL = [
    ({"qrels": "7\tQ0\t1#0\n"}, "qrels.miracl-v1.0-sw-train.tsv:1: must have 4 fields (query, Q0, passage, grade)"),
    ({"qrels": "7\tQ0\t5#0\t1\n"}, "qrels.miracl-v1.0-sw-train.tsv:1: names the unknown passage '5#0'"),
    ({"qrels": QRELS + "7\tQ0\t5#0\t0\n"}, "qrels.miracl-v1.0-sw-train.tsv:5: names the unknown passage '5#0'"),
    ({"qrels": "6\tQ0\t1#0\t1\n"}, "qrels.miracl-v1.0-sw-train.tsv:1: names the unknown query '6'"),
    ({"qrels": QRELS + "7\tQ0\t1#1\t1\n"}, "train.tsv:5: gives passage '1#1' of query '7' the grade 1, and"),
    ({"qrels": ""}, "qrels.miracl-v1.0-sw-train.tsv: has no judgements"),
    ({"topics": "7\n"}, "topics.miracl-v1.0-sw-train.tsv:1: must be a query id, a tab and the query"),
    ({"topics": "7\tA?\n7\tB?\n"}, "train.tsv:2: query id '7' occurs twice, with another text at"),
    ({"parts": ("{}",)}, "docs-0.jsonl.gz:1: docid: Field required"),
    ({"parts": (json_lines([DOCUMENTS[0]]), json_lines([{"docid": "1#0", "text": "Tofauti."}]))},
     "docs-1.jsonl.gz:1: passage id '1#0' occurs twice, with another text at miracl-corpus-v1.0-sw/docs-0.jsonl"),
    ({"parts": (json_lines([DOCUMENTS[0], {"docid": "1#1", "title": " ", "text": ""}]),)},
     "docs-0.jsonl.gz:2: passage '1#1' has no text"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), BAD_MIRACL)
def test_broken_miracl_files(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    assert message in refused("miracl", collection(tmp_path, **changes), "sw")


def test_what_the_folder_lacks(tmp_path: Path) -> None:
    folder = miracl(tmp_path)
    assert refused("miracl", folder, "sw") == (
        "miracl-v1.0-sw/topics/topics.miracl-v1.0-sw-train.tsv: no such file; data.split=train needs it, or "
        "data.apart_from"
    )
    assert refused("miracl", folder, "yo") == f"data 'miracl': no corpus of language 'yo' in {folder}"


def test_apart_from_everything(tmp_path: Path) -> None:
    folder = collection(tmp_path)
    assert refused("miracl", folder, "sw", apart_from=("train",)).startswith(
        "miracl-v1.0-sw/qrels/qrels.miracl-v1.0-sw-train.tsv: data.apart_from=[train] leaves out all questions: "
    )


def test_nothing_to_train_on(tmp_path: Path) -> None:
    folder = collection(tmp_path, qrels="7\tQ0\t1#0\t0\n")
    assert refused("miracl", folder, "sw") == (
        "miracl-v1.0-sw/qrels/qrels.miracl-v1.0-sw-train.tsv: no judgement has a grade above 0, so no question has a "
        "passage to train on"
    )


# Mr. TyDi --------------------------------------------------------------------------------------------------------


def passage(id_: str, text: str, title: str = "Nile") -> dict[str, str]:
    return {"docid": id_, "text": text, "title": title}


TYDI = [
    {"query_id": "1", "query": "Mto upi?",
     "positive_passages": [passage("1#0", "Mrefu."), passage("1#1", "Wa kale.")],
     "negative_passages": [passage("2#0", "Mwezi.", "Mwezi"), passage("3#0", "Jua.", "")]},
    {"query_id": "4", "query": "Jua?", "positive_passages": [passage("3#0", "Jua.", "")], "negative_passages": []},
]  # fmt: skip


def mr_tydi(folder: Path, records: Any = None, name: str = "swahili", ending: str = ".gz") -> Path:
    """A language of Mr. TyDi as on the hub."""
    content = records if isinstance(records, str) else json_lines(records or TYDI)
    write(folder / f"mrtydi-v1.1-{name}/train.jsonl{ending}", content)
    return folder


def test_mr_tydi_as_published(tmp_path: Path) -> None:
    folder = mr_tydi(mr_tydi(tmp_path), TYDI[1:], "combined")
    read = rows("mr_tydi", folder, "sw")
    assert [row[:5] for row in read] == [
        ("sw:train:1", "sw", "Mto upi?", "Nile Mrefu.", ("Mwezi Mwezi.", "Jua.")),
        ("sw:train:1", "sw", "Mto upi?", "Nile Wa kale.", ()),
        ("sw:train:4", "sw", "Jua?", "Jua.", ()),
    ]
    assert read[2].place == f"{folder}/mrtydi-v1.1-swahili/train.jsonl.gz:2"
    (first, *_) = rows("mr_tydi", folder, "sw", max_negatives=1)
    assert first.negatives == ("Mwezi Mwezi.",)


def test_mr_tydi_unpacked_and_named_by_code(tmp_path: Path) -> None:
    folder = mr_tydi(mr_tydi(tmp_path, ending=""), name="bn")
    assert {row.group for row in rows("mr_tydi", folder, "sw", "bn")} == {
        f"{code}:train:{id_}" for code in ("sw", "bn") for id_ in "14"
    }


def test_a_subset_of_mr_tydi(tmp_path: Path) -> None:
    records = [{**TYDI[0], "query_id": str(number)} for number in range(30)]
    chosen = []
    for name, order in (("one", records), ("other", records[::-1])):
        folder = mr_tydi(tmp_path / name, order)
        chosen.append({row.group for row in rows("mr_tydi", folder, "sw", max_questions=4)})
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 4


def test_what_mr_tydi_has_twice_or_without_an_answer(tmp_path: Path) -> None:
    unanswered = {**TYDI[1], "query_id": 9, "positive_passages": []}
    folder = mr_tydi(tmp_path, [*TYDI, unanswered, TYDI[0]])
    assert [row.group for row in rows("mr_tydi", folder, "sw")] == ["sw:train:1", "sw:train:1", "sw:train:4"]
    assert notes("mr_tydi", folder, "sw") == (
        "data 'mr_tydi': queries that occur again, kept once: sw 1 of 4; the first: 1",
        "data 'mr_tydi': questions without a relevant passage, left out: sw 1 of 4; the first: 9",
    )


def test_a_hard_negative_that_is_relevant_to_the_question(tmp_path: Path) -> None:
    """It is left out before the negatives are counted."""
    both = {**TYDI[0], "negative_passages": [passage("1#1", "Wa kale."), passage("2#0", "Mwezi.", "Mwezi")]}
    folder = mr_tydi(tmp_path, [both, TYDI[1]])
    (first, *_) = rows("mr_tydi", folder, "sw", max_negatives=1)
    assert first.negatives == ("Mwezi Mwezi.",)
    assert notes("mr_tydi", folder, "sw") == (
        "data 'mr_tydi': questions whose hard negatives have a relevant passage, left out of them: sw 1 of 2; the "
        "first: 1",
    )


BAD_TYDI = [
    ('{"query_id": "1"}\n', "train.jsonl.gz:1: query: Field required"),
    (json_lines(TYDI)[:-9] + "\n", "train.jsonl.gz:2: Invalid JSON"),
    (json.dumps(TYDI), "train.jsonl.gz: is one JSON document, not JSON Lines"),
    (
        [TYDI[0], {**TYDI[1], "query_id": "1"}],
        "gz:2: query id '1' occurs twice, with another text at mrtydi-v1.1",
    ),
    ([TYDI[0], {**TYDI[1], "positive_passages": [passage("2#0", "X")]}], "gz:2: passage id '2#0' occurs twice, with"),
    ("\n", "mrtydi-v1.1-swahili/train.jsonl.gz: has no question"),
]


@pytest.mark.parametrize(("records", "message"), BAD_TYDI)
def test_broken_mr_tydi_files(tmp_path: Path, records: Any, message: str) -> None:
    assert message in refused("mr_tydi", mr_tydi(tmp_path, records), "sw")


def test_a_language_or_split_that_mr_tydi_lacks(tmp_path: Path) -> None:
    folder = mr_tydi(tmp_path)
    assert refused("mr_tydi", folder, "sw", "th") == (
        "mrtydi-v1.1-thai/train.jsonl.gz: no such file, for language 'th' (data.split=train; there: sw)"
    )
    assert "mrtydi-v1.1-swahili/dev.jsonl.gz: no such file" in refused("mr_tydi", folder, "sw", split="dev")
    (tmp_path / "mrtydi-v1.1-swahili/train.jsonl.gz").write_bytes(gzip.compress(b"x" * 9999)[:-8])
    assert "it is cut short; fetch it again" in refused("mr_tydi", folder, "sw")


# Settings --------------------------------------------------------------------------------------------------------


def test_what_the_hub_is_asked_for() -> None:
    settings = composed("mr_tydi")
    assert isinstance(settings, MrTydiData)
    assert isinstance(settings.corpus.origin, HubOrigin)
    assert settings.corpus.origin.repositories[0].files == ("mrtydi-v1.1-{name}/{split}.jsonl.gz",)
    assert sorted(settings.corpus.names) == sorted(settings.corpus.languages)
    assert (settings.title, settings.split) == ("mr_tydi", "train")


BOTH = ["data=miracl", "evaluation=miracl", "languages.train=[sw,te]"]


def test_miracl_may_be_trained_and_evaluated_on() -> None:
    """Of other corpora a study may not."""
    settings = load_settings(Composer("sweep", [*BOTH, "data.apart_from=[dev]"]))
    assert isinstance(settings.data, JudgedData)
    assert settings.data.corpus == settings.evaluation.corpus
    load_settings(Composer("sweep", [*BOTH, "data.path=/a", "evaluation.path=/b"]))  # their texts will tell


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "are splits of 'miracl', which share passages; add data.apart_from=[dev], which leaves out of training"),
        (["data.split=dev"], "data and evaluation are both the split 'dev' of 'miracl': train on another one"),
        (["data.path=/a", "evaluation.path=/a"], "data and evaluation are splits of '/a', which share passages"),
        (["data.path=/a/", "evaluation.path=/b/../a"], "data and evaluation are splits of '/a/', which share"),
        (["data.apart_from=[test]"], "add data.apart_from=[test,dev], which leaves out of training"),
    ],
)
def test_splits_of_one_collection(more: list[str], message: str) -> None:
    with pytest.raises(InputError) as error:
        load_settings(Composer("sweep", [*BOTH, *more]))
    assert message in str(error.value)
