"""What the report and the tracker cost: seconds a trial, and a report of 10,000 trials.

    python benchmarks/report_overhead.py [--trials 25] [--pairs 3] [--large 10000] [--only trials|large]

`trials`: the same tiny study is run with report and MLflow, and without a report and with JSON lines, in turns; the
medians of both are compared. The target is at most 0.1 s a trial. `large`: a study of finished trials without files
of ranks is written straight to a folder (benchmarks/many_trials.py), and its report is built twice in one process:
time of the first and of the second, which has read all before, size of the page, and peak of memory.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sweep.records.folder import StudyFolder
from sweep.run.report_files import ReportFiles
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings

TINY = (
    "+experiment=smoke", "train.steps=6", "train.warmup_steps=1", "train.batch_size=16", "study.export=none",
    "data.records={high: 60, mid: 30, low: 20}", "evaluation.records=12", "model.vocabulary_size=800",
    "study.space={ratio.monolingual: {grid: [0, 0.25, 0.5, 0.75, 1]}}", "--progress=none",
)  # fmt: skip
PLAIN = ("report.files=false", "tracking=json_lines")


def run(sweeps: Path, name: str, seeds: int, *overrides: str) -> float:
    """Seconds that a study takes."""
    given = [*TINY, f"study.name={name}", f"paths.sweeps={sweeps}", f"study.seeds={list(range(seeds))}", *overrides]
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "sweep", *given], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def of_trials(trials: int, pairs: int) -> None:
    """Print the medians of both kinds of runs, their ratio, and the difference a trial."""
    seeds = max(1, trials // 5)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SWEEP_CACHE"] = f"{folder}/cache"
        run(Path(folder), "warm", 1, *PLAIN)
        taken: dict[bool, list[float]] = {True: [], False: []}
        for pair in range(pairs):
            for has_report in (True, False) if pair % 2 else (False, True):
                more = () if has_report else PLAIN
                taken[has_report].append(run(Path(folder), f"s{pair}-{has_report}", seeds, *more))
    with_s, without_s = (statistics.median(taken[has_report]) for has_report in (True, False))
    print(f"{5 * seeds} trials, {pairs} pairs: {with_s:.1f} s with report and MLflow, {without_s:.1f} s without")
    print(f"ratio {with_s / without_s:.3f}, {(with_s - without_s) / (5 * seeds):.3f} s a trial (target: 0.1)")


def of_many(trials: int, metrics: int) -> None:
    """Print what a report of many trials takes."""
    import many_trials

    seeds = max(1, trials // many_trials.POINTS)
    with tempfile.TemporaryDirectory() as sweeps:
        many_trials.build(Path(sweeps), "many", seeds, metrics)
        composer = Composer("sweep", [*many_trials.overrides("many", seeds), f"paths.sweeps={sweeps}"])
        folder = StudyFolder(Path(sweeps) / "many")
        folder.config.write_text(composer.yaml())
        files = ReportFiles(folder, load_settings(composer), "python -m sweep")
        for turn in ("first", "second"):
            began = time.monotonic()
            files.write("running")
            print(f"{seeds * many_trials.POINTS:,} trials, {turn} report: {time.monotonic() - began:.1f} s")
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"page: {folder.report.stat().st_size / 1e6:.1f} MB; peak of memory: {peak_mb:.0f} MB")


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--large", type=int, default=10_000)
    parser.add_argument("--metrics", type=int, default=1600)
    parser.add_argument("--only", choices=["trials", "large"])
    options = parser.parse_args()
    if options.only != "large":
        of_trials(options.trials, options.pairs)
    if options.only != "trials":
        of_many(options.large, options.metrics)


if __name__ == "__main__":
    main()
