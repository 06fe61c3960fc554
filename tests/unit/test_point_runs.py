"""Points between a study and its trials, and the study's own curves and page, on a tracker of JSON lines."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweep.records.folder import StudyFolder
from sweep.records.trial_record import TrialRecord
from sweep.records.values import State, TrialResult
from sweep.settings import JsonLinesTracking
from sweep.settings.compose import Composer
from sweep.study.point import Point
from sweep.tracking.json_lines import JsonLinesPlace
from sweep.tracking.mirror import Mirror, Snapshot
from sweep.tracking.protocol import Status
from sweep.tracking.shown import LONGEST_NAME, headline, point_name, trial_name

RATIO = "ratio.monolingual"
SETTINGS = JsonLinesTracking(kind="json_lines", path=None, metrics="headline")
CURVE = "pooled mAP by ratio - 2 seeds"


def study(tmp_path: Path, *overrides: str) -> StudyFolder:
    folder = StudyFolder(tmp_path / "grid")
    folder.path.mkdir()
    space = "study.space={ratio.monolingual: {grid: [0.0, 0.5]}}"
    composer = Composer("sweep", ["+experiment=smoke", "study.name=grid", space, "study.seeds=[0,1]", *overrides])
    folder.config.write_text(composer.yaml())
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return study(tmp_path)


def trial(
    folder: StudyFolder, ratio: float, seed: int, value: float = 0.5, state: State = "COMPLETE", number: int = 0,
    others: dict[str, Any] | None = None,
) -> TrialRecord:  # fmt: skip
    values = {RATIO: ratio, **(others or {})}
    point = Point(values, seed)
    made = folder.trial(point.key)
    made.path.mkdir(parents=True, exist_ok=True)
    made.config.write_text(f"train: {{steps: 3}}\nseed: {seed}\n")
    made.begin_attempt(1, 500)
    if state == "COMPLETE":
        metrics = {"cldr/pooled/map": value, "cldr/pooled/map/en": 0.1}
        at = 9000 + 1000 * seed + number
        made.write_result(TrialResult(point.key, "f", metrics, 0.1, 2.0, {}, at, {}, 3))
    return TrialRecord(point.key, number, seed, state, values, attempts=1, value=value, values=(value,), folder=made)


def send(folder: StudyFolder, records: list[TrialRecord], ended: Status | None = None) -> int:
    """As a new process does."""
    mirror = Mirror(folder, JsonLinesPlace(SETTINGS, folder), "uid")
    snapshot = Snapshot(records, ended)
    assert mirror.has_work(snapshot)
    sent = mirror.send(snapshot)
    assert not mirror.has_work(snapshot)
    return sent


def lines(folder: StudyFolder, key: str) -> list[dict[str, Any]]:
    every = map(json.loads, folder.runs.read_text().splitlines())
    return [line for line in every if line["run"] == f"uid/{key}"]


def rows(folder: StudyFolder, key: str, metric: str) -> list[tuple[int, Any]]:
    return [(line["step"], line["value"]) for line in lines(folder, key) if line.get("metric") == metric]


def parent(folder: StudyFolder, key: str) -> str | None:
    return next((line["parent"] for line in reversed(lines(folder, key)) if "parent" in line), None)


def status(folder: StudyFolder, key: str) -> str:
    return next((line["status"] for line in reversed(lines(folder, key)) if "status" in line), "RUNNING")


def tags(folder: StudyFolder, key: str) -> dict[str, str]:
    merged: dict[str, str] = {}
    for line in lines(folder, key):
        merged |= line.get("tags", {})
    return merged


POINT = f"point {RATIO}=0.5"


def test_a_point_follows_its_seeds_and_stands_above_them(folder: StudyFolder) -> None:
    first, second = trial(folder, 0.5, 0, 0.25), trial(folder, 0.5, 1, state="RUNNING")
    send(folder, [first, second])
    assert parent(folder, first.key) == parent(folder, second.key) == f"uid/{POINT}"
    assert parent(folder, POINT) is None
    assert (rows(folder, POINT, "cldr/pooled/map"), status(folder, POINT)) == ([(1, 0.25)], "RUNNING")
    assert not rows(folder, POINT, "cldr/pooled/map.sd")
    assert not rows(folder, "study", CURVE)
    send(folder, [first, trial(folder, 0.5, 1, 0.75)])
    assert rows(folder, POINT, "cldr/pooled/map") == [(1, 0.25), (2, 0.5)]
    assert rows(folder, POINT, "cldr/pooled/map.sd") == [(2, pytest.approx(0.125**0.5))]
    assert (status(folder, POINT), rows(folder, "study", CURVE)) == ("FINISHED", [(50, 0.5)])
    assert not rows(folder, first.key, "cldr/pooled/map/en")  # it is in metrics.json


def test_the_study_has_a_curve_by_ratio_and_its_answer(folder: StudyFolder) -> None:
    folder.answer.write_text("**may be best**: 0 and 0.5\n")
    folder.report.write_text("<p>")
    folder.charts.mkdir()
    (folder.charts / "curve.png").write_bytes(b"png")
    records = [trial(folder, ratio, seed, ratio + 0.1 * seed) for ratio in (0.0, 0.5) for seed in (0, 1)]
    send(folder, records, "FINISHED")
    assert rows(folder, "study", CURVE) == [(0, pytest.approx(0.05)), (50, pytest.approx(0.55))]
    known = tags(folder, "study")
    assert known["sweep.note"].startswith("**may be best**: 0 and 0.5\n")
    assert "chosen among 4 trials of 2 points" in known["sweep.note"]
    assert known["sweep.best"] == "α=0.5: 0.5500, chosen among 2"
    assert known["sweep.progress"] == "4 of 4"
    assert {line["file"] for line in lines(folder, "study") if "file" in line} == {
        "config.yaml", "report.html", "answer.md", "charts/curve.png",
    }  # fmt: skip
    (given,) = (line["parameters"] for line in lines(folder, "study") if line.get("parameters"))
    assert json.loads(given[f"space.{RATIO}"]) == {"grid": [0.0, 0.5]}
    folder.answer.write_text("only 0.5\n")
    send(folder, records, "FINISHED")
    assert tags(folder, "study")["sweep.note"].startswith("only 0.5\n")


def test_a_kill_anywhere_doubles_nothing(folder: StudyFolder) -> None:
    records = [trial(folder, ratio, seed, ratio) for ratio in (0.0, 0.5) for seed in (0, 1)]
    send(folder, records, "FINISHED")
    before = Counter(folder.runs.read_text().splitlines())
    written = folder.tracking_cursor.read_text().splitlines(keepends=True)
    for kept in range(len(written)):
        folder.tracking_cursor.write_text("".join(written[:kept])[:-3])
        send(folder, records, "FINISHED")
    after = Counter(folder.runs.read_text().splitlines()) - before
    assert not [line for line in after if "metric" in line or '"key"' in line]


def test_a_trial_that_is_run_again_takes_its_value_from_the_point(folder: StudyFolder) -> None:
    first, second = trial(folder, 0.5, 0, 0.25), trial(folder, 0.5, 1, 0.75)
    send(folder, [first, second])
    send(folder, [first, replace(second, state="RUNNING", number=7)])
    assert rows(folder, POINT, "cldr/pooled/map") == [(1, 0.25)]
    assert (status(folder, POINT), parent(folder, first.key)) == ("RUNNING", f"uid/{POINT}")
    send(folder, [first, trial(folder, 0.5, 1, 0.75, number=7)], "FINISHED")
    assert rows(folder, POINT, "cldr/pooled/map") == [(1, 0.25), (2, 0.5)]


def test_points_end_as_their_trials_do(folder: StudyFolder) -> None:
    failed = [replace(trial(folder, 0.0, seed, state="RUNNING"), state="FAILED", reason="nan") for seed in (0, 1)]
    waiting = replace(trial(folder, 0.5, 1, state="RUNNING"), state="WAITING")
    records = [*failed, trial(folder, 0.5, 0), waiting]
    send(folder, records, "KILLED")
    assert (status(folder, f"point {RATIO}=0"), status(folder, POINT)) == ("FAILED", "KILLED")
    assert not rows(folder, "study", CURVE)
    send(folder, [*failed, records[2], replace(waiting, state="RUNNING")])
    assert status(folder, POINT) == "RUNNING"


@pytest.mark.parametrize("remembered", [True, False])
def test_points_are_put_above_the_trials_of_an_earlier_version(folder: StudyFolder, remembered: bool) -> None:
    records = [trial(folder, 0.5, seed) for seed in (0, 1)]
    send(folder, records, "FINISHED")
    # What that version would have left: no points, and nothing of them remembered.
    kept = [line for line in folder.tracking_cursor.read_text().splitlines(keepends=True) if "point" not in line]
    folder.tracking_cursor.write_text("".join(line for line in kept if remembered or "store" in line))
    told = [line for line in folder.runs.read_text().splitlines(keepends=True) if f"uid/{POINT}" not in line]
    folder.runs.write_text("".join(told).replace('"sweep.kind": "trial", ', ""))
    send(folder, records, "FINISHED")
    assert rows(folder, POINT, "cldr/pooled/map") == [(1, 0.5), (2, 0.5)]
    for record in records:
        assert parent(folder, record.key) == f"uid/{POINT}"
        assert rows(folder, record.key, "cldr/pooled/map") == [(3, 0.5)]
        if remembered:
            assert tags(folder, record.key)["sweep.kind"] == "trial"


def test_one_seed_has_no_points_and_still_a_curve(tmp_path: Path) -> None:
    folder = study(tmp_path, "study.seeds=[0]")
    record = trial(folder, 0.5, 0)
    send(folder, [record], "FINISHED")
    assert not lines(folder, POINT)
    assert parent(folder, record.key) is None
    assert rows(folder, "study", "pooled mAP by ratio - 1 seed") == [(50, 0.5)]


def test_a_curve_is_named_by_what_a_heading_has_room_for(tmp_path: Path) -> None:
    objective = "study.objectives=[{metric: pooled/alignment_consistency/low, direction: maximize}]"
    folder = study(tmp_path, objective)
    records = [trial(folder, 0.5, seed) for seed in (0, 1)]
    for record in records:
        metrics = {f"cldr/pooled/alignment_consistency{tier}": 0.5 for tier in ("", "/low", "/unseen")}
        result = TrialResult(record.key, "f", {**metrics, "cldr/cross/map": 0.2}, 0.1, 2.0, {}, 9000, {}, 3)
        folder.trial(record.key).write_result(result)
    send(folder, records, "FINISHED")
    named = {line["metric"] for line in lines(folder, "study") if "metric" in line}
    short = ("alignment", "alignment low", "alignment unseen", "cross mAP")
    assert named == {f"{name} by ratio - 2 seeds" for name in short}


def test_other_searched_values_have_curves_of_their_own_while_they_are_few(folder: StudyFolder) -> None:
    def records(steps: int) -> list[TrialRecord]:
        return [trial(folder, 0.5, seed, others={"train.steps": step}) for step in range(steps) for seed in (0, 1)]

    send(folder, records(2), "FINISHED")
    assert rows(folder, "study", f"{CURVE} - steps:1") == [(50, 0.5)]
    send(folder, records(9), "FINISHED")
    assert not rows(folder, "study", f"{CURVE} - steps:8")


def test_names_sort_and_fit(folder: StudyFolder) -> None:
    assert trial_name(trial(folder, 0.25, 3)) == "α=0.25 · s3"
    assert point_name({RATIO: 1.0}) == "α=1"
    assert point_name({RATIO: 0.5, "train.steps": 100, "model.layers": 2}) == "α=0.5 layers=2 steps=100"
    assert point_name({"data.seed": 1, "evaluation.seed": 2}) == "data.seed=1 evaluation.seed=2"
    assert point_name({}) == "the only point"
    many = {f"train.a_rather_long_name_{number}": number for number in range(9)}
    name = trial_name(replace(trial(folder, 0.5, 12), parameters={RATIO: 0.5, **many}))
    assert len(name) <= LONGEST_NAME
    assert name.startswith("α=0.5 ")
    assert name.endswith("… · s12")


def test_headline_metrics_are_few_and_have_the_objectives() -> None:
    languages = [f"l{number}" for number in range(20)]
    families = {"mono": ("map", "ndcg@10"), "pooled": ("map", "alignment_consistency"), "cross": ("map",)}
    parts = ("", "low", "unseen", *languages)
    metrics = {
        "/".join(part for part in ("cldr", family, metric, part) if part): 0.5
        for family, names in families.items()
        for metric in names
        for part in parts
    }
    metrics |= {f"cldr+lir/{key.partition('/')[2]}": 0.1 for key in metrics}
    shown = headline(metrics, ["cldr/pooled/map/l3"])
    assert len(shown) <= 20
    assert {"cldr/mono/map", "cldr/pooled/map/low", "cldr/pooled/map/l3", "cldr/mono/ndcg@10"} <= shown.keys()
    assert not [key for key in shown if key.startswith("cldr+lir")]
    assert headline(metrics, (), "all") == metrics
    assert headline({}, ()) == {}
