"""A fault of what is around a trial is told from its own, however a library hands it on."""

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sqlalchemy.exc import OperationalError
from tests.unit.test_attempt import attempt
from tests.unit.test_study import store_of

from sweep.errors import InputError, TrialFailed
from sweep.records.files import unwritable
from sweep.records.surroundings import fault_of_surroundings
from sweep.trial.pipeline import TrialData

FULL = Path("/dev/full")


def raised_from(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def raised_while(error: BaseException, context: BaseException) -> BaseException:
    error.__context__ = context
    return error


@pytest.mark.parametrize(
    "error",
    [
        *(OSError(number, os.strerror(number)) for number in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE)),
        OSError("a library's own words, without a number"),
        raised_from(ValueError("could not be saved"), OSError(errno.EROFS, "Read-only file system")),
        raised_while(RuntimeError("could not be saved"), OSError(errno.EDQUOT, "Disk quota exceeded")),
        raised_from(InputError("no such data"), OSError(errno.ESTALE, "Stale file handle")),
        raised_from(
            ValueError("outer"), raised_while(KeyError("inner"), OSError(errno.EMFILE, "Too many open files"))
        ),
        Exception("I/O error: No space left on device (os error 28)"),  # tokenizers, safetensors
        RuntimeError("[enforce fail at inline_container.cc:659] PytorchStreamWriter failed writing file data/0"),
        sqlite3.OperationalError("database or disk is full"),
        OperationalError("INSERT", {}, sqlite3.OperationalError("disk I/O error")),
        ExceptionGroup("several", [KeyError("x"), OSError(errno.ENOSPC, "No space left on device")]),
    ],
    ids=repr,
)
def test_what_is_around_a_trial_is_to_blame(error: BaseException) -> None:
    line = fault_of_surroundings(error)
    assert line
    assert "\n" not in line


@pytest.mark.parametrize(
    "error",
    [
        TrialFailed("the loss is NaN"),
        TrialFailed("No space left on device, says a text that is quoted"),
        ValueError("shapes do not match"),
        MemoryError(),
        torch.cuda.OutOfMemoryError("CUDA out of memory"),
        raised_from(InputError("config.json: no such file"), FileNotFoundError(errno.ENOENT, "No such file")),
        raised_while(KeyError("languages"), FileNotFoundError(errno.ENOENT, "No such file")),
    ],
    ids=repr,
)
def test_a_trial_is_to_blame_for_its_own_errors(error: BaseException) -> None:
    assert fault_of_surroundings(error) is None


def fill_with_text() -> None:
    with FULL.open("w") as file:
        file.write("x" * 100_000)


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
@pytest.mark.parametrize(
    "write",
    [fill_with_text, lambda: torch.save(torch.zeros(100_000), FULL)],
    ids=["a file", "torch.save"],
)
def test_a_full_disk_fails_no_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[], None]
) -> None:
    monkeypatch.setattr("sweep.trial.attempt.run_trial", lambda *_: write())
    store = store_of(tmp_path)
    claim = store.claim("w")
    assert claim is not None
    with pytest.raises(Exception) as raised:  # noqa: PT011 - each library has its own
        attempt(store, claim).run(TrialData())
    assert fault_of_surroundings(raised.value) is not None
    assert store.view.states()[claim.point.key] == "RUNNING"


def test_a_place_that_cannot_be_written_to_is_known_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert unwritable(tmp_path / "a" / "b") is None
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    assert "is no folder" in (unwritable(tmp_path / "file" / "study") or "")
    monkeypatch.setattr(os, "access", lambda *_: False)  # for root no folder of this test is unwritable
    assert "no permission" in (unwritable(tmp_path / "a" / "b") or "")
