"""Are the statistics right? False positives, coverage and power, from simulated studies of known truth.

    python benchmarks/calibration.py [--studies 1000] [--seeds 1 2 3 5 10]

A simulated study has 5 ratios x k seeds x G translation groups: what a group contributes is the sum of effects of the
group, of the ratio on that group, of the seed, of the seed on that group, and the ratio's true effect. Kinds of
noise: like the embedded data, where seeds differ so much that a test over questions alone is wrong in 37 %, as was
measured with 72 real trainings of one ratio; like XQuAD-R with a pretrained encoder, where questions do; and with
ratios whose seeds differ by factors of up to 2. Printed, for every number of seeds:

    p < .05        equal ratios called different: mean over the table's pairs, the worst pair of them (the largest of
    nine
                   noisy shares); any pair after Holm; one pair with questions alone
    coverage       95 % intervals of a difference and of one ratio that hold the truth
    plain, fitted  how much too high the best ratio's figure is: plain maximum, cross-fitted (and its standard error)
    dropped        an equal point given up by stop_when_worse, looking after every seed, against the best of the
    others best           the set of ratios that may be the best holds the truly best one; and its mean size
    power          a true difference of the margin is called different (one pair), or equal ratios equivalent

"questions alone" is the rival: the same test with seeds averaged first, as many tools do.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from sweep.statistics.best import cross_fitted, may_be_best
from sweep.statistics.crossed import estimate, paired_difference
from sweep.statistics.looks import p_worse
from sweep.statistics.uncertainty import holm

Values = NDArray[np.float64]
RATIOS = (0.0, 0.25, 0.5, 0.75, 1.0)
REFERENCES = (0, 2, 4)  # places of the ratios that the others are compared with: 0, .5 and 1
TESTED = [pair for pair in combinations(range(len(RATIOS)), 2) if set(pair) & set(REFERENCES)]
MARGIN = 0.01
COLUMNS = (
    *("seeds", "pairs", "worst pair", "Holm, any", "questions alone", "coverage: difference", "one ratio", "dropped"),
    *("plain max.", "cross-fitted", "best in set", "its size", "power", "equivalent: equal", "at the margin"),
)


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the effects, and the number of groups. `shared`: the part of a seed's effect that all
    ratios have alike (the same seed draws the same numbers at every ratio). `factors`: of each ratio's seed
    effect."""

    name: str
    groups: int
    group: float
    ratio_group: float
    seed: float
    seed_group: float
    shared: float = 0.3
    factors: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0)


NOISES = (
    Noise("like CLDR", 300, 0.15, 0.0, 0.0135, 0.10),
    Noise("like XQuAD-R", 240, 0.25, 0.0, 0.002, 0.06),
    Noise("like CLDR, unequal seeds", 300, 0.15, 0.0, 0.0135, 0.10, factors=(0.7, 0.85, 1.0, 1.2, 1.4)),
)


@dataclass
class Tally:
    """Counts over simulated studies, by what was counted."""

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
        return float(np.std(self.counted[name]) / len(self.counted[name]) ** 0.5)


def draw(noise: Noise, effects: Sequence[float], seeds: int, rng: np.random.Generator) -> list[Values]:
    """One study's values (s, g) of every ratio. All ratios have the same true figures apart from `effects`; a ratio's
    own effect on a group is no part of the noise of equal ratios, unless `ratio_group` is set."""
    ratios, factor_r11 = len(effects), np.array(noise.factors)[:, None, None]
    alike = rng.normal(0, noise.seed, (1, seeds, 1)) * noise.shared**0.5
    own = rng.normal(0, noise.seed, (ratios, seeds, 1)) * (1 - noise.shared) ** 0.5
    value_rsg = (
        np.array(effects)[:, None, None]
        + rng.normal(0, noise.group, (1, 1, noise.groups))
        + rng.normal(0, noise.ratio_group, (ratios, 1, noise.groups))
        + factor_r11 * (alike + own)
        + rng.normal(0, noise.seed_group, (ratios, seeds, noise.groups))
    )
    return list(value_rsg)


def of_equal_ratios(noise: Noise, seeds: int, studies: int, rng: np.random.Generator) -> Tally:
    """What is concluded although nothing differs."""
    tally = Tally()
    for _ in range(studies):
        systems = draw(noise, [0.0] * len(RATIOS), seeds, rng)
        tests = [paired_difference(systems[a], systems[b], systems) for a, b in TESTED]
        one_low, one_high = estimate(systems[0]).interval()
        given_up = [
            p_worse(systems[-1][:look], [other[:look] for other in systems[:-1]], len(systems) - 1, seeds) < 0.05
            for look in range(1, seeds)
        ]
        alone = stats.ttest_1samp((systems[1] - systems[0]).mean(0), 0.0).pvalue
        tally.add(
            single=float(np.mean([test.p < 0.05 for test in tests])),
            **{f"pair {place}": test.p < 0.05 for place, test in enumerate(tests)},
            table=min(holm([test.p for test in tests])) < 0.05,
            alone=float(alone) < 0.05,
            difference=float(np.mean([low <= 0 <= high for low, high in (test.interval() for test in tests)])),
            one=one_low <= 0 <= one_high,
            plain=max(value_sg.mean() for value_sg in systems),
            fitted=cross_fitted(systems, splits=2),
            dropped=any(given_up),
            equivalent=tests[0].p_equivalent(MARGIN) < 0.05,
        )
    return tally


def of_a_best_ratio(noise: Noise, seeds: int, studies: int, rng: np.random.Generator) -> Tally:
    """A truly best ratio, better than the next by half the margin and than others by the margin."""
    effects = [0.0, MARGIN, MARGIN / 2, 0.0, -MARGIN]
    tally = Tally()
    for _ in range(studies):
        systems = draw(noise, effects, seeds, rng)
        kept = may_be_best(systems)
        power = paired_difference(systems[0], systems[1], systems).p < 0.05
        barely = paired_difference(systems[0], systems[1], systems).p_equivalent(MARGIN) < 0.05
        tally.add(best=1 in kept, size=len(kept), power=power, barely=barely)
    return tally


def main() -> None:
    """Print a table for each kind of noise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 5, 10])
    options = parser.parse_args()
    for noise in NOISES:
        print(f"\n{noise.name}: {noise.groups} groups, {options.studies} studies of {len(RATIOS)} ratios\n")
        print(f"| {' | '.join(COLUMNS)} |")
        print("|---" * len(COLUMNS) + "|")
        for seeds in options.seeds:
            rng = np.random.default_rng([seeds, noise.groups])
            equal = of_equal_ratios(noise, seeds, options.studies, rng)
            best = of_a_best_ratio(noise, seeds, options.studies, rng)
            shares = [equal.mean(name) for name in ("single", "table", "alone", "difference", "one", "dropped")]
            cells = [f"{share:.3f}" for share in shares]
            cells.insert(1, f"{max(equal.mean(f'pair {place}') for place in range(len(TESTED))):.3f}")
            cells += [f"{equal.mean(name):+.4f} ± {equal.error(name):.4f}" for name in ("plain", "fitted")]
            cells += [f"{best.mean('best'):.3f}", f"{best.mean('size'):.1f}", f"{best.mean('power'):.2f}"]
            cells += [f"{equal.mean('equivalent'):.2f}", f"{best.mean('barely'):.3f}"]
            print(f"| {seeds} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
