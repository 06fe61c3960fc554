"""What every storage of trials keeps to: one class, over SQLite and over a real PostgreSQL server."""

import multiprocessing
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
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
from sweep.study import rows
from sweep.study.point import Point
from sweep.study.readonly import RelationalReader
from sweep.study.storage import StudyMissing
from sweep.study.store import Claim, StudyStore


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


def _refuse(*_: object) -> bool:
    raise OperationalError("UPDATE", {}, sqlite3.OperationalError("database is locked"))


def files_in(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


class TestTrialStorage:
    def test_attributes_and_trials_are_kept(self, tmp_path: Path, where: list[str]) -> None:
        store = store_at(tmp_path, *where)
        storage, point = store.storage, Point({"ratio.monolingual": 0.75}, 7)

        def change() -> int:
            storage.set_attribute("note", {"a": [1, None]})
            storage.add([(point, 2)])
            trial = storage.trials()[point.key]
            storage.set_trial_attributes(trial.id, {"reason": "ünsaid 'x' %"})
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

    def test_trials_are_taken_in_order_and_those_kept_back_are_not(self, tmp_path: Path, where: list[str]) -> None:
        store = store_at(tmp_path, *where, "study.seeds=[0,1,2]")
        storage = store.storage
        first, second, third = storage.trials().values()
        storage.keep_back([first.id])
        claim = storage.take_next("w#1")
        assert claim is not None
        assert (claim.trial_id, claim.number, claim.point.key, claim.attempt) == (second.id, 1, second.key, 1)
        taken = storage.trial(claim.trial_id)
        assert (taken.state, taken.claims, taken.is_held_by("w#1")) == ("RUNNING", ["w#1"], True)
        assert storage.held_under("w#1") == claim
        assert storage.held_under("w#") is storage.held_under("w#2") is None
        storage.change_trial(second.id, lambda: storage.set_state(second.id, "WAITING"))
        storage.keep_back([third.id])
        claims = [storage.take_next(f"v#{number}") for number in range(3)]
        assert [one and (one.trial_id, one.attempt) for one in claims] == [(first.id, 1), (second.id, 2), None]
        assert storage.trial(second.id).claims == ["w#1", "v#1"]

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
        other = store.settings.model_copy(update={"name": "nobody's"})  # a server has the studies of other tests, too
        with pytest.raises(StudyMissing, match=r"has no study 'nobody's'"):
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
        take_next, calls = store.storage.take_next, []

        def lost(entry: str) -> Claim | None:
            claim = take_next(entry)
            calls.append(claim)
            if len(calls) == 1:
                raise OperationalError("COMMIT", {}, sqlite3.OperationalError("database is locked"))
            return claim

        monkeypatch.setattr(store.storage, "take_next", lost)
        claim = store.claim("w")
        assert claim is not None
        assert claim == calls[0]
        assert len(calls) == 1
        assert list(store.view.states().values()) == ["RUNNING", "WAITING"]

    def test_an_outage_that_only_a_sign_of_life_met_is_one(
        self, tmp_path: Path, where: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever claims right after it takes nobody for silent who was not heard either."""
        store = store_at(tmp_path, *where, "study.seeds=[0,1]")
        claim = store.claim("w")
        assert claim is not None
        with monkeypatch.context() as away:
            away.setattr(rows, "beat_as_holder", _refuse)
            with pytest.raises(OperationalError):
                store.beat(claim)
        assert store.storage.just_recovered
        assert store.claim("v") is not None
        assert store.storage.just_recovered

    def test_who_waited_for_the_storage_takes_nobody_for_silent(
        self, tmp_path: Path, where: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The others were not heard either."""
        store = store_at(tmp_path, *where, "study.grace_s=600", "study.seeds=[0,1]")
        first = store.claim("w@elsewhere")
        assert first is not None
        let_an_hour_pass(store, first)
        other = StudyStore(store.folder, store.settings, lambda _: True)  # its first claim looks for the dead
        doubtful, asked = other.storage.doubtful, []

        def away_once(host: str) -> list[int]:
            asked.append(host)
            if len(asked) == 1:
                _refuse()
            return doubtful(host)

        monkeypatch.setattr(other.storage, "doubtful", away_once)
        claim = other.claim("v@elsewhere")
        assert claim is not None
        assert (claim.number, claim.attempt) == (1, 1)
        assert len(asked) == 2
        assert store.beat(first)

    def test_claimers_at_once_get_different_trials(self, tmp_path: Path, where: list[str]) -> None:
        store = store_at(tmp_path, *where, f"study.seeds={list(range(24))}")
        claims: list[Claim | None] = []

        def claim() -> None:
            own = StudyStore(store.folder, store.settings, lambda _: True)
            claims.extend(own.claim(f"w{threading.get_ident()}") for _ in range(4))
            own.storage.close()

        threads = [threading.Thread(target=claim) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(one.number for one in claims if one is not None) == list(range(24))
        assert all(len(trial.claims) == 1 for trial in store.view.trials().values())

    def test_a_value_that_is_removed_from_the_grid_waits_until_it_comes_back(
        self, tmp_path: Path, where: list[str]
    ) -> None:
        whole, part = (f"study.space={{ratio.monolingual: {{grid: {grid}}}}}" for grid in ([0, 0.5, 1], [0.5, 1]))
        store_at(tmp_path, whole, *where)
        store = store_at(tmp_path, part, *where)
        claims = [store.claim("w") for _ in range(3)]
        assert [one and one.point.values["ratio.monolingual"] for one in claims] == [0.5, 1, None]
        assert claims[0] is not None
        store_at(tmp_path, "study.space={ratio.monolingual: {grid: [1]}}", *where).release(claims[0])
        assert store.claim("w") is None  # the value is gone by now, although it was running when it went
        back = store_at(tmp_path, whole, *where)
        claims = [back.claim("w") for _ in range(3)]
        assert [one and (one.number, one.attempt) for one in claims] == [(0, 1), (1, 2), None]

    def test_a_trial_that_is_being_taken_over_is_not_ended_by_who_had_it(
        self, tmp_path: Path, where: list[str]
    ) -> None:
        store = store_at(tmp_path, *where)
        late = store.claim("a")
        assert late is not None
        other = StudyStore(store.folder, store.settings, lambda _: True).storage
        looking = threading.Event()

        def take_over() -> Claim:
            trial = other.outline(late.trial_id)
            looking.set()
            time.sleep(0.5)  # the paused worker wakes up between the look and the taking
            return other.hold(trial, "b#1")

        taker = threading.Thread(target=lambda: other.change_trial(late.trial_id, take_over))
        taker.start()
        assert looking.wait(20)
        with pytest.raises(Fenced):
            store.finish(late, result(late.point.key))
        taker.join()
        kept = store.storage.trial(late.trial_id)
        assert (kept.state, kept.claims, kept.values) == ("RUNNING", [late.entry, "b#1"], ())

    def test_a_worker_that_was_seen_dying_loses_its_trial_at_once(self, tmp_path: Path, where: list[str]) -> None:
        store = store_at(tmp_path, *where)
        claim = store.claim("w@elsewhere")
        assert claim is not None
        assert store.claim("v") is None
        store.worker_died("w@elsewhere", -9)
        assert store.abandoned() == 1
        again = store.claim("v")
        assert again is not None
        assert (again.trial_id, again.attempt) == (claim.trial_id, 2)

    def test_optuna_reads_what_was_enqueued_as_its_own(self, tmp_path: Path, where: list[str]) -> None:
        space = "study.space={ratio.monolingual: {grid: [0, 0.5]}, train.steps: {grid: [10, 20, 30]}}"
        store = store_at(tmp_path, space, "study.seeds=[0,1]", *where)
        url = os.environ["SWEEP_STORAGE"] if where else f"sqlite:///{store.folder.database}"
        trials = optuna.load_study(study_name=store.settings.name, storage=url).get_trials()
        assert [trial.number for trial in trials] == list(range(12))
        assert [trial.params for trial in trials] == [
            {"ratio.monolingual": ratio, "train.steps": steps}
            for ratio in (0, 0.5)
            for steps in (10, 20, 30)
            for _ in (0, 1)
        ]
        assert {str(trial.distributions["train.steps"]) for trial in trials} == {
            str(optuna.distributions.FloatDistribution(10, 30))
        }

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
        waiting = threading.Thread(target=lambda: claims.append(store.storage.change(lambda: "changed")))
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        holder.kill()
        holder.communicate()
        waiting.join(30)
        assert claims == ["changed"]
