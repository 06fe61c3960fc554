"""The weights that merges average: how long they are kept, where they come from, and what is done without them."""

import os
import shutil
from pathlib import Path

import pytest
from tests.stores import store_at
from tests.unit.test_compare import result as write_ranks
from tests.unit.test_merged_weights import small_encoder
from tests.unit.test_search import LOW, found

from sweep.errors import InputError
from sweep.model.merging import WEIGHTS, keep_weights
from sweep.settings.merging import MERGE, MIX, SHARE
from sweep.study.heartbeat import Heartbeat
from sweep.study.parents import needed_weights
from sweep.study.point import Point
from sweep.study.store import Claim, StudyStore
from sweep.trial.merged import Parents
from sweep.trial.shared_results import SharedResults

MIXES = "{ratio.mix: {choice: [batches, merge]}, ratio.monolingual: {float: [0, 1]}}"
ENDS = "{ratio.mix: batches, ratio.monolingual: 1}, {ratio.mix: batches, ratio.monolingual: 0}"
SEARCH = (f"study.space={MIXES}", f"study.first_points=[{ENDS}]", "study.points=5", "study.sampler=random")
GRID = ("study.space={ratio.mix: {grid: [batches, merge]}, ratio.monolingual: {grid: [0.0, 0.5, 1.0]}}",)


def keys_of_ends(seed: int) -> set[str]:
    return {f"ratio.mix=batches,ratio.monolingual={end},seed={seed}" for end in (0, 1)}


def needed(store: StudyStore) -> set[str]:
    known = store.view.trials()
    return needed_weights(store.view.wanted.among(known).values(), known, store.settings)


def finish(store: StudyStore, claim: Claim, **metrics: float) -> None:
    """End a trial, with weights if it was trained, as a worker does."""
    folder, outcome = store.folder.trial(claim.point.key), found(claim.point.key, **metrics)
    if claim.point.values.get(MIX) != MERGE:
        keep_weights(small_encoder(claim.number), folder.weights)
    folder.begin_attempt(claim.attempt, 0)
    folder.write_result(outcome)
    shared = SharedResults.of(store)
    left = None if shared is None else shared.artifacts.leave_result(claim.point.key, claim.attempt)
    store.finish(claim, outcome, left)


def finish_all(store: StudyStore) -> list[str]:
    keys = []
    while (claim := store.claim("w")) is not None:
        finish(store, claim)
        keys.append(claim.point.key)
    return keys


def test_a_search_needs_them_for_as_long_as_a_merge_may_be_drawn(tmp_path: Path) -> None:
    store = store_at(tmp_path, *SEARCH, "study.seeds=[0,1]")
    ends = keys_of_ends(0) | keys_of_ends(1)
    assert needed(store) == ends
    for _ in range(8):  # four of five points
        claim = store.claim("w")
        assert claim is not None
        finish(store, claim)
        assert needed(store) == ends
    assert len(finish_all(store)) == 2
    assert needed(store) == set()
    assert any(trial.point.values[MIX] == MERGE for trial in store.view.trials().values())  # else this shows nothing


def test_a_grid_needs_them_until_its_merges_have_ended(tmp_path: Path) -> None:
    store = store_at(tmp_path, *GRID)
    assert needed(store) == keys_of_ends(0)
    for _ in range(3):
        claim = store.claim("w")
        assert claim is not None
        finish(store, claim)
    assert needed(store) == keys_of_ends(0)
    assert finish_all(store) == ["ratio.mix=merge,ratio.monolingual=0.5,seed=0"]
    assert needed(store) == set()


def test_a_parent_is_run_with_all_seeds_however_bad_it_is(tmp_path: Path) -> None:
    """Its merges would be FAILED for want of it."""
    space = "study.space={ratio.mix: {grid: [batches, merge]}, ratio.monolingual: {grid: [0.0, 0.5, 0.75, 1.0]}}"
    aim = "study.objectives=[{metric: toy/pooled/map, direction: maximize}]"
    store = store_at(tmp_path, space, aim, "study.seeds=[0,1,2]", "study.seed_policy=stop_when_worse")
    ran: dict[str, int] = {}
    while (claim := store.claim("w")) is not None:
        noise = 1.0 if claim.point.values[SHARE] == 0.5 else 4.0
        write_ranks(store.folder.trial(claim.point.key).path, noise, claim.point.seed)
        store.finish(claim, found(claim.point.key, **{"toy/pooled/map": 1 / noise}))
        ran[claim.point.without_seed] = ran.get(claim.point.without_seed, 0) + 1
    counts = {point.removesuffix(",seed=0"): times for point, times in ran.items()}
    assert counts["ratio.mix=batches,ratio.monolingual=0"] == counts["ratio.mix=batches,ratio.monolingual=1"] == 3
    assert counts["ratio.mix=batches,ratio.monolingual=0.75"] == 2  # no better than these two, and given up


def test_a_parent_is_not_pruned(tmp_path: Path) -> None:
    pruner = ("study.pruner.kind=median", "study.pruner.startup_trials=1", "train.validation.every_steps=10")
    store = store_at(tmp_path, *GRID, *pruner)
    value, verdicts = 1.0, {}
    while (claim := store.claim("w")) is not None:
        value -= 0.1  # each is behind all before it
        verdicts[claim.point.values[MIX], claim.point.values[SHARE]] = store.report(claim, 10, value)
        store.finish(claim, found(claim.point.key, **{LOW: value}))
    assert verdicts == {
        ("batches", 0.0): False,
        ("batches", 0.5): True,
        ("batches", 1.0): False,
        ("merge", 0.5): True,
    }


def test_merges_that_come_later_ask_for_their_parents(tmp_path: Path) -> None:
    store = store_at(tmp_path, *GRID)
    finish_all(store)
    for key in keys_of_ends(0):
        shutil.rmtree(store.folder.trial(key).weights)
    more = GRID[0].replace("0.5", "0.5, 0.75")
    with pytest.raises(InputError, match=r"merges are to average the weights of .*study\.rerun_damaged=true trains"):
        store_at(tmp_path, more)
    again = finish_all(store_at(tmp_path, more, "study.rerun_damaged=true"))
    merged = {f"ratio.mix={mix},ratio.monolingual=0.75,seed=0" for mix in ("batches", "merge")}
    assert set(again) == keys_of_ends(0) | merged


@pytest.mark.parametrize("weights_are", ["there", "gone", "damaged"])
def test_a_damaged_merge_runs_again_with_parents_that_have_weights(weights_are: str, tmp_path: Path) -> None:
    store = store_at(tmp_path, *GRID)
    (*_, merge) = finish_all(store)
    store.folder.trial(merge).metrics.unlink()
    for key in keys_of_ends(0) if weights_are != "there" else ():
        weights = store.folder.trial(key).weights
        shutil.rmtree(weights) if weights_are == "gone" else os.truncate(weights / WEIGHTS, 100)
    again = finish_all(store_at(tmp_path, *GRID, "study.rerun_damaged=true"))
    assert set(again) == {merge, *(keys_of_ends(0) if weights_are != "there" else ())}


def a_merge_and_its_parents(tmp_path: Path) -> tuple[StudyStore, Claim]:
    """With artifacts: its parents have ended, and the merge is claimed."""
    store = store_at(tmp_path / "here", *GRID, f"study.artifacts=file://{tmp_path}/place")
    assert store.uid
    shared = SharedResults.of(store)
    assert shared is not None
    shared.artifacts.store.check()
    while (claim := store.claim("w")) is not None and claim.point.values[MIX] != MERGE:
        finish(store, claim)
    assert claim is not None
    return store, claim


def ready(store: StudyStore, claim: Claim) -> object:
    parents = Parents(store, "w", lambda: False, SharedResults.of(store), lambda: None)
    return parents.ready(claim, Heartbeat(store, claim, 100))


def test_weights_of_another_machine_come_to_the_merge_and_not_to_the_parent(tmp_path: Path) -> None:
    store, claim = a_merge_and_its_parents(tmp_path)
    mine, other = sorted(keys_of_ends(0))
    original = (store.folder.trial(other).weights / WEIGHTS).read_bytes()
    shutil.rmtree(store.folder.trial(other).path)  # it was trained elsewhere
    borrowed = store.folder.trial(claim.point.key).borrowed
    (borrowed / mine).mkdir(parents=True)  # an attempt that was killed left it
    assert ready(store, claim) is True
    assert [path.name for path in borrowed.iterdir()] == [other]
    assert (borrowed / other / WEIGHTS).read_bytes() == original
    assert not store.folder.trial(other).path.exists()


def test_damaged_weights_are_taken_from_the_artifacts_and_a_merge_fails_without_any(tmp_path: Path) -> None:
    store, claim = a_merge_and_its_parents(tmp_path)
    key = min(keys_of_ends(0))
    os.truncate(store.folder.trial(key).weights / WEIGHTS, 100)
    assert ready(store, claim) is True
    assert (store.folder.trial(claim.point.key).borrowed / key / WEIGHTS).stat().st_size > 100
    shared = SharedResults.of(store)
    assert shared is not None
    shared.artifacts.store.delete([f"weights/{key}.1.tar"])
    assert ready(store, claim) is False
    failed = store.view.trials()[claim.point.key]
    assert failed.state == "FAILED"
    assert f"the weights of its parent {key} are no longer at study.artifacts" in failed.attributes["reason"]
    again = ("study.rerun_damaged=true", "study.retry_failed=true", f"study.artifacts=file://{tmp_path}/place")
    trials = store_at(tmp_path / "here", *GRID, *again).view.trials().values()
    assert {trial.key for trial in trials if trial.state == "WAITING"} == {key, claim.point.key}


def test_merges_of_a_search_have_the_same_parents(tmp_path: Path) -> None:
    store = store_at(tmp_path, *SEARCH)
    merged = [Point({MIX: MERGE, SHARE: share}, 0) for share in (0.1, 0.9)]
    assert needed_weights([*merged, *[Point({MIX: "batches", SHARE: 0.5}, 0)] * 3], {}, store.settings) == (
        keys_of_ends(0)
    )
