"""What the driver can read of a trial while it runs."""

from pathlib import Path
from typing import Any

import pytest

from sweep.launch.liveness import read_status
from sweep.trial import status as module
from sweep.trial.status import TrialStatus


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which the test moves."""
    time_s = [1000.0]
    monkeypatch.setattr(module.time, "time", lambda: time_s[0])
    return time_s


def test_a_large_evaluation_shows_how_far_it_is(tmp_path: Path, now: list[float]) -> None:
    status = TrialStatus(tmp_path, "w", "alpha=0,seed=0")

    def shown() -> tuple[Any, ...]:
        one = read_status(tmp_path, "w")
        return one["phase"], one["step"], one["steps"], one["loss"]

    status.prepare()
    assert shown() == ("preparing", 0, 0, None)
    status.encode("the untrained model on cldr", 5, 1000)
    assert shown() == ("evaluating the untrained model on cldr, 0 %", 0, 0, None)
    now[0] += 1
    status.encode("the untrained model on cldr", 995, 1000)
    assert shown() == ("evaluating the untrained model on cldr, 99 %", 0, 0, None)
    status.train(1, 2, 0.5)
    assert shown() == ("training", 1, 2, 0.5)
    now[0] += 1
    status.train(2, 2, 0.25)
    now[0] += 1
    status.encode("cldr", 1000, 1000)
    assert shown() == ("evaluating cldr, 100 %", 2, 2, 0.25)


def test_the_file_is_not_renewed_at_every_step(tmp_path: Path, now: list[float]) -> None:
    status = TrialStatus(tmp_path, "w", "key")
    status.train(1, 9, 1.0)
    status.train(2, 9, 1.0)
    assert read_status(tmp_path, "w")["step"] == 1
    now[0] += 1
    status.train(3, 9, 1.0)
    assert read_status(tmp_path, "w")["step"] == 3
    status.train(9, 9, 1.0)
    assert read_status(tmp_path, "w")["phase"] == "evaluating"  # a new phase shows at once
