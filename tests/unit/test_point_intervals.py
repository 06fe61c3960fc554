"""Intervals of points' runs from real files of ranks, and what is said where there are none."""

import json

import pytest
from tests.unit.ranked_study import MAP, toy, write_trial

from sweep.records.folder import StudyFolder
from sweep.records.trial_record import TrialRecord
from sweep.records.values import TrialResult
from sweep.settings import JsonLinesTracking
from sweep.settings.compose import Composer
from sweep.tracking.json_lines import JsonLinesPlace
from sweep.tracking.mirror import Mirror, Snapshot

SETTINGS = JsonLinesTracking(kind="json_lines", path=None, metrics="headline")
NOISE = {0.0: 0.8, 1.0: 1.2}
# What a metric's own name may end in: an interval's ends must not look like it.
TIER = "pooled/map/low"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyFolder, list[TrialRecord]]:
    folder = StudyFolder(tmp_path_factory.mktemp("sweeps") / "grid")
    folder.path.mkdir()
    space = "study.space={ratio.monolingual: {grid: [0.0, 1.0]}}"
    aim = f"study.objectives=[{{metric: {TIER}, direction: maximize}}]"
    overrides = ["+experiment=smoke", "study.name=grid", "evaluation.name=toy", space, aim, "study.seeds=[0,1,2]"]
    folder.config.write_text(Composer("sweep", overrides).yaml())
    bench = toy()
    records = []
    for ratio, noise in NOISE.items():
        for seed in range(3):
            by_language = dict.fromkeys(("en", "de", "th", "sw"), noise)
            record = write_trial(folder, {"ratio.monolingual": ratio}, seed, by_language, bench)
            folder.trial(record.key).config.write_text("train: {steps: 3}\n")
            folder.trial(record.key).begin_attempt(1, 500)
            assert record.value is not None
            metrics = {MAP: record.value, f"toy/{TIER}": record.value}
            folder.trial(record.key).write_result(TrialResult(record.key, "f", metrics, 0.1, 1.0, {}, 9000, {}, 3))
            records.append(record)
    return folder, records


def rows(folder: StudyFolder, run: str) -> dict[str, float]:
    every = map(json.loads, folder.runs.read_text().splitlines())
    return {line["metric"]: line["value"] for line in every if line["run"] == f"uid/{run}" and "metric" in line}


def sent(folder: StudyFolder, records: list[TrialRecord]) -> list[str]:
    """What a new tracker lacks once everything was sent."""
    for file in (folder.runs, folder.tracking_cursor):
        file.unlink(missing_ok=True)
    mirror = Mirror(folder, JsonLinesPlace(SETTINGS, folder), "uid")
    mirror.send(Snapshot(records, "FINISHED"))
    assert not mirror.has_work(Snapshot(records, "FINISHED"))
    return mirror.lacking


def test_an_interval_has_names_that_no_tier_has(study: tuple[StudyFolder, list[TrialRecord]]) -> None:
    folder, records = study
    assert sent(folder, records) == []
    shown = rows(folder, "point ratio.monolingual=0")
    assert shown[f"{MAP}.ci95_low"] < shown[MAP] < shown[f"{MAP}.ci95_high"]
    assert f"toy/{TIER}.ci95_high" in shown
    assert not [name for name in shown if name.endswith((".low", ".high"))]


def test_points_without_intervals_are_named_with_the_reason(study: tuple[StudyFolder, list[TrialRecord]]) -> None:
    folder, records = study
    file = folder.trial(records[4].key).ranks
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[:100])
        (problem,) = sent(folder, records)
    finally:
        file.write_bytes(whole)
    assert problem.startswith("2 points are tracked without intervals: ")
    assert str(file) in problem
    assert not [name for name in rows(folder, "point ratio.monolingual=0") if "ci95" in name]
    assert rows(folder, "point ratio.monolingual=0")[MAP] > 0
