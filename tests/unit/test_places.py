"""Workers of several folders on one machine: the locks of one folder make no worker of another look dead."""

from contextlib import nullcontext
from pathlib import Path

import pytest
from filelock import FileLock
from rich.console import Console
from tests.unit.test_study import GRID, store_of

from sweep.errors import InputError
from sweep.launch.liveness import alive_in, hold, is_joined, new_worker, place_of
from sweep.records.folder import StudyFolder
from sweep.run.joining import check_place
from sweep.run.orphans import await_orphans


def test_locks_of_one_folder_say_nothing_of_the_workers_of_another(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    own, other = new_worker(here), new_worker(there)
    alive = alive_in(here)
    assert not alive(own)  # its lock would be here, and nobody holds it
    assert alive(other)
    lock = hold(here, own)
    assert alive(own)
    lock.release()
    assert not alive(own)
    assert not alive("")


def test_a_folder_keeps_its_name_when_it_is_moved(tmp_path: Path) -> None:
    before = tmp_path / "before"
    worker = new_worker(before)
    assert place_of(before) == worker.partition("@")[0].split("-")[-1]
    before.rename(tmp_path / "after")
    assert not alive_in(tmp_path / "after")(worker)
    assert alive_in(before)(worker)  # a new folder of the same path


def test_two_names_that_were_given_at_once_both_name_the_folder(tmp_path: Path) -> None:
    worker = new_worker(tmp_path)
    (tmp_path / "00000000.place").touch()
    assert place_of(tmp_path) == "00000000"
    assert not alive_in(tmp_path)(worker)


def test_ids_of_earlier_versions_are_judged_by_the_locks_that_are_there(tmp_path: Path) -> None:
    assert not alive_in(tmp_path)("w-12-abcdef12@host")


@pytest.mark.parametrize("joins", [False, True])
def test_only_workers_that_the_owner_started_are_waited_for(tmp_path: Path, joins: bool) -> None:
    folder = StudyFolder(tmp_path)
    worker = new_worker(folder.workers, joins=joins)
    assert is_joined(worker) is joins
    lock = hold(folder.workers, worker)
    if joins:
        await_orphans(folder, 0.0)
        assert (folder.workers / f"{worker}.lock").exists()
    else:
        with pytest.raises(Exception, match="still works on this study"):
            await_orphans(folder, 0.0)
    lock.release()


@pytest.mark.parametrize("worker", ["../other", "w-12-abcdef12-../other"])
def test_a_name_that_is_a_path_is_no_workers(tmp_path: Path, worker: str) -> None:
    folder = tmp_path / "workers"
    folder.mkdir()
    with FileLock(tmp_path / "other.lock"):
        assert not alive_in(folder)(worker)


@pytest.mark.parametrize("usable", [True, False])
def test_a_machine_that_cannot_use_the_place_of_the_artifacts_takes_no_trial(tmp_path: Path, usable: bool) -> None:
    place = tmp_path / "place"
    if not usable:
        place.write_text("no folder")
    store = store_of(tmp_path / "study", *GRID, f"study.artifacts=file://{place}")
    with nullcontext() if usable else pytest.raises(InputError, match=r"study\.artifacts=file://.*place"):
        check_place(store.settings, store, Console(quiet=True))
