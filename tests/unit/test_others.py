"""What commands that work on one study leave to one another, and when one of them starts a worker for it."""

import math
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from tests.unit.test_search import SPACE
from tests.unit.test_study import GRID, result, settings_of, store_of

from sweep.launch.registry import make_launcher
from sweep.records.trial_record import TrialRecord
from sweep.run import others
from sweep.run.displays import Shown
from sweep.run.driver import WORKER
from sweep.run.others import Lull, Others
from sweep.run.supervision import StudyRun
from sweep.settings.compose import Composer
from sweep.study.ownership import Ownership
from sweep.study.store import Claim, StudyStore
from sweep.tracking.background import BackgroundMirror


def claimed(store: StudyStore, worker: str = "w") -> Claim:
    claim = store.claim(worker)
    assert claim is not None
    return claim


def test_of_a_search_only_what_nobody_has_can_be_claimed(tmp_path: Path) -> None:
    store = store_of(tmp_path, SPACE, "study.points=2", "study.seeds=[0,1]", "study.sampler=random")
    seen = Others(store.view)
    assert seen.claimable == 4
    claims = [claimed(store)]
    assert seen.claimable == 3  # a seed that waits, and a point with two
    claims += [claimed(store) for _ in range(3)]
    assert (seen.claimable, store.view.remaining()) == (0, 4)
    store.release(claims[0])
    assert seen.claimable == 1


def test_the_trials_that_confirm_points_can_be_claimed_when_the_search_has_ended(tmp_path: Path) -> None:
    search = ["study.points=2", "study.seeds=[0]", "study.sampler=random", "study.confirm={points: 1, seeds: 3}"]
    store = store_of(tmp_path, SPACE, *search)
    seen, claims = Others(store.view), [claimed(store), claimed(store)]
    assert (seen.claimable, store.view.remaining()) == (0, 4)
    for claim in claims:
        store.finish(claim, result(claim.point.key))
    assert (seen.claimable, store.view.remaining()) == (2, 2)


def test_a_trial_that_waits_is_work_for_others_and_none_where_there_can_be_no_others(tmp_path: Path) -> None:
    store = store_of(tmp_path, *GRID)
    several, single = Others(store.view), Others(store.view, may_be=False)
    claims = [claimed(store) for _ in range(6)]
    for claim in claims[1:]:
        store.finish(claim, result(claim.point.key))
    store.release(claims[0])
    assert several.have_work(store.view.remaining())
    assert not single.have_work(store.view.remaining())
    store.finish(last := claimed(store), result(last.point.key))
    assert not several.have_work(store.view.remaining())


def test_a_lull_ends_with_the_next_trial_that_ends_or_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(others.time, "monotonic", lambda: now)
    lull, endless = Lull(8.0), Lull(math.inf)
    assert not lull.lasts((0, 0))
    for one in (lull, endless):
        one.begin((3, 1))
        assert one.lasts((3, 1))
        assert not one.lasts((4, 1))
    now = 108.5
    assert not lull.lasts((3, 1))
    assert endless.lasts((3, 1))
    endless.end()
    assert not endless.lasts((3, 1))


class Unseen(BackgroundMirror):
    """A tracker that nobody looks at."""

    def __init__(self) -> None: ...

    def update(self, records: Sequence[TrialRecord]) -> None: ...


def test_what_others_finish_while_it_is_counted_is_counted_before_the_study_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(*GRID, "launcher.workers=1")
    store, shown = store_of(tmp_path, *GRID), Shown(Console(file=StringIO()))
    claims = [claimed(store) for _ in range(6)]
    for claim in claims[1:]:
        store.finish(claim, result(claim.point.key))
    launcher = make_launcher(settings.launcher, store.folder.workers, WORKER)
    owner, display = Ownership("tiny", None, ""), shown.display("tiny")
    composer = Composer("sweep", GRID)
    run = StudyRun(
        settings, composer, store.folder, store, launcher, owner, Unseen(), None, shown.console, display
    )  # fmt: skip
    finished, last = store.view.finished, claims[:1]

    def then_another() -> int:
        count = finished()
        while last:
            claim = last.pop()
            store.finish(claim, result(claim.point.key))
        return count

    monkeypatch.setattr(store.view, "finished", then_another)
    assert (run._count(), run._is_complete) == (1, False)
    assert (run._count(), run._is_complete) == (0, True)
