"""Results that go from one machine's folder to another's through a place of artifacts."""

import json
import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.test_study import result, settings_of, store_of
from tests.waiting import SECONDS, until

from sweep.answer.opened import Study
from sweep.commands import manage_studies
from sweep.errors import Fenced, InputError, SweepError
from sweep.launch.order import WorkOrder
from sweep.records.folder import StudyFolder
from sweep.records.study_artifacts import Recorded, StudyArtifacts, remove_drafts
from sweep.records.table import TrialsTable
from sweep.run import fetching as run_fetching
from sweep.run.fetching import Fetching, refuse_missing
from sweep.run.resuming import left_by
from sweep.settings import Settings
from sweep.settings.checks import STUDY_CHECKS
from sweep.study.heartbeat import Heartbeat
from sweep.study.store import Claim, StudyStore
from sweep.study.view import StudyView
from sweep.study.warm_start import warm_start
from sweep.training.checkpoint import Checkpoints
from sweep.trial.attempt import TrialRun
from sweep.trial.checkpoint_copies import CheckpointCopies
from sweep.trial.pipeline import TrialData, make_accelerator
from sweep.trial.shared_results import SharedResults

GRID = "study.space={ratio.monolingual: {grid: [0.5]}}"
KEY = "ratio.monolingual=0.5,seed=0"


class Machine:
    """A folder of the study, and what is done there; the database is the same for all."""

    def __init__(self, tmp_path: Path, name: str, store: StudyStore, patience_s: float = SECONDS) -> None:
        self.settings = settings_with(tmp_path, f"study.patience_s={patience_s}")
        self.store = store
        self.folder = StudyFolder(tmp_path / name / "tiny")
        artifacts = StudyArtifacts.of(self.settings.study, self.folder, store.uid)
        assert artifacts is not None
        self.artifacts = artifacts
        self.artifacts.store.check()
        self.view = StudyView(self.folder, self.settings.study, store.storage)
        self.lines: list[str] = []

    def run(self, claim: Claim, value: float) -> None:
        """What an attempt does before it leaves its result."""
        trial = self.folder.trial(claim.point.key)
        trial.path.mkdir(parents=True, exist_ok=True)
        trial.begin_attempt(claim.attempt, 0)
        trial.log.write_text(f"attempt {claim.attempt}")
        trial.model.mkdir(exist_ok=True)
        (trial.model / "weights").write_text(f"of attempt {claim.attempt}")
        trial.write_result(result(claim.point.key, value))

    def fetching(self) -> Fetching:
        return Fetching(self.artifacts, self.lines.append, self.settings.study.patience_s)


def settings_with(tmp_path: Path, *overrides: str) -> Settings:
    return settings_of(GRID, f"study.artifacts=file://{tmp_path}/place", *overrides)


@pytest.fixture
def store(tmp_path: Path) -> StudyStore:
    return store_of(tmp_path / "database", GRID, alive=lambda worker: worker != "slept")


def two_attempts(tmp_path: Path, store: StudyStore) -> tuple[Machine, Machine, Claim, Claim]:
    first, second = Machine(tmp_path, "first", store), Machine(tmp_path, "second", store)
    slept = store.claim("slept")
    assert slept is not None
    first.run(slept, 0.1)
    awake = store.claim("awake")
    assert awake is not None
    assert awake.attempt == 2
    second.run(awake, 0.2)
    return first, second, slept, awake


@pytest.mark.parametrize("late", [True, False])
def test_two_attempts_do_not_mix(tmp_path: Path, store: StudyStore, late: bool) -> None:
    """The first was killed after it had left its result and before it could say so, or it slept and says so too
    late: the study has what the second one measured, wherever the first one's files are."""
    first, second, slept, awake = two_attempts(tmp_path, store)
    if not late:
        first.artifacts.leave_result(KEY, slept.attempt)
    store.finish(awake, result(KEY, 0.2), second.artifacts.leave_result(KEY, awake.attempt))
    if late:
        recorded = first.artifacts.leave_result(KEY, slept.attempt)
        with pytest.raises(Fenced):
            store.finish(slept, result(KEY, 0.1), recorded)
    driver = Machine(tmp_path, "driver", store)
    shutil.copytree(first.folder.path, driver.folder.path)  # it shared its folder with the first one
    assert [record.state for record in driver.view.records()] == ["RUNNING"]
    fetching = driver.fetching()
    fetching.update(driver.view.missing())
    fetching.finish(driver.view, "FINISHED")
    (record,) = driver.view.records()
    assert record.state == "COMPLETE"
    assert record.metrics == {"cldr/pooled/alignment_consistency/low": 0.2}
    assert record.folder is not None
    assert record.folder.damage() is None
    assert record.folder.log.read_text() == "attempt 2"
    assert (record.folder.model / "weights").read_text() == "of attempt 2"
    left = driver.artifacts.store.names("results/") + driver.artifacts.store.names("models/")
    assert left == [f"results/{KEY}.2.tar", f"models/{KEY}.2.tar"]  # the first one's are nobody's


def test_what_has_not_arrived_is_not_damaged_and_has_no_row_yet(tmp_path: Path, store: StudyStore) -> None:
    _, second, _, awake = two_attempts(tmp_path, store)
    store.finish(awake, result(KEY, 0.2), second.artifacts.leave_result(KEY, awake.attempt))
    driver = Machine(tmp_path, "driver", store)
    table = TrialsTable(driver.folder.trials_csv)
    assert table.update(driver.view.records()) == 0
    with pytest.raises(SweepError, match="could not be fetched"):
        refuse_missing(driver.view, driver.settings)
    with pytest.raises(InputError, match=r"give the study\.artifacts=URL"):
        refuse_missing(driver.view, settings_of(GRID))
    driver.artifacts.take_result(KEY, {"attempt": 2})
    assert table.update(driver.view.records()) == 1
    refuse_missing(driver.view, driver.settings)


def test_a_place_that_is_away_holds_the_driver_up_only_at_its_end(tmp_path: Path, store: StudyStore) -> None:
    _, second, _, awake = two_attempts(tmp_path, store)
    store.finish(awake, result(KEY, 0.2), second.artifacts.leave_result(KEY, awake.attempt))
    driver = Machine(tmp_path, "driver", store)
    (tmp_path / "place").rename(tmp_path / "away")
    fetching = driver.fetching()
    began = time.monotonic()
    fetching.update(driver.view.missing())
    assert time.monotonic() - began < SECONDS / 2  # of the patience
    threading.Timer(2, lambda: (tmp_path / "away").rename(tmp_path / "place")).start()
    fetching.finish(driver.view, "FINISHED")
    assert [record.state for record in driver.view.records()] == ["COMPLETE"]


def test_patience_with_a_place_ends_and_nothing_is_deleted(tmp_path: Path, store: StudyStore) -> None:
    _, second, _, awake = two_attempts(tmp_path, store)
    store.finish(awake, result(KEY, 0.2), second.artifacts.leave_result(KEY, awake.attempt))
    driver = Machine(tmp_path, "driver", store, patience_s=1)
    (tmp_path / "place").rename(tmp_path / "away")
    fetching = driver.fetching()
    fetching.finish(driver.view, "FINISHED")
    assert any("1 ended trials could not be fetched" in line for line in driver.lines)
    assert sorted(path.name for path in (tmp_path / "away").rglob("*.tar")) == [f"{KEY}.2.tar"] * 2


def test_curves_go_on_with_the_checkpoint(tmp_path: Path, store: StudyStore) -> None:
    first, second = Machine(tmp_path, "first", store), Machine(tmp_path, "second", store)
    trial = first.folder.trial(KEY)
    trial.path.mkdir(parents=True)
    trial.begin_attempt(1, 1234)
    trial.losses.write_text("step,loss\n1,0.5\n")
    (trial.validation).mkdir()
    (trial.validation / "3.npy").write_bytes(b"3")
    first.artifacts.leave_trail(KEY, 1)
    second.artifacts.take_trail(KEY, 2)
    other = second.folder.trial(KEY)
    assert other.losses.read_text() == "step,loss\n1,0.5\n"
    assert (other.validation / "3.npy").read_bytes() == b"3"
    assert other.started_ms() == 1234
    other.losses.write_text("longer")
    other.begin_attempt(2, 9999)
    second.artifacts.take_trail(KEY, 3)  # what is here is newer
    assert other.losses.read_text() == "longer"
    assert not list(other.path.glob(".*"))


def test_a_trail_of_which_a_kill_left_half_is_taken_again(
    tmp_path: Path, store: StudyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else curves of one attempt would go on with the checkpoint of another."""
    first, second = Machine(tmp_path, "first", store), Machine(tmp_path, "second", store)
    trial = first.folder.trial(KEY)
    trial.path.mkdir(parents=True)
    trial.begin_attempt(1, 1234)
    trial.losses.write_text("step,loss\n1,0.5\n")
    first.artifacts.leave_trail(KEY, 1)
    move, moved = os.replace, list[str]()

    def killed_after_one(origin: Path, target: Path) -> None:
        if Path(target).parent == second.folder.trial(KEY).path and Path(origin).parent.name == "trail":
            if moved:
                raise KeyboardInterrupt
            moved.append(Path(target).name)
        move(origin, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed_after_one)
        with pytest.raises(KeyboardInterrupt):
            second.artifacts.take_trail(KEY, 2)
    second.artifacts.take_trail(KEY, 2)
    assert second.folder.trial(KEY).losses.read_text() == "step,loss\n1,0.5\n"


def test_the_first_attempt_needs_no_place(tmp_path: Path, store: StudyStore) -> None:
    machine = Machine(tmp_path, "machine", store)
    (tmp_path / "place").rename(tmp_path / "away")
    began = time.monotonic()
    machine.artifacts.take_trail(KEY, 1)
    copies = CheckpointCopies(machine.artifacts, KEY, 1)
    checkpoints = Checkpoints(machine.folder.trial(KEY).checkpoint, "me", make_accelerator(), 1, copies=copies)
    assert checkpoints.newest() == (None, [])
    copies.delete()  # which the driver does later
    assert time.monotonic() - began < SECONDS / 2  # of the patience


def test_what_is_not_the_result_that_the_database_names_is_not_taken_for_it(
    tmp_path: Path, store: StudyStore
) -> None:
    """A COMPLETE trial's object that has no result.json, say: it is named in the end, and not fetched without a rest
    until then."""
    _, second, _, awake = two_attempts(tmp_path, store)
    (second.folder.trial(KEY).path / "result.json").unlink()
    store.finish(awake, result(KEY, 0.2), second.artifacts.leave_result(KEY, awake.attempt))
    driver = Machine(tmp_path, "driver", store, patience_s=2)
    taken = []
    take = StudyArtifacts.take_result

    def counted(self: StudyArtifacts, key: str, recorded: Recorded) -> bool:
        taken.append(key)
        return take(self, key, recorded)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StudyArtifacts, "take_result", counted)
        patch.setattr(run_fetching, "AGAIN_S", 3600.0)
        fetching = driver.fetching()
        fetching.update(driver.view.missing())
        until(lambda: fetching._reasons)
        fetching.finish(driver.view, "FINISHED")
    assert any("is not its result" in line for line in driver.lines)
    assert taken == [KEY]


def test_readers_do_not_take_a_study_for_complete_whose_results_are_not_here(
    tmp_path: Path, store: StudyStore, capsys: pytest.CaptureFixture[str]
) -> None:
    _, second, _, awake = two_attempts(tmp_path, store)
    store.finish(awake, result(KEY, 0.2), second.artifacts.leave_result(KEY, awake.attempt))
    driver = Machine(tmp_path, "driver", store)
    (driver.folder.trial(KEY).checkpoint / "step-00000040.1").mkdir(parents=True)  # before it went on elsewhere
    study = Study(driver.folder, driver.settings, driver.view)
    assert (study.state, driver.view.here(), driver.view.finished()) == ("stopped", 0, 1)
    assert left_by(driver.view).saved == {}
    manage_studies._status(study, every=True)
    assert "not here: 1 trials that have ended on other machines" in capsys.readouterr().out
    driver.artifacts.take_result(KEY, {"attempt": 2})
    assert (study.state, driver.view.here()) == ("complete", 1)
    manage_studies._status(study, every=True)
    assert "not here" not in capsys.readouterr().out


def test_no_result_of_another_machine_is_left_out_of_a_warm_start(tmp_path: Path) -> None:
    origin = store_of(tmp_path / "origin", GRID, "study.name=origin")
    claim, machine = origin.claim("w"), Machine(tmp_path, "machine", origin)
    assert claim is not None
    machine.run(claim, 0.2)
    origin.finish(claim, result(KEY, 0.2), machine.artifacts.leave_result(KEY, claim.attempt))
    other = store_of(tmp_path / "other", GRID, "study.name=other")
    settings = settings_of(GRID, "study.name=other", "study.warm_start=origin")
    with pytest.raises(InputError, match=f"1 of its trials were run on other machines.*{KEY}"):
        warm_start(other, settings, lambda _: settings, ())


def test_a_committed_result_keeps_its_own_files(tmp_path: Path, store: StudyStore) -> None:
    """The first attempt was killed when it had its result. The second one, elsewhere, came as far as a checkpoint.
    The third one has the folder of the first."""
    first, second = Machine(tmp_path, "first", store), Machine(tmp_path, "second", store)
    for machine, value in ((first, 0.1), (second, 0.2)):
        claim = store.claim("slept")
        assert claim is not None
        machine.run(claim, value)
    whole = replace(result(KEY, 0.1), fingerprint=first.settings.trial_fingerprint())
    first.folder.trial(KEY).write_result(whole)
    second.artifacts.leave_trail(KEY, 2)
    claim = store.claim("w")
    assert claim is not None
    shared = SharedResults(first.artifacts, first.view)
    order, heartbeat = WorkOrder("w", str(first.folder.path), (), None), Heartbeat(store, claim, 60)
    run = TrialRun(order, first.settings, make_accelerator(), first.folder, store, claim, heartbeat, shared=shared)
    run.run(TrialData())
    driver = Machine(tmp_path, "driver", store)
    driver.artifacts.take_result(KEY, {"attempt": 3})
    (record,) = driver.view.records()
    assert record.state == "COMPLETE"
    assert record.folder is not None
    assert record.folder.damage() is None
    assert record.metrics == {"cldr/pooled/alignment_consistency/low": 0.1}


def test_drafts_of_those_who_are_at_work_stay(tmp_path: Path) -> None:
    """Workers that have joined may share the driver's folder, and go on while it begins anew."""
    checkpoint = tmp_path / "trials" / KEY / "checkpoint"
    checkpoint.mkdir(parents=True)
    old, young = checkpoint / ".old.draft", checkpoint / ".young.draft"
    for draft in (old, young):
        draft.touch()
    (tmp_path / ".old.draft").mkdir()
    for draft in (old, tmp_path / ".old.draft"):
        os.utime(draft, (1_000_000_000, 1_000_000_000))
    remove_drafts(tmp_path)
    assert [path.name for path in tmp_path.rglob("*.draft")] == [".young.draft"]


def test_a_worker_with_a_folder_of_its_own_says_why_it_ended(tmp_path: Path, store: StudyStore) -> None:
    worker, driver = Machine(tmp_path, "worker", store), Machine(tmp_path, "driver", store)
    worker.folder.workers.mkdir(parents=True)
    (worker.folder.workers / "w@ray.json").write_text(json.dumps({"error": "the disk is full"}))
    (worker.folder.workers / "w@ray.rank1.failure").write_text("{}")
    (worker.folder.workers / "w@ray.lock").touch()
    worker.artifacts.leave_words("w@ray")
    driver.artifacts.take_words("w@ray")
    assert sorted(file.name for file in driver.folder.workers.iterdir()) == ["w@ray.json", "w@ray.rank1.failure"]
    assert json.loads((driver.folder.workers / "w@ray.json").read_text()) == {"error": "the disk is full"}


@pytest.mark.parametrize(
    ("overrides", "lacking"),
    [
        (("study.artifacts=file:///place",), "study.storage"),
        (("study.storage=postgresql+psycopg://me@host/db",), "study.artifacts"),
        (("study.storage=postgresql+psycopg://me@host/db", "study.artifacts=file:///place"), None),
    ],
)
def test_a_folder_of_workers_needs_what_all_machines_reach(overrides: tuple[str, ...], lacking: str | None) -> None:
    given = (GRID, "launcher=ray", "launcher.scratch=/scratch", *overrides)
    if lacking is None:
        assert not [problem for check in STUDY_CHECKS if (problem := check(settings_of(*given)))]
    else:
        with pytest.raises(InputError, match=f"launcher.scratch=/scratch: .* need {lacking}"):
            settings_of(*given)
