"""How far a running study is, as a value that every display prints, and what a display is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

from sweep.records.trial_record import TrialRecord


@dataclass(frozen=True)
class WorkerRow:
    """What one worker does; everything is empty before its first trial. `name` is short, `key` the trial's own.
    `losses`: the recent ones, oldest first; `steps_per_s`: over the last seconds, None while nothing is known."""

    key: str = ""
    name: str = ""
    phase: str = "starting"
    step: int = 0
    steps: int = 0
    loss: float | None = None
    losses: tuple[float, ...] = ()
    steps_per_s: float | None = None


@dataclass(frozen=True)
class Best:
    """The best point so far: its searched values, the mean of the objective over its `seeds` seeds, and among how
    many points it was chosen, for which it is too high."""

    objective: str
    value: float
    digits: int
    parameters: Mapping[str, Any]
    seeds: int
    among: int


@dataclass(frozen=True)
class Progress:
    """How far a study is. `done` counts COMPLETE and PRUNED trials, of which `pruned` are PRUNED. `started` and
    `ended` are the trials that began and ended since the last look; `left_s` is None while nothing is known."""

    done: int
    target: int
    failed: int
    pruned: int
    workers: Sequence[WorkerRow] = ()
    best: Best | None = None
    left_s: float | None = None
    started: Sequence[WorkerRow] = ()
    ended: Sequence[TrialRecord] = field(default=())


class Display(Protocol):
    """Shows how far a study is. What prints lines alone has nothing to begin or end."""

    def __enter__(self) -> Self:
        """Begin showing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        """End showing."""
        return

    def update(self, progress: Progress) -> None:
        """Show what is new."""


class Silent(Display):
    """Shows nothing."""

    def update(self, progress: Progress) -> None:
        """Nothing."""
