"""Figures as charts hold and print them: thin in the data, with the digits of their metric in text."""

import math
import re
from collections.abc import Iterable, Sequence

from sweep.statistics.uncertainty import Interval

SIGNIFICANT = 5


def thin(value: float) -> float | None:
    """Five significant digits; None for what is no number."""
    return float(f"{value:.{SIGNIFICANT}g}") if math.isfinite(value) else None


def text_of(value: float, digits: int) -> str:
    """A figure as text, a dash for what is no number."""
    return f"{value:.{digits}f}".replace("-", "−") if math.isfinite(value) else "–"


def short(value: float, digits: int) -> str:
    """A figure where there is little room: one digit fewer, as in narrow tables, and none after thousands."""
    return text_of(value, 0 if abs(value) >= 1000 else max(digits - 1, 1))


def gain_text(value: float, digits: int) -> str:
    """A difference as text, with its sign."""
    return f"{value:+.{digits}f}".replace("-", "−") if math.isfinite(value) else "–"


def interval_text(interval: Interval | None, digits: int, signed: bool = False) -> str:
    """Both ends of an interval, a dash for none."""
    if interval is None or not all(map(math.isfinite, interval)):
        return "–"
    one = gain_text if signed else text_of
    return f"{one(interval[0], digits)} to {one(interval[1], digits)}"


def finite(values: Iterable[float | None]) -> list[float]:
    """Those that are numbers."""
    return [value for value in values if value is not None and math.isfinite(value)]


def value_domain(
    shown: Sequence[float], wanted: Sequence[float] = (), room: float = 1.5, least: float = 1e-6
) -> Interval:
    """The ends of an axis: all that is `shown`, and of what is `wanted` beside it as much, nearest first, as leaves
    the shown figures their part: the axis is at most 1 + `room` times as long as they need, and `least` long."""
    low, high = min(shown), max(shown)
    middle, span = (low + high) / 2, max(high - low, least)
    low, high = min(low, middle - span / 2), max(high, middle + span / 2)
    limit = (1 + room) * span
    for value in sorted(wanted, key=lambda value: max(low - value, value - high, 0.0)):
        if max(high, value) - min(low, value) > limit:
            break
        low, high = min(low, value), max(high, value)
    margin = 0.05 * (high - low)
    return low - margin, high + margin


def spread_apart(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places for labels as near to their values as can be, in the same order, `gap` apart and between the two ends
    where there is room: least squares, by pooling neighbours that are too close."""
    order = sorted(range(len(values)), key=lambda index: values[index])
    blocks: list[tuple[float, int]] = []  # the mean of a block's values less their steps, and its size
    for step, index in enumerate(order):
        mean, size = values[index] - step * gap, 1
        while blocks and blocks[-1][0] > mean:
            before, count = blocks.pop()
            mean, size = (mean * size + before * count) / (size + count), size + count
        blocks.append((mean, size))
    places = [0.0] * len(values)
    last = max(low, high - (len(values) - 1) * gap)
    step = 0
    for mean, size in blocks:
        for _ in range(size):
            places[order[step]] = min(max(mean, low), last) + step * gap
            step += 1
    return places


def slug(text: str) -> str:
    """Letters, digits and dashes for the name of a chart."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower() or "x"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
