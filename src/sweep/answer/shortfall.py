"""What a study could not have seen, and how many more seeds or questions would show it."""

from collections.abc import Iterator
from math import ceil, inf

from sweep.answer.claims import judged, noise
from sweep.answer.ratios import RatioTable
from sweep.answer.sentences import Subject
from sweep.answer.wording import counted, size_words
from sweep.statistics.crossed import OWN_ENOUGH
from sweep.statistics.power import (
    MOST_SEEDS,
    POWER,
    Noise,
    power,
    questions_needed,
    seeds_needed,
    smallest_difference,
)

MOST_TIMES = 100  # as many questions, beyond which nobody asks how many exactly


def on_power(table: RatioTable, about: Subject) -> Iterator[str]:
    """What it would take to see a difference of the margin, if this study could well have missed it."""
    hidden = noise(table)
    if hidden is None or hidden.by_seed + hidden.by_questions == 0.0:
        return
    seeds = min(row.seeds for row in judged(table))
    smallest = size_words(smallest_difference(hidden, seeds), about.places)
    with_seeds = f"with {counted(seeds, 'seed')}"
    if table.margin is None or power(table.margin, hidden, seeds) >= POWER:
        yield (
            f"The smallest true difference that this study would show with probability {POWER:g}, {with_seeds}, "
            f"is {smallest}."
        )
        return
    needed = seeds_needed(table.margin, hidden)
    if needed is None:
        yield f"{_no_seeds(table.margin, hidden)}; {with_seeds} the smallest such difference is {smallest}."
        return
    about_so_many = "about" if seeds >= OWN_ENOUGH else "very roughly"  # .2 to 2.5 times the right number: docs
    more = f"{about_so_many} {needed} seeds, {needed - seeds} more"
    yield (
        f"To show a true difference of {table.margin:g} with probability {POWER:g}, each ratio would need "
        f"{more}; {with_seeds} the smallest such difference is {smallest}."
    )


def _no_seeds(margin: float, hidden: Noise) -> str:
    if power(margin, hidden, inf) >= POWER:
        return (
            f"To show a true difference of {margin:g} with probability {POWER:g} takes more than {MOST_SEEDS} seeds"
        )
    times = ceil(10 * questions_needed(margin, hidden) / hidden.groups) / 10
    many = f"at least {times:g} times" if times <= MOST_TIMES else f"more than {MOST_TIMES} times"
    return (
        f"No number of seeds would show a true difference of {margin:g} with probability {POWER:g}: "
        f"that takes more questions, {many} as many"
    )
