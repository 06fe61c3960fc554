"""The names of checkpoints, `step-<step>.<attempt>`: in which order they are, and which are needed."""

import re
from collections.abc import Iterable

KEPT = 2
CHECKPOINT = re.compile(r"step-[0-9]+\.[0-9]+")  # what else somebody puts beside them is none


def superseded(names: Iterable[str], attempt: int, best_step: int | None = None, kept: int = KEPT) -> list[str]:
    """The names that an attempt needs no longer: of its own and of earlier ones all but the last few, and but that of
    the best validation."""
    ordered = in_order(names, attempt)
    return [
        name for name in ordered[: max(0, len(ordered) - kept)] if best_step is None or step_of(name) != best_step
    ]


def in_order(names: Iterable[str], attempt: int) -> list[str]:
    """The names of this attempt and of earlier ones, by step and then by attempt."""
    own = [name for name in names if CHECKPOINT.fullmatch(name) and order_of(name)[1] <= attempt]
    return sorted(own, key=order_of)


def order_of(name: str) -> tuple[int, int]:
    """Step and attempt."""
    step, _, attempt = name.removeprefix("step-").partition(".")
    return int(step), int(attempt)


def step_of(name: str) -> int:
    """After which step it was saved."""
    return order_of(name)[0]
