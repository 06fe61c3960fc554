"""Damaged and edited files of MS MARCO, MIRACL and Mr. TyDi: what is accepted is compared with another reading."""

import json
from collections.abc import Iterator
from itertools import compress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sweep.data.training_row import TrainingRow
from sweep.errors import SweepError
from tests.fuzz.damage import damaged, edited, refused, tries
from tests.unit.test_judged import DOCUMENTS, QRELS, TOPICS, json_lines, miracl_files
from tests.unit.test_msmarco import PASSAGES, QUERIES, TRIPLES, opened, tsv
from tests.unit.test_topics import TYDI

NEGATIVES = 2
MSMARCO = {
    "en_collection.tsv": tsv(PASSAGES["en"]),
    "de_collection.tsv": tsv(PASSAGES["de"]),
    "en_queries.tsv": tsv(QUERIES["en"]),
    "de_queries.tsv": tsv(QUERIES["de"]),
    "qrels.tsv": "3\t0\t0\t1\n5\t0\t7\t1\n5\t0\t8\t0\n",
    "triples.tsv": TRIPLES,
}
PATTERNS = {
    "collection": "{language}_collection.tsv",
    "queries": "{language}_queries.tsv",
    "qrels": "qrels.tsv",
    "triples": "triples.tsv",
    "max_negatives": NEGATIVES,
}


def read(data: str, files: dict[str, bytes], *languages: str, **changes: Any) -> list[TrainingRow] | None:
    """The rows of a folder with these files; None if they are refused in one clear line."""
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            file = Path(folder, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        try:
            return list(opened(data, Path(folder), *languages, **changes).read([]))
        except SweepError as error:
            refused(error)
            return None


def plain_lines(content: bytes) -> Iterator[str]:
    """Lines that are not blank, read at once."""
    for line in content.decode("utf-8-sig").split("\n"):
        if line.strip():
            yield line.rstrip("\r")


def texts(content: bytes) -> dict[str, str]:
    return {id_.strip(): text for id_, _, text in (line.partition("\t") for line in plain_lines(content))}


def expected(files: dict[str, bytes]) -> dict[tuple[str, str], tuple[str, list[str], list[str]]]:
    """(query id, language) -> question, relevant passages and hard negatives, by reading all into memory."""
    relevant: dict[str, dict[str, None]] = {}
    negatives: dict[str, dict[str, None]] = {}
    for line in plain_lines(files["qrels.tsv"]):
        query, _, passage, grade = line.split()
        (relevant if int(grade) > 0 else negatives).setdefault(query, {})[passage] = None
    for line in plain_lines(files["triples.tsv"]):
        query, passage, other = line.split()
        relevant.setdefault(query, {})[passage] = None
        negatives.setdefault(query, {})[other] = None
    asked = {code: texts(files[f"{code}_queries.tsv"]) for code in ("en", "de")}
    passages = {code: texts(files[f"{code}_collection.tsv"]) for code in ("en", "de")}
    return {
        (query, code): (
            asked[code][query],
            [passages[code][id_] for id_ in ids],
            [passages[code][id_] for id_ in [id_ for id_ in negatives.get(query, {}) if id_ not in ids][:NEGATIVES]],
        )
        for query, ids in relevant.items()
        for code in ("en", "de")
    }


def check_msmarco(changed: dict[str, bytes]) -> bool:
    """Whether the files were read; if so, everything is what the other reading has."""
    files = {name: content.encode() for name, content in MSMARCO.items()} | changed
    rows = read("mmarco", files, "en", "de", **PATTERNS)
    if rows is None:
        return False
    by_query: dict[tuple[str, str], tuple[str, list[str], list[str]]] = {}
    for row in rows:
        question, passages, negatives = by_query.setdefault((row.group, row.language), (row.question, [], []))
        assert question == row.question
        passages.append(row.passage)
        negatives += row.negatives
    assert by_query == expected(files)
    return True


@tries(150)
@given(st.sampled_from(sorted(MSMARCO)), st.data())
def test_damaged_msmarco_files(file: str, data: st.DataObject) -> None:
    check_msmarco({file: data.draw(damaged(MSMARCO[file].encode()))})


IDS = st.sampled_from(["3", "5", "0", "7", "8", "12", "03", "3.0", "-3", "３", "9" * 30, "x", " 3", "3 ", ""])


@tries(100)
@given(
    st.sampled_from(["triples.tsv", "qrels.tsv"]),
    st.lists(st.tuples(IDS, IDS, IDS, st.sampled_from(["1", "0", "-1", "2", "x", "1.0"])), max_size=5),
    st.sampled_from(["\t", " ", "\t\t"]),
    st.sampled_from(["\n", "\r\n", "\n\n", "\r"]),
)
def test_ids_as_people_write_them(file: str, rows: list[tuple[str, ...]], tab: str, end: str) -> None:
    columns = 3 if file == "triples.tsv" else 4
    lines = [row[:3] if columns == 3 else (row[0], "0", row[1], row[3]) for row in rows]
    check_msmarco({file: end.join(tab.join(line) for line in lines).encode()})


@tries(150)
@given(st.lists(st.tuples(IDS, st.sampled_from(["old", "", " ", "a\tb", "\x00", "ｏｌｄ"])), max_size=4), st.data())
def test_texts_as_people_write_them(rows: list[tuple[str, str]], data: st.DataObject) -> None:
    file = data.draw(st.sampled_from(["en_collection.tsv", "de_queries.tsv"]))
    more = "".join(f"{id_}\t{text}\n" for id_, text in rows)
    place = data.draw(st.integers(0, 1))
    check_msmarco({file: (more * place + MSMARCO[file] + more * (1 - place)).encode()})


TEXT_TRIPLES = "who\tRome is old.\tOslo\nwhat\tOslo\tRome is old.\nwho\tRome is old.\tBern\nwho\tToo.\tOslo\n"


def check_text_triples(content: bytes) -> bool:
    """Whether a file of triples was read; what it gives is what stands in its lines."""
    rows = read("msmarco", {"t.tsv": content}, "en", text_triples="t.tsv", max_negatives=NEGATIVES)
    if rows is None:
        return False
    triples = [line.split("\t") for line in plain_lines(content)]
    assert {(row.question, row.passage) for row in rows} == {(question, passage) for question, passage, _ in triples}
    for question in {row.question for row in rows}:
        kept = [text for row in rows if row.question == question for text in row.negatives]
        assert len(kept) == len(set(kept)) <= NEGATIVES
        relevant = {passage for asked, passage, _ in triples if asked == question}
        assert set(kept) <= {other for asked, _, other in triples if asked == question} - relevant
    assert len({row.group for row in rows}) == len({row.question for row in rows})
    return True


@tries(100)
@given(st.data())
def test_damaged_triples_of_texts(data: st.DataObject) -> None:
    check_text_triples(data.draw(damaged(TEXT_TRIPLES.encode())))


# Topics ----------------------------------------------------------------------------------------------------------

MIRACL = {"topics": TOPICS.encode(), "qrels": QRELS.encode(), "docs": json_lines(DOCUMENTS).encode()}


def check_miracl(changed: dict[str, bytes]) -> bool:
    """Whether MIRACL's files were read; every row is a judgement of a question in the topics."""
    content = MIRACL | changed
    topics, qrels, corpus = (str(path) for path in miracl_files(Path(), split="train"))
    files = {topics: content["topics"], qrels: content["qrels"], f"{corpus}/docs-0.jsonl": content["docs"]}
    rows = read("miracl", files, "sw")
    if rows is None:
        return False
    documents = [json.loads(line) for line in plain_lines(content["docs"])]
    passages = {str(one["docid"]): f"{one.get('title') or ''} {one['text']}".strip() for one in documents}
    asked = {id_: text for id_, _, text in (line.partition("\t") for line in plain_lines(content["topics"]))}
    judged = [line.split() for line in plain_lines(content["qrels"])]
    answers = {(asked[query], passages[id_]) for query, _, id_, grade in judged if int(grade) > 0}
    assert {(row.question, row.passage) for row in rows} == answers
    rejected = {(asked[query], passages[id_]) for query, _, id_, grade in judged if int(grade) <= 0}
    assert {(row.question, text) for row in rows for text in row.negatives} <= rejected
    return True


@tries(100)
@given(st.sampled_from(sorted(MIRACL)), st.data())
def test_damaged_miracl_files(file: str, data: st.DataObject) -> None:
    check_miracl({file: data.draw(damaged(MIRACL[file]))})


@tries(100)
@given(st.data())
def test_edited_miracl_documents(data: st.DataObject) -> None:
    documents = data.draw(edited(DOCUMENTS))
    check_miracl({"docs": "\n".join(json.dumps(one) for one in documents).encode()})


def check_mr_tydi(content: bytes) -> bool:
    """Whether Mr. TyDi's file was read; a question has the passages and negatives of its line."""
    rows = read("mr_tydi", {"mrtydi-v1.1-swahili/train.jsonl": content}, "sw", max_negatives=NEGATIVES)
    if rows is None:
        return False
    lines = {str(one["query_id"]): one for one in map(json.loads, plain_lines(content))}
    answered = {id_ for id_, one in lines.items() if one["positive_passages"]}
    assert {row.group for row in rows} == {f"sw:train:{id_}" for id_ in answered}
    for id_ in answered:
        whole = {
            name: [f"{one.get('title') or ''} {one['text']}".strip() for one in lines[id_][f"{name}_passages"]]
            for name in ("positive", "negative")
        }
        of_query = [row for row in rows if row.group == f"sw:train:{id_}"]
        assert [row.passage for row in of_query] == whole["positive"]
        answers = [str(passage["docid"]) for passage in lines[id_]["positive_passages"]]
        apart = [str(passage["docid"]) not in answers for passage in lines[id_]["negative_passages"]]
        rejected = list(compress(whole["negative"], apart))[:NEGATIVES]
        assert [text for row in of_query for text in row.negatives] == rejected
        assert {row.question for row in of_query} == {lines[id_]["query"]}
    return True


@tries(100)
@given(st.data())
def test_damaged_mr_tydi_files(data: st.DataObject) -> None:
    check_mr_tydi(data.draw(damaged(json_lines(TYDI).encode())))


@tries(120)
@given(st.data())
def test_edited_mr_tydi_records(data: st.DataObject) -> None:
    check_mr_tydi("\n".join(json.dumps(one) for one in data.draw(edited(TYDI))).encode())


def test_the_files_that_are_damaged_are_read_when_they_are_whole() -> None:
    """Else the tests here would say nothing."""
    assert check_msmarco({})
    assert check_text_triples(TEXT_TRIPLES.encode())
    assert check_miracl({})
    assert check_mr_tydi(json_lines(TYDI).encode())
