"""What a trial costs the study's server, and what a worker leaves on the disk: the figures behind docs/capacity.md.

    python benchmarks/capacity.py --storage postgresql+psycopg://USER:PASSWORD@HOST/DATABASE [--trials 20]

Trials of a few steps are run as studies of N and of 2 N trials by the real command, with one worker; the server's own
counters tell what the second N cost: transactions, rows written, rows read. The peer is Optuna's `study.optimize` in
the same database: trials with one parameter, as many attributes and one intermediate value, which are enqueued,
claimed and finished, and train nothing. Beside them the bytes of a checkpoint, of a training that is stopped.

Nothing else may use the database meanwhile.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import optuna
import sqlalchemy
from safetensors.numpy import load_file

COUNTERS = ("xact_commit", "tup_inserted", "tup_updated", "tup_returned")
SETTLING_S = 1.5  # the server adds up a connection's counters about once a second
ATTRIBUTES = 6  # of a trial: key, point, claims, duration and what else this tool keeps
SMALL = [
    "+experiment=smoke", "train.steps=4", "train.warmup_steps=1", "train.log_every=1", "train.batch_size=8",
    "data.records={high: 60, mid: 30, low: 20}", "evaluation.records=12", "model.vocabulary_size=800",
    "launcher.workers=1", "launcher.threads=1", "study.export=none", "study.baselines=[]", "report.files=false",
    "tracking=json_lines",
]  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """What the server did, by its counters."""

    commits: int
    inserted: int
    updated: int
    read: int

    def less(self, other: "Cost") -> "Cost":
        """The difference of two."""
        return Cost(*(one - before for one, before in zip(self.figures, other.figures, strict=True)))

    @property
    def figures(self) -> tuple[int, int, int, int]:
        """All four."""
        return self.commits, self.inserted, self.updated, self.read


def counted(url: str) -> Cost:
    """The database's counters now."""
    time.sleep(SETTLING_S)
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
    columns = ", ".join(COUNTERS)
    with engine.connect() as connection:
        row = connection.execute(
            sqlalchemy.text(f"SELECT {columns} FROM pg_stat_database WHERE datname = current_database()")
        ).one()
    return Cost(*map(int, row))


def cost_of(url: str, work: Callable[[str, int], None], trials: int) -> Cost:
    """What the server does for a study of so many trials."""
    before = counted(url)
    work(f"{work.__name__}-{trials}", trials)
    return counted(url).less(before)


def command(name: str, trials: int, *more: str) -> list[str]:
    """A study of so many ratios."""
    ratios = [round(number / trials, 4) for number in range(trials)]
    space = f"study.space={{ratio.monolingual: {{grid: {ratios}}}}}"
    storage = "study.storage=${oc.env:SWEEP_STORAGE}"
    return [sys.executable, "-m", "sweep", *SMALL, f"study.name={name}", space, storage, *more]


def run_study(home: Path, url: str, name: str, trials: int) -> None:
    """The real command, to its end."""
    done = subprocess.run(
        command(name, trials),
        cwd=home,
        env={**os.environ, "SWEEP_STORAGE": url},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)


def run_optuna(url: str, name: str, trials: int) -> None:
    """As many trials that do nothing, with Optuna's own storage and heartbeat."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    storage = optuna.storages.RDBStorage(
        url.replace("{", "{{").replace("}", "}}"), heartbeat_interval=15, grace_period=60
    )
    study = optuna.create_study(study_name=name, storage=storage, direction="maximize")
    for number in range(trials):
        study.enqueue_trial({"ratio.monolingual": number / trials})

    def objective(trial: optuna.Trial) -> float:
        value = trial.suggest_float("ratio.monolingual", 0, 1)
        for number in range(ATTRIBUTES):
            trial.set_user_attr(f"attribute {number}", value)
        trial.report(value, 1)
        return value

    study.optimize(objective, n_trials=trials)
    storage.remove_session()
    storage.engine.dispose()  # a connection that idles tells its counters late


def paused_checkpoint(home: Path, url: str) -> tuple[int, int]:
    """Bytes of a checkpoint of a training that is stopped, and the parameters of its encoder."""
    words = command("stopped", 1, "train.steps=100000", "train.checkpoint_steps=5")
    running = subprocess.Popen(
        words,
        cwd=home,
        env={**os.environ, "SWEEP_STORAGE": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    folder = home / "sweeps/stopped/trials"
    try:
        while not (saved := sorted(folder.glob("*/checkpoint/step-*"))) and running.poll() is None:
            time.sleep(0.2)
    finally:
        running.send_signal(signal.SIGINT)
        running.wait()
    saved = sorted(folder.glob("*/checkpoint/step-*"))
    if not saved:
        raise SystemExit("the training left no checkpoint")
    size = sum(file.stat().st_size for file in saved[-1].rglob("*") if file.is_file())
    return size, parameters_in(saved[-1])


def parameters_in(checkpoint: Path) -> int:
    """How many numbers its weights are."""
    return sum(tensor.size for tensor in load_file(checkpoint / "model.safetensors").values())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storage", required=True)
    parser.add_argument("--trials", type=int, default=20)
    asked = parser.parse_args()
    url, trials = asked.storage, asked.trials
    with tempfile.TemporaryDirectory() as text:
        home = Path(text)
        run_study(home, url, "warm", 1)

        def this_tool(name: str, number: int) -> None:
            run_study(home, url, name, number)

        def plain_optuna(name: str, number: int) -> None:
            run_optuna(url, name, number)

        ours, theirs = (
            [cost_of(url, work, number) for number in (trials, 2 * trials)] for work in (this_tool, plain_optuna)
        )
        size, parameters = paused_checkpoint(home, url)
    print(f"{'a trial':24}{'commits':>10}{'inserted':>10}{'updated':>10}{'rows read':>12}")
    per_trial = {}
    for side, (few, many) in {"this tool": ours, "study.optimize": theirs}.items():
        per_trial[side] = [figure / trials for figure in many.less(few).figures]
        print(
            f"{side:24}"
            + "".join(f"{figure:>{10 + 2 * (place == 3)}.1f}" for place, figure in enumerate(per_trial[side]))
        )
    ratio = per_trial["this tool"][0] / per_trial["study.optimize"][0]
    print(f"commits a trial: {ratio:.2f} times those of study.optimize")
    print(f"checkpoint: {size / 1e6:.1f} MB, {size / parameters:.1f} bytes a parameter ({parameters / 1e6:.2f} M)")
    print(json.dumps({"per_trial": per_trial, "checkpoint_bytes": size, "parameters": parameters}))


if __name__ == "__main__":
    main()
