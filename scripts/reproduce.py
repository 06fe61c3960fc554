"""`make reproduce`: a reduced form of the reference study, held against the published one.

Trains α = 0 and α = 1 with two of its five seeds and evaluates on XQuAD-R alone. Of every figure it prints the
published differences, with intervals over questions and seeds, and those found here. Fails if one that is shown there
(its interval does not hold 0) has another sign here, or another size (half to double).
"""

import subprocess
import sys
from pathlib import Path

import pandas as pd

from sweep import open_study

PUBLISHED = Path("sweeps/reference-me5-small")
REPRODUCED = Path("sweeps/reproduced")
SEEDS = (0, 1)
REDUCED = (
    "+experiment=reference-me5-small", f"study.name={REPRODUCED.name}", f"study.seeds={list(SEEDS)}",
    "study.space={ratio.monolingual: {grid: [0.0, 1.0]}}", "~benchmarks.afriqa", "~benchmarks.ntrex",
    "languages.evaluate=[ar,de,el,en,es,hi,ru,th,tr,vi,zh]", "study.baselines=[untouched,lir]",
)  # fmt: skip
FIGURES = ("mono/map", "cross/map", "pooled/map", "pooled/alignment_consistency", "pooled/alignment_consistency/low")
REFERENCES = ("1", "untouched", "lir")
SIZES = (0.5, 2.0)


def by_trial(study: Path) -> pd.DataFrame:
    """The figures of α = 0 and 1, by ratio and seed."""
    with open_study(study) as opened:
        trials = opened.trials.merge(opened.values(*FIGURES), left_on="key", right_on="trial")
    ends = trials[trials["ratio.monolingual"].isin([0.0, 1.0]) & trials["seed"].isin(SEEDS)]
    return ends.set_index(["ratio.monolingual", "seed"])[list(FIGURES)].sort_index()


def differences(study: Path, figure: str, reference: str) -> dict[str, tuple[float, float, float]]:
    """By ratio how α = 0 and 1 differ from a reference, with the ends of the 95 % interval."""
    with open_study(study) as opened:
        compared = opened.comparisons(figure, reference=reference)
    ends = compared[compared["system"].isin(["0", "1"])]
    return {row["system"]: (row["difference"], row["low"], row["high"]) for row in ends.to_dict("records")}


def main() -> int:
    """Run, print and compare; the exit status."""
    done = subprocess.run([sys.executable, "-m", "sweep", *REDUCED, *sys.argv[1:]], check=False)
    if done.returncode:
        return done.returncode
    here, there = by_trial(REPRODUCED), by_trial(PUBLISHED)
    print(
        f"{int((here == there).sum().sum())} of {there.size} figures of its trials are the published ones to the bit."
    )
    failed = 0
    for figure in FIGURES:
        print(f"\n{figure:33} {'published':>9} {'95 % interval':>18} {'here':>7}")
        for reference in REFERENCES:
            found = differences(REPRODUCED, figure, reference)
            for ratio, (published, low, high) in differences(PUBLISHED, figure, reference).items():
                is_shown = low > 0 or high < 0
                is_alike = not is_shown or SIZES[0] <= found[ratio][0] / published <= SIZES[1]
                failed += not is_alike
                name = f"α = {ratio} minus {reference if reference != '1' else 'α = 1'}"
                interval = f"[{low:+.3f}, {high:+.3f}]"
                mark = "" if is_alike else "   not reproduced"
                print(f"  {name:31} {published:+9.3f} {interval:>18} {found[ratio][0]:+7.3f}{mark}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
