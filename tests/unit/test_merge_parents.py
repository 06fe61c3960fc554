"""A worker that has claimed a merge, and the trials that it waits for."""

from pathlib import Path

from sweep.launch.liveness import this_host
from sweep.records.folder import StudyFolder
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.study.heartbeat import Heartbeat
from sweep.study.parents import is_parent, parent_keys
from sweep.study.point import Point
from sweep.study.store import StudyStore
from sweep.trial.merged import Parents

SPACE = "study.space={ratio.mix:{grid:[batches,merge]},ratio.monolingual:{grid:[0,0.5,1]}}"


def test_a_mix_that_exists_at_one_ratio_alone_has_parents_without_it() -> None:
    mix = "ratio.mix:{grid:[batches,merge],when:{ratio.monolingual:0.5}}"
    study = load_settings(Composer("sweep", [f"study.space={{ratio.monolingual:{{grid:[0,0.5,1]}},{mix}}}"])).study
    merged = Point({"ratio.monolingual": 0.5, "ratio.mix": "merge"}, 0)
    assert parent_keys(merged, study) == ("ratio.monolingual=1,seed=0", "ratio.monolingual=0,seed=0")
    points = [Point({"ratio.monolingual": ratio}, 0) for ratio in (0, 0.25, 1)]
    assert [is_parent(point, study) for point in (*points, merged)] == [True, False, True, False]


def test_a_merge_is_given_back_for_a_parent_without_a_worker_and_fails_with_one_that_failed(tmp_path: Path) -> None:
    study = load_settings(Composer("sweep", [SPACE])).study
    workers = [f"{name}@{this_host()}" for name in "abcd"]
    alive = set(workers)
    store = StudyStore(StudyFolder(tmp_path), study, lambda worker: worker in alive)
    store.enqueue()
    claims = [store.claim(worker) for worker in workers]
    assert [claim.point.values["ratio.mix"] for claim in claims if claim] == ["batches"] * 3 + ["merge"]
    first, merged = claims[0], claims[3]
    assert first is not None
    assert merged is not None
    parents = Parents(store, workers[3], lambda: False, None, lambda: None)
    alive.remove(workers[0])  # the worker of the parent of α = 0
    taken = parents.ready(merged, Heartbeat(store, merged, 100))
    assert not isinstance(taken, bool)
    assert taken.point.key == first.point.key
    assert store.view.trials()[merged.point.key].state == "WAITING"
    store.fail(taken, "no luck")
    again = store.claim(workers[3])
    assert again is not None
    assert again.point.key == merged.point.key
    assert parents.ready(again, Heartbeat(store, again, 100)) is False
    failed = store.view.trials()[merged.point.key]
    assert failed.state == "FAILED"
    assert f"its parent {first.point.key} is FAILED: no luck" in failed.attributes["reason"]
