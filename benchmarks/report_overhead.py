"""What the report and the tracker cost: seconds a study and a trial, and a report of 10,000 trials.

    python benchmarks/report_overhead.py [--sizes 5 25] [--pairs 3] [--large 10000] [--only trials|large]

`trials`: the same tiny study is run with report and MLflow, and without a report and with JSON lines, in turns, with
each number of trials; of the medians' differences the slope is what a trial costs, and the rest what a study costs
once. The target is at most 0.1 s a trial. Seconds are given by the clock and of CPU, of all processes: on a machine
that does something else only the latter say much. The peer is the loop that one would write by hand: a run of MLflow
for each trial of the larger study, with its parameters, metrics, losses and files (`log_params`, `log_metrics`,
`log_artifacts`), in a new database and in a process of its own, in the same turns.

`large`: a study of finished trials without files of ranks is written straight to a folder (see many_trials.py), and
its report is built twice in one process: time of the first and of the second, which has read all before, size of the
page, and peak of memory.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from sweep.records.folder import StudyFolder
from sweep.records.series import read_series
from sweep.run.report_files import ReportFiles
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.settings.saved_yaml import read_yaml

TINY = (
    "+experiment=smoke", "train.steps=6", "train.warmup_steps=1", "train.batch_size=16", "study.export=none",
    "data.records={high: 60, mid: 30, low: 20}", "evaluation.records=12", "model.vocabulary_size=800",
    "study.space={ratio.monolingual: {grid: [0, 0.25, 0.5, 0.75, 1]}}", "--progress=none",
)  # fmt: skip
POINTS = 5
PLAIN = ("report.files=false", "tracking=json_lines")
Kind = Literal["with", "without", "peer"]
Seconds = tuple[float, float]  # by the clock, and of CPU


def timed(*command: str) -> Seconds:
    """Seconds that a command takes, with all processes that it waits for."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)}: failed")
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime


def run(sweeps: Path, name: str, trials: int, *overrides: str) -> Seconds:
    """Seconds that a study takes."""
    seeds = f"study.seeds={list(range(trials // POINTS))}"
    return timed("-m", "sweep", *TINY, f"study.name={name}", f"paths.sweeps={sweeps}", seeds, *overrides)


def by_hand(study: Path, database: Path, trials: int) -> None:
    """What one would write with MLflow alone: a run for each of a study's trials."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{database}")
    mlflow.create_experiment("by hand", artifact_location=str(database.with_suffix("")))
    mlflow.set_experiment("by hand")
    for folder in sorted((study / "trials").iterdir())[:trials]:
        with mlflow.start_run(run_name=folder.name):
            mlflow.log_params(_flat(read_yaml(folder / "config.yaml")))
            metrics = json.loads((folder / "metrics.json").read_text())
            mlflow.log_metrics({name.replace("@", "_at_"): value for name, value in metrics.items()})
            losses = read_series(folder / "losses.csv")
            for place, step in enumerate(losses.pop("step")):
                mlflow.log_metrics({name: values[place] for name, values in losses.items()}, step=int(step))
            mlflow.log_artifacts(str(folder))


def _flat(section: dict[str, object], start: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in section.items():
        flat |= _flat(value, f"{start}{name}.") if isinstance(value, dict) else {f"{start}{name}": value}
    return flat


def of_trials(sizes: Sequence[int], pairs: int) -> None:
    """Print the medians of all kinds of runs, what they cost once and a trial, and the ratio to the peer."""
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}, {os.cpu_count()} CPUs", flush=True)
    taken: dict[tuple[Kind, int], list[Seconds]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        sweeps = Path(temporary)
        os.environ["SWEEP_CACHE"] = f"{temporary}/cache"
        run(sweeps, "warm", max(sizes), *PLAIN)
        for turn in range(pairs):
            for trials in sizes:
                kinds: tuple[Kind, ...] = ("with", "without", "peer")
                for kind in kinds if turn % 2 else kinds[::-1]:
                    one = _once(sweeps / f"{turn}-{trials}", kind, trials, sweeps / "warm")
                    taken.setdefault((kind, trials), []).append(one)
    of = {key: tuple(statistics.median(column) for column in zip(*of, strict=True)) for key, of in taken.items()}
    for (kind, trials), (clock_s, cpu_s) in sorted(of.items()):
        print(f"{kind:8} {trials:3} trials: {clock_s:6.2f} s by the clock, {cpu_s:6.2f} s of CPU")
    small, large = min(sizes), max(sizes)
    for place, unit in enumerate(("s by the clock", "s of CPU")):
        more = {trials: of["with", trials][place] - of["without", trials][place] for trials in (small, large)}
        each = (more[large] - more[small]) / (large - small)
        peer = (of["peer", large][place] - of["peer", small][place]) / (large - small)
        share = of["with", large][place] / of["without", large][place]
        print(
            f"report and tracking, {unit}: {more[small] - small * each:.2f} once, {each:.3f} a trial (target: 0.1); "
            f"{large} trials take {share:.2f} times as long; by hand {peer:.3f} a trial, ratio {each / peer:.2f}"
        )
    print(f"load of the machine after: {os.getloadavg()[0]:.1f}")


def _once(sweeps: Path, kind: Kind, trials: int, done: Path) -> Seconds:
    """A new study, or the peer's database, of what a study has `done`; every turn has its own tracking database."""
    own = sweeps / kind
    own.mkdir(parents=True)
    if kind == "peer":
        return timed(__file__, "--by-hand", str(done), str(own / "mlflow.db"), str(trials))
    return run(own, "study", trials, *(PLAIN if kind == "without" else ()))


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
    parser.add_argument("--sizes", type=int, nargs=2, default=[5, 25])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--large", type=int, default=10_000)
    parser.add_argument("--metrics", type=int, default=1600)
    parser.add_argument("--only", choices=["trials", "large"])
    parser.add_argument("--by-hand", nargs=3, help=argparse.SUPPRESS)  # the peer, in a process of its own
    options = parser.parse_args()
    if options.by_hand is not None:
        study, database, trials = options.by_hand
        by_hand(Path(study), Path(database), int(trials))
        return
    if options.only != "large":
        of_trials(options.sizes, options.pairs)
    if options.only != "trials":
        of_many(options.large, options.metrics)


if __name__ == "__main__":
    main()
