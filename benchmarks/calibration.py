"""Are the statistics right? False positives, coverage and power, from simulated studies and from real trainings.

    python benchmarks/calibration.py [--studies 3000] [--seeds 2 3 5 10] [--pruned 400]
    python benchmarks/calibration.py --trainings FOLDER [--train 20] [--draws 4000]

A simulated study has 5 ratios x k seeds x G translation groups: what a group contributes is the sum of effects of the
group, of the ratio on that group, of the seed, of the seed on that group, and the ratio's true effect. Every figure
stands with its Monte Carlo standard error. "Questions alone" is the rival: the same test with seeds averaged first.
With --trainings one ratio of the embedded data is trained with many seeds (one_ratio.py); the folder is kept, and a
second run trains nothing.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import one_ratio
from sweep.statistics import moderated
from sweep.statistics.best import may_be_best
from sweep.statistics.crossed import crossed_difference, paired_difference
from sweep.statistics.looks import is_worse, share_of_look
from sweep.statistics.moderated import pooled_within
from verdicts import LEVEL, Tally, Values, of_equal, shown_pairs

MARGIN = 0.01
RATIOS = 5
BEST = (0.0, MARGIN, MARGIN / 2, 0.0, -MARGIN)  # true effects where one ratio is the best
EQUAL = (0.0,) * RATIOS
LOOKS, STARTUP = 6, 4  # validations of a trial, and finished trials before the pruner judges
SHARES = {
    "a pair differs, p < .05": "pairs",
    "the noisiest pair": f"pair {len(shown_pairs(RATIOS)) - 1}",
    "any pair differs after Holm": "table",
    "a pair with other seeds (crossed), p < .05": "crossed",
    "questions alone, p < .05": "alone",
    "coverage of a difference": "difference",
    "coverage of one ratio": "figure",
    "an equal ratio is in the set of the best": "kept",
    "an equal point is dropped by stop_when_worse": "dropped",
    "the truly best is in the set": "best",
    "power: a difference of the margin, p < .05": "power",
    "equivalent: equal ratios": "equivalent",
    "equivalent: ratios that differ by the margin": "at_margin",
}
FIGURES = {
    "plain maximum, too high by": "plain",
    "cross-fitted best, too high by": "fitted",
}


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the effects, and the number of groups. `shared`: the part of a seed's variance that all
    ratios have alike (the same seed draws the same numbers at every ratio). `factors`: of each ratio's seed effect.
    With `ratio_group` ratios that are equal over all questions that might be asked differ on these."""

    name: str
    groups: int
    group: float
    ratio_group: float
    seed: float
    seed_group: float
    shared: float = 0.3
    factors: tuple[float, ...] = (1.0,) * RATIOS


NOISES = (
    Noise("like CLDR: seeds differ much", 300, 0.15, 0.0, 0.0135, 0.10),
    Noise("like XQuAD-R: questions differ much", 240, 0.25, 0.0, 0.002, 0.06),
    Noise("seeds and ratios by question differ alike", 300, 0.15, 0.12, 0.0135, 0.10),
    Noise("like CLDR, unequal seeds", 300, 0.15, 0.0, 0.0135, 0.10, factors=(0.7, 0.85, 1.0, 1.2, 1.4)),
)


def draw(noise: Noise, effects: Sequence[float], seeds: int, rng: np.random.Generator) -> list[Values]:
    """One study's values (s, g) of every ratio."""
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


def simulate(noise: Noise, seeds: int, studies: int) -> Tally:
    """Studies of equal ratios, and as many with a truly best one: better than the next by half the margin."""
    rng, tally = np.random.default_rng([seeds, noise.groups]), Tally()
    for _ in range(studies):
        systems = draw(noise, EQUAL, seeds, rng)
        equal = paired_difference(systems[0], systems[1], systems)
        others = draw(replace(noise, shared=0.0), EQUAL, seeds, rng)  # as with other seeds
        crossed = crossed_difference(others[0], others[1]).p < LEVEL
        tally.add(**of_equal(systems) | {"crossed": crossed}, equivalent=equal.p_equivalent(MARGIN) < LEVEL)
        systems = draw(noise, BEST, seeds, rng)
        kept, apart = may_be_best(systems), paired_difference(systems[0], systems[1], systems)
        tally.add(best=1 in kept, size=len(kept), power=apart.p < LEVEL, at_margin=apart.p_equivalent(MARGIN) < LEVEL)
    return tally


def pruned(noise: Noise, seeds: int, studies: int) -> Tally:
    """Equal points under the Wilcoxon pruner: which part of the judged trials is pruned at any of its looks.

    A trial's figures change from look to look as those of a training do: nine tenths of each effect's variance stay.
    """
    rng, tally = np.random.default_rng([seeds, noise.groups, 1]), Tally()
    group_g = rng.normal(0, noise.group, noise.groups)
    for _ in range(studies):
        finished: list[tuple[int, list[Values]]] = []
        judged = given_up = 0
        for point in range(RATIOS):
            own_g = rng.normal(0, noise.ratio_group, noise.groups)
            for _ in range(seeds):
                looks = [group_g + own_g + effect_g for effect_g in _training(noise, rng)]
                if len(finished) >= STARTUP:
                    judged += 1
                    if any(_is_pruned(looks[: look + 1], finished, seeds) for look in range(LOOKS)):
                        given_up += 1
                        continue
                finished.append((point, looks))
        if judged:
            tally.add(pruned=given_up / judged)
    return tally


def _training(noise: Noise, rng: np.random.Generator) -> list[Values]:
    effects = []
    current_g = np.zeros(noise.groups)
    for look in range(LOOKS):
        fresh_g = rng.normal(0, noise.seed) + rng.normal(0, noise.seed_group, noise.groups)
        current_g = fresh_g if look == 0 else 0.9**0.5 * current_g + 0.1**0.5 * fresh_g
        effects.append(current_g)
    return effects


def _is_pruned(own: Sequence[Values], finished: Sequence[tuple[int, list[Values]]], seeds: int) -> bool:
    """As sweep.study.pruning does it: against the finished trial with the best final figure."""
    look = len(own)
    _, best = max(finished, key=lambda trial: float(trial[1][-1].mean()))
    level = LEVEL * share_of_look(look) / len(finished)
    difference_g = own[-1] - best[look - 1]
    if seeds == 1:
        return is_worse(difference_g, level)
    points: dict[int, list[float]] = {}
    for point, looks in finished:
        points.setdefault(point, []).append(float(looks[look - 1].mean()))
    variance = pooled_within(points.values())
    return variance is not None and is_worse(difference_g, level, variance)


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print it as Markdown."""
    print(f"\n{title}\n\n| {' | '.join(heads)} |\n" + "|---" * len(heads) + "|")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def print_studies(noise: Noise, counts: Sequence[int], studies: int) -> None:
    """The table of one kind of noise: a column for each number of seeds."""
    tallies = [simulate(noise, seeds, studies) for seeds in counts]
    digits = dict.fromkeys(SHARES, 3) | {"size of the set": 2} | dict.fromkeys(FIGURES, 4)
    rows = [
        [text, *(f"{tally.mean(name):.{digits[text]}f} ± {tally.error(name):.{digits[text]}f}" for tally in tallies)]
        for text, name in (SHARES | {"size of the set": "size"} | FIGURES).items()
    ]
    heads = ["", *(f"{seeds} seeds" for seeds in counts)]
    table(f"{noise.name}: {noise.groups} groups, {studies} studies of {RATIOS} ratios", heads, rows)


def print_pruned(counts: Sequence[int], studies: int) -> None:
    """The table of the Wilcoxon pruner: a row for each kind of noise."""
    rows = []
    for noise in NOISES[:3]:
        tallies = [pruned(replace(noise, seed=0.0), 1, studies), *(pruned(noise, seeds, studies) for seeds in counts)]
        rows.append([noise.name, *(f"{one.mean('pruned'):.3f} ± {one.error('pruned'):.3f}" for one in tallies)])
    heads = ["", "1 seed, equal models", *(f"{seeds} seed{'s' * (seeds > 1)}" for seeds in counts)]
    table(f"Equal trials that the Wilcoxon pruner gives up, in {studies} studies", heads, rows)


def main() -> None:
    """Print a table for each kind of noise, or for the trainings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=3000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 5, 10])
    parser.add_argument("--pruned", type=int, default=400, metavar="STUDIES", help="of the Wilcoxon pruner; 0: none")
    parser.add_argument("--prior", type=int, help="what the mean over all ratios counts for; 0: a pair's own alone")
    parser.add_argument(
        "--trainings", type=Path, metavar="FOLDER", help="real trainings instead, kept in this folder"
    )
    parser.add_argument("--train", type=int, default=20, help="how many")
    parser.add_argument("--draws", type=int, default=4000, help="of sets of seeds")
    options = parser.parse_args()
    moderated.PRIOR = moderated.PRIOR if options.prior is None else options.prior
    if options.trainings is not None:
        for title, heads, rows in one_ratio.tables(options.trainings, options.train, options.draws):
            table(title, heads, rows)
        return
    for noise in NOISES:
        print_studies(noise, options.seeds, options.studies)
    if options.pruned:
        print_pruned([1, *(seeds for seeds in options.seeds if seeds <= 5)], options.pruned)


if __name__ == "__main__":
    main()
