"""What every tracker does, whatever it writes to. A new one is added to TRACKERS."""

import json
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import pytest
from mlflow.data import get_source
from mlflow.tracking import MlflowClient

from sweep.records.data_record import DataRecord
from sweep.records.folder import StudyFolder
from sweep.settings import JsonLinesTracking, MlflowTracking
from sweep.tracking.protocol import Row, TrackedStudy, Tracker, TrackerAway
from sweep.tracking.registry import place_of

ROWS = [Row("train/loss", 0.5, 1000, 1), Row("train/loss", 0.25, 2000, 2), Row("cldr/recall@10/en", 1.0, 2000, 2)]

SHOWN_OF_DATA = ("role", "name", "source", "digest", "questions")
DATA = (
    DataRecord("training", "mine", "my/folder", ("en", "sw"), 12, 10, "ab" * 32, "s"),
    DataRecord("evaluation", "xquad_r", "https://example.org/xquad-r/", ("en",), 5, 50, "cd" * 32, "t"),
)


class Shown(ABC):
    """A tracker, and what a user sees there: by key status, rows, parameters, tags, names of files."""

    def __init__(self, folder: StudyFolder) -> None:
        self.folder = folder

    @abstractmethod
    def connect(self) -> Tracker:
        """A new connection, as another process has it."""

    @abstractmethod
    def runs(self) -> dict[str, dict[str, Any]]:
        """All runs that are there, the study's among them."""

    @abstractmethod
    def lose(self) -> None:
        """Delete all that is there."""


class ShownByMlflow(Shown):
    settings = MlflowTracking(uri=None)

    def connect(self) -> Tracker:
        return place_of(self.settings, self.folder).connect()

    def runs(self) -> dict[str, dict[str, Any]]:
        client = MlflowClient(f"sqlite:///{self.folder.path.parent}/mlflow.db")
        experiment = client.get_experiment_by_name(self.folder.path.name)
        found = {}
        for run in client.search_runs([experiment.experiment_id]):
            history = [
                point for name in run.data.metrics for point in client.get_metric_history(run.info.run_id, name)
            ]
            assert run.data.tags["sweep.key"] not in found
            found[run.data.tags["sweep.key"]] = {
                "status": run.info.status,
                "reason": run.data.tags.get("sweep.reason"),
                "note": run.data.tags.get("mlflow.note.content"),
                "rows": sorted((row.key.replace("_at_", "@"), row.value, row.timestamp, row.step) for row in history),
                "parameters": run.data.params,
                "tags": {
                    name: run.data.tags[name] for name in ("sweep.seed", "sweep.attempt") if name in run.data.tags
                },
                "files": {Path(file.path).name for file in client.list_artifacts(run.info.run_id)},
                "data": sorted(map(_shown_by_mlflow, run.inputs.dataset_inputs)),
            }
        return found

    def lose(self) -> None:
        client = MlflowClient(f"sqlite:///{self.folder.path.parent}/mlflow.db")
        experiment = client.get_experiment_by_name(self.folder.path.name)
        client.rename_experiment(experiment.experiment_id, "another")


def _shown_by_mlflow(given: Any) -> tuple[Any, ...]:
    """Role, name, source, digest and questions, as MLflow's own classes read a dataset."""
    dataset, (context,) = given.dataset, given.tags
    profile, source = json.loads(dataset.profile), get_source(dataset).to_dict()
    assert context.key == "mlflow.data.context"
    assert profile["sha256"].startswith(dataset.digest)
    return (
        context.value,
        dataset.name,
        source.get("uri") or source["url"],
        profile["sha256"],
        profile["questions"],
    )


class ShownAsJsonLines(Shown):
    settings = JsonLinesTracking(kind="json_lines", path=None)

    def connect(self) -> Tracker:
        return place_of(self.settings, self.folder).connect()

    def runs(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for text in self.folder.runs.read_text().splitlines():
            line = json.loads(text)
            key = line["run"].partition("/")[2]
            run = found.setdefault(
                key, {"status": "RUNNING", "rows": [], "parameters": {}, "tags": {}, "files": set(), "data": []}
            )
            if "data" in line:
                run["data"].append(tuple(line["data"][name] for name in SHOWN_OF_DATA))
            if "metric" in line:
                run["rows"].append(tuple(Row(**{name: line[name] for name in Row._fields})))
            run["parameters"] |= {name: str(value) for name, value in line.get("parameters", {}).items()}
            run["tags"] |= line.get("tags", {})
            run["files"] |= {Path(line["file"]).name} if "file" in line else set()
            if "status" in line:
                run |= {"status": line["status"], "reason": line.get("reason")}
        for run in found.values():
            run["rows"].sort()
            run["data"].sort()
            run["note"] = run["tags"].pop("sweep.note", None)
        return found

    def lose(self) -> None:
        self.folder.runs.unlink()


TRACKERS = [ShownByMlflow, ShownAsJsonLines]


@pytest.fixture(params=TRACKERS, ids=lambda kind: kind.__name__)
def shown(request: pytest.FixtureRequest, tmp_path: Path, empty_mlflow: Path) -> Shown:
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    folder = StudyFolder(tmp_path / "grid")
    folder.path.mkdir()
    folder.config.write_text("name: grid\n")
    tracker: Shown = request.param(folder)
    return tracker


def opened(shown: Shown) -> tuple[Tracker, str]:
    tracker = shown.connect()
    return tracker, tracker.open(TrackedStudy("grid", "uid", shown.folder.config))


class TestTracker:
    def test_a_run_is_made_once_and_has_what_was_logged(self, shown: Shown) -> None:
        tracker, store = opened(shown)
        run = tracker.run("a", 500)
        assert (run.status, run.attempt, run.parameters) == ("RUNNING", None, frozenset())
        tracker.log(run.id, ROWS, {"train.steps": 6, "model.path": "x"}, {"sweep.seed": "0", "sweep.attempt": "2"})
        tracker.attach(run.id, [shown.folder.config])
        again, same = opened(shown)
        assert same == store
        found = again.run("a", 900)
        assert (found.id, found.attempt, found.parameters) == (run.id, "2", {"train.steps", "model.path"})
        there = shown.runs()["a"]
        assert there["rows"] == sorted(map(tuple, ROWS))
        assert there["parameters"] == {"train.steps": "6", "model.path": "x"}
        assert there["tags"] == {"sweep.seed": "0", "sweep.attempt": "2"}
        assert there["files"] == {"config.yaml"}
        assert there["status"] == "RUNNING"

    def test_a_run_has_its_data_once(self, shown: Shown) -> None:
        tracker, _ = opened(shown)
        run = tracker.run("a", 500)
        for _ in range(2):
            tracker.show_data(run.id, DATA)
        opened(shown)[0].show_data(run.id, DATA)
        tracker.show_data(run.id, ())
        tracker.show_data(tracker.run("b", 500).id, DATA[:1])
        expected = sorted(tuple(getattr(record, name) for name in SHOWN_OF_DATA) for record in DATA)
        assert shown.runs()["a"]["data"] == expected
        assert len(shown.runs()["b"]["data"]) == 1

    def test_what_is_sent_again_is_there_once(self, shown: Shown) -> None:
        for _ in range(2):  # the second time by a process that knows nothing of the first
            tracker, _ = opened(shown)
            run = tracker.run("a", 500)
            for _ in range(2):
                tracker.log(run.id, ROWS)
        tracker.end(run.id, "FINISHED", 3000)
        tracker, _ = opened(shown)
        tracker.log(tracker.run("a", 500).id, ROWS)
        assert shown.runs()["a"]["rows"] == sorted(map(tuple, ROWS))
        assert shown.runs()["a"]["status"] == "FINISHED"

    def test_ends_reasons_and_new_beginnings(self, shown: Shown) -> None:
        tracker, _ = opened(shown)
        run = tracker.run("a", None)
        tracker.end(run.id, "FAILED", 3000, "the loss became nan")
        assert (shown.runs()["a"]["status"], shown.runs()["a"]["reason"]) == ("FAILED", "the loss became nan")
        assert opened(shown)[0].run("a", None).status == "FAILED"
        tracker.reopen(run.id)
        assert (shown.runs()["a"]["status"], shown.runs()["a"].get("reason")) == ("RUNNING", None)
        tracker.end(run.id, "FINISHED")
        assert (shown.runs()["a"]["status"], shown.runs()["a"].get("reason")) == ("FINISHED", None)
        tracker.describe(tracker.study_run, "chosen among 2")
        tracker.close("FAILED")
        assert (shown.runs()["study"]["status"], shown.runs()["study"]["note"]) == ("FAILED", "chosen among 2")
        again, _ = opened(shown)
        assert shown.runs()["study"]["status"] == "RUNNING"
        again.describe(again.study_run, "chosen among 3")
        again.close("FINISHED")
        assert (shown.runs()["study"]["status"], shown.runs()["study"]["note"]) == ("FINISHED", "chosen among 3")

    def test_a_discarded_run_is_gone_and_its_trial_gets_a_new_one(self, shown: Shown) -> None:
        tracker, _ = opened(shown)
        for key in ("a", "b"):
            tracker.log(tracker.run(key, 500).id, ROWS)
        tracker.discard(tracker.run("a", 500).id)
        assert shown.runs().keys() == {"study", "b"}
        tracker.log(tracker.run("a", 500).id, ROWS[:1])
        assert shown.runs()["a"]["rows"] == [tuple(ROWS[0])]
        assert shown.runs()["b"]["rows"] == sorted(map(tuple, ROWS))

    def test_a_store_that_was_lost_has_another_id(self, shown: Shown) -> None:
        tracker, store = opened(shown)
        tracker.log(tracker.run("a", 500).id, ROWS)
        shown.lose()
        assert opened(shown)[1] != store
        assert shown.runs().keys() == {"study"}

    def test_many_rows_at_once(self, shown: Shown) -> None:
        tracker, _ = opened(shown)
        rows = [Row("train/loss", number / 7, 1000 + number, number) for number in range(1100)]
        tracker.log(tracker.run("a", 500).id, rows, {f"path.{number}": number for number in range(150)})
        assert shown.runs()["a"]["rows"] == sorted(map(tuple, rows))
        assert len(shown.runs()["a"]["parameters"]) == 150


def test_a_torn_line_of_json_is_removed(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    folder.config.write_text("")
    shown = ShownAsJsonLines(folder)
    tracker, store = opened(shown)
    tracker.log(tracker.run("a", 500).id, ROWS)
    folder.runs.write_bytes(folder.runs.read_bytes()[:-9])
    tracker, same = opened(shown)
    assert same == store
    tracker.log(tracker.run("a", 500).id, ROWS)
    assert shown.runs()["a"]["rows"] == sorted(map(tuple, ROWS))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (MlflowTracking(uri="ftp://there"), "MLflow knows no 'ftp:'; it knows databricks"),
        (MlflowTracking(uri="http://"), "it names no server"),
        (MlflowTracking(uri="sqlite:////no/such/folder/mlflow.db"), "no such folder: /no/such/folder"),
        (JsonLinesTracking(kind="json_lines", path="/no/such/folder/runs"), "cannot be written"),
    ],
)
def test_places_where_nothing_can_ever_be_tracked(tmp_path: Path, settings: Any, reason: str) -> None:
    assert reason in (place_of(settings, StudyFolder(tmp_path)).problem() or "")


def test_a_server_that_is_away_is_no_problem_of_its_place(tmp_path: Path) -> None:
    place = place_of(MlflowTracking(uri="http://user:secret@127.0.0.1:9"), StudyFolder(tmp_path))
    assert place.problem() is None
    assert "secret" not in place.name
    with pytest.raises(TrackerAway) as raised:
        place.connect().open(TrackedStudy("grid", "uid", tmp_path / "config.yaml"))
    assert "secret" not in str(raised.value)
