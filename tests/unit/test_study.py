"""Points and their keys; claims, takeovers and refusals of the store."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.answer.points import best_of, front_of, points_of
from sweep.errors import InputError, SweepError
from sweep.records.folder import StudyFolder
from sweep.records.values import TrialResult
from sweep.settings import Settings
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.study.point import MAX_KEY_LENGTH, Point, grid_points
from sweep.study.store import StudyStore

WHOLE = "study.select_on=all"  # results that a test makes up have no halves of the questions
GRID = ["study.space={ratio.monolingual: {grid: [0, 0.5, 1.0]}}", "study.seeds=[0,1]"]


@cache  # composing takes a tenth of a second
def settings_of(*overrides: str) -> Settings:
    return load_settings(Composer("sweep", [WHOLE, *overrides]))


def store_of(tmp_path: Path, *overrides: str, alive: Callable[[str], bool] = lambda _: True) -> StudyStore:
    settings = settings_of(*overrides)
    store = StudyStore(StudyFolder(tmp_path), settings.study, alive)
    store.check_settings(settings)
    store.enqueue()
    return store


def result(key: str, value: float = 0.5) -> TrialResult:
    return TrialResult(key, "f", {"cldr/pooled/alignment_consistency/low": value}, 0.1, 1.0, {}, 0, {})


def work(store: StudyStore, worker: str = "w", value: Callable[[dict[str, Any]], float] = lambda _: 0.5) -> list[str]:
    """Claim and finish until nothing is left."""
    keys = []
    while (claim := store.claim(worker)) is not None:
        found = result(claim.point.key, value(claim.point.values))
        store.folder.trial(claim.point.key).write_result(found)
        store.finish(claim, found)
        keys.append(claim.point.key)
    return keys


def test_keys_are_readable_and_stable() -> None:
    assert Point({"ratio.monolingual": 0.25}, 0).key == "ratio.monolingual=0.25,seed=0"
    assert Point({"ratio.monolingual": 1.0}, 3).key == Point({"ratio.monolingual": 1}, 3).key
    assert Point({"b": "x/y", "a": True}, 0).key == "a=true,b=x%2Fy,seed=0"
    assert Point({}, 2).key == "seed=2"


values = st.one_of(
    st.booleans(), st.integers(-99, 99), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=200)
)


@given(values, values)
def test_different_values_have_different_file_safe_keys(one: Any, other: Any) -> None:
    first, second = Point({"p": one}, 0), Point({"p": other}, 0)
    equal = (
        one == other
        and (isinstance(one, bool) == isinstance(other, bool))
        and isinstance(one, str) == isinstance(other, str)
    )
    assert (first.key == second.key) == equal
    assert len(first.key) <= MAX_KEY_LENGTH
    assert "/" not in first.key
    assert first.key.isascii()
    assert Point.from_json(first.to_json()).key == first.key


def test_a_grid_is_every_combination_with_every_seed() -> None:
    study = settings_of(
        "study.space={ratio.monolingual: {grid: [0, 1]}, train.steps: {grid: [50, 60]}}", "study.seeds=[3,4]"
    ).study
    keys = [point.key for point in grid_points(study)]
    assert len(set(keys)) == len(keys) == 8
    assert keys[0] == "ratio.monolingual=0,train.steps=50,seed=3"


def test_a_grid_is_claimed_exactly(tmp_path: Path) -> None:
    store = store_of(tmp_path, *GRID)
    assert store.view.target == 6
    assert sorted(work(store)) == sorted(point.key for point in grid_points(store.settings))
    assert store.view.finished() == 6
    assert not store.view.unfinished()
    assert work(store_of(tmp_path, *GRID)) == []


def test_two_workers_never_get_the_same_trial(tmp_path: Path) -> None:
    first, second = store_of(tmp_path, *GRID), store_of(tmp_path, *GRID)
    claims = [claim for _ in range(4) for claim in (first.claim("a"), second.claim("b")) if claim is not None]
    assert len(claims) == len({claim.point.key for claim in claims}) == 6


def test_a_dead_workers_trial_is_taken_over_under_its_key_and_number(tmp_path: Path) -> None:
    dead: set[str] = set()
    store = store_of(tmp_path, *GRID, alive=lambda worker: worker not in dead)
    claim = store.claim("a")
    assert claim is not None
    other = store.claim("b")
    assert other is not None
    assert other.point.key != claim.point.key
    dead.add("a")
    again = store.claim("c")
    assert again is not None
    assert (again.point.key, again.number, again.attempt) == (claim.point.key, claim.number, 2)


def test_added_grid_values_add_only_those(tmp_path: Path) -> None:
    work(store_of(tmp_path, *GRID))
    wider = ["study.space={ratio.monolingual: {grid: [0, 0.5, 1.0, 0.75]}}", "study.seeds=[0,1]"]
    assert work(store_of(tmp_path, *wider)) == ["ratio.monolingual=0.75,seed=0", "ratio.monolingual=0.75,seed=1"]
    narrower = store_of(tmp_path, "study.space={ratio.monolingual: {grid: [0.5]}}")
    assert (narrower.view.target, narrower.view.finished(), narrower.claim("w")) == (1, 1, None)


def test_removed_grid_values_are_not_run(tmp_path: Path) -> None:
    store_of(tmp_path, *GRID)
    kept = store_of(tmp_path, "study.space={ratio.monolingual: {grid: [0.5]}}", "study.seeds=[0,1]")
    assert work(kept) == ["ratio.monolingual=0.5,seed=0", "ratio.monolingual=0.5,seed=1"]
    assert len(work(store_of(tmp_path, *GRID))) == 4


def test_a_value_that_is_removed_from_a_grid_is_not_compared_and_keeps_its_model(tmp_path: Path) -> None:
    work(store_of(tmp_path, *GRID), value=lambda values: values["ratio.monolingual"])
    narrow = store_of(tmp_path, "study.space={ratio.monolingual: {grid: [0, 0.5]}}", "study.seeds=[0,1]").view
    removed = {"ratio.monolingual=1,seed=0", "ratio.monolingual=1,seed=1"}
    assert {record.key for record in narrow.records()} - {record.key for record in narrow.compared()} == removed
    assert narrow.best_keys() == {"ratio.monolingual=0.5,seed=0", "ratio.monolingual=0.5,seed=1"}
    assert narrow.would_be_kept(Point({"ratio.monolingual": 0.5}, 1), result("ratio.monolingual=0.5,seed=1", 0.9))
    models = {"ratio.monolingual=0,seed=0", "ratio.monolingual=0.5,seed=0", "ratio.monolingual=1,seed=0"}
    assert narrow.first_of_best(models) == models - {"ratio.monolingual=0,seed=0"}
    assert store_of(tmp_path, *GRID).view.best_keys() == removed
    fewer = store_of(tmp_path, GRID[0], "study.seeds=[0]").view
    assert len(fewer.compared()) == 6  # every seed of a point that is there


def test_a_grid_of_anything(tmp_path: Path) -> None:
    space = (
        "study.space={ratio.cross_batch: {grid: [pair, mixed]}, languages.train: {grid: [[en, de], [en, fr, de]]}}"
    )
    store = store_of(tmp_path, space)
    assert len(work(store)) == 4
    assert store.view.records()[3].parameters == {"ratio.cross_batch": "mixed", "languages.train": ["en", "fr", "de"]}


def test_changed_settings_are_refused_and_shown(tmp_path: Path) -> None:
    store_of(tmp_path, *GRID)
    with pytest.raises(InputError, match=r"train\.steps: 180 in the study, 181 now") as caught:
        store_of(tmp_path, *GRID, "train.steps=181")
    assert "study.name=NAME" in str(caught.value)
    store_of(tmp_path, *GRID, "launcher.threads=1", "study.max_attempts=9", "tracking.uri=x", "paths.cache=y")


def test_a_search_runs_exactly_its_points_with_all_seeds(tmp_path: Path) -> None:
    choice = "ratio.cross_batch: {choice: [pair, mixed]}"
    space = f"study.space={{ratio.monolingual: {{float: [0, 1]}}, train.steps: {{int: [50, 60]}}, {choice}}}"
    search = [space, "study.seeds=[5,6]", "study.points=4"]
    keys = work(store_of(tmp_path / "a", *search), value=lambda values: values["ratio.monolingual"])
    assert len(keys) == len(set(keys)) == 8
    assert {key.rsplit("=", 1)[1] for key in keys} == {"5", "6"}
    assert work(store_of(tmp_path / "b", *search), value=lambda values: values["ratio.monolingual"]) == keys
    more = work(store_of(tmp_path / "a", *search[:2], "study.points=6"))
    assert len(more) == 4
    assert not set(more) & set(keys)


def test_an_interrupted_search_ends_with_the_points_of_an_uninterrupted_one(tmp_path: Path) -> None:
    search = ["study.space={ratio.monolingual: {float: [0, 1]}}", "study.points=6"]
    whole = work(store_of(tmp_path / "a", *search), value=lambda values: values["ratio.monolingual"])
    for killed in range(14):
        store = store_of(tmp_path / "b", *search, alive=lambda _: False)
        claim = store.claim(f"w{killed}")
        if claim is not None and killed % 2:
            found = result(claim.point.key, claim.point.values["ratio.monolingual"])
            store.finish(claim, found)
    assert sorted(record.key for record in store.view.records()) == sorted(whole)


def test_a_space_that_is_too_small_for_its_points_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is too large to be counted beforehand."""
    monkeypatch.setattr("sweep.settings.study.LARGEST_COUNTED", 1)
    store = store_of(tmp_path, "study.space={ratio.cross_batch: {choice: [pair, mixed]}}", "study.points=3")
    with pytest.raises(SweepError, match=r"lower study\.points"):
        work(store)
    assert store.view.finished() == 2


def test_failed_trials_stay_failed_until_they_are_retried(tmp_path: Path) -> None:
    store = store_of(tmp_path, *GRID)
    claim = store.claim("w")
    assert claim is not None
    store.fail(claim, "out of memory")
    assert len(work(store)) == 5
    assert [record.reason for record in store.view.records() if record.state == "FAILED"] == ["out of memory"]
    assert work(store_of(tmp_path, *GRID)) == []
    retried = store_of(tmp_path, *GRID, "study.retry_failed=true")
    assert work(retried) == [claim.point.key]
    (record,) = (record for record in retried.view.records() if record.key == claim.point.key)
    assert (record.state, record.attempts) == ("COMPLETE", 2)
    assert len(retried.view.records()) == 6


def test_a_trial_whose_worker_dies_again_and_again_is_given_up(tmp_path: Path) -> None:
    store = store_of(tmp_path, *GRID, "study.max_attempts=2", alive=lambda worker: False)
    first = store.claim("a")
    assert first is not None
    assert store.worker_died("a", -9) is None
    second = store.claim("b")
    assert second is not None
    assert second.point.key == first.point.key
    given_up = store.worker_died("b", -9)
    assert given_up is not None
    assert given_up.key == first.point.key
    assert "died 2 times" in str(given_up.reason)


def test_an_objective_that_no_trial_has_is_said(tmp_path: Path) -> None:
    store = store_of(tmp_path, "study.objectives=[{metric: cldr/mono/map/xx, direction: maximize}]")
    claim = store.claim("w")
    assert claim is not None
    with pytest.raises(SweepError, match="objective 'cldr/mono/map/xx' is not among"):
        store.finish(claim, result(claim.point.key))


def test_added_seeds_and_a_kill_between_them_give_every_point_all_seeds(tmp_path: Path) -> None:
    search = ["study.space={ratio.monolingual: {float: [0, 1]}}", "study.points=2"]
    first = work(store_of(tmp_path, *search))
    store = store_of(tmp_path, *search, "study.seeds=[0,1,2]")
    assert (store.view.target, store.view.finished(), store.view.unfinished()) == (6, 2, True)
    more = work(store)
    assert len({key.rsplit(",", 1)[0] for key in first + more}) == 2
    assert (len(more), store.view.finished(), store.view.unfinished()) == (4, 6, False)


def test_a_searched_dimension_may_not_change(tmp_path: Path) -> None:
    store_of(tmp_path, "study.space={ratio.cross_batch: {choice: [pair]}}", "study.points=1")
    with pytest.raises(InputError, match=r"study\.space\.ratio\.cross_batch"):
        store_of(tmp_path, "study.space={ratio.cross_batch: {choice: [pair, mixed]}}", "study.points=1")


def test_the_model_that_is_kept_is_one_of_the_best_points_and_not_the_best_trials(tmp_path: Path) -> None:
    """The highest seed of all belongs to a point whose other seed is bad."""
    store = store_of(tmp_path, *GRID)
    values = {(0, 0): 0.5, (0, 1): 0.6, (0.5, 0): 0.9, (0.5, 1): 0.1, (1, 0): 0.2, (1, 1): 0.3}
    kept: set[str] = set()
    while (claim := store.claim("w")) is not None:
        point = claim.point
        outcome = result(point.key, values[point.values["ratio.monolingual"], point.seed])
        if store.view.would_be_kept(point, outcome):
            kept.add(point.key)
        store.finish(claim, outcome)
        kept = store.view.first_of_best(kept)
        if point.key == "ratio.monolingual=0.5,seed=0":
            assert kept == {"ratio.monolingual=0,seed=0", point.key}  # that may still become the best point
    assert kept == {"ratio.monolingual=0,seed=0"}
    assert store.view.best_keys() == {"ratio.monolingual=0,seed=0", "ratio.monolingual=0,seed=1"}


def test_a_point_whose_bad_seed_was_pruned_keeps_no_model_and_wins_nothing(tmp_path: Path) -> None:
    store = store_of(tmp_path, *GRID)
    while (claim := store.claim("w")) is not None:
        if claim.point.key == "ratio.monolingual=0.5,seed=1":
            store.prune(claim, "hopeless")
        else:
            value = {0: 0.5, 0.5: 0.9, 1: 0.3}[claim.point.values["ratio.monolingual"]]
            store.finish(claim, result(claim.point.key, value))
    assert store.view.best_keys() == {"ratio.monolingual=0,seed=0", "ratio.monolingual=0,seed=1"}
    points = points_of(store.view.records())
    objectives = store.settings.objectives
    best = best_of(points, objectives[0])
    assert best is not None
    assert best.parameters == {"ratio.monolingual": 0}
    assert [point.dropped for point in points] == [0, 1, 0]
    twice = [replace(record, values=record.values * 2) for record in store.view.records()]
    several = front_of(points_of(twice), [objectives[0], objectives[0]])
    assert several is not None
    assert (several.lacking, several.breaking) == (1, 0)
    assert all(point.parameters != {"ratio.monolingual": 0.5} for point in several.points)


def test_a_damaged_trial_is_run_again_if_that_is_asked_for(tmp_path: Path) -> None:
    store = store_of(tmp_path, *GRID)
    damaged, *others = work(store)
    folder = store.folder.trial(damaged)
    (folder.path / "result.json").write_text("{")
    assert work(store_of(tmp_path, *GRID)) == []
    again = store_of(tmp_path, *GRID, "study.rerun_damaged=true")
    assert not folder.path.exists()
    assert work(again) == [damaged]
    assert sorted(record.key for record in again.view.records()) == sorted([damaged, *others])
    assert work(store_of(tmp_path, *GRID, "study.rerun_damaged=true")) == []
