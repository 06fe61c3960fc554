"""The dots of a curve as rows of a chart's data: means, their intervals, and seeds."""

from collections.abc import Sequence
from typing import Any

from sweep.answer.contents import RatioDot
from sweep.page.charts.figures import finite, interval_text, text_of, thin


def dot_rows(dots: Sequence[RatioDot], digits: int) -> list[dict[str, Any]]:
    """Means, their intervals and their seeds, as marks and tooltips want them."""
    return [
        {
            "r": thin(dot.ratio),
            "m": thin(dot.mean),
            **({"l": thin(dot.interval[0]), "h": thin(dot.interval[1])} if dot.interval is not None else {}),
            "t": text_of(dot.mean, digits),
            "i": interval_text(dot.interval, digits),
            "s": seeds_text(dot, digits),
            "k": dot.key,
        }
        for dot in dots
    ]


def seeds_text(dot: RatioDot, digits: int) -> str:
    """The figure of every seed."""
    return ", ".join(f"{seed}: {text_of(value, digits)}" for seed, value in sorted(dot.seeds.items()))


def ends_of(dots: Sequence[RatioDot]) -> list[float]:
    """All figures that a chart of these dots must have room for: means, seeds, and intervals that are no longer than
    `longest_shown`."""
    longest = longest_shown(dots)
    intervals = [end for dot in dots if length_of(dot) <= longest for end in dot.interval or ()]
    return finite([*_figures(dots), *intervals])


def longest_shown(dots: Sequence[RatioDot]) -> float:
    """The length from which intervals run out of the plot: one of two seeds can be of any length, and flatten all
    else."""
    figures = finite(_figures(dots))
    span = max(figures, default=0.0) - min(figures, default=0.0)
    lengths = sorted(finite([length_of(dot) for dot in dots if dot.interval is not None]))
    if not lengths:
        return 0.0
    usual = 4 * lengths[(len(lengths) - 1) // 2]
    return max(3 * span, min(usual, 40 * span)) if span else usual


def length_of(dot: RatioDot) -> float:
    """Of its interval; 0 without one."""
    return 0.0 if dot.interval is None else dot.interval[1] - dot.interval[0]


def _figures(dots: Sequence[RatioDot]) -> list[float]:
    return [*(dot.mean for dot in dots), *(value for dot in dots for value in dot.seeds.values())]


def several_seeds(dots: Sequence[RatioDot]) -> bool:
    """Whether the means are of several seeds anywhere."""
    return any(len(dot.seeds) > 1 for dot in dots)


def means_caption(dots: Sequence[RatioDot]) -> str:
    """What the dots and their bars are."""
    if not any(dot.interval is not None for dot in dots):
        return "Mean over seeds" if several_seeds(dots) else "One seed"
    longest = longest_shown(dots)
    cut = " (some cut)" if any(length_of(dot) > longest for dot in dots) else ""
    what = "Mean over seeds, 95 % interval" if several_seeds(dots) else "One seed, 95 % interval over questions alone"
    return f"{what}{cut}"
