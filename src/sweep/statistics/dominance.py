"""Which of several points are not dominated by another, with one objective or with more."""

from collections.abc import Sequence

from sweep.settings import Objective


def dominates(one: Sequence[float], other: Sequence[float], objectives: Sequence[Objective]) -> bool:
    """Whether `one` is better by some objective and worse by none."""
    gains = [objective.sign * (mine - theirs) for objective, mine, theirs in zip(objectives, one, other, strict=True)]
    return all(gain >= 0 for gain in gains) and any(gain > 0 for gain in gains)


def front(values: Sequence[Sequence[float]], objectives: Sequence[Objective]) -> list[int]:
    """Indices of the values that no other dominates; with one objective the best, and its equals."""
    if len(objectives) == 1:
        best = max((objectives[0].sign * value[0] for value in values), default=0.0)
        return [index for index, value in enumerate(values) if objectives[0].sign * value[0] == best]
    return [
        index
        for index, value in enumerate(values)
        if not any(dominates(other, value, objectives) for other in values)
    ]
