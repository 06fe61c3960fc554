"""The table of results of studies of any size."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from sweep.records.folder import StudyFolder, TrialFolder
from sweep.records.table import TrialsTable, read_metrics
from sweep.records.trial_record import TrialRecord
from sweep.records.values import TrialResult
from sweep.report.summary import MOST_FAILURES, MOST_POINTS, print_summary
from sweep.settings import Objective

MAP, LOW = "cldr/mono/map", "cldr/pooled/alignment_consistency/low"
OBJECTIVE = Objective(metric=LOW, direction="maximize")


def study(folder: StudyFolder, points: int, failed: int = 0) -> list[TrialRecord]:
    records = []
    for number in range(points + failed):
        key = f"a={number},seed=0"
        if number < points:
            metrics = {MAP: number / 8, LOW: number / 4, "cldr/other": 0.5}
            folder.trial(key).write_result(TrialResult(key, "f", metrics, 0.1, 1.0, {}, 0, {}))
        state = "COMPLETE" if number < points else "FAILED"
        value = number / 4 if number < points else None
        reason = None if number < points else "nan"
        records.append(
            TrialRecord(
                key,
                number,
                0,
                state,
                {"a": number},
                1,
                value,
                duration_s=1.0,
                reason=reason,
                folder=folder.trial(key),
            )  # type: ignore[arg-type]
        )
    TrialsTable(folder.trials_csv).update(records)
    return records


def printed(folder: StudyFolder, records: list[TrialRecord]) -> list[str]:
    console = Console(file=StringIO(), width=160)
    print_summary(console, folder, records, "cldr", [OBJECTIVE])
    assert isinstance(console.file, StringIO)
    return [line.strip() for line in console.file.getvalue().splitlines()]


def test_a_table_of_all_points_without_reading_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = StudyFolder(tmp_path)
    records = study(folder, 3, failed=1)
    monkeypatch.setattr(TrialFolder, "read_result", lambda _: pytest.fail("a result was read"))
    lines = printed(folder, records)
    found = [line.split() for line in lines if line[:1].isdigit()]
    assert found == [
        [str(a), "1", f"{a / 8:.3f}", "–", "–", "–", f"{a / 4:.3f}", "–", "–"] for a in range(3)
    ]  # a dash: the metric is not there
    assert f"Best by {LOW} (maximize): a=2 with 0.500" in lines
    assert "FAILED a=3,seed=0: nan" in lines
    assert not any("of 3 points" in line for line in lines)


def test_a_large_study_shows_its_best_points_in_order(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    lines = printed(folder, study(folder, MOST_POINTS + 2, MOST_FAILURES + 5))
    found = [int(line.split()[0]) for line in lines if line[:1].isdigit()]
    assert found == list(range(2, MOST_POINTS + 2))
    assert f"The best {MOST_POINTS} of {MOST_POINTS + 2} points; trials.csv has all of them." in lines
    assert sum(line.startswith("FAILED a=") for line in lines) == MOST_FAILURES
    assert "FAILED: 5 more; trials.csv has their reasons" in lines


def test_metrics_are_read_by_column(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    study(folder, 2, failed=1)
    assert read_metrics(folder.trials_csv, [MAP, "cldr/none", MAP]) == {
        "a=0,seed=0": {MAP: 0.0},
        "a=1,seed=0": {MAP: 0.125},
        "a=2,seed=0": {},
    }
