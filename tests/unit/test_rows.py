"""Rows of the user's own: every format and layout of columns, where the files are, and bad input in one line."""

import csv
import gzip
import http.server
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from sweep.data.hub_origin import HubRepositories
from sweep.data.registry import TRAINING
from sweep.data.remarks import Remark, remark_lines
from sweep.data.training_row import TrainingRow
from sweep.data.training_set import training_set_of
from sweep.errors import InputError
from sweep.settings import LanguageSettings, RowsData

COLUMNS = dict.fromkeys(
    ("group", "language", "query_language", "passage_language", "query", "passage", "negatives", "weight"), "auto"
)
RECORDS: list[dict[str, Any]] = [
    {"group": "g1", "language": "en", "query": "Where?", "passage": "In Rome."},
    {"group": "g1", "language": "sw", "query": "Wapi?", "passage": "Roma, mjini."},
    {"group": "g2", "language": "en", "query": 'Who "really"?', "passage": "Ada, and\nBob."},
]
FORMATS = ("jsonl", "jsonl.gz", "ndjson", "csv", "csv.gz", "tsv", "parquet", "arrow", "feather", "stream.arrow")


def rows_settings(path: Path | str | None, columns: dict[str, Any] | None = None, **changes: Any) -> RowsData:
    fields: dict[str, Any] = {
        "kind": "rows", "path": None if path is None else str(path), "repository": None, "revision": None,
        "files": (), "format": "auto", "language": None, "delimiter": "auto", "quotes": "auto", "repeats": "several",
        "incomplete": "refuse",
    }  # fmt: skip
    return RowsData.model_validate({**fields, "columns": COLUMNS | (columns or {}), **changes})


def read(
    settings: RowsData, *train: str, cache: Path = Path("cache"), remarks: list[Remark] | None = None
) -> list[TrainingRow]:
    languages = LanguageSettings(train=train or ("en", "sw"), evaluate=None, tiers=None)
    rows = TRAINING["rows"].open(settings, languages, cache)
    return list(rows.read([] if remarks is None else remarks))


def texts(rows: list[TrainingRow]) -> list[tuple[str, ...]]:
    return [(row.group, row.language, row.question, row.passage) for row in rows]


def write_rows(file: Path, records: list[dict[str, Any]], **schema: Any) -> Path:
    """A file of records in the format of its ending."""
    kind = file.name.removesuffix(".gz").partition(".")[2]
    opened: Callable[..., Any] = gzip.open if file.suffix == ".gz" else open
    if kind.endswith(("jsonl", "ndjson")):
        with opened(file, "wt", encoding="utf-8") as text:
            text.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    elif kind.endswith(("csv", "tsv")):
        with opened(file, "wt", encoding="utf-8", newline="") as text:
            writer = csv.DictWriter(text, list(records[0]), delimiter="," if "csv" in kind else "\t")
            writer.writeheader()
            writer.writerows(records)
    else:
        table = pa.Table.from_pylist(records, **schema)
        if kind == "parquet":
            pq.write_table(table, file, row_group_size=2)
        elif kind == "feather":
            pyarrow.feather.write_feather(table, file)
        else:
            make = pa.ipc.new_stream if kind.startswith("stream") else pa.ipc.new_file
            with pa.OSFile(str(file), "wb") as sink, make(sink, table.schema) as writer:
                writer.write_table(table)
    return file


def problem(settings: RowsData, *train: str, cache: Path = Path("cache")) -> str:
    with pytest.raises(InputError) as refused:
        read(settings, *train, cache=cache)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# Formats ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_gives_the_same_rows(tmp_path: Path, ending: str) -> None:
    file = write_rows(tmp_path / f"pairs.{ending}", RECORDS)
    rows = read(rows_settings(file, quotes="double" if ending == "tsv" else "auto"))
    assert texts(rows) == [tuple(record.values()) for record in RECORDS]
    number = ": row 3" if ending in ("parquet", "arrow", "feather", "stream.arrow") else ":3"
    places = [row.place for row in rows]
    assert places[-1] in (f"{file}{number}", f"{file}:4")  # of CSV the first line names the columns


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    """Blank lines and line breaks within quotation marks are lines, too; CRLF and a byte order mark are none of the
    text."""
    file = tmp_path / "a.csv"
    file.write_bytes(b'\xef\xbb\xbflanguage,query,passage\r\n\r\nen,"two\r\nlines",p1\r\nen,q2,p2\r\n')
    rows = read(rows_settings(file), "en")
    assert [(row.place, row.question, row.passage) for row in rows] == [
        (f"{file}:3", "two\r\nlines", "p1"),
        (f"{file}:5", "q2", "p2"),
    ]
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'\xef\xbb\xbf\r\n{"language": "en", "query": "q", "passage": "p"}\r\n')
    assert [(row.place, row.passage) for row in read(rows_settings(file), "en")] == [(f"{file}:2", "p")]


def test_tsv_is_plain_unless_it_is_declared_quoted(tmp_path: Path) -> None:
    file = tmp_path / "a.tsv"
    file.write_text('language\tquery\tpassage\nen\t"Why" not?\t"all of it"\n')
    remarks: list[Remark] = []
    (row,) = read(rows_settings(file), "en", remarks=remarks)
    assert (row.question, row.passage) == ('"Why" not?', '"all of it"')
    assert "a quotation mark" in remark_lines("data", remarks)[0]
    assert f"{file}:2: is not TSV" in problem(rows_settings(file, quotes="double"), "en")


def test_another_delimiter(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("language;query;passage\nen;q;p\n")
    assert texts(read(rows_settings(file, delimiter=";"), "en")) == [("a.csv:2", "en", "q", "p")]
    assert "set data.delimiter=';'" in problem(rows_settings(file))


def test_a_format_can_be_declared(tmp_path: Path) -> None:
    file = tmp_path / "pairs.txt"
    file.write_text(json.dumps(RECORDS[0]))
    assert "set data.format" in problem(rows_settings(file), "en")
    assert len(read(rows_settings(file, format="jsonl"), "en")) == 1


@pytest.mark.parametrize("type", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_every_type_of_text(tmp_path: Path, type: pa.DataType) -> None:
    schema = pa.schema([(name, type) for name in RECORDS[0]])
    for ending in ("parquet", "arrow"):
        file = write_rows(tmp_path / f"a.{ending}", RECORDS, schema=schema)
        assert len(read(rows_settings(file))) == 3


def large_batch(file: Path) -> Path:
    """A file of one batch of 4 MB, which is 5,000 rows."""
    columns = {"language": ["en"] * 5000, "query": ["q" * 400] * 5000, "passage": ["p" * 400] * 5000}
    return write_rows(file, pa.table(columns).to_pylist())


@pytest.mark.parametrize("ending", ["arrow", "stream.arrow"])
def test_a_large_batch_of_arrow_is_not_loaded(tmp_path: Path, ending: str) -> None:
    file = large_batch(tmp_path / f"a.{ending}")
    languages = LanguageSettings(train=("en",), evaluate=None, tiers=None)
    before = pa.total_allocated_bytes()
    for number, _ in enumerate(TRAINING["rows"].open(rows_settings(file), languages, tmp_path).read([])):
        if number % 1000 == 0:
            assert pa.total_allocated_bytes() - before < 2**20


@pytest.mark.parametrize("ending", ["arrow", "stream.arrow"])
def test_an_arrow_file_that_is_cut_while_it_is_read(tmp_path: Path, ending: str) -> None:
    file = large_batch(tmp_path / f"a.{ending}")
    languages = LanguageSettings(train=("en",), evaluate=None, tiers=None)
    rows = TRAINING["rows"].open(rows_settings(file), languages, tmp_path).read([])
    next(rows)
    os.truncate(file, 10_000)
    with pytest.raises(InputError, match="was changed while it was read"):
        list(rows)


# Columns ------------------------------------------------------------------------------------------------------


def test_columns_of_other_names(tmp_path: Path) -> None:
    record = {"id": 17, "lang": "swh", "q": "Wapi?", "doc": "Roma.", "hard": ["Oslo.", "Bern."], "w": 0.5}
    file = write_rows(tmp_path / "a.jsonl", [record])
    columns = {"group": "id", "query": "q", "passage": "doc", "negatives": "hard", "weight": "w"}
    (row,) = read(rows_settings(file, columns), "sw")
    assert row == TrainingRow("17", "sw", "Wapi?", "Roma.", ("Oslo.", "Bern."), "", 0.5, f"{file}:1")


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_question_and_passage_in_languages_of_their_own(tmp_path: Path, ending: str) -> None:
    records = [
        {"query_language": "sw", "query": "Wapi?", "passage_language": "en", "passage": "In Rome."},
        {"query_language": "en", "query": "Where?", "passage_language": "en", "passage": "In Oslo."},
        {"query_language": "sw", "query": "Nani?", "passage_language": "", "passage": "Ada."},
    ]
    rows = read(rows_settings(write_rows(tmp_path / f"a.{ending}", records)))
    assert [(row.language, row.passage_language) for row in rows] == [("sw", "en"), ("en", ""), ("sw", "")]


def test_passages_in_the_language_of_their_question(tmp_path: Path) -> None:
    """A file's name does not say it where the row does."""
    records = [{"query_language": code, "query": f"q {code}", "passage": f"p {code}"} for code in ("sw", "fr", "en")]
    (tmp_path / "en").mkdir()
    for ending in ("jsonl", "csv", "parquet"):
        rows = read(rows_settings(write_rows(tmp_path / "en" / f"a.{ending}", records).parent / f"*.{ending}"))
        assert [(row.language, row.passage_language) for row in rows] == [("sw", ""), ("en", "")]
    unnamed = [{"query": "q", "passage": "p"}, {"query_language": "sw", "query": "q", "passage": "p"}]
    rows = read(rows_settings(write_rows(tmp_path / "b.en.jsonl", unnamed)))
    assert [(row.language, row.passage_language) for row in rows] == [("en", ""), ("sw", "")]


def test_passages_in_the_language_of_the_data(tmp_path: Path) -> None:
    """AfriQA's layout: only the question's language varies."""
    file = write_rows(tmp_path / "a.jsonl", [{"question_lang": "swa", "question": "Wapi?", "context": "In Rome."}])
    columns = {"query_language": "question_lang", "passage": "context"}
    (row,) = read(rows_settings(file, columns, language="en"))
    assert (row.language, row.passage_language, row.passage) == ("sw", "en", "In Rome.")


WIDE = {"query": {"en": "q_en", "sw": "q_sw"}, "passage": {"en": "p_en", "sw": "p_sw"}}


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_a_column_for_each_language(tmp_path: Path, ending: str) -> None:
    records = [
        {"q_en": "Where?", "q_sw": "Wapi?", "p_en": "In Rome.", "p_sw": "Roma."},
        {"q_en": "Who?", "q_sw": "", "p_en": "Ada.", "p_sw": "Ada, sw."},
        {"q_en": "", "q_sw": "Lini?", "p_en": "Today.", "p_sw": ""},
        {"q_en": "When?", "q_sw": "", "p_en": "", "p_sw": ""},
    ]
    remarks: list[Remark] = []
    file = write_rows(tmp_path / f"a.{ending}", records)
    rows = read(rows_settings(file, WIDE, incomplete="skip"), remarks=remarks)
    pairs = [(row.language, row.passage_language, row.question, row.passage) for row in rows]
    assert pairs == [
        ("en", "", "Where?", "In Rome."), ("sw", "", "Wapi?", "Roma."), ("en", "", "Who?", "Ada."),
        ("en", "sw", "Who?", "Ada, sw."), ("sw", "en", "Lini?", "Today."),
    ]  # fmt: skip
    assert len({row.group for row in rows}) == 3
    assert [remark.text.rpartition(" ")[2] for remark in remarks] == ["1"]  # has no passage


def test_a_passage_shared_by_questions_in_several_languages(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "a.jsonl", [{"q_en": "Where?", "q_sw": "Wapi?", "text": "In Rome."}])
    columns = {"query": WIDE["query"], "passage": "text"}
    rows = read(rows_settings(file, columns, language="en"))
    assert [(row.language, row.passage_language) for row in rows] == [("en", ""), ("sw", "en")]
    assert "no column is called language" in problem(rows_settings(file, columns))


def pairs_of(file: Path, columns: dict[str, Any], *train: str, **changes: Any) -> dict[tuple[str, str], int]:
    """How many groups of the training set that is built have a question and a passage in these languages, if any."""
    languages = LanguageSettings(train=train, evaluate=None, tiers=None)
    rows = TRAINING["rows"].open(rows_settings(file, columns, **changes), languages, file.parent)
    built = training_set_of(rows, train)
    counts = {(asked, answered): len(built.rows(asked, answered)) for asked in train for answered in train}
    return {pair: count for pair, count in counts.items() if count}


def both(*codes: str) -> dict[str, dict[str, str]]:
    columns = {code: code for code in codes}
    return {"query": columns, "passage": columns}


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_a_table_of_translations(tmp_path: Path, ending: str) -> None:
    """A column that is named for questions and for passages has one role in a record: no text is its own passage."""
    codes = ("en", "sw", "ha")
    records = [{code: f"Sentence {number}, {code}." for code in codes} for number in range(200)]
    file = write_rows(tmp_path / f"a.{ending}", records)
    for train in (codes, codes[:2]):
        built = pairs_of(file, both(*codes), *train)
        assert set(built) == {(asked, answered) for asked in train for answered in train if asked != answered}
        assert min(built.values()) > 50  # of each ordered pair about as many
    assert pairs_of(file, both(*codes), *codes) == pairs_of(file, both(*codes), *codes)


def test_records_of_one_group_of_translations_have_the_same_roles(tmp_path: Path) -> None:
    records = [{"group": number // 2, "en": f"{number} en.", "sw": f"{number} sw."} for number in range(100)]
    built = pairs_of(write_rows(tmp_path / "a.jsonl", records), both("en", "sw"), "en", "sw")
    assert set(built) == {("en", "sw"), ("sw", "en")}
    assert sum(built.values()) == 50


def test_only_columns_that_are_named_for_both_have_one_role(tmp_path: Path) -> None:
    """With other columns beside it, one alone asks or answers."""
    file = write_rows(tmp_path / "a.jsonl", [{"en": f"{n} en.", "sw": f"{n} sw.", "q": f"{n}?"} for n in range(60)])
    answers = pairs_of(file, {"query": {"en": "en"}, "passage": {"en": "en", "sw": "sw"}}, "en", "sw")
    assert answers == {("en", "sw"): 60}
    asks = pairs_of(file, {"query": {"en": "en", "sw": "q"}, "passage": {"en": "en"}}, "en", "sw")
    assert asks == {("sw", "en"): 60}
    mixed = pairs_of(file, {"query": {"en": "en", "sw": "q"}, "passage": {"en": "en", "sw": "sw"}}, "en", "sw")
    assert mixed[("sw", "sw")] == 60
    assert mixed[("en", "sw")] + mixed[("sw", "en")] == 60
    assert ("en", "en") not in mixed
    of_row = {"query": "en", "passage": {"en": "en", "sw": "sw"}}
    assert pairs_of(file, of_row, "en", "sw", language="en") == {("en", "sw"): 60}


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_columns_of_sentence_transformers(tmp_path: Path, ending: str) -> None:
    file = write_rows(
        tmp_path / f"en.{ending}",
        [{"anchor": "a", "positive": "p", "negative_1": "n1", "negative_2": "n2"}],
    )
    (row,) = read(rows_settings(file), "en")
    assert row[:5] == (f"en.{ending}:{2 if ending == 'csv' else 1}", "en", "a", "p", ("n1", "n2"))


def test_lists_of_passages(tmp_path: Path) -> None:
    for ending in ("jsonl", "parquet"):
        file = write_rows(tmp_path / f"x.{ending}", [{"anchor": "a", "positives": ["p1", "p2"], "negatives": ["n"]}])
        rows = read(rows_settings(file, language="en"), "en")
        assert [(row.question, row.passage, row.negatives) for row in rows] == [
            ("a", "p1", ("n",)),
            ("a", "p2", ("n",)),
        ]


def test_negatives_of_wide_tables(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "a.jsonl", [
        {"q_en": "Where?", "q_sw": "Wapi?", "p_en": "Rome", "p_sw": "Roma", "n_en": ["Oslo"], "n_sw": None}
    ])  # fmt: skip
    rows = read(rows_settings(file, {**WIDE, "negatives": {"en": "n_en", "sw": "n_sw"}}))
    assert [row.negatives for row in rows] == [("Oslo",), ()]
    for columns in ({**WIDE, "negatives": "n_en"}, {"negatives": {"en": "n_en"}}):
        with pytest.raises(ValueError, match="a column for each language"):
            rows_settings(file, columns)


@pytest.mark.parametrize("name", ["en.jsonl", "train.en.jsonl", "eng/part-0.jsonl", "en/data/0.jsonl.gz"])
def test_the_language_of_a_file_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    write_rows(tmp_path / name, [{"query": "q", "passage": "p"}])
    (row,) = read(rows_settings(tmp_path), "en")
    assert row.group == f"{name}:1"


def test_absent_keys_of_json_lines_are_absent_values(tmp_path: Path) -> None:
    records = [RECORDS[0], {**RECORDS[1], "negatives": ["n"], "weight": 2}, {**RECORDS[2], "weight": None}]
    rows = read(rows_settings(write_rows(tmp_path / "a.jsonl", records)))
    assert [(row.negatives, row.weight) for row in rows] == [((), 1.0), (("n",), 2.0), ((), 1.0)]


# What is remarked ---------------------------------------------------------------------------------------------


def test_other_languages_are_passed_over_and_counted(tmp_path: Path) -> None:
    records = [*RECORDS, {**RECORDS[0], "language": "fra"}, {**RECORDS[0], "language": "fr"}]
    remarks: list[Remark] = []
    rows = read(rows_settings(write_rows(tmp_path / "a.parquet", records)), remarks=remarks)
    assert len(rows) == 3
    assert remark_lines("data", remarks) == (
        "data: rows in languages that are not in languages.train are passed over: fr 2",
    )


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_repeats_are_counted_or_refused(tmp_path: Path, ending: str) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    write_rows(folder / f"1.{ending}", [*RECORDS, RECORDS[0]])  # equal rows are no repeats
    second = write_rows(folder / f"2.{ending}", [RECORDS[2], {**RECORDS[1], "query": "Kwa nini?"}])
    remarks: list[Remark] = []
    assert len(read(rows_settings(folder), remarks=remarks)) == 6
    place = "2.parquet: row 2" if ending == "parquet" else "2.jsonl:2"
    assert remark_lines("data", remarks) == (
        f"data: translation groups with several questions or passages in a language: sw 1; the first: {place}",
    )
    assert problem(rows_settings(folder, repeats="refuse")).startswith(f"{second.parent}/{place}: its group already")


def pair(asked: str, question: str, answered: str, passage: str) -> dict[str, str]:
    return {
        "group": "g", "query_language": asked, "query": question, "passage_language": answered, "passage": passage,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("records", "language"),
    [
        ([pair("en", "q", "en", "p"), pair("en", "q2", "sw", "r")], "en"),
        ([pair("en", "q", "en", "p"), pair("sw", "r", "en", "p2")], "en"),
        ([pair("sw", "q", "en", "p"), pair("en", "r", "sw", "s"), pair("sw", "q2", "sw", "s")], "sw"),
    ],
)
def test_repeats_in_rows_of_other_pairs_of_languages(
    tmp_path: Path, records: list[dict[str, str]], language: str
) -> None:
    file = write_rows(tmp_path / "a.jsonl", records)
    remarks: list[Remark] = []
    assert len(read(rows_settings(file), remarks=remarks)) == len(records)
    (one,) = remark_lines("data", remarks)
    assert one.endswith(f": {language} 1; the first: a.jsonl:{len(records)}")
    message = problem(rows_settings(file, repeats="refuse"))
    assert message.startswith(
        f"{file}:{len(records)}: its group already has another question or passage in '{language}'"
    )


def test_rows_that_share_a_question_or_a_passage_are_no_repeats(tmp_path: Path) -> None:
    records = [pair(a, f"q {a}", b, f"p {b}") for a in ("en", "sw") for b in ("en", "sw")]
    assert len(read(rows_settings(write_rows(tmp_path / "a.jsonl", records), repeats="refuse"))) == 4


def test_languages_without_rows_are_named_with_those_there_are(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "a.jsonl", [*RECORDS, {**RECORDS[0], "language": "fr"}])
    message = problem(rows_settings(file), "en", "sw", "yo", "zu")
    assert "no row in yo, zu; rows by language: en 2, fr 1, sw 1;" in message
    other = write_rows(tmp_path / "own.jsonl", [{"query": "q", "passage": "p"}])
    assert "rows by language: own 1; set languages.train, or data.language" in problem(rows_settings(other), "en")


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_rows_without_a_text_are_passed_over_if_it_says_so(tmp_path: Path, ending: str) -> None:
    records = [*RECORDS, {**RECORDS[0], "passage": None}, {**RECORDS[1], "query": " "}]
    file = write_rows(tmp_path / f"a.{ending}", records)
    remarks: list[Remark] = []
    assert len(read(rows_settings(file, incomplete="skip"), remarks=remarks)) == 3
    assert remark_lines("data", remarks) == (
        "data: rows without both a question and a passage in languages.train are passed over: 2",
    )
    for incomplete in (3, 4):
        alone = write_rows(tmp_path / f"b.{ending}", [records[incomplete]])
        message = problem(rows_settings(alone), records[incomplete]["language"])
        assert f"column '{'passage' if incomplete == 3 else 'query'}'" in message
        assert message.endswith("; data.incomplete=skip passes rows without one over")


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("lacks", ["p", "q"])
def test_a_record_with_only_questions_or_passages_is_refused(tmp_path: Path, ending: str, lacks: str) -> None:
    """Of a table with a column for each language, but for what it has in languages that are not trained on."""
    full = {"q_en": "Where?", "q_sw": "Wapi?", "p_en": "In Rome.", "p_sw": "Roma."}
    file = write_rows(tmp_path / f"a.{ending}", [full, full | {f"{lacks}_en": "", f"{lacks}_sw": " "}])
    place = {"jsonl": ":2", "csv": ":3", "parquet": ": row 2"}[ending]
    assert problem(rows_settings(file, WIDE)) == (
        f"{file}{place}: has no question with a passage; data.incomplete=skip passes such rows over"
    )
    assert len(read(rows_settings(file, WIDE, incomplete="skip"))) == 2
    file = write_rows(file, [full, full | {"q_en": "", "p_en": ""}])
    assert len(read(rows_settings(file, WIDE), "en")) == 1


def test_no_negative_is_written_in_several_ways(tmp_path: Path) -> None:
    """As pandas does, too."""
    record = {"anchor": "a", "positive": "p", "negative_1": "n"}
    for nothing in (None, "", " ", [], float("nan")):
        file = write_rows(tmp_path / "en.jsonl", [record | {"negative_2": nothing}])
        (row,) = read(rows_settings(file), "en")
        assert row.negatives == ("n",)
    pq.write_table(pa.table({**{name: [text] for name, text in record.items()}, "negative_2": [float("nan")]}),
                   tmp_path / "en.parquet")  # fmt: skip
    (row,) = read(rows_settings(tmp_path / "en.parquet"), "en")
    assert row.negatives == ("n",)


# Where the files are ------------------------------------------------------------------------------------------


def test_folders_and_patterns_are_read_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "a [1]"
    folder.mkdir()
    for name in ("b", "a", ".hidden"):
        write_rows(folder / f"{name}.jsonl", [{"query": name, "passage": "p", "language": "en"}])
    (folder / "README.md").write_text("not rows")
    assert [row.group for row in read(rows_settings(folder), "en")] == ["a.jsonl:1", "b.jsonl:1"]
    assert [row.group for row in read(rows_settings(f"{tmp_path}/a*/[ab].jsonl"), "en")] == [
        "a [1]/a.jsonl:1",
        "a [1]/b.jsonl:1",
    ]
    assert len(read(rows_settings(f"file://{folder}/a.jsonl"), "en")) == 1
    write_rows(folder / "c.csv", RECORDS)
    assert "files of 2 formats" in problem(rows_settings(folder), "en")


def test_files_of_fsspec_are_fetched_once(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    for name in ("en/0.jsonl", "sw/0.jsonl", "README.md"):
        memory.pipe(f"/team/{name}", b'{"query": "q", "passage": "p %s"}' % name.encode())
    first = read(rows_settings("memory://team"), cache=tmp_path)
    assert [(row.group, row.language) for row in first] == [("en/0.jsonl:1", "en"), ("sw/0.jsonl:1", "sw")]
    pattern = read(rows_settings("memory://team/*/0.jsonl"), cache=tmp_path)
    assert [row.group for row in pattern] == [row.group for row in first]
    memory.rm("/team", recursive=True)
    assert read(rows_settings("memory://team"), cache=tmp_path) == first
    message = problem(rows_settings("memory://team/en"), "en", cache=tmp_path)
    assert message.startswith("memory://team/en: cannot be fetched (no such file)")


def from_hub(folder: Path, *files: str) -> RowsData:
    return rows_settings(None, repository="team/pairs", revision="0a" * 20, files=files)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with what the hub gave: a file for each of four languages, one of them twice."""
    (tmp_path / "data").mkdir()
    for name in ("fi-0", "fi-1", "fil", "zh", "zh_Hant"):
        write_rows(tmp_path / "data" / f"{name}.jsonl", [{"query": f"q {name}", "passage": f"p {name}"}])
    monkeypatch.setattr(HubRepositories, "fetch", lambda *_: tmp_path)
    return tmp_path


def test_a_file_of_the_hub_has_one_language(hub: Path) -> None:
    """A pattern may fit a file for several languages: what its name is in decides."""
    remarks: list[Remark] = []
    of_question = {
        row.question: row.language
        for row in read(from_hub(hub, "data/{language}*.jsonl"), "fil", "fi", "zh_Hant", "zh", remarks=remarks)
    }
    assert of_question == {
        "q fi-0": "fi", "q fi-1": "fi", "q fil": "fil", "q zh": "zh", "q zh_Hant": "zh_Hant",
    }  # fmt: skip
    rows = read(from_hub(hub, "data/{language}*.jsonl"), "fi", remarks=remarks)
    assert [row.question for row in rows] == ["q fi-0", "q fi-1"]
    assert [remark.language for remark in remarks] == ["fil"]
    write_rows(hub / "data" / "fil-x0.jsonl", [{"query": "q", "passage": "p"}])
    assert problem(from_hub(hub, "data/{language}*.jsonl"), "fi", "fil") == (
        "team/pairs: data/fil-x0.jsonl fits the languages fi, fil; write patterns in data.files that fit each file "
        "for one of them"
    )


def test_files_of_the_hub_in_folders_of_a_language(hub: Path) -> None:
    for name in ("sw/en.jsonl", "swtrain.jsonl"):
        (hub / name).parent.mkdir(exist_ok=True)
        write_rows(hub / name, [{"query": name, "passage": "p"}])
    (row,) = read(from_hub(hub, "{language}/*.jsonl"), "sw")
    assert row.language == "sw"
    (row,) = read(from_hub(hub, "{language}*.jsonl"), "sw")
    assert (row.question, row.language) == ("swtrain.jsonl", "sw")


def test_files_of_the_hub_in_two_formats(hub: Path) -> None:
    write_rows(hub / "data" / "fi.csv", [{"query": "q", "passage": "p"}])
    message = problem(from_hub(hub, "data/*"), "fi")
    assert message.startswith("team/pairs: has files of 2 formats (data/zh_Hant.jsonl, data/fi.csv)")
    assert message.endswith("such as data.files=['**/*.jsonl']")


def test_files_of_another_ending_are_fetched_when_a_format_is_declared(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    for name in ("a.jsonl", "b.txt"):
        memory.pipe(f"/mixed/{name}", b'{"query": "q", "passage": "p"}')
    settings = partial(rows_settings, "memory://mixed", language="en")
    for _ in range(2):
        assert [row.group for row in read(settings(), "en", cache=tmp_path)] == ["a.jsonl:1"]
        declared = read(settings(format="jsonl"), "en", cache=tmp_path)
        assert [row.group for row in declared] == ["a.jsonl:1", "b.txt:1"]
    memory.rm("/mixed", recursive=True)


def test_a_folder_of_a_web_server(server: str, tmp_path: Path) -> None:
    for changes in ({}, {"format": "jsonl"}):
        rows = read(rows_settings(f"{server}/", **changes), cache=tmp_path / "cache")
        assert [row.group for row in rows] == [record["group"] for record in RECORDS]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if "cut" not in self.path:
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"query": "q", "passage"')
        return None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "published").mkdir()
    write_rows(tmp_path / "published" / "pairs.jsonl", RECORDS)
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=tmp_path / "published")
    ) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


def test_files_behind_a_url(server: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    url = f"{server}/pairs.jsonl?download=true"
    rows = read(rows_settings(url), cache=cache)
    assert texts(rows) == [tuple(record.values()) for record in RECORDS]
    assert Path(rows[0].place.rpartition(":")[0]).is_relative_to(cache)
    (tmp_path / "published" / "pairs.jsonl").unlink()
    assert read(rows_settings(url), cache=cache) == rows  # of the cache
    for file in cache.rglob("*.jsonl"):
        file.unlink()
    assert problem(rows_settings(url), cache=cache).startswith(f"{url}: cannot be fetched (no such file)")
    blocked = tmp_path / "file"
    blocked.touch()
    assert "cannot be written (Not a directory); set paths.cache" in problem(rows_settings(url), cache=blocked)


@pytest.mark.parametrize(("name", "why"), [("gone.jsonl", "no such file"), ("cut.jsonl", "")])
def test_urls_that_give_nothing(server: str, tmp_path: Path, name: str, why: str) -> None:
    message = problem(rows_settings(f"{server}/{name}"), cache=tmp_path / "cache")
    assert message.startswith(f"{server}/{name}: cannot be fetched ({why}")
    assert not list((tmp_path / "cache").rglob("*.jsonl"))  # nothing is left half-written


def test_servers_and_kinds_of_urls_that_cannot_be_had(tmp_path: Path) -> None:
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/a.jsonl"
        assert problem(rows_settings(url), cache=tmp_path).startswith(f"{url}: cannot be fetched (")
    assert "pip install gcsfs" in problem(rows_settings("gs://bucket/a.jsonl"), cache=tmp_path)
    assert "cannot be fetched (Protocol not known: team)" in problem(rows_settings("team://x"), cache=tmp_path)


# Bad input ----------------------------------------------------------------------------------------------------

BAD: dict[str, tuple[str, bytes, str]] = {
    "broken line": ("a.jsonl", b'{"language": "en"\n', ":1: is not JSON (EOF while parsing an object"),
    "one document": ("a.jsonl", b'[\n{"query": "q"}]', ": is one JSON document, not JSON Lines"),
    "no object": ("a.jsonl", b'"text"\n', ":1: must be an object, {column: value}, not"),
    "NUL": ("a.jsonl", b'{"query": "a\0b"}\n', ":1: is not JSON (control character"),
    "latin-1": ("a.jsonl", '{"query": "é"}\n'.encode("latin-1"), ":1: byte 12 is not UTF-8"),
    "utf-16": ("a.csv", "language,query,passage\n".encode("utf-16"), ": is in UTF-16"),
    "surrogate": ("a.jsonl", b'{"query": "\\ud800"}', ":1: is not JSON (unexpected end of hex escape"),
    "empty file": ("a.jsonl", b"", ": is empty"),
    "blank lines": ("a.jsonl", b"\n\n", ": is empty"),
    "only a header": ("a.csv", b"language,query,passage\n", ": is empty"),
    "empty Arrow": ("a.arrow", b"", ": cannot be read after row 0"),
    "empty Parquet": ("a.parquet", b"", ": cannot be read after row 0"),
    "cut gzip": ("a.jsonl.gz", gzip.compress(json.dumps(RECORDS[0]).encode())[:-9], ": ends after line 0"),
    "no Parquet": ("a.parquet", b"PAR1 and something else", ": cannot be read after row 0"),
    "no Arrow": ("a.arrow", b"ARROW1 and something else", ": cannot be read after row 0"),
    "old Feather": ("a.feather", b"FEA1....", ": is Feather of version 1"),
    "missing column": ("a.csv", b"language,quety,passage\nen,q,p\n", "the query: data.columns.query=quety"),
    "duplicate header": ("a.csv", b"language,query,query,passage\n", ":1: two columns are called 'query'"),
    "ragged": ("a.csv", b"language,query,passage\nen,q,p\nen,q,p,x\n", ":3: has 4 fields, and the first line"),
    "short": ("a.tsv", b"language\tquery\tpassage\nen\tq\n", ":2: has 2 fields"),
    "open quote": ("a.csv", b'language,query,passage\nen,q,p\nen,"q,p\nen,q,p\n', ":3: is not CSV (unexpected end"),
    "bad quote": ("a.csv", b'language,query,passage\nen,"q"x,p\n', ":2: is not CSV ("),
    "CR in TSV": ("a.tsv", b"language\tquery\tpassage\nen\tq\rr\tp\n", "remove it: tr -d '\\r' <a.tsv; or set"),
    "CR in CSV": ("a.csv", b"language,query,passage\nen,q\rr,p\n", "; or put the text in quotation marks"),
    "only CR": ("a.csv", b"language,query,passage\ren,q,p\r", "end them in LF: tr '\\r' '\\n' <a.csv"),
    "long": ("a.tsv", b"language\tquery\tpassage\nen\tq\t" + b"p" * 5_000_000, "a text of more than 4,194,304 char"),
    "no gzip": ("en.csv.gz", b"query,passage\nq,p\n", "fetch it again, or if unpacked call it en.csv"),
    "NUL in CSV": ("a.csv", b"language,query,passage\nen,q\0,p\n", ":2: has a NUL character"),
    "null text": ("a.jsonl", b'{"language": "en", "query": null, "passage": "p"}', "column 'query' must be a text"),
    "number": ("a.jsonl", b'{"language": "en", "query": "q", "passage": 7}', "not 7 (int)"),
    "no passage": ("a.jsonl", b'{"language": "en", "query": "q", "passage": []}', "not an empty list"),
    "null in list": ("a.jsonl", b'{"language": "en", "query": "q", "passage": ["p", null]}', "item 2 is null"),
    "null language": ("a.jsonl", b'{"language": null, "query": "q", "passage": "p"}', ":1: a language must be"),
    "unknown language": ("a.csv", b"language,query,passage\nenglish,q,p\n", ":2: 'english' is no language"),
    "weight": ("a.csv", b"language,query,passage,weight\nen,q,p,-1\n", ":2: column 'weight' must be a number"),
    "infinite": ("a.csv", b"language,query,passage,weight\nen,q,p,inf\n", ":2: column 'weight' must be a number"),
    "true weight": ("a.jsonl", b'{"language":"en","query":"q","passage":"p","weight":true}', "not True (bool)"),
    "group": ("a.jsonl", b'{"group": 1.5, "language":"en","query":"q","passage":"p"}', ":1: column 'group' must"),
    "null group": ("a.jsonl", b'{"group": null, "language":"en","query":"q","passage":"p"}', "not null"),
    "no language": ("rows.jsonl", b'{"query":"q","passage":"p"}', ":1: no column is called language"),
    "two queries": ("a.jsonl", b'{"query":"q","question":"q","passage":"p"}', ":1: query and question could both"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_message_with_its_place(tmp_path: Path, name: str) -> None:
    file_name, content, expected = BAD[name]
    file = tmp_path / file_name
    file.write_bytes(content)
    message = problem(rows_settings(file), "en")
    assert message.startswith(f"{file}")
    assert expected in message


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_bad_values_in_tables_are_named_by_their_row(tmp_path: Path, ending: str) -> None:
    records = [RECORDS[0] for _ in range(1500)]
    for changed, expected in (
        ({"passage": None}, "column 'passage' must be a text or a list of texts, not null"),
        ({"language": "xx1"}, "'xx1' is no language"),
    ):
        file = write_rows(tmp_path / f"a.{ending}", [*records, {**RECORDS[0], **changed}])
        assert problem(rows_settings(file), "en").startswith(f"{file}: row 1501: {expected}")


def test_text_that_is_no_utf_8_in_a_table(tmp_path: Path) -> None:
    columns = {"language": ["en", "en"], "query": ["a", "b"]}
    buffers = pa.array(["p", "q"]).buffers()
    damaged = pa.StringArray.from_buffers(2, buffers[1], pa.py_buffer(b"p\xff"))
    pq.write_table(pa.table({**columns, "passage": damaged}), tmp_path / "a.parquet")
    assert problem(rows_settings(tmp_path / "a.parquet"), "en") == (
        f"{tmp_path / 'a.parquet'}: row 2: column 'passage' is not UTF-8"
    )


def test_values_that_are_no_text_in_a_table(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    texts = {"language": ["en", "en"], "query": ["a", "b"]}
    for passage, expected in (
        (pa.array([2**62, 1], pa.timestamp("us")), "row 1: column 'passage' cannot be read ("),
        (pa.array([b"a", b"b"]), "row 1: column 'passage' must be a text or a list of texts, not b'a' (bytes)"),
        (pa.array([["p"], ["p", None]]), "row 2: column 'passage' must be a list of texts; item 2 is null"),
    ):
        pq.write_table(pa.table({**texts, "passage": passage}), file)
        assert problem(rows_settings(file), "en").startswith(f"{file}: {expected}")


def test_a_named_column_that_is_missing(tmp_path: Path) -> None:
    for ending in ("jsonl", "csv", "parquet"):
        file = write_rows(tmp_path / f"a.{ending}", RECORDS)
        message = problem(rows_settings(file, {"negatives": "pasage"}))
        assert message.startswith(str(file))
        assert message.endswith(
            "has no column 'pasage' (data.columns.negatives); it has: group, language, query, passage; "
            "did you mean 'passage'?"
        )


def test_two_columns_of_one_name_in_a_table(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["x"])] * 3, ["query", "query", "passage"])
    pq.write_table(table, tmp_path / "a.parquet")
    assert "two columns are called 'query'" in problem(rows_settings(tmp_path / "a.parquet"))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    assert problem(rows_settings(tmp_path / "gone.jsonl")).endswith("no such file or folder (data.path)")
    assert "no file has a name of this pattern" in problem(rows_settings(tmp_path / "*.jsonl"))
    (tmp_path / "notes.txt").write_text("")
    assert "has no rows files (there: notes.txt); their names end in .jsonl" in problem(rows_settings(tmp_path))


def test_a_file_that_vanishes_or_changes_while_it_is_read(tmp_path: Path) -> None:
    languages = LanguageSettings(train=("en", "sw"), evaluate=None, tiers=None)
    for ending in ("jsonl", "parquet", "arrow"):
        for change, expected in ((Path.unlink, "vanished"), (lambda file: file.write_bytes(b"x"), "was changed")):
            file = write_rows(tmp_path / f"a.{ending}", RECORDS)
            rows = TRAINING["rows"].open(rows_settings(file), languages, tmp_path).read([])
            next(rows)
            change(file)
            with pytest.raises(InputError, match=rf"{expected} while it was read|cannot be read after row"):
                list(rows)
        rows = TRAINING["rows"].open(rows_settings(write_rows(file, RECORDS)), languages, tmp_path).read([])
        file.unlink()
        with pytest.raises(InputError, match="no such file"):
            list(rows)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    for ending in ("jsonl", "parquet"):
        file = write_rows(tmp_path / f"a.{ending}", RECORDS)
        file.chmod(0)
        assert "cannot be read" in problem(rows_settings(file))
    tmp_path.chmod(0)
    try:
        assert "cannot be read (Permission denied)" in problem(rows_settings(tmp_path))
    finally:
        tmp_path.chmod(0o700)


def test_a_reading_begins_anew_each_time(tmp_path: Path) -> None:
    languages = LanguageSettings(train=("en", "sw"), evaluate=None, tiers=None)
    rows = TRAINING["rows"].open(rows_settings(write_rows(tmp_path / "a.jsonl", RECORDS)), languages, tmp_path)
    assert list(rows.read([])) == list(rows.read([]))
    assert rows.files == (tmp_path / "a.jsonl",)
