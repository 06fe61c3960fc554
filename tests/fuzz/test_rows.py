"""Rows on damaged and edited files: a right result, or one line. A result is compared with another reading."""

import csv
import gzip
import json
from io import BytesIO, StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.data.training_row import TrainingRow
from sweep.errors import InputError
from sweep.settings.language import language_name
from tests.fuzz.damage import VALUES, damaged, edited, refused, tries
from tests.unit.test_rows import RECORDS, read, rows_settings

LIST = [{**record, "negatives": ["N one", "N two"], "weight": 1.5, "passage_language": "en"} for record in RECORDS]


def table(kind: str) -> bytes:
    """The records as a Parquet or an Arrow file."""
    sink = BytesIO()
    content = pa.Table.from_pylist(LIST)
    if kind == "parquet":
        pq.write_table(content, sink)
    else:
        make = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
        with make(sink, content.schema) as writer:
            writer.write_table(content)
    return sink.getvalue()


def delimited(rows: list[dict[str, Any]]) -> bytes:
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(rows[0])
    writer.writerows(row.values() for row in rows)
    return text.getvalue().encode()


WHOLE = {
    "jsonl": "\n".join(map(json.dumps, LIST)).encode(),
    "csv": delimited(RECORDS),
    "parquet": table("parquet"),
    "arrow": table("arrow"),
    "stream": table("stream"),
}


def rows_of(content: bytes, ending: str) -> list[TrainingRow] | None:
    """The rows of a file with this content; None if it is refused in one clear line."""
    with TemporaryDirectory() as folder:
        file = Path(folder, f"a.{'arrow' if ending == 'stream' else ending}")
        file.write_bytes(content)
        try:
            return read(rows_settings(file), "en", "sw")
        except InputError as error:
            problem = error
        refused(problem)
        assert str(file) in str(problem)
        return None


def check(rows: list[TrainingRow], records: list[dict[str, Any]]) -> None:
    """Every row says what the record at its place does."""
    for row in rows:
        record = records[int(row.place.replace(": row ", ":").rpartition(":")[2]) - 1]
        assert language_name(record["language"].strip()) == row.language
        assert row.question == record["query"] or row.question in record["query"]
        assert row.passage == record["passage"] or row.passage in record["passage"]
        assert row.weight == (1.0 if record.get("weight") in (None, "") else float(record["weight"]))
        if "group" in record:
            assert row.group == str(record["group"])


@pytest.mark.parametrize("ending", WHOLE)
def test_the_files_that_are_damaged_are_read_when_they_are_whole(ending: str) -> None:
    rows = rows_of(WHOLE[ending], ending)
    assert rows is not None
    assert len(rows) == 3


@tries(200)
@given(st.sampled_from(["jsonl", "csv"]), st.data())
def test_damaged_text(ending: str, data: st.DataObject) -> None:
    content = data.draw(damaged(WHOLE[ending]))
    rows = rows_of(content, ending)
    if rows is None:
        return
    text = content.decode("utf-8-sig")
    if ending == "jsonl":
        check(rows, [json.loads(line) if line.strip() else {} for line in text.split("\n")])
        return
    lines = list(csv.reader(StringIO(text, newline=""), strict=True))
    asked = {(row.question, row.passage) for row in rows}
    names = [name.strip() for name in next(filter(None, lines))]
    records = [dict(zip(names, line, strict=True)) for line in lines[1:] if line and line != names]
    assert asked <= {(record["query"], record["passage"]) for record in records}


@tries(100)
@given(st.sampled_from(["parquet", "arrow", "stream"]), st.data())
def test_damaged_tables(ending: str, data: st.DataObject) -> None:
    rows_of(data.draw(damaged(WHOLE[ending])), ending)


@tries(50)
@given(st.data())
def test_damaged_archives(data: st.DataObject) -> None:
    rows = rows_of(data.draw(damaged(gzip.compress(WHOLE["jsonl"], mtime=0))), "jsonl.gz")
    assert rows is None or [row[:5] for row in rows] == [row[:5] for row in rows_of(WHOLE["jsonl"], "jsonl") or ()]


@tries(200)
@given(st.data())
def test_edited_records(data: st.DataObject) -> None:
    records = data.draw(edited(LIST))
    if all(isinstance(record, dict) for record in records):
        rows = rows_of("\n".join(map(json.dumps, records)).encode(), "jsonl")
        check(rows or [], records)


@tries(100)
@given(st.lists(st.sampled_from([value for value in VALUES if isinstance(value, str)]), min_size=12, max_size=12))
def test_texts_of_csv_as_people_write_them(texts: list[str]) -> None:
    records = [{"query": texts[n], "passage": texts[n + 1], "language": "en"} for n in range(0, 12, 2)]
    records.append({"query": "Wapi?", "passage": "Roma.", "language": "sw"})
    rows = rows_of(delimited(records), "csv")
    if rows is not None:
        assert [(row.question, row.passage) for row in rows] == [
            (record["query"], record["passage"]) for record in records
        ]
    else:
        assert any("\0" in text or "\ud7ff" in text or not text.strip() for text in texts)
