"""trials.csv: rows are appended, wrong ones replaced, and a kill at any byte loses nothing."""

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sweep.records.folder import StudyFolder, TrialFolder
from sweep.records.table import TrialsTable
from sweep.records.trial_record import TrialRecord, damaged_trials
from sweep.records.values import State, TrialResult

MAP = "cldr/mono/map"


def record(
    folder: StudyFolder, number: int, state: State = "COMPLETE", metrics: dict[str, float] | None = None, **more: Any
) -> TrialRecord:
    key = f"ratio.monolingual={number},seed=0"
    if state == "COMPLETE":
        found = metrics or {MAP: number / 7}
        folder.trial(key).write_result(TrialResult(key, "f", found, 0.1, 1.0, {}, 0, {}))
    fields: dict[str, Any] = {"parameters": {"ratio.monolingual": number}, "attempts": 1, "duration_s": 1.5, **more}
    return TrialRecord(key, number, 0, state, folder=folder.trial(key), **fields)


def rows(file: Path) -> list[dict[str, str]]:
    with file.open() as lines:
        return list(csv.DictReader(lines))


def update(folder: StudyFolder, records: Sequence[TrialRecord]) -> None:
    """As a new process does it."""
    TrialsTable(folder.trials_csv).update(records)


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path)


@pytest.fixture
def results_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys whose results were read."""
    keys: list[str] = []
    read = TrialFolder.read_result

    def counted(self: TrialFolder) -> TrialResult | None:
        keys.append(self.path.name)
        return read(self)

    monkeypatch.setattr(TrialFolder, "read_result", counted)
    return keys


def test_one_row_a_finished_trial(folder: StudyFolder) -> None:
    pruned = record(folder, 2, "PRUNED")
    failed = record(folder, 1, "FAILED", reason="broken,\nbadly", duration_s=None)
    update(folder, [record(folder, 0), failed, pruned, record(folder, 3, "RUNNING"), record(folder, 4, "WAITING")])
    assert folder.trials_csv.read_text() == (
        f"key,number,seed,state,ratio.monolingual,{MAP},duration_s,attempts,reason\n"
        '"ratio.monolingual=0,seed=0",0,0,COMPLETE,0,0.0,1.5,1,\n'
        '"ratio.monolingual=1,seed=0",1,0,FAILED,1,,,1,"broken, badly"\n'
        '"ratio.monolingual=2,seed=0",2,0,PRUNED,2,,1.5,1,\n'
    )


def test_only_new_results_are_read_and_old_rows_stay_untouched(folder: StudyFolder, results_read: list[str]) -> None:
    records = [record(folder, number) for number in range(3)]
    update(folder, records)
    before, inode = folder.trials_csv.read_bytes(), folder.trials_csv.stat().st_ino
    results_read.clear()
    update(folder, [*records, record(folder, 3)])
    assert results_read == ["ratio.monolingual=3,seed=0"]
    assert folder.trials_csv.read_bytes().startswith(before)
    assert folder.trials_csv.stat().st_ino == inode
    assert len(rows(folder.trials_csv)) == 4


def test_a_table_that_lives_on_appends_too(folder: StudyFolder, results_read: list[str]) -> None:
    table, records = TrialsTable(folder.trials_csv), []
    for number in range(3):
        records.append(record(folder, number))
        table.update(records)
    assert len(results_read) == 3
    assert [row["number"] for row in rows(folder.trials_csv)] == ["0", "1", "2"]


def test_a_retried_trial_gets_a_new_row(folder: StudyFolder, results_read: list[str]) -> None:
    good = record(folder, 0)
    failed = record(folder, 1, "FAILED", reason="nan")
    update(folder, [good, failed])
    results_read.clear()
    waiting = TrialRecord(failed.key, 5, 0, "WAITING", failed.parameters)
    update(folder, [good, waiting])
    assert [row["state"] for row in rows(folder.trials_csv)] == ["COMPLETE"]
    assert results_read == []  # the row that is still true was copied
    folder.trial(failed.key).write_result(TrialResult(failed.key, "f", {MAP: 0.25}, 0.1, 1.0, {}, 0, {}))
    retried = TrialRecord(failed.key, 5, 0, "COMPLETE", failed.parameters, 2, folder=folder.trial(failed.key))
    update(folder, [good, retried])
    assert [(row["number"], row[MAP], row["attempts"]) for row in rows(folder.trials_csv)] == [
        ("0", "0.0", "1"),
        ("5", "0.25", "2"),
    ]


def test_new_columns_are_laid_out_as_if_they_had_always_been_there(folder: StudyFolder, tmp_path: Path) -> None:
    first = record(folder, 0, metrics={MAP: 0.5})
    second = record(
        folder, 1, metrics={MAP: 0.1, "cldr/a": 1 / 3}, parameters={"ratio.monolingual": 1, "a.b": "x, y"}
    )
    update(folder, [record(folder, 2, "PRUNED")])
    update(folder, [record(folder, 2, "PRUNED"), first])
    update(folder, [record(folder, 2, "PRUNED"), first, second])
    at_once = tmp_path / "at_once.csv"
    TrialsTable(at_once).update([record(folder, 2, "PRUNED"), first, second])
    assert folder.trials_csv.read_text() == at_once.read_text()
    assert list(rows(at_once)[0])[4:8] == ["a.b", "ratio.monolingual", "cldr/a", MAP]
    assert rows(at_once)[2]["cldr/a"] == repr(1 / 3)


def test_a_file_that_was_cut_at_any_byte_is_mended(folder: StudyFolder) -> None:
    records = [record(folder, 0), record(folder, 1, "FAILED", reason="a, b"), record(folder, 2)]
    update(folder, records)
    whole = folder.trials_csv.read_bytes()
    for size in range(len(whole)):
        folder.trials_csv.write_bytes(whole[:size])
        update(folder, records)
        assert folder.trials_csv.read_bytes() == whole, size


@pytest.mark.parametrize(
    "damage",
    [
        "something else\n1,2\n",
        "",
        f"key,number,seed,state,ratio.monolingual,{MAP},duration_s,attempts,reason\n"
        '"ratio.monolingual=0,seed=0",0,0,COMPLETE,0\n',
        f"key,number,seed,state,ratio.monolingual,{MAP},duration_s,attempts,reason\n"
        + 2 * '"ratio.monolingual=0,seed=0",0,0,COMPLETE,0,0.0,1.5,1,\n',
        f"key,number,seed,state,ratio.monolingual,{MAP},duration_s,attempts,reason\n"
        '"of another study",0,0,COMPLETE,0,0.0,1.5,1,\n',
    ],
)
def test_a_file_that_does_not_match_is_rebuilt(folder: StudyFolder, damage: str) -> None:
    records = [record(folder, 0), record(folder, 1)]
    folder.trials_csv.write_text(damage)
    update(folder, records)
    assert [(row["key"], row[MAP]) for row in rows(folder.trials_csv)] == [
        ("ratio.monolingual=0,seed=0", "0.0"),
        ("ratio.monolingual=1,seed=0", repr(1 / 7)),
    ]


def test_metrics_are_read_when_they_are_asked_for(folder: StudyFolder) -> None:
    done = record(folder, 3)
    assert done.metrics == json.loads(folder.trial(done.key).metrics.read_text())
    assert record(folder, 4, "PRUNED").metrics == {}


@pytest.mark.parametrize(
    "damaged",
    [
        lambda text: text.replace("0.14285714285714285", "0.99999"),
        lambda text: text.replace("0.14285714285714285", "a word"),
        lambda text: text.replace("COMPLETE", '"COMPLETE'),
        lambda text: text.replace("COMPLETE", "COMP\0LETE"),
        lambda text: text.replace(f"ratio.monolingual,{MAP}", f"{MAP},ratio.monolingual"),
        lambda text: text.replace(MAP, "cldr/mono/other"),
        lambda text: text.encode("utf-16"),
        lambda text: text.encode() + b"\xff\xfe\n",
        lambda text: "".join(text.splitlines(keepends=True)[:2]),
        lambda _: b"\xff\xfe\xfd",
    ],
    ids=["a figure", "text", "a quote", "NUL", "swapped", "renamed", "UTF-16", "bytes", "a row gone", "foreign"],
)
def test_whatever_anybody_else_wrote_is_made_anew(folder: StudyFolder, damaged: Callable[[str], str | bytes]) -> None:
    records = [record(folder, number) for number in range(3)]
    table = TrialsTable(folder.trials_csv)
    table.update(records)
    whole = folder.trials_csv.read_bytes()
    for update_again in (lambda: update(folder, records), lambda: table.update(records)):  # later, and meanwhile
        broken = damaged(whole.decode())
        folder.trials_csv.write_bytes(broken if isinstance(broken, bytes) else broken.encode())
        update_again()
        assert folder.trials_csv.read_bytes() == whole


def test_a_trial_whose_result_is_missing_has_no_row_until_it_is_back(folder: StudyFolder) -> None:
    done = record(folder, 0)
    result = folder.trial(done.key).path / "result.json"
    text = result.read_bytes()
    result.unlink()
    update(folder, [done])
    assert rows(folder.trials_csv) == []
    result.write_bytes(text)
    update(folder, [done])
    assert len(rows(folder.trials_csv)) == 1


@pytest.mark.parametrize("name", ["result.json", "metrics.json", "ranks.parquet", "exposure.csv", ""])
def test_a_part_of_a_finished_trial_that_is_missing_or_changed_is_named(folder: StudyFolder, name: str) -> None:
    done, others = record(folder, 0), record(folder, 1)
    trial = folder.trial(done.key)
    for file in (trial.ranks, trial.exposure):
        file.write_bytes(b"something")
    trial.write_result(TrialResult(done.key, "f", {MAP: 0.5}, 0.1, 1.0, {}, 0, {}))
    assert damaged_trials([done, others]) == {}
    if name:
        file = trial.path / name
        file.write_bytes(file.read_bytes()[:-1])
        assert damaged_trials([done, others]) == {done.key: f"{name} is damaged"}
        file.unlink()
        assert damaged_trials([done, others]) == {done.key: f"{name} is missing"}
    else:
        shutil.rmtree(trial.path)
        assert damaged_trials([done, others]) == {done.key: "its folder is missing"}
    assert damaged_trials([record(folder, 2, "PRUNED"), record(folder, 3, "FAILED")]) == {}


def test_a_trial_of_an_earlier_version_has_no_checksums(folder: StudyFolder) -> None:
    done = record(folder, 0)
    (folder.trial(done.key).path / "SHA256SUMS").unlink()
    assert damaged_trials([done]) == {}
    (folder.trial(done.key).path / "result.json").write_text('{"key": "cut sh')
    assert damaged_trials([done]) == {done.key: "result.json is damaged"}
