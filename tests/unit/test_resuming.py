"""What a run of a study that was begun before says of it, and what it looks at while it runs."""

from io import StringIO
from pathlib import Path

import pytest
from tests.unit.test_studies import OBJECTIVE, make

from sweep.errors import InputError
from sweep.records.values import TrialResult
from sweep.report.plain_console import PlainConsole
from sweep.run.displays import Shown
from sweep.run.overview import Overview
from sweep.run.resuming import left_by, tell_what_is_there
from sweep.settings.compose import Composer
from sweep.settings.earlier import completed
from sweep.settings.load import load_settings
from sweep.settings.reporting import DEFAULT_REPORT
from sweep.study.store import StudyStore


def opened(sweeps: Path, **more: int) -> StudyStore:
    folder = make(sweeps, **more)
    overrides = ["study.name=grid", "study.space={ratio.monolingual: {grid: [0, 0.5]}}", "study.seeds=[0,1]"]
    return StudyStore(folder, load_settings(Composer("sweep", overrides)).study, lambda _: True)


def told(store: StudyStore) -> str:
    console = PlainConsole(file=StringIO(), width=300)
    settings = load_settings(Composer("sweep", ["study.name=grid"]))
    tell_what_is_there(left_by(store.view), settings, store.view.folder, Shown(console))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_a_new_study_has_nothing_to_resume(tmp_path: Path) -> None:
    assert told(opened(tmp_path, finish=0)) == ""


def test_all_that_is_there_is_named(tmp_path: Path) -> None:
    store = opened(tmp_path, finish=1, fail=1, run=True)
    key = next(record.key for record in store.view.records() if record.state == "RUNNING")
    line = "Resuming study 'grid': 1 of 4 trials are done. Failed: 1; study.retry_failed=true runs them again."
    assert told(store) == f"{line} From the start: 2.\n"  # no checkpoint yet
    for step in (40, 120):
        (store.view.folder.trial(key).checkpoint / f"step-{step}.abc").mkdir(parents=True)
    assert told(store) == f"{line} From checkpoints go on: {key} at step 120. From the start: 1.\n"
    left = left_by(store.view)
    assert (left.saved, left.waiting, left.is_new) == ({key: 120}, 1, False)
    store.storage.close()


def test_what_has_ended_before_is_no_news_and_everything_else_is(tmp_path: Path) -> None:
    store = opened(tmp_path, finish=1)
    overview = Overview(store.view)
    first = overview.look([{}])
    assert (first.done, first.target, first.ended, first.started, first.failed) == (1, 4, [], [], 0)
    assert first.best is not None
    assert (first.best.objective, first.best.value, first.best.among, first.best.seeds) == (OBJECTIVE, 0.5, 1, 1)
    assert first.workers[0].phase == "starting"
    claims = [store.claim("w-1"), store.claim("w-2")]
    assert None not in claims
    done, failed = claims
    assert done is not None
    assert failed is not None
    status = {"key": done.point.key, "phase": "training", "step": 1, "steps": 9, "loss": 0.5, "time": 0.0}
    looked = overview.look([status, {}])
    assert [row.key for row in looked.started] == [done.point.key]
    assert looked.workers[0].name.startswith("α=")
    assert overview.look([status]).started == []
    result = TrialResult(done.point.key, "f", {OBJECTIVE: 0.75, "cldr/mono/map": 0.25}, 0.1, 60.0, {}, 0, {})
    store.view.folder.trial(done.point.key).write_result(result)
    store.finish(done, result)
    store.fail(failed, "nan")
    last = overview.look([])
    assert {(one.key, one.state) for one in last.ended} == {
        (done.point.key, "COMPLETE"),
        (failed.point.key, "FAILED"),
    }
    assert (last.done, last.failed) == (2, 1)
    assert last.left_s is not None
    assert last.left_s > 0
    store.storage.close()


def test_a_study_of_a_version_that_wrote_no_reports_is_read() -> None:
    assert completed({"report": {"margin": 0.02}})["report"] == {
        "margin": 0.02, "files": True, "every_s": 60.0, "texts": True,
    }  # fmt: skip
    assert completed({})["report"] == DEFAULT_REPORT.model_dump(mode="json")


@pytest.mark.parametrize("wrong", ["every_s=0", "every_s=-1", "every_s=often", "files=1", "texts=null", "margin=0"])
def test_wrong_settings_of_the_report_are_refused(wrong: str) -> None:
    with pytest.raises(InputError, match=f"report.{wrong.partition('=')[0]}"):
        load_settings(Composer("sweep", [f"report.{wrong}"]))
    assert load_settings(Composer("sweep", ["report.every_s=null"])).report.every_s is None
