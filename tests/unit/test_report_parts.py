"""What a report tells of a study's trials, from folders that were written by hand."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sweep.answer.about import about_study
from sweep.answer.contents import Cost, EndedTrial, ExposureRow, LearningCurve
from sweep.answer.cost import cost_of
from sweep.answer.ended import MOST_ENDED, ended_trials
from sweep.answer.exposure import MOST_ROWS, exposure_rows
from sweep.answer.importance import importances
from sweep.answer.learning import MOST_STEPS, MOST_TRIALS, learning_curves, thinned
from sweep.answer.points import points_of
from sweep.answer.trial_ratio import ratio_of
from sweep.errors import InputError, SweepError
from sweep.records.current_table import current_table
from sweep.records.ending import TAIL_BYTES, Ending, read_ending
from sweep.records.folder import StudyFolder
from sweep.records.table import TrialsTable, read_metrics
from sweep.records.trial_record import TrialRecord
from sweep.records.values import TrialResult
from sweep.settings import Objective
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings

METRIC = "cldr/pooled/map"
OBJECTIVE = Objective(metric=METRIC, direction="maximize")
RATIO = "ratio.monolingual"
HEADER = "kind,query_language,passage_language,batches,rows,share"


def record_of(folder: StudyFolder, number: int, ratio: float, seed: int = 0, state: str = "COMPLETE") -> TrialRecord:
    key = f"{RATIO}={ratio:g},seed={seed}"
    value = ratio if state == "COMPLETE" else None
    values = () if value is None else (value,)
    where, attempts = folder.trial(key), number + 1
    return TrialRecord(
        key, number, seed, state, {RATIO: ratio}, attempts, value, values, reason=f"reason {number}", folder=where
    )  # type: ignore[arg-type]


def write_result(record: TrialRecord, **changed: Any) -> None:
    assert record.folder is not None
    versions = {"sweep": "0.1.0", "torch": "2.6"}
    durations = {"prepare": 1.0, "train": 6.0, "evaluate": 3.0}
    rows = {"en": {"en": 30, "de": 20}, "de": {"en": 50}}
    result = TrialResult(
        record.key, "f", {METRIC: 0.5, "cldr/final_loss": 1.0}, 0.1, 10.0, durations, 0, versions, 6, {"rows": rows}
    )
    record.folder.write_result(TrialResult(**{**vars(result), **changed}))


def write(record: TrialRecord, name: str, text: str) -> None:
    assert record.folder is not None
    record.folder.path.mkdir(parents=True, exist_ok=True)
    (record.folder.path / name).write_text(text)


def losses(rows: int) -> str:
    return "step,loss,learning_rate,timestamp_ms\n" + "".join(f"{n},{1 / n!r},0.1,7\n" for n in range(1, rows + 1))


def test_a_long_curve_is_thinned_to_means_of_even_bins() -> None:
    step_n, value_n = np.arange(1.0, 1001), np.arange(1.0, 1001)
    step_n, value_n = thinned(step_n, value_n, 200)
    assert len(step_n) == 200
    assert value_n[0] == 3.0  # of 1 to 5
    assert value_n.tolist() == pytest.approx(np.arange(3.0, 1000, 5))
    assert step_n.tolist() == value_n.tolist()


@pytest.mark.parametrize("rows", [1, 200, 201, 399, 12_345])
def test_no_row_of_a_curve_is_lost(rows: int) -> None:
    step_n, value_n = thinned(np.arange(1.0, rows + 1), np.ones(rows), 200)
    assert len(step_n) == min(rows, 200)
    assert (np.diff(step_n) > 0).all()
    assert value_n.tolist() == [1.0] * len(step_n)


def test_values_that_are_no_numbers_are_left_out_of_a_curve() -> None:
    step_n, value_n = thinned(np.array([1.0, 2, 3, 4]), np.array([1, math.nan, math.inf, 2]))
    assert (step_n.tolist(), value_n.tolist()) == ([1, 4], [1, 2])


def test_learning_curves_have_losses_and_validations(tmp_path: Path) -> None:
    record = record_of(StudyFolder(tmp_path), 0, 0.25, 3)
    write(record, "losses.csv", losses(2) + "3,0.2")  # the last line is being written
    write(record, "validation.csv", f"step,{METRIC},cldr/mono/map,timestamp_ms\n1,0.25,0.5,7\n2,0.5,,8\n")
    curves = learning_curves([record], points_of([record]), OBJECTIVE)
    of = {"key": record.key, "ratio": 0.25, "seed": 3}
    assert curves == (
        LearningCurve(**of, metric="loss", steps=(1, 2), values=(1.0, 0.5)),
        LearningCurve(**of, metric=METRIC, steps=(1, 2), values=(0.25, 0.5)),
        LearningCurve(**of, metric="cldr/mono/map", steps=(1,), values=(0.5,)),
    )


@pytest.mark.parametrize("text", ["", "step,loss,learning_rate,timestamp_ms\n", "step,loss"])
def test_a_curve_without_rows_is_none(tmp_path: Path, text: str) -> None:
    record = record_of(StudyFolder(tmp_path), 0, 0.25)
    write(record, "losses.csv", text)
    assert learning_curves([record], points_of([record]), OBJECTIVE) == ()


@pytest.mark.parametrize("line", ["1,x,0.1,7\n", "1,0.5\n", "1,2,3,4,5\n", "\x00\xff\n"])
def test_a_damaged_curve_is_refused(tmp_path: Path, line: str) -> None:
    record = record_of(StudyFolder(tmp_path), 0, 0.25)
    write(record, "losses.csv", losses(2) + line)
    with pytest.raises(SweepError, match=r"losses\.csv is damaged .*: delete it"):
        learning_curves([record], points_of([record]), OBJECTIVE)


def test_of_many_trials_the_curves_of_the_best_points_are_shown_and_then_of_those_that_run(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    done = [record_of(folder, number, number / 100) for number in range(MOST_TRIALS - 1)]
    more = [record_of(folder, 100 + number, 2 + number, state="RUNNING") for number in range(5)]
    failed = record_of(folder, 99, 9.0, state="FAILED")
    for record in (*done, *more, failed):
        write(record, "losses.csv", losses(1000))
    records = [failed, *more, *done]
    curves = learning_curves(records, points_of(records), OBJECTIVE)
    assert [curve.key for curve in curves] == [record.key for record in (*reversed(done), more[-1])]
    assert {len(curve.steps) for curve in curves} == {MOST_STEPS}


def test_the_ratio_of_a_searched_group_is_that_of_the_configuration(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path).trial("a")
    record = TrialRecord("a", 0, 0, "COMPLETE", {"ratio": "even"}, folder=folder)
    assert ratio_of(record) is None
    write(record, "config.yaml", "ratio: {monolingual: 0.5}\n")
    assert ratio_of(record) == 0.5
    assert ratio_of(TrialRecord("a", 0, 0, "COMPLETE", {"train.steps": 3}, folder=folder)) is None
    write(record, "config.yaml", "ratio: 3\n")
    with pytest.raises(InputError, match=r"config\.yaml: it has no ratio\.monolingual"):
        ratio_of(record)


def test_exposure_is_a_mean_over_seeds_and_a_pair_that_was_not_drawn_counts_as_zero(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    records = [record_of(folder, seed, 0.5, seed) for seed in range(3)]
    more = f"{HEADER},small_batches,left_out\n"
    write(records[0], "exposure.csv", f"{more}monolingual,en,en,4,40,0.4,1,0\ncross-lingual,en,de,6,60,0.6,0,2\n")
    write(records[1], "exposure.csv", f"{more}monolingual,en,en,10,100,1,3,0\n")
    rows = exposure_rows(points_of(records), OBJECTIVE)  # the third seed has no file
    assert rows == (
        ExposureRow(f"{RATIO}=0.5", 0.5, "en", "en", 7, 70, pytest.approx(0.7), 2, 0),
        ExposureRow(f"{RATIO}=0.5", 0.5, "en", "de", 3, 30, pytest.approx(0.3), 0, 1),
    )


def test_exposure_of_earlier_versions_does_not_say_what_they_did_not_count(tmp_path: Path) -> None:
    record = record_of(StudyFolder(tmp_path), 0, 0.5)
    assert exposure_rows(points_of([record]), OBJECTIVE) == ()
    write(record, "exposure.csv", f"{HEADER}\nmonolingual,en,en,4,40,1\n")
    (row,) = exposure_rows(points_of([record]), OBJECTIVE)
    assert (row.rows, row.share) == (40, 1)
    assert math.isnan(row.small_batches)
    assert math.isnan(row.left_out)


@pytest.mark.parametrize("line", ["monolingual,en,en,4,x,1\n", "monolingual,en\n"])
def test_a_damaged_exposure_is_refused(tmp_path: Path, line: str) -> None:
    record = record_of(StudyFolder(tmp_path), 0, 0.5)
    write(record, "exposure.csv", f"{HEADER}\n{line}")
    with pytest.raises(SweepError, match=r"exposure\.csv is damaged"):
        exposure_rows(points_of([record]), OBJECTIVE)


def test_ended_trials_are_the_newest_ones_with_their_reasons(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    states = ("FAILED", "PRUNED", "COMPLETE", "WAITING")
    records = [record_of(folder, number, number, state=states[number % 4]) for number in range(2 * MOST_ENDED + 8)]
    ended = ended_trials(records)
    assert len(ended) == MOST_ENDED
    newest = records[-3]
    assert ended[0] == EndedTrial(newest.key, "PRUNED", newest.attempts, newest.reason or "")
    assert [one.state for one in ended[:4]] == ["PRUNED", "FAILED"] * 2


def test_a_reason_shows_no_password(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    reason = "cannot reach postgresql://me:hunter22@host/db " + "x" * 9000
    record = TrialRecord("a", 0, 0, "FAILED", {}, 1, reason=reason, folder=folder.trial("a"))
    (ended,) = ended_trials([record])
    assert "hunter22" not in ended.reason
    assert "me:***@host" in ended.reason
    assert len(ended.reason) <= 500


def test_the_cost_is_what_all_results_say_together(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    records = [record_of(folder, number, number) for number in range(3)]
    pruned, failed = record_of(folder, 3, 3, state="PRUNED"), record_of(folder, 4, 4, state="FAILED")
    for record, seconds in zip(records, (10.0, 20.0, 60.0), strict=True):
        write_result(record, duration_s=seconds)
    cost = cost_of([*records, pruned, failed])  # a trial that was not run for being worse has no result
    assert cost == Cost(3, 90.0, {"prepare": 3.0, "train": 18.0, "evaluate": 9.0}, 300, None, 20.0)
    assert cost_of([failed]) == Cost(0, 0, {}, 0, None, 0.0)


def test_the_end_of_a_result_is_all_but_its_metrics(tmp_path: Path) -> None:
    record = record_of(StudyFolder(tmp_path), 0, 0.5)
    assert record.folder is not None
    assert read_ending(record.folder) is None
    write_result(record, metrics={f"cldr/cross/map/{number}": 0.5 for number in range(9000)}, commit="abc")
    ending = Ending(
        10.0, {"prepare": 1.0, "train": 6.0, "evaluate": 3.0}, {"sweep": "0.1.0", "torch": "2.6"}, 100, commit="abc"
    )
    assert read_ending(record.folder) == ending
    # With hundreds of languages the end alone is longer than what is read at first.
    rows = {f"x{asked}": {f"y{answered}": 1 for answered in range(100)} for asked in range(100)}
    write_result(record, exposure={"rows": rows}, commit="abc")
    assert len(json.dumps(rows, indent=1)) > TAIL_BYTES
    again = read_ending(record.folder)
    assert again is not None
    assert again.rows == 10_000


def test_a_result_of_the_first_version_says_what_it_says(tmp_path: Path) -> None:
    record = record_of(StudyFolder(tmp_path), 0, 0.5)
    old = {
        "key": "a", "fingerprint": "f", "metrics": {}, "final_loss": 1.0, "duration_s": 2.0, "durations_s": {},
        "finished_ms": 0, "versions": {"sweep": "0.0.9"},
    }  # fmt: skip
    write(record, "result.json", json.dumps(old))  # in one line
    assert cost_of([record]) == Cost(1, 2.0, {}, 0, None, 2.0)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{\n "final_loss": 1, "duration_s": "x"}', "null"])
def test_a_damaged_result_is_refused(tmp_path: Path, text: str) -> None:
    record = record_of(StudyFolder(tmp_path), 0, 0.5)
    write(record, "result.json", text)
    with pytest.raises(SweepError, match=r"result\.json is damaged: study\.rerun_damaged=true runs the trial again"):
        cost_of([record])


def searched(number: int, **parameters: Any) -> TrialRecord:
    value = parameters["a"] + (0.1 if parameters.get("c") == "x" else 0.0)
    return TrialRecord(f"t{number}", number, 0, "COMPLETE", parameters, value=value)


def study_of(*paths: str) -> Any:
    space = ", ".join(f"{path}: {{float: [0, 1]}}" for path in paths)
    overrides = [f"study.space={{{space}}}", "study.points=4", "study.sampler=random"]
    return load_settings(Composer("sweep", overrides)).study


def test_the_path_that_matters_is_the_most_important_one() -> None:
    generator = np.random.default_rng(0)
    records = [
        searched(number, a=float(a), b=float(b), c=["x", "y"][number % 2], d=1)
        for number, (a, b) in enumerate(generator.random((40, 2)))
    ]
    study = study_of("train.learning_rate", "train.temperature")
    shares = {one.path: one.share for one in importances(records, study)}
    assert next(iter(shares)) == "a"
    assert shares.keys() == {"a", "b", "c"}  # d has one value
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["a"] > 0.8
    assert importances(records, study) == importances(records, study)
    assert importances(records, study_of("train.learning_rate")) == ()


@pytest.mark.parametrize(
    "records",
    [
        [],
        [searched(number, a=number, b=number) for number in range(7)],
        [searched(number, a=1.0, b=number) for number in range(20)],
        [searched(number, a=number, b=0) for number in range(20)],
        [TrialRecord(f"t{number}", number, 0, "FAILED", {"a": number, "b": number}) for number in range(20)],
    ],
)
def test_nothing_is_said_of_importance_where_nothing_can_be(records: list[TrialRecord]) -> None:
    assert importances(records, study_of("train.learning_rate", "train.temperature")) == ()


def test_how_to_repeat_a_study_has_no_passwords(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    config = {"study": {"storage": "postgresql://me:hunter22@host/db"}, "train": {"steps": 3}, "name": "Ä"}
    folder.config.write_text(yaml.safe_dump(config))
    records = [record_of(folder, number, number) for number in range(3)]
    write_result(records[0], commit="abc")
    write_result(records[1], versions={"torch": "2.7"}, commit="def")
    about = about_study(folder, records, "python -m sweep study.storage=postgresql://me:hunter22@host/db")
    assert yaml.safe_load(about.config) == {**config, "study": {"storage": "postgresql://me:***@host/db"}}
    assert "Ä" in about.config
    assert about.command == "python -m sweep study.storage=postgresql://me:***@host/db"
    assert about.versions == {"sweep": "0.1.0", "torch": "2.6, 2.7"}
    assert about.commit == "abc, def"


def test_a_damaged_configuration_is_refused(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    folder.config.write_text("{")
    with pytest.raises(InputError, match=r"config\.yaml: it cannot be read as YAML"):
        about_study(folder, [], "")


@pytest.mark.parametrize("state", ["current", "behind", "changed", "unsealed", "missing"])
def test_whoever_only_looks_has_all_rows_and_changes_nothing(tmp_path: Path, state: str) -> None:
    folder = StudyFolder(tmp_path)
    records = [record_of(folder, number, number) for number in range(3)]
    for record in records:
        write_result(record)
    TrialsTable(folder.trials_csv).update(records[:2] if state == "behind" else records)
    if state == "changed":
        folder.trials_csv.write_text(folder.trials_csv.read_text().replace("0.5", "0.9"))
    elif state == "unsealed":
        (tmp_path / ".trials.csv.sha256").unlink()
    elif state == "missing":
        folder.trials_csv.unlink()
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with current_table(folder, records) as table:
        assert read_metrics(table, [METRIC]) == {record.key: {METRIC: 0.5} for record in records}
        assert (table == folder.trials_csv) == (state == "current")
    assert table.exists() == (state == "current")
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_of_three_thousand_trials_few_files_are_read(tmp_path: Path) -> None:
    """A file that must not be read is no file at all, which would be an error."""
    folder = StudyFolder(tmp_path)
    records = [record_of(folder, number, number / 3000) for number in range(3000)]
    pairs = "".join(f"monolingual,x{number},y,1,1,1\n" for number in range(100))
    for place, record in enumerate(records):
        assert record.folder is not None
        if place >= 2800:
            write(record, "exposure.csv", f"{HEADER}\n{pairs}")
        else:
            (record.folder.path / "exposure.csv").mkdir(parents=True)
        if place >= 3000 - MOST_TRIALS:
            write(record, "losses.csv", losses(3))
        else:
            (record.folder.path / "losses.csv").mkdir(parents=True, exist_ok=True)
    points = points_of(records)
    assert len(learning_curves(records, points, OBJECTIVE)) == MOST_TRIALS
    assert len(exposure_rows(points, OBJECTIVE)) == MOST_ROWS
