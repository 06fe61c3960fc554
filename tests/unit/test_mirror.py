"""The mirror of a study's folder, on a tracker of JSON lines and folders that were written without training."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import SECONDS, until

from sweep.records.folder import ResultFolder, StudyFolder, TrialFolder
from sweep.records.trial_record import TrialRecord
from sweep.records.values import State, TrialResult
from sweep.settings import JsonLinesTracking
from sweep.settings.compose import Composer
from sweep.tracking import trial_runs
from sweep.tracking.background import BackgroundMirror
from sweep.tracking.json_lines import JsonLinesPlace, JsonLinesTracker
from sweep.tracking.mirror import Mirror, Snapshot
from sweep.tracking.protocol import Tracker, TrackerAway
from sweep.trial.curves import Curve

SETTINGS = JsonLinesTracking(kind="json_lines", path=None)


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    folder = StudyFolder(tmp_path / "grid")
    folder.path.mkdir()
    folder.config.write_text("study: {name: grid}\n")
    return folder


@pytest.fixture(scope="module")
def configuration() -> str:
    return Composer("sweep", ["+experiment=smoke", "study.name=grid"]).yaml()


@pytest.fixture
def configured(folder: StudyFolder, configuration: str) -> StudyFolder:
    folder.config.write_text(configuration)
    return folder


def mirror(folder: StudyFolder) -> Mirror:
    return Mirror(folder, JsonLinesPlace(SETTINGS, folder), "uid")


def trial(folder: StudyFolder, key: str = "a", steps: int = 3, state: State = "RUNNING") -> TrialRecord:
    """A trial that has come to a step; with its result, if it is COMPLETE."""
    made = folder.trial(key)
    made.path.mkdir(parents=True, exist_ok=True)
    made.config.write_text("train: {steps: 3}\nseed: 7\n")
    made.begin_attempt(1, 500)
    train(made, steps)
    if state == "COMPLETE":
        made.write_result(TrialResult(key, "f", {"cldr/mono/map": 0.5}, 0.1, 2.0, {}, 9000, {"torch": "2"}, steps))
    return TrialRecord(key, 0, 7, state, {}, attempts=1, folder=made)


def train(made: TrialFolder, steps: int, factor: float = 1.0) -> None:
    curve = Curve(made.losses)
    for step in range(1, steps + 1):
        curve.add(step, {"loss": factor / step}, 1000 * step)
    curve.finish(steps)


def lines(folder: StudyFolder, key: str = "a") -> list[dict[str, Any]]:
    every = map(json.loads, folder.runs.read_text().splitlines())
    return [line for line in every if line["run"] == f"uid/{key}"]


def losses(folder: StudyFolder, key: str = "a") -> list[tuple[int, float]]:
    return [(line["step"], line["value"]) for line in lines(folder, key) if line.get("metric") == "train/loss"]


def status(folder: StudyFolder, key: str = "a") -> str:
    return next((line["status"] for line in reversed(lines(folder, key)) if "status" in line), "RUNNING")


CURVE = [(1, 1.0), (2, 0.5), (3, 1 / 3)]


def test_a_study_says_among_how_many_its_best_is_chosen(folder: StudyFolder) -> None:
    trials = [trial(folder, key, state="COMPLETE") for key in "abc"]
    records = [replace(trials[0], parameters={"x": 1}), *(replace(one, parameters={"x": 2}) for one in trials[1:])]
    for shown, among in (
        (records[:1], None),
        (records[1:], "2 trials of one point"),
        (records, "3 trials of 2 points"),
    ):
        mirror(folder).send(Snapshot(shown, "FINISHED"))
        notes = [
            line["tags"]["sweep.note"] for line in lines(folder, "study") if "sweep.note" in line.get("tags", {})
        ]
        assert (
            "chosen" not in notes[-1]
            if among is None
            else f"chosen among {among}: its figure is too high" in notes[-1]
        )


def test_a_finished_trial_is_sent_once_and_its_folder_is_not_looked_at_again(folder: StudyFolder) -> None:
    record = trial(folder, state="COMPLETE")
    first = mirror(folder)
    assert first.has_work(Snapshot([record]))
    assert first.send(Snapshot([record], "FINISHED")) == 1
    assert losses(folder) == CURVE
    (row,) = (line for line in lines(folder) if line.get("metric") == "cldr/mono/map")
    assert (row["value"], row["step"], row["timestamp_ms"]) == (0.5, 3, 9000)
    assert status(folder) == status(folder, "study") == "FINISHED"
    assert next(line for line in lines(folder) if "started_ms" in line)["started_ms"] == 500
    before = folder.runs.read_bytes()
    nowhere = replace(record, folder=None)  # whoever looked into its folder would fail
    for again in (first, mirror(folder)):
        assert not again.has_work(Snapshot([nowhere], "FINISHED"))
        assert again.missing(Snapshot([nowhere], "FINISHED")) == []
        assert again.send(Snapshot([nowhere], "FINISHED")) == 0
    assert Counter(folder.runs.read_text().splitlines()) - Counter(before.decode().splitlines()) <= Counter(
        ['{"run": "uid/study", "status": "RUNNING"}', '{"run": "uid/study", "status": "FINISHED"}']
    )


def test_what_needs_no_training_has_runs_of_its_own(folder: StudyFolder) -> None:
    record = trial(folder, state="COMPLETE")
    mirror(folder).send(Snapshot([record]))
    baseline = ResultFolder(folder.path / "baselines" / "lir-0123456789ab")
    baseline.path.mkdir(parents=True)
    baseline.metrics.write_text(json.dumps({"cldr/mono/map": 0.25}))
    again = mirror(folder)
    assert again.has_work(Snapshot([record]))
    again.send(Snapshot([record]))
    sent = lines(folder, "baseline lir")
    assert [(line["metric"], line["value"]) for line in sent if "metric" in line] == [("cldr/mono/map", 0.25)]
    assert status(folder, "baseline lir") == "FINISHED"
    assert not mirror(folder).has_work(Snapshot([record]))


def test_rows_follow_while_a_trial_runs_and_its_run_ends_with_the_command(folder: StudyFolder) -> None:
    mirrored = mirror(folder)
    mirrored.send(Snapshot([trial(folder, steps=1)]))
    assert losses(folder) == CURVE[:1]
    record = trial(folder, steps=2)
    with record.folder.losses.open("a") as torn:  # type: ignore[union-attr]
        torn.write("3,0.33")
    mirrored.send(Snapshot([record], "KILLED"))
    assert losses(folder) == CURVE[:2]
    assert (status(folder), status(folder, "study")) == ("KILLED", "KILLED")
    assert mirrored.missing(Snapshot([record], "KILLED")) == []
    mirror(folder).send(Snapshot([trial(folder, steps=3)]))
    assert (status(folder), losses(folder)) == ("RUNNING", CURVE)


def test_losses_of_many_running_trials_are_sent_more_rarely(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 40 trials 20 s after those before: 2 calls a second."""
    clock = [1000.0]
    monkeypatch.setattr(trial_runs.time, "monotonic", lambda: clock[0])
    made, keys = mirror(folder), [f"t{number}" for number in range(40)]
    for steps, after_s, shown in ((1, 0, 1), (2, 6, 1), (3, 21, 3)):
        clock[0] = 1000.0 + after_s
        made.send(Snapshot([trial(folder, key, steps) for key in keys]))
        assert {len(losses(folder, key)) for key in keys} == {shown}


def test_a_kill_between_a_row_and_the_cursor_doubles_nothing(folder: StudyFolder) -> None:
    mirror(folder).send(Snapshot([trial(folder, steps=2)]))
    written = folder.tracking_cursor.read_text().splitlines(keepends=True)
    for kept in range(len(written)):
        folder.tracking_cursor.write_text("".join(written[:kept])[:-3])
        mirror(folder).send(Snapshot([trial(folder, steps=2)], "KILLED"))
        assert losses(folder) == CURVE[:2]
    folder.tracking_cursor.unlink()
    mirror(folder).send(Snapshot([trial(folder, state="COMPLETE")], "FINISHED"))
    assert losses(folder) == CURVE


@pytest.mark.parametrize(
    "damage", [b"\xff\xfe\n", b"{\n", b"[]\n", b'{"key": "a", "run": "x", "what": 1}\n', b"{}\n"]
)
def test_a_damaged_cursor_is_made_again_and_doubles_nothing(folder: StudyFolder, damage: bytes) -> None:
    record = trial(folder, state="COMPLETE")
    mirror(folder).send(Snapshot([record], "FINISHED"))
    before = Counter(folder.runs.read_text().splitlines())
    folder.tracking_cursor.write_bytes(folder.tracking_cursor.read_bytes() + damage)
    again = mirror(folder)
    assert again.has_work(Snapshot([record], "FINISHED"))
    again.send(Snapshot([record], "FINISHED"))
    assert {line for line, times in (Counter(folder.runs.read_text().splitlines()) - before).items()} <= {
        '{"run": "uid/study", "status": "RUNNING"}',
        '{"run": "uid/study", "status": "FINISHED"}',
    }
    assert not mirror(folder).has_work(Snapshot([record], "FINISHED"))


def test_a_curve_that_was_written_anew_gets_a_new_run(folder: StudyFolder) -> None:
    mirror(folder).send(Snapshot([trial(folder), trial(folder, "b")]))
    record = trial(folder, steps=0)
    train(folder.trial("a"), 2, factor=2.0)
    mirror(folder).send(Snapshot([record, trial(folder, "b")], "KILLED"))
    assert losses(folder) == [(1, 2.0), (2, 1.0)]
    assert losses(folder, "b") == CURVE


def test_a_failed_trial_that_is_retried_goes_on_in_its_run(folder: StudyFolder) -> None:
    failed = replace(trial(folder, steps=2), state="FAILED", reason="the loss became nan")
    mirrored = mirror(folder)
    mirrored.send(Snapshot([failed], "FAILED"))
    assert lines(folder)[-1]["reason"] == "the loss became nan"
    mirrored.send(Snapshot([replace(failed, state="WAITING", number=1)]))
    assert status(folder) == "FAILED"
    done = replace(trial(folder, state="COMPLETE"), number=1, attempts=2)
    mirrored.send(Snapshot([done], "FINISHED"))
    assert (status(folder), losses(folder)) == ("FINISHED", CURVE)
    assert [line["tags"]["sweep.attempt"] for line in lines(folder) if "sweep.attempt" in line.get("tags", {})] == [
        "1",
        "2",
    ]


def test_a_tracker_that_lost_everything_gets_everything_again(folder: StudyFolder) -> None:
    records = [trial(folder, state="COMPLETE"), trial(folder, "b", state="COMPLETE")]
    mirror(folder).send(Snapshot(records, "FINISHED"))
    folder.runs.unlink()
    again = mirror(folder)
    assert again.missing(Snapshot(records, "FINISHED")) == ["a", "b"]
    assert again.send(Snapshot(records, "FINISHED")) == 2
    assert losses(folder) == losses(folder, "b") == CURVE


def test_trials_that_never_began_have_no_run(folder: StudyFolder) -> None:
    waiting = TrialRecord("w", 0, 0, "WAITING", {}, folder=folder.trial("w"))
    pruned = replace(waiting, key="p", state="PRUNED", folder=folder.trial("p"))
    assert not mirror(folder).has_work(Snapshot([waiting, pruned], "FINISHED"))
    assert not folder.runs.exists()


class Failing(JsonLinesTracker):
    """Fails where `fault` says so."""

    fault: Callable[[str], None]

    def log(self, run_id: str, rows: Any, parameters: Any = None, tags: Any = None) -> None:
        self.fault(run_id)
        super().log(run_id, rows, parameters, tags)


class FailingPlace(JsonLinesPlace):
    def __init__(self, folder: StudyFolder, fault: Callable[[str], None]) -> None:
        super().__init__(SETTINGS, folder)
        self.fault = fault

    def connect(self) -> Tracker:
        tracker = Failing(self.file)
        tracker.fault = self.fault  # type: ignore[method-assign]
        return tracker


def test_the_background_says_once_that_the_tracker_is_away_and_what_is_missing(configured: StudyFolder) -> None:
    def away(_: str) -> None:
        raise TrackerAway("connection refused")

    said: list[str] = []
    records = [trial(configured, state="COMPLETE"), trial(configured, "b", state="COMPLETE")]
    background = BackgroundMirror(Mirror(configured, FailingPlace(configured, away), "uid"), said.append, "sync it")
    background.update(records)
    background.finish("FINISHED", SECONDS)
    assert [text.split(" is away (")[-1] for text in said[:-1]] == [
        "connection refused); the study goes on without it"
    ]
    assert said[-1].startswith("2 of 2 trials are missing in ")
    assert said[-1].endswith("This sends what is missing:\n  sync it")


def test_a_tracker_that_hangs_holds_nobody_up(configured: StudyFolder) -> None:
    hanging, release = threading.Event(), threading.Event()

    def hang(_: str) -> None:
        hanging.set()
        release.wait(2 * SECONDS)

    said: list[str] = []
    background = BackgroundMirror(Mirror(configured, FailingPlace(configured, hang), "uid"), said.append, "sync it")
    background.update([trial(configured, state="COMPLETE")])
    assert hanging.wait(SECONDS)
    background.update([trial(configured, state="COMPLETE")])
    background.finish("FINISHED", 0)
    release.set()
    assert said == [f"1 of 1 trials are missing in {configured.runs}. This sends what is missing:\n  sync it"]


def test_a_tracker_that_comes_back_gets_the_rest(configured: StudyFolder) -> None:
    faults = ["once"]

    def once(_: str) -> None:
        if faults:
            faults.pop()
            raise TrackerAway("connection refused")

    said: list[str] = []
    background = BackgroundMirror(Mirror(configured, FailingPlace(configured, once), "uid"), said.append, "sync it")
    background.update([trial(configured, state="COMPLETE")])
    until(lambda: said)
    background.finish("FINISHED", SECONDS)
    assert len(said) == 2
    assert said[1].endswith(" is back")
    assert losses(configured) == CURVE


def test_a_configuration_that_cannot_be_read_is_said_once(folder: StudyFolder) -> None:
    said: list[str] = []
    background = BackgroundMirror(mirror(folder), said.append, "sync it")
    for _ in range(2):
        background.update([trial(folder, state="COMPLETE")])
    background.finish("FINISHED", SECONDS)
    (text,) = said
    assert text.startswith(f"{folder.runs}: the study is tracked without its objectives, its target and its settings")
    assert "seed is missing" in text


def test_a_study_that_another_command_has_taken_over_is_left_to_that_one(configured: StudyFolder) -> None:
    said: list[str] = []
    background = BackgroundMirror(mirror(configured), said.append, "sync it")
    background.update([trial(configured)])
    background.leave()
    for thread in threading.enumerate():
        if thread.name == "mirror":  # a call that was on its way
            thread.join(SECONDS)
    sent = configured.runs.read_text() if configured.runs.exists() else ""
    background.update([trial(configured, state="COMPLETE")])
    background.finish("KILLED", SECONDS)
    assert (configured.runs.read_text() if configured.runs.exists() else "") == sent
    assert said == []
