"""How many trials a search needs to come as near as a grid: ratio_search against a grid of 21 ratios.

    python benchmarks/ratio_search.py [--grid 21] [--searches 5] [--samplers tpe,gp,random] [--home FOLDER]
                                      [overrides]

The grid has 21 ratios from 0 to 1, every other setting as it is. The search has the experiment's own space (ratio,
temperature of language sampling, learning rate), and so many points that it runs at most half of the grid's trials;
it is repeated with several search seeds, and with each sampler; `random` is its peer. Each point is trained with the
same two seeds on the embedded data, and its value is the mean over them. Printed for each search is, after every
second trial, how far the best point so far is above (+) or below (-) the best one of the grid. Finished trials in
FOLDER are kept, and the same command goes on. Overrides apply to both sides.
"""

import argparse
import csv
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

OBJECTIVE = "cldr/pooled/alignment_consistency/low"
NEAR = 0.01
SEEDS = 2
# Both sides by all questions and with the same seeds, one trial after another: a search with several workers depends
# on which of them is first.
ALIKE = ("study.seeds=[0,1]", "study.select_on=all", "launcher.workers=1")


def study(home: Path, name: str, overrides: Sequence[str]) -> list[tuple[float, float, str]]:
    """Run or resume a study; its points in the order of their last trials: (value, ratio, the other values)."""
    command = [sys.executable, "-m", "sweep", *overrides, f"study.name={name}", "study.export=none"]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    with (home / "sweeps" / name / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    values: dict[str, list[float]] = {}
    points = []
    for row in rows:
        point = row["key"].rpartition(",seed=")[0]
        values.setdefault(point, []).append(float(row[OBJECTIVE]))
        if len(values[point]) == SEEDS:
            points.append((statistics.fmean(values[point]), float(row["ratio.monolingual"]), point))
    return points


def main() -> int:
    """The grid, the searches, and their curves."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--grid", type=int, default=21, help="ratios")
    parser.add_argument("--searches", type=int, default=5, help="search seeds")
    parser.add_argument("--samplers", default="tpe,gp,random")
    parser.add_argument("--home", type=Path, help="keep the studies in this folder")
    options, overrides = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as temporary:
        home = options.home or Path(temporary)
        home.mkdir(parents=True, exist_ok=True)
        compare(home.resolve(), options, overrides)
    return 0


def compare(home: Path, options: argparse.Namespace, overrides: Sequence[str]) -> None:
    """Run all studies, and print the curves."""
    ratios = [round(number / (options.grid - 1), 4) for number in range(options.grid)]
    space = f"study.space={{ratio.monolingual: {{grid: {ratios}}}}}"
    grid = study(home, "grid", ["+experiment=ratio_grid", space, *ALIKE, *overrides])
    best, ratio, _ = max(grid)
    print(f"grid of {options.grid} ratios x {SEEDS} seeds: best {OBJECTIVE} {best:.4f} at {ratio:g}")
    points = options.grid // 2  # with as many seeds a point: at most half of the trials
    print(f"\nbest so far minus the grid's best, after trials\n{'':<12}", end="")
    print("".join(f"{SEEDS * number:>8}" for number in range(1, points + 1)))
    for sampler in options.samplers.split(","):
        curves = []
        for seed in range(options.searches):
            given = [
                f"study.points={points}",
                "study.seed_policy=all",
                "study.confirm=null",
                f"study.sampler={sampler}",
            ]
            name, seeded = f"{sampler}-{seed}", f"study.search_seed={seed}"
            found = study(home, name, ["+experiment=ratio_search", *ALIKE, *given, seeded, *overrides])
            curves.append([max(value for value, *_ in found[: number + 1]) - best for number in range(points)])
            print(f"{name:<12}" + "".join(f"{behind:>+8.3f}" for behind in curves[-1]), flush=True)
            value, ratio, point = max(found)
            print(f"{'':<12}best {value:.4f}: {point}", flush=True)
        print(
            f"{sampler:<12}" + "".join(f"{statistics.median(column):>+8.3f}" for column in zip(*curves, strict=True))
        )
        near = sum(curve[-1] >= -NEAR for curve in curves)
        print(f"{sampler}: {near} of {len(curves)} searches end within {NEAR} of the grid's best, or above it\n")


if __name__ == "__main__":
    sys.exit(main())
