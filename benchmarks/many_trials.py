"""What a study of 10,000 finished trials costs when it is resumed, against one of 100.

    python benchmarks/many_trials.py [--trials 10000] [--metrics 1600] [--rebuild]

Both studies are written straight into a database and folders: the same grid of 100 points, with 1 seed or with so
many that it makes the number of trials, and every trial with a result.json of 1,600 metrics. Then the real command
resumes each of them, with nothing left to do: it opens the study, checks it, closes its MLflow run, and prints the
results. Then a seed is added (100 trials), and the time until a worker has its first trial is measured. The peak of
memory is that of the driver. With --rebuild trials.csv is deleted before, so that all results are read.
"""

import argparse
import datetime
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy
from optuna.distributions import distribution_to_json
from optuna.storages._rdb import models
from optuna.trial import TrialState

from sweep.records.folder import StudyFolder
from sweep.records.table import TrialsTable
from sweep.records.trial_record import TrialRecord
from sweep.records.values import TrialResult
from sweep.settings import Settings
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.study.distributions import distribution_of
from sweep.study.point import Point, grid_points
from sweep.study.store import StudyStore

POINTS = 100
VARIANTS = 50  # different sets of metrics
RATIOS = [number / 10 for number in range(10)]
RATES = [(number + 1) / 1000 for number in range(10)]
SPACE = f"{{ratio.monolingual: {{grid: {RATIOS}}}, train.learning_rate: {{grid: {RATES}}}}}"


def overrides(name: str, seeds: int) -> list[str]:
    """What the study is run with."""
    return [
        "+experiment=smoke",
        f"study.name={name}",
        f"study.space={SPACE}",
        f"study.seeds={list(range(seeds))}",
        "study.export=none",
        "launcher.workers=1",
    ]


def build(sweeps: Path, name: str, seeds: int, metrics: int) -> None:
    """A study whose trials are all finished."""
    settings = load_settings(Composer("sweep", overrides(name, seeds)))
    folder = StudyFolder(sweeps / name)
    store = StudyStore(folder, settings.study, lambda _: False)
    store.check_settings(settings)
    store.storage.close()
    objective = settings.study.objectives[0].metric
    names = [objective, *(f"cldr/pooled/map/{number}" for number in range(metrics - 1))]
    variants = [
        {metric: (variant * 7919 + place * 104729) % 10007 / 10007 for place, metric in enumerate(names)}
        for variant in range(VARIANTS)
    ]
    texts = [json.dumps(values) for values in variants]
    rows: dict[type[models.BaseModel], list[dict[str, Any]]] = {}
    records = []
    for number, point in enumerate(grid_points(settings.study)):
        value, trial = variants[number % VARIANTS][objective], folder.trial(point.key)
        _write(trial.path, TrialResult(point.key, "f", {}, 0.1, 1.0, {}, 0, {}), texts[number % VARIANTS])
        for table, row in _database_rows(settings, number, point, value):
            rows.setdefault(table, []).append(row)
        records.append(
            TrialRecord(
                point.key, number, point.seed, "COMPLETE", point.values, 1, value, (value,), 0.0, 1.0, folder=trial
            )
        )
    with _engine(folder).begin() as connection:
        for table, of_table in rows.items():
            connection.execute(sqlalchemy.insert(table.__table__), of_table)
    TrialsTable(folder.trials_csv).update(records)


def _write(folder: Path, result: TrialResult, metrics: str) -> None:
    """The committed result, without waiting until the disk has it."""
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(vars(result)).replace('"metrics": {}', f'"metrics": {metrics}'))


def _engine(folder: StudyFolder) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(sqlalchemy.URL.create("sqlite", database=str(folder.database)))


def _database_rows(
    settings: Settings, number: int, point: Point, value: float
) -> Iterator[tuple[type[models.BaseModel], dict[str, Any]]]:
    """What Optuna keeps of a finished trial; through its own functions ten thousand take minutes."""
    trial = {"trial_id": number + 1}
    now = datetime.datetime.now()
    yield (
        models.TrialModel,
        {
            **trial,
            "number": number,
            "study_id": 1,  # the only one
            "state": TrialState.COMPLETE,
            "datetime_start": now,
            "datetime_complete": now,
        },
    )
    yield (
        models.TrialValueModel,
        {**trial, "objective": 0, "value": value, "value_type": models.TrialValueModel.TrialValueType.FINITE},
    )
    for path, searched in point.values.items():
        distribution = distribution_of(settings.study, path)
        assert distribution is not None  # a number of a grid
        text = distribution_to_json(distribution)
        yield (
            models.TrialParamModel,
            {**trial, "param_name": path, "param_value": float(searched), "distribution_json": text},
        )
    attributes = {"key": point.key, "point": point.to_json(), "attempts": 1, "duration_s": 1.0, "owner": "w"}
    for name, attribute in attributes.items():
        yield models.TrialUserAttributeModel, {**trial, "key": name, "value_json": json.dumps(attribute)}


def start(sweeps: Path, given: list[str]) -> subprocess.Popen[str]:
    """The real command, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "sweep", *given, f"paths.sweeps={sweeps}"],
        cwd=sweeps.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def resumed(sweeps: Path, name: str, seeds: int) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak MB of the command with nothing to do."""
    began = time.monotonic()
    process = start(sweeps, overrides(name, seeds))
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{shlex.join(map(str, process.args))}\n{output}")  # type: ignore[arg-type]
    return time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def first_claim(sweeps: Path, name: str, seeds: int) -> float:
    """Seconds until a worker has a trial, with one more seed."""
    workers = StudyFolder(sweeps / name).workers
    began = time.monotonic()
    process = start(sweeps, overrides(name, seeds + 1))
    try:
        while not any("key" in json.loads(file.read_text()) for file in workers.glob("*.json")):
            if process.poll() is not None:
                raise SystemExit(process.communicate()[0])
            time.sleep(0.05)
        return time.monotonic() - began
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def main() -> int:
    """Build, resume, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--metrics", type=int, default=1_600)
    parser.add_argument("--rebuild", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        sweeps = Path(temporary) / "sweeps"
        sizes = {"small": 1, "large": options.trials // POINTS}
        found = {}
        for name, seeds in sizes.items():
            began = time.monotonic()
            build(sweeps, name, seeds, options.metrics)
            print(f"{name}: {seeds * POINTS} trials, built in {time.monotonic() - began:.0f} s", flush=True)
            resumed(sweeps, name, seeds)  # sets up MLflow, tokenizers and the page cache
            if options.rebuild:
                StudyFolder(sweeps / name).trials_csv.unlink()
            seconds, busy, peak = resumed(sweeps, name, seeds)
            claimed = first_claim(sweeps, name, seeds)
            found[name] = seconds, busy, claimed, peak
            print(f"{name}: resumed in {seconds:.1f} s, {busy:.1f} CPU s, peak {peak:.0f} MB", flush=True)
            print(f"{name}: a worker has a trial after {claimed:.1f} s", flush=True)
        more, busier, later, memory = (
            large - small for large, small in zip(found["large"], found["small"], strict=True)
        )
        print(f"\n{options.trials} finished trials instead of {POINTS}:")
        print(f"resuming {more:+.1f} s, {busier:+.1f} CPU s, {memory:+.0f} MB; first trial {later:+.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
