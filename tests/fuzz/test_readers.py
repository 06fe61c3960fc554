"""Readers on damaged and edited files: a right result, or one line. A result is compared with another reading."""

import csv
import json
import unicodedata
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.data.afriqa import afriqa_benchmark, afriqa_rows
from sweep.data.benchmark import Benchmark
from sweep.data.load import load_benchmark
from sweep.data.squad import squad_benchmark
from sweep.data.training_set import TrainingSet
from sweep.errors import InputError, SweepError
from sweep.settings.compose import Composer
from sweep.settings.load import load_evaluate_settings
from sweep.settings.overrides import assignment
from tests.fuzz.damage import damaged, edited, refused, tries
from tests.unit import test_afriqa
from tests.unit.test_judged import DOCUMENTS, QRELS, TOPICS, json_lines, miracl_files
from tests.unit.test_squad import evaluation, squad_training_set, training

ENGLISH, GERMAN = "Rome is old. Oslo is cold. Bern is small.", "Rom ist alt. Oslo ist kalt. Bern ist klein."


def qa_file(context: str, answers: list[str], breaks: bool) -> dict[str, Any]:
    """Three questions on one paragraph of three sentences, and one on another."""
    sentences = [part.strip() + "." for part in context.split(".") if part.strip()]
    starts = [context.index(sentence) for sentence in sentences]
    paragraph: dict[str, Any] = {
        "context": context,
        "qas": [
            {"id": f"q{index}", "question": f"Question {index}?", "answers": [
                {"answer_start": context.index(answer), "text": answer}
            ]}
            for index, answer in enumerate(answers)
        ],
    }  # fmt: skip
    if breaks:
        paragraph["sentence_breaks"] = [
            [start, start + len(sentence)] for start, sentence in zip(starts, sentences, strict=True)
        ]
    other = {"context": "42 is a number.", "qas": [
        {"id": "n", "question": "What is a number?", "answers": [{"answer_start": 0, "text": "42"}]}
    ]}  # fmt: skip
    if breaks:
        other["sentence_breaks"] = [[0, 15]]
    return {"version": "1.1", "data": [{"title": "Cities", "paragraphs": [paragraph, other]}]}


SQUAD = {
    breaks: {
        "en": qa_file(ENGLISH, ["old", "Oslo is cold", "Bern"], breaks),
        "de": qa_file(GERMAN, ["alt", "Oslo ist kalt", "Bern"], breaks),
    }
    for breaks in (True, False)
}


def squad_files(content: bytes, breaks: bool, read: Callable[[Path], Any]) -> Any:
    """What a reader makes of a folder whose English file has this content; None if it refuses in one clear line."""
    with TemporaryDirectory() as folder:
        Path(folder, "de.json").write_text(json.dumps(SQUAD[breaks]["de"]))
        Path(folder, "en.json").write_bytes(content)
        try:
            return read(Path(folder))
        except InputError as error:
            refused(error)
            return None


def questions_in(content: bytes) -> dict[str, dict[str, Any]]:
    """The questions of a file by their id, each with the context it stands in."""
    tree = json.loads(content.decode("utf-8-sig"))
    return {
        str(qa["id"]): {**qa, "context": paragraph["context"]}
        for article in tree["data"]
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    }


def check_squad_benchmark(content: bytes, breaks: bool) -> bool:
    """Whether the file was read; what was read of it is in the file, and answers stand where it says."""
    bench: Benchmark | None = squad_files(content, breaks, lambda folder: squad_benchmark(
        evaluation(folder, candidates="auto"), ("de", "en"), folder
    ))  # fmt: skip
    if bench is None:
        return False
    known = questions_in(content)
    for question, rows in zip(bench.questions, bench.relevant_q, strict=True):
        if question.language != "en":
            continue
        qa = known[question.group]
        assert question.text == qa["question"]
        answer = qa["answers"][0]
        start, text = answer["answer_start"], answer.get("text") or ""
        assert qa["context"].startswith(text, start) if breaks else text in qa["context"]  # a whole paragraph
        english = [bench.passages[int(row)].text for row in rows if bench.passages[int(row)].language == "en"]
        assert len(english) == 1
        assert unicodedata.normalize("NFC", english[0]) in unicodedata.normalize("NFC", qa["context"])
        assert unicodedata.normalize("NFC", qa["context"][start : start + 1].strip()) in english[0]
    return True


@tries(250)
@given(st.booleans(), st.data())
def test_damaged_squad_files(breaks: bool, data: st.DataObject) -> None:
    check_squad_benchmark(data.draw(damaged(json.dumps(SQUAD[breaks]["en"]).encode())), breaks)


@tries(350)
@given(st.booleans(), st.data())
def test_edited_squad_files(breaks: bool, data: st.DataObject) -> None:
    check_squad_benchmark(json.dumps(data.draw(edited(SQUAD[breaks]["en"]))).encode(), breaks)


@tries(250)
@given(st.booleans(), st.data())
def test_edited_training_files(breaks: bool, data: st.DataObject) -> None:
    content = json.dumps(data.draw(edited(SQUAD[breaks]["en"]))).encode()
    trained: TrainingSet | None = squad_files(
        content, breaks, lambda folder: squad_training_set(training(folder), ("de", "en"), folder)
    )
    if trained is None:
        return
    known, column = questions_in(content), trained.languages.index("en")
    for number, group in enumerate(trained.groups):
        for question in trained.questions.of(number, column):
            assert trained.texts[question] == known[group]["question"]
        for passage in trained.passages.of(number, column):
            assert trained.texts[passage] in known[group]["context"]


def test_the_files_that_are_damaged_are_read_when_they_are_whole() -> None:
    """Else the tests here would say nothing."""
    for breaks in (True, False):
        assert check_squad_benchmark(json.dumps(SQUAD[breaks]["en"]).encode(), breaks)
    assert judged("beir", {}) is not None
    assert judged("miracl", {}) is not None


# Collections with judgements ----------------------------------------------------------------------------------

CORPUS = [{"_id": "a", "title": "", "text": "Rome"}, {"_id": "b", "title": "T", "text": "Oslo"}]
QUERIES = [{"_id": "q1", "text": "Where?"}, {"_id": "q2", "text": "Which?"}]
BEIR_QRELS = "query-id\tcorpus-id\tscore\nq1\ta\t1\nq2\tb\t2\n"
BEIR = {
    "en/corpus.jsonl": json_lines(CORPUS).encode(),
    "en/queries.jsonl": json_lines(QUERIES).encode(),
    "en/qrels/test.tsv": BEIR_QRELS.encode(),
}
MIRACL = {
    "topics": TOPICS.encode(),
    "qrels": QRELS.encode(),
    "docs": json_lines(DOCUMENTS).encode(),
}


def judged(kind: str, changed: dict[str, bytes]) -> Benchmark | None:
    """The benchmark of a collection with these files in place of its own; None if it is refused in one clear line."""
    with TemporaryDirectory() as name:
        folder = Path(name, "data")
        if kind == "beir":
            files = {folder / path: content for path, content in (BEIR | changed).items()}
        else:
            topics, qrels, corpus = miracl_files(folder)
            content = MIRACL | changed
            files = {topics: content["topics"], qrels: content["qrels"], corpus / "docs-0.jsonl": content["docs"]}
        for file, content in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        overrides = ["model.path=x", f"evaluation={kind}", assignment("evaluation.path", str(folder)),
                     assignment("paths.cache", str(Path(name, "cache")))]  # fmt: skip
        settings = load_evaluate_settings(COMPOSED.setdefault(kind, Composer("evaluate", overrides[:2])))
        settings = settings.model_copy(
            update={
                "evaluation": settings.evaluation.model_copy(update={"path": str(folder)}),
                "paths": settings.paths.model_copy(update={"cache": str(Path(name, "cache"))}),
            }
        )
        try:
            bench = load_benchmark(settings)
        except SweepError as error:
            refused(error)
            return None
        # Texts are mapped from the cache, which is gone afterwards.
        return check_judged(bench, {file.name: content for file, content in files.items()})


COMPOSED: dict[str, Composer] = {}


def check_judged(bench: Benchmark, contents: dict[str, bytes]) -> Benchmark:
    """Every judgement that counts is a line of the qrels, with its grade."""
    (name,) = [name for name in contents if name.startswith(("test.tsv", "qrels"))]
    text = contents[name].decode("utf-8-sig")
    judged_lines = set()
    for line in text.splitlines():
        fields = line.split("\t") if name == "test.tsv" else line.split()
        judged_lines.add(
            tuple(field.strip() for field in (fields if name == "test.tsv" else fields[:1] + fields[2:]))
        )
    for question, rows, grades in zip(bench.questions, bench.relevant_q, bench.grade_q, strict=True):
        for row, grade in zip(rows.tolist(), grades.tolist(), strict=True):
            # A copy of a relevant passage is relevant, too.
            copies = {one.id.partition(":")[2] for one in bench.passages if one.text == bench.passages[row].text}
            asked = question.group.partition(":")[2]
            assert any((asked, id_, str(grade)) in judged_lines for id_ in copies), (asked, copies, grade)
    return bench


@tries(250)
@given(st.sampled_from(sorted(BEIR)), st.data())
def test_damaged_beir_files(file: str, data: st.DataObject) -> None:
    judged("beir", {file: data.draw(damaged(BEIR[file]))})


@tries(150)
@given(st.sampled_from(sorted(MIRACL)), st.data())
def test_damaged_miracl_files(file: str, data: st.DataObject) -> None:
    judged("miracl", {file: data.draw(damaged(MIRACL[file]))})


@tries(150)
@given(st.sampled_from(["en/corpus.jsonl", "en/queries.jsonl"]), st.data())
def test_edited_beir_records(file: str, data: st.DataObject) -> None:
    records = CORPUS if file == "en/corpus.jsonl" else QUERIES
    judged("beir", {file: "\n".join(json.dumps(one) for one in data.draw(edited(records))).encode()})


@tries(150)
@given(st.lists(st.tuples(
    st.sampled_from(["q1", "q2", "q3", "", " q1", "q1 "]), st.sampled_from(["a", "b", "c", "", "b "]),
    st.sampled_from(["0", "1", "2", "-1", "1.0", "1_0", "１", " 1", "4294967297", "9" * 30, "nan", "", "x",
                     "+1", "01"]),
), max_size=5))  # fmt: skip
def test_judgements_as_people_write_them(rows: list[tuple[str, str, str]]) -> None:
    text = StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows([("query-id", "corpus-id", "score"), *rows])
    judged("beir", {"en/qrels/test.tsv": text.getvalue().encode()})


@pytest.mark.parametrize("grade", ["4294967297", "1_0", "１", "9" * 30])
def test_grades_are_what_they_say_or_refused(grade: str) -> None:
    bench = judged("beir", {"en/qrels/test.tsv": f"query-id\tcorpus-id\tscore\nq1\ta\t{grade}\nq2\tb\t1\n".encode()})
    assert bench is None


# AfriQA -------------------------------------------------------------------------------------------------------

GOLD = [*test_afriqa.SWAHILI, test_afriqa.row(2, "Wapi?", "Where?", None)]


def check_gold(content: bytes) -> bool:
    """Whether the file was read; questions and passages are then those of its lines, and of each line one pair."""
    with TemporaryDirectory() as name:
        folder = test_afriqa.write(
            Path(name), {("swa", "en", "test"): content, ("yor", "en", "test"): test_afriqa.YORUBA}
        )
        settings = test_afriqa.evaluation(folder)
        try:
            bench = afriqa_benchmark(settings, ("sw", "en"), folder)
            data = test_afriqa.training(folder, split="test", apart_from=())
            trained = list(afriqa_rows(data, ("sw", "en"), folder).read([]))
        except InputError as error:
            refused(error)
            return False
    known = {}
    for line in content.decode("utf-8-sig").split("\n"):
        if line.strip():
            one = json.loads(line)
            texts = [one[field] for field in ("question_lang", "question_translated", "context")]
            known[str(one["id"])] = [text.strip() if isinstance(text, str) else "" for text in texts]
    for question, rows in zip(bench.questions, bench.relevant_q, strict=True):
        asked, translation, passage = known[question.group.removeprefix("sw:test:")]
        assert question.text == (asked if question.language == "sw" else translation)
        assert passage in [bench.passages[int(row)].text for row in rows]
    assert {one.group for one in trained} == {question.group for question in bench.questions}
    for one in trained:
        asked, translation, passage = known[one.group.removeprefix("sw:test:")]
        assert (one.question, one.passage) == (asked if one.language == "sw" else translation, passage)
        assert all((asked, translation, passage))
    return True


@tries(100)
@given(st.data())
def test_damaged_gold_passages(data: st.DataObject) -> None:
    check_gold(data.draw(damaged(json_lines(GOLD).encode())))


@tries(100)
@given(st.data())
def test_edited_gold_passages(data: st.DataObject) -> None:
    check_gold("\n".join(json.dumps(one) for one in data.draw(edited(GOLD))).encode())


def test_whole_gold_passages_are_read() -> None:
    assert check_gold(json_lines(GOLD).encode())
