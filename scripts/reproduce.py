"""`make reproduce`: a reduced form of the reference study, held against the published one.

Trains α = 0 and α = 1 with two of its five seeds and evaluates on XQuAD-R alone. Of every figure it prints the
difference between the two that was published, with its interval over questions and seeds, and the one that was found
here. Fails if a difference that is shown there has another sign here, or another size (half to double).
"""

import subprocess
import sys
from pathlib import Path

import pandas as pd

from sweep import open_study

PUBLISHED = Path("sweeps/reference-me5-small")
NAME = "reproduced"
SEEDS = (0, 1)
REDUCED = (
    "+experiment=reference-me5-small", f"study.name={NAME}", f"study.seeds={list(SEEDS)}", "study.baselines=[]",
    "study.space={ratio.monolingual: {grid: [0.0, 1.0]}}", "~benchmarks.afriqa", "~benchmarks.ntrex",
    "languages.evaluate=[ar,de,el,en,es,hi,ru,th,tr,vi,zh]",
)  # fmt: skip
FIGURES = ("mono/map", "cross/map", "pooled/map", "pooled/alignment_consistency", "pooled/alignment_consistency/low")
SIZES = (0.5, 2.0)


def by_trial(study: Path) -> pd.DataFrame:
    """The figures of α = 0 and 1, by ratio and seed."""
    with open_study(study) as opened:
        trials = opened.trials.merge(opened.values(*FIGURES), left_on="key", right_on="trial")
    ends = trials[trials["ratio.monolingual"].isin([0.0, 1.0]) & trials["seed"].isin(SEEDS)]
    return ends.set_index(["ratio.monolingual", "seed"])[list(FIGURES)].sort_index()


def published_difference(figure: str) -> tuple[float, float, float]:
    """α = 0 minus α = 1 with all seeds, and its 95 % interval."""
    with open_study(PUBLISHED) as opened:
        compared = opened.comparisons(figure, reference=1)
    (row,) = compared[compared["ratio.monolingual"] == 0.0].to_dict("records")
    return row["difference"], row["low"], row["high"]


def main() -> int:
    """Run, print and compare; the exit status."""
    done = subprocess.run([sys.executable, "-m", "sweep", *REDUCED, *sys.argv[1:]], check=False)
    if done.returncode:
        return done.returncode
    here, there = by_trial(Path("sweeps") / NAME), by_trial(PUBLISHED)
    equal = int((here == there).sum().sum())
    print(f"{equal} of {there.size} figures of these trials are the published ones to the last bit.")
    print(f"{'α = 0 minus α = 1':34} {'published':>9} {'95 % interval':>18} {'its seeds':>9} {'here':>7}")
    failed = []
    for figure in FIGURES:
        difference, low, high = published_difference(figure)
        same_seeds, found = (float((table.loc[0.0] - table.loc[1.0])[figure].mean()) for table in (there, here))
        print(f"{figure:34} {difference:+9.3f} {f'[{low:+.3f}, {high:+.3f}]':>18} {same_seeds:+9.3f} {found:+7.3f}")
        is_shown = low > 0 or high < 0
        if is_shown and not SIZES[0] <= found / difference <= SIZES[1]:
            failed.append(figure)
    if failed:
        print(f"not reproduced: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
