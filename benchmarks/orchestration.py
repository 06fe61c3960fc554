"""What it costs to run trials as a study, against a plain loop and against a process a trial.

    python benchmarks/orchestration.py [--trials 40] [--repeats 3] [--jobs 4]

Every side runs the same trials: a model of this tool is trained for a few steps and evaluated, on one thread, in
about half a second; each logs to an MLflow database of its own (settings, the loss curve, 642 metrics). The sides:

optuna      `study.optimize` in one process, with Optuna's SQLite storage. A killed run loses its trial.
1 worker    `python -m sweep` with one worker: claims, heartbeats, checkpoints, a folder with results and ranks, and
            the files in MLflow.
2 workers   the same with two.
hydra       a Hydra multirun that starts a process for each job, as launchers of clusters do (`--jobs` of them).

Seconds a trial are those between the ends of trials, without the first ones (two for each process), which load what
later ones find loaded; for hydra a whole job, without a first one that sets up MLflow. Sides take
turns; medians of the repeats are compared.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STEPS, WARM = 6, 2
OBJECTIVE = "cldr/pooled/alignment_consistency/low"
SMALL = [
    "+experiment=smoke", f"train.steps={STEPS}", "train.warmup_steps=1", "train.log_every=1", "train.batch_size=16",
    "data.records={high: 60, mid: 30, low: 20}", "evaluation.records=12", "model.vocabulary_size=800",
    "launcher.threads=1", "study.export=none", "study.baselines=[]",
]  # fmt: skip


def ratios(trials: int) -> list[float]:
    """One a trial."""
    return [round(number / trials, 4) for number in range(trials)]


def environment() -> dict[str, str]:
    """One thread a process."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def of_this_tool(home: Path, trials: int, workers: int) -> float:
    """Seconds a trial of the real command."""
    import optuna

    overrides = [*SMALL, f"study.space={{ratio.monolingual: {{grid: {ratios(trials)}}}}}", "study.name=ours"]
    command = [sys.executable, "-m", "sweep", *overrides, f"launcher.workers={workers}"]
    done = subprocess.run(command, cwd=home, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    study = optuna.load_study(study_name="ours", storage=f"sqlite:///{home}/sweeps/ours/study.db")
    return per_trial(
        [trial.datetime_complete.timestamp() for trial in study.trials if trial.datetime_complete], workers
    )


def per_trial(ends: list[float], processes: int = 1) -> float:
    """Seconds between the ends of trials, without the first ones of each process."""
    kept = sorted(ends)[WARM * processes - 1 :]
    return (kept[-1] - kept[0]) / (len(kept) - 1)


class PlainTrial:
    """The same trial as a function of its ratio, with MLflow's own logging: what a script would do."""

    def __init__(self, home: Path) -> None:
        import mlflow
        import torch

        from sweep.settings.compose import Composer
        from sweep.trial.pipeline import TrialData, make_accelerator

        torch.set_num_threads(1)
        mlflow.set_tracking_uri(f"sqlite:///{home}/mlflow.db")
        mlflow.set_experiment("plain")
        self.home, self.composer = home, Composer("sweep", SMALL)
        self.data, self.accelerator = TrialData(), make_accelerator()

    def run(self, ratio: float) -> float:
        """Train, evaluate, log; the objective's value."""
        import mlflow

        from sweep.records.folder import StudyFolder
        from sweep.settings import flattened
        from sweep.settings.load import load_settings
        from sweep.training.watch import TrainingPoint, Watch
        from sweep.trial.pipeline import Trial, run_trial

        settings = load_settings(self.composer, {"ratio.monolingual": ratio})
        folder = self.home / f"trial-{ratio}"
        trial = Trial(settings, str(ratio), folder / "embeddings", folder / "checkpoint", StudyFolder(folder))
        with mlflow.start_run(run_name=str(ratio)):
            parameters = {
                name: str(value)[:500] for name, value in flattened(settings.model_dump(mode="json")).items()
            }
            mlflow.log_params(parameters)

            def log_loss(point: TrainingPoint) -> None:
                mlflow.log_metrics({"loss": point.loss, "learning_rate": point.learning_rate}, step=point.step)

            outcome = run_trial(trial, self.data, self.accelerator, Watch(log_loss))
            assert outcome is not None
            metrics = {name.replace("@", "_at_"): value for name, value in outcome.result.metrics.items()}
            mlflow.log_metrics(metrics)
        return outcome.result.metrics[OBJECTIVE]


def optuna_side(home: Path, trials: int) -> None:
    """Print when each trial ended."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    plain = PlainTrial(home)
    study = optuna.create_study(storage=f"sqlite:///{home}/study.db", direction="maximize")
    for ratio in ratios(trials):
        study.enqueue_trial({"ratio": ratio})
    study.optimize(lambda trial: plain.run(trial.suggest_float("ratio", 0.0, 1.0)), n_trials=trials)
    print(json.dumps([trial.datetime_complete.timestamp() for trial in study.trials if trial.datetime_complete]))


def hydra_side(home: Path, jobs: int) -> None:
    """A multirun; print how long each job took."""
    import hydra
    from hydra.core.config_store import ConfigStore

    seconds: list[float] = []

    def job(config: Mapping[str, Any]) -> None:
        began = time.monotonic()
        one = [sys.executable, __file__, "--side", "job", "--home", str(home), "--ratio", str(config["ratio"])]
        subprocess.run(one, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.monotonic() - began)

    ConfigStore.instance().store(name="job", node={"ratio": 0.0})
    listed = ",".join(map(str, ratios(jobs)))
    sys.argv = [
        __file__,
        "--multirun",
        f"ratio={listed}",
        f"hydra.sweep.dir={home}/multirun",
        "hydra/job_logging=none",
    ]
    hydra.main(version_base="1.3", config_path=None, config_name="job")(job)()
    print(json.dumps(seconds))


def peer(side: str, home: Path, count: int) -> list[float]:
    """What another side prints, in a process of its own."""
    home.mkdir()
    count_option = "--jobs" if side == "hydra" else "--trials"
    command = [sys.executable, __file__, "--side", side, "--home", str(home), count_option, str(count)]
    done = subprocess.run(command, cwd=home, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    printed: list[float] = json.loads(done.stdout.strip().splitlines()[-1])
    return printed


def compare(options: argparse.Namespace) -> None:
    """Run the sides in turns, and print them."""
    seconds: dict[str, list[float]] = {"optuna": [], "1 worker": [], "2 workers": [], "hydra": []}
    with tempfile.TemporaryDirectory() as temporary:
        for repeat in range(options.repeats):
            home = Path(temporary) / str(repeat)
            (home / "one").mkdir(parents=True)
            (home / "two").mkdir()
            seconds["optuna"].append(per_trial(peer("optuna", home / "optuna", options.trials)))
            seconds["1 worker"].append(of_this_tool(home / "one", options.trials, 1))
            seconds["2 workers"].append(of_this_tool(home / "two", options.trials, 2))
            if options.jobs:
                seconds["hydra"].append(statistics.mean(peer("hydra", home / "hydra", options.jobs + 1)[1:]))
            print(", ".join(f"{side} {found[-1]:.3f} s" for side, found in seconds.items() if found), flush=True)
    show(seconds)


def show(seconds: Mapping[str, list[float]]) -> None:
    """The medians, and what is compared with what."""
    median = {side: statistics.median(found) for side, found in seconds.items() if found}
    print(f"\n{'side':<12}{'s a trial':>10}{'trials a minute':>18}")
    for side, found in median.items():
        print(f"{side:<12}{found:>10.3f}{60 / found:>18.1f}")
    overhead = statistics.median(
        ours - plain for ours, plain in zip(seconds["1 worker"], seconds["optuna"], strict=True)
    )
    print(f"\n1 worker costs {overhead:+.3f} s a trial against study.optimize")
    gain = statistics.median(one / two for one, two in zip(seconds["1 worker"], seconds["2 workers"], strict=True))
    print(f"2 workers do {gain:.2f} times the trials of 1 worker")
    if "hydra" in median:
        print(f"a process a trial takes {median['hydra'] / median['1 worker']:.1f} times as long as 1 worker")


def main() -> int:
    """The sides in turns, or one of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=4, help="of the Hydra multirun; 0 leaves it out")
    parser.add_argument("--side", choices=["optuna", "hydra", "job"], help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--ratio", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side == "optuna":
        optuna_side(options.home, options.trials)
    elif options.side == "hydra":
        hydra_side(options.home, options.jobs)
    elif options.side == "job":
        PlainTrial(options.home).run(options.ratio)
    else:
        compare(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
