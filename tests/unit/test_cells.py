"""CSV files that are opened in a spreadsheet run no formulas, and lose nothing."""

import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from sweep.records.cells import as_cell, as_texts
from sweep.records.export import export_trials
from sweep.records.folder import StudyFolder
from sweep.records.table import TrialsTable, read_metrics
from sweep.records.trial_record import TrialRecord

FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", '=HYPERLINK("http://evil","x")', "-", "'=1+1", "''=1"]
PLAIN = ["a=b", "-0.5", "+2", "", "'quoted'", "12", "é"]


@pytest.mark.parametrize("text", [*FORMULAS, "\t=1", "\r=1"])
def test_formulas_get_an_apostrophe(text: str) -> None:
    assert as_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", [*PLAIN, -0.5, -3, 1e-7, None])
def test_all_else_stays(value: Any) -> None:
    assert as_cell(value) is value


@given(st.text(alphabet="'=+-@\t\rx1. "))
def test_every_text_comes_back(text: str) -> None:
    assert as_texts(pa.array([as_cell(text)])).to_pylist() == [text]


@pytest.mark.parametrize("times", [1, 2])
def test_exported_trials_run_no_formulas(times: int, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "study")
    folder.path.mkdir()
    values = [*FORMULAS, *(text for text in PLAIN if text)]
    records = [
        TrialRecord(f"p={number},seed=0", number, 0, "FAILED", {"p": value}, reason=value)
        for number, value in enumerate(values)
    ]
    for _ in range(times):  # what is there already is copied as it is
        TrialsTable(folder.trials_csv).update(records)
        for name in ("all.csv", "all.parquet"):
            assert export_trials(folder, records, tmp_path / name) == len(values)
    for file in (folder.trials_csv, tmp_path / "all.csv"):
        with file.open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        assert [row["p"] for row in rows] == [row["reason"] for row in rows] == [as_cell(value) for value in values]
    whole = parquet.read_table(tmp_path / "all.parquet").to_pylist()
    assert [row["p"] for row in whole] == [row["reason"] for row in whole] == values
    assert read_metrics(folder.trials_csv, []) == {record.key: {} for record in records}
