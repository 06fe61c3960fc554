"""What rank 0 hears of while a training runs, and what it may decide: to prune it or to pause it."""

from collections.abc import Callable
from dataclasses import dataclass

from sweep.evaluation.validation import Validation


@dataclass(frozen=True)
class TrainingPoint:
    """One logged step: number of steps done, mean loss since the last point, learning rate, unix time in ms."""

    step: int
    loss: float
    learning_rate: float
    timestamp_ms: int


class Stopped(Exception):
    """A training was cut off after a step; a checkpoint of it is saved. No error."""

    def __init__(self, step: int) -> None:
        super().__init__(f"after step {step}")
        self.step = step


class Paused(Stopped):
    """It was asked to pause, and goes on another time."""


class Pruned(Stopped):
    """It is not worth going on."""


def _ignore(*_: object) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class Watch:
    """Rank 0's callbacks. `on_point` gets losses, `on_note` what a reader of the log should know; `on_validation`
    answers whether to prune; `should_pause` is asked after every step. `on_encoded` gets what is evaluated, how
    many of its texts are encoded, and how many there are."""

    on_point: Callable[[TrainingPoint], None] = _ignore
    on_note: Callable[[str], None] = _ignore
    on_validation: Callable[[Validation], bool] = lambda _: False
    should_pause: Callable[[], bool] = lambda: False
    on_encoded: Callable[[str, int, int], None] = _ignore
