"""Trials and points in narrow places."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sweep.answer.points import value_text
from sweep.answer.ratios import RATIO


def short_path(path: str, others: Mapping[str, Any]) -> str:
    """A config path in a narrow place: α for the ratio, else its last part, or all of it if others end in it."""
    if path == RATIO:
        return "α"
    last = path.rpartition(".")[2]
    return last if Counter(other.rpartition(".")[2] for other in others)[last] == 1 else path


def short_point(parameters: Mapping[str, Any]) -> str:
    """A point's searched values in a narrow place, such as "α=0.25, steps=300"; empty for the only point."""
    return ", ".join(f"{short_path(path, parameters)}={value_text(value)}" for path, value in parameters.items())


def short_name(parameters: Mapping[str, Any], seed: int) -> str:
    """A trial in a narrow place, such as "α=0.25 · s0"."""
    return " · ".join(part for part in (short_point(parameters), f"s{seed}") if part)
