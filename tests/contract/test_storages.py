"""What every storage of trials keeps to: one class, over SQLite and over a real PostgreSQL server."""

import multiprocessing
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError
from tests.postgres import PostgresServer
from tests.stores import FORTY, VARIABLE, let_an_hour_pass, settings_of, store_at, work
from tests.unit.test_study import result

from sweep.errors import Fenced
from sweep.study.point import Point
from sweep.study.readonly import RelationalReader
from sweep.study.storage import StudyMissing
from sweep.study.store import Claim, StudyStore
from sweep.study.trials import StoredTrial


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Overrides for a storage of either kind."""
    if request.param == "sqlite":
        return []
    server: PostgresServer = request.getfixturevalue("postgres")
    monkeypatch.setenv("SWEEP_STORAGE", server.url())
    return [VARIABLE, f"study.name=study-{tmp_path.name}"]


def reader_of(store: StudyStore) -> RelationalReader:
    """The same study for somebody who only looks at it."""
    return RelationalReader(store.folder.database, store.settings)


def files_in(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


class TestTrialStorage:
    def test_attributes_and_trials_are_kept(self, tmp_path: Path, where: list[str]) -> None:
        store = store_at(tmp_path, *where)
        storage, point = store.storage, Point({"ratio.monolingual": 0.75}, 7)

        def change() -> int:
            storage.set_attribute("note", {"a": [1, None]})
            storage.add(point, earlier_attempts=2)
            trial = storage.trials()[point.key]
            storage.set_trial_attribute(trial.id, "reason", "ünsaid 'x' %")
            storage.set_validated(trial.id, 10, 0.25)
            storage.set_validated(trial.id, 20, float("inf"))
            storage.set_validated(trial.id, 10, 0.5)
            return trial.id

        trial_id = storage.change(change)
        kept = storage.trial(trial_id)
        assert (kept.key, kept.point.values, kept.point.seed) == (point.key, point.values, 7)
        assert (kept.state, kept.values, kept.attempts, kept.holder) == ("WAITING", (), 2, "")
        assert (kept.attributes["reason"], kept.validated) == ("ünsaid 'x' %", {10: 0.5, 20: float("inf")})
        storage.change_trial(trial_id, lambda: storage.set_state(trial_id, "RUNNING"))
        storage.change_trial(trial_id, lambda: storage.set_state(trial_id, "COMPLETE", [0.5]))
        assert (storage.trial(trial_id).state, storage.trial(trial_id).values) == ("COMPLETE", (0.5,))
        assert storage.attributes()["note"] == reader_of(store).attributes()["note"] == {"a": [1, None]}
        assert storage.change_trial(trial_id, lambda: "answer") == "answer"

    def test_the_first_candidate_is_taken_and_no_other_asked_for(self, tmp_path: Path, where: list[str]) -> None:
        store = store_at(tmp_path, *where, "study.seeds=[0,1,2]")
        asked: list[str] = []

        def candidates() -> Iterator[StoredTrial]:
            for trial in store.storage.trials().values():
                asked.append(trial.key)
                yield trial

        claim = store.storage.change(lambda: store.storage.take(candidates(), "w#1"))
        assert claim is not None
        assert (asked, claim.point.key, claim.attempt) == ([claim.point.key], claim.point.key, 1)
        taken = store.storage.trial(claim.trial_id)
        assert (taken.state, taken.claims, taken.is_held_by("w#1")) == ("RUNNING", ["w#1"], True)
        again = store.storage.change(lambda: store.storage.take([taken], "v#2"))
        assert again is not None
        assert (again.attempt, store.storage.trial(claim.trial_id).claims) == (2, ["w#1", "v#2"])
        assert store.storage.change(lambda: store.storage.take([], "v#3")) is None

    def test_who_only_looks_creates_and_changes_nothing(self, tmp_path: Path, where: list[str]) -> None:
        settings = settings_of(*where).study
        with pytest.raises(StudyMissing, match=r"its database .* (is missing|has no study)"):
            RelationalReader(tmp_path / "none" / "study.db", settings)
        assert not files_in(tmp_path)
        store = store_at(tmp_path / "a study", *where, "study.seeds=[0,1]")
        before = files_in(tmp_path)
        reader = reader_of(store)
        claim = store.claim("w")
        assert claim is not None
        assert reader.trials() == store.storage.trials()
        with reader._database.looking() as connection:
            with pytest.raises(DBAPIError, match=r"read-?only"):
                connection.execute(text("DELETE FROM trials"))
        held: list[Any] = []
        holder = threading.Thread(target=lambda: store.storage.change(lambda: held.append(reader.trials())))
        holder.start()
        holder.join(20)  # looking waits for no lock
        assert held == [store.storage.trials()]
        reader.close()
        new = [file for file in files_in(tmp_path) - before if not file.name.startswith("study.db-")]
        assert not new

    def test_a_study_that_its_database_does_not_have_is_missing(self, tmp_path: Path, where: list[str]) -> None:
        store = store_at(tmp_path, *where)
        other = store.settings.model_copy(update={"name": "other"})
        with pytest.raises(StudyMissing, match=r"has no study 'other'"):
            RelationalReader(store.folder.database, other)

    @pytest.mark.slow
    def test_four_processes_claim_forty_trials_exactly(self, tmp_path: Path, where: list[str]) -> None:
        context = multiprocessing.get_context("spawn")
        finished = context.Queue()
        workers = [
            context.Process(target=work, args=(str(tmp_path), [*FORTY, *where], f"w{index}", finished))
            for index in range(4)
        ]
        for worker in workers:
            worker.start()
        claimed, ended = [], 0
        while ended < len(workers):
            item = finished.get(timeout=120)
            claimed, ended = (claimed, ended + 1) if item is None else ([*claimed, item], ended)
        for worker in workers:
            worker.join()
        assert len(claimed) == len(set(claimed)) == len({key for _, key in claimed}) == 40
        store = store_at(tmp_path, *FORTY, *where)
        assert (store.view.finished(), store.view.target, store.view.unfinished()) == (40, 40, False)

    def test_a_look_finds_what_optuna_finds(self, tmp_path: Path, where: list[str]) -> None:
        """After every change, whoever made it: the reader asks only for what may have changed."""
        grid = ["study.space={ratio.monolingual: {grid: [0, 0.25, 0.5, 0.75, 1]}}", "study.retry_failed=true"]
        pruned = ["study.pruner.kind=median", "train.validation.every_steps=1", "study.pruner.startup_trials=0"]
        store, other = (store_at(tmp_path, *grid, *pruned, *where) for _ in range(2))

        alone = reader_of(store)
        url = os.environ["SWEEP_STORAGE"] if where else f"sqlite:///{store.folder.database}"
        study = optuna.load_study(study_name=store.settings.name, storage=url)
        states = {"FAIL": "FAILED"}

        def look() -> None:
            expected = {trial.user_attrs["key"]: trial for trial in study.get_trials()}
            for reader in (store.storage, other.storage, alone):
                seen = reader.trials()
                assert list(seen) == list(expected)
                for key, trial in expected.items():
                    own = seen[key]
                    assert (own.id, own.number, own.key) == (trial._trial_id, trial.number, key)
                    assert own.state == states.get(trial.state.name, trial.state.name), key
                    assert list(own.values) == (trial.values or []), key
                    assert (own.attributes, own.validated) == (trial.user_attrs, trial.intermediate_values), key
                    if reader is not alone:
                        assert reader.trial(own.id) == own
                assert reader.trials() is seen

        def claim() -> Claim:
            claimed = other.claim("w")
            assert claimed is not None
            look()
            return claimed

        def better(claimed: Claim, value: float) -> None:
            other.report(claimed, 1, value)
            look()
            other.finish(claimed, result(claimed.point.key, value))

        def give_back_twice(claimed: Claim) -> None:
            other.release(claimed)
            look()
            again = other.claim("w")
            assert again is not None
            other.release(again)

        changes: list[Callable[[Claim], object]] = [
            lambda claimed: other.fail(claimed, "broken"),
            lambda claimed: better(claimed, 0.75),
            give_back_twice,
            lambda claimed: better(claimed, float("inf")),
            lambda claimed: other.prune(claimed, "hopeless"),
            lambda claimed: other.enqueue(),
            lambda claimed: other.worker_died("w", -9),
        ]
        look()
        for change in changes:
            change(claim())
            look()

    def test_an_attempt_that_lost_its_trial_changes_nothing(self, tmp_path: Path, where: list[str]) -> None:
        dead: set[str] = set()
        store = store_at(tmp_path, *where, alive=lambda worker: worker not in dead)
        late = store.claim("a")
        assert late is not None
        assert store.beat(late)
        dead.add("a")
        successor = store.claim("b")
        assert successor is not None
        assert (successor.trial_id, successor.attempt) == (late.trial_id, 2)
        assert not store.still_mine(late)
        assert not store.beat(late)
        for change in (
            lambda: store.finish(late, result(late.point.key)),
            lambda: store.fail(late, "broken"),
            lambda: store.prune(late, "hopeless"),
            lambda: store.release(late),
            lambda: store.report(late, 1, 0.5),
            lambda: store.commit_result(late, lambda: pytest.fail("a fenced attempt wrote its result")),
        ):
            with pytest.raises(Fenced):
                change()
        assert store.view.states() == {late.point.key: "RUNNING"}
        store.finish(successor, result(late.point.key))
        with pytest.raises(Fenced):
            store.fail(late, "broken")
        assert store.view.states() == {late.point.key: "COMPLETE"}

    def test_a_worker_without_a_sign_of_life_loses_its_trial(self, tmp_path: Path, where: list[str]) -> None:
        store = store_at(tmp_path, *where, "study.grace_s=600", "study.seeds=[0,1]")
        paused, other = store.claim("a"), store.claim("b")
        assert paused is not None
        assert other is not None
        for claim in (paused, other):
            let_an_hour_pass(store, claim)
        assert store.silent_workers() == {"a", "b"}
        assert store.beat(other)
        taken = store.claim("c")
        assert taken is not None
        assert (taken.trial_id, taken.attempt) == (paused.trial_id, 2)
        assert store.claim("d") is None

    def test_a_worker_of_another_machine_is_judged_by_its_beats_alone(self, tmp_path: Path, where: list[str]) -> None:
        store = store_at(tmp_path, *where, "study.grace_s=600", alive=lambda _: False)
        claim = store.claim("w@elsewhere")
        assert claim is not None
        assert store.claim("v") is None
        let_an_hour_pass(store, claim)
        assert store.claim("v") is not None

    def test_a_claim_whose_answer_was_lost_is_found_again(
        self, tmp_path: Path, where: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = store_at(tmp_path, *where, "study.seeds=[0,1]")
        take, calls = store.storage.take, []

        def lost(*arguments: Any) -> Any:
            claim = take(*arguments)
            calls.append(claim)
            if len(calls) == 1:
                raise OperationalError("COMMIT", {}, sqlite3.OperationalError("database is locked"))
            return claim

        monkeypatch.setattr(store.storage, "take", lost)
        claim = store.claim("w")
        assert claim is not None
        assert (claim.trial_id, claim.entry, claim.attempt) == (calls[0].trial_id, calls[0].entry, 1)
        assert len(calls) == 1

    def test_the_lock_of_a_killed_process_is_free(self, tmp_path: Path, where: list[str]) -> None:
        store = store_at(tmp_path, *where)
        code = (
            "import sys, time; from pathlib import Path; from tests.stores import store_at\n"
            "store = store_at(Path(sys.argv[1]), *sys.argv[2:])\n"
            "store.storage.change(lambda: (print('held', flush=True), time.sleep(60)))"
        )
        holder = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), *where], stdout=subprocess.PIPE, text=True
        )
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        claims: list[Any] = []
        waiting = threading.Thread(target=lambda: claims.append(store.claim("w")))
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        holder.kill()
        holder.communicate()
        waiting.join(30)
        assert len(claims) == 1
        assert claims[0] is not None
