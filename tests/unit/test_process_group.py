"""What a group of ranks ends with, whatever its launcher learns first."""

from pathlib import Path

import pytest
from tests.waiting import until

from sweep.launch import processes, verdict
from sweep.launch.failures import GROUP_BROKEN
from sweep.launch.processes import ProcessGroup


class EndedRank:
    """A rank whose process has ended, or not, with a status that is known, or not."""

    pid = None

    def __init__(self, status: int | None, has_ended: bool = True) -> None:
        self.status = status
        self.has_ended = has_ended
        self.released = False

    def start(self) -> None:
        """Nothing."""

    def close_its_ends(self) -> None:
        """Nothing."""

    def poll(self) -> int | None:
        return self.status

    def release(self) -> None:
        self.released = True

    def wait(self, deadline: float) -> None:
        """Nothing."""


def group(tmp_path: Path, *ranks: EndedRank) -> ProcessGroup:
    started = ProcessGroup([*ranks], tmp_path / "log", None)  # type: ignore[list-item]
    started._starter.join(60)
    return started


def test_the_status_of_a_killed_rank_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fork server that is busy tells it late, and it is what broke the group."""
    monkeypatch.setattr(verdict, "ENDING_S", 0.0)
    broken, killed = EndedRank(GROUP_BROKEN), EndedRank(None)
    worker = group(tmp_path, broken, killed)
    assert [worker.poll() for _ in range(3)] == [None] * 3
    assert not broken.released
    killed.status = -9
    assert worker.poll() == -9


@pytest.mark.parametrize("has_ended", [True, False])
def test_no_rank_is_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_ended: bool) -> None:
    """Neither one that goes on nor one whose status nobody tells."""
    monkeypatch.setattr(verdict, "ENDING_S", 0.0)
    if has_ended:
        monkeypatch.setattr(processes, "TELLING_S", 0.0)
    broken, other = EndedRank(GROUP_BROKEN), EndedRank(None, has_ended)
    worker = group(tmp_path, broken, other)
    until(lambda: worker.poll() is not None)
    assert worker.poll() == GROUP_BROKEN
    assert other.released
