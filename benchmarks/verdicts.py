"""What the product concludes about ratios, counted: of simulated studies (calibration.py), and of real trainings of
one ratio (one_ratio.py). Shapes: s = seeds, g = translation groups."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sweep.statistics.best import cross_fitted, may_be_best
from sweep.statistics.crossed import crossed_difference, figure_of, paired_difference
from sweep.statistics.looks import p_worse
from sweep.statistics.uncertainty import holm

Values = NDArray[np.float64]
LEVEL = 0.05


@dataclass
class Tally:
    """Counts over studies, by what was counted."""

    counted: dict[str, list[float]] = field(default_factory=dict)

    def add(self, **values: float) -> None:
        """Count one study."""
        for name, value in values.items():
            self.counted.setdefault(name, []).append(float(value))

    def mean(self, name: str) -> float:
        """Mean over the studies."""
        return float(np.mean(self.counted[name]))

    def error(self, name: str) -> float:
        """Standard error of the mean."""
        return float(np.std(self.counted[name], ddof=1) / len(self.counted[name]) ** 0.5)


def shown_pairs(ratios: int) -> list[tuple[int, int]]:
    """The pairs of a table: every ratio with the first, the middle and the last, as with 0, .5 and 1."""
    references = {0, ratios // 2, ratios - 1}
    return [pair for pair in combinations(range(ratios), 2) if references & set(pair)]


def of_equal(systems: Sequence[Values], truth: float = 0.0) -> dict[str, float]:
    """What is concluded of equal ratios, whose true figure is `truth`. Shares of pairs or ratios, or 0 and 1."""
    seeds, places = len(systems[0]), range(len(systems))
    tests = [paired_difference(systems[a], systems[b], systems) for a, b in shown_pairs(len(systems))]
    crossed = [crossed_difference(systems[a], systems[b]) for a, b in shown_pairs(len(systems))]
    figures = [figure_of(value_sg, systems).interval() for value_sg in systems]
    given_up = [
        p_worse(systems[-1][:look], [other[:look] for other in systems[:-1]], len(systems) - 1, seeds) < LEVEL
        for look in range(1, seeds)
    ]
    alone = stats.ttest_1samp((systems[1] - systems[0]).mean(0), 0.0).pvalue
    kept = may_be_best(systems)
    return {
        "pairs": float(np.mean([test.p < LEVEL for test in tests])),
        **{f"pair {place}": test.p < LEVEL for place, test in enumerate(tests)},
        "table": min(holm([test.p for test in tests])) < LEVEL,
        "crossed": float(np.mean([one.p < LEVEL for one in crossed])),
        "alone": float(alone) < LEVEL,
        "difference": float(np.mean([low <= 0 <= high for low, high in (test.interval() for test in tests)])),
        "figure": float(np.mean([low <= truth <= high for low, high in figures])),
        "kept": float(np.mean([place in kept for place in places])),
        "dropped": any(given_up),
        "plain": max(value_sg.mean() for value_sg in systems) - truth,
        "fitted": cross_fitted(systems, splits=2) - truth,
    }
