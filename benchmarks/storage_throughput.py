"""How many claims and finishes a second one PostgreSQL server carries, and what plain Optuna makes of the same.

    PYTHONPATH=. python benchmarks/storage_throughput.py [--workers 1 8 50 1000] [--claims 10000] [--url URL]

Workers are attended to by four threads in each of a few processes. Each has a real store of the study with a
connection of its own, and claims, gives a sign of life and finishes, with no pause up to 50 workers. More of them
wait for `--trial-s` seconds between a claim and its finish, as workers that train: then latencies mean something.
Claims a second are those after the last worker has opened the study. Each number of workers gets a new study of
`--claims` trials, which is enqueued first, and runs until nothing is left or for `--seconds`. Without --url a
server is started here, with fsync off and `--connections`; its programs must be installed.

The peer is Optuna alone, with as many workers up to 50: trials that wait are added with `Study.add_trial`, each
worker asks for one and tells its value. It gets 500 trials and `--peer-seconds`: its claims grow with the study.
"""

import argparse
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial
from tests.postgres import running_server
from tests.simulated_workers import SimulatedWorkers, grid_of, settings_of

from sweep.records.folder import StudyFolder
from sweep.study.store import StudyStore

PEER_TRIALS, MOST_PEERS = 500, 50
STORAGE = "study.storage='${oc.env:SWEEP_STORAGE}'"


@contextmanager
def server(url: str | None, connections: int) -> Iterator[None]:
    """The database of all that follows, in the environment."""
    if url is not None:
        os.environ["SWEEP_STORAGE"] = url
        yield
    else:
        with running_server("-c", f"max_connections={connections}") as started:
            os.environ["SWEEP_STORAGE"] = started.url()
            yield


def measure(workers: int, arguments: argparse.Namespace) -> str:
    """A line of the table. Exits if a trial was given to two workers."""
    overrides = [*grid_of(arguments.claims), STORAGE, f"study.name=s{workers}-{time.time_ns()}"]
    trial_s = arguments.trial_s if workers > MOST_PEERS else 0.0
    with tempfile.TemporaryDirectory() as name:
        settings = settings_of(overrides)
        store = StudyStore(StudyFolder(Path(name)), settings.study, lambda _: True)
        store.check_settings(settings)
        begun = time.perf_counter()
        store.enqueue()
        enqueued_s = time.perf_counter() - begun
        crowd = SimulatedWorkers(Path(name), overrides, workers, arguments.processes, trial_s)
        crowd.start(arguments.seconds)
        seen = crowd.wait()
        trials = store.view.trials().values()
        store.storage.close()
    doubled = [key for key, times in Counter(seen.keys).items() if times > 1]
    doubled += [trial.key for trial in trials if len(trial.claims) > 1]
    complete = sum(trial.state == "COMPLETE" for trial in trials)
    if doubled or complete != len(seen.keys):
        sys.exit(f"{workers} workers: {len(doubled)} trials were claimed twice, {complete} of {len(seen.keys)} kept")
    all_there = max(seen.opened_at)
    later = [moment for moment in seen.finished_at if moment > all_there]
    rate = len(later) / (max(later) - all_there)
    claims, finishes = (np.quantile(times, [0.5, 0.99]) * 1000 for times in (seen.claim_s, seen.finish_s))
    return (
        f"{workers:>7} {complete:>7} {rate:>9.1f} {claims[0]:>9.1f} {claims[1]:>9.1f} "
        f"{finishes[0]:>9.1f} {finishes[1]:>9.1f} {np.max(seen.open_s):>9.2f} {enqueued_s:>9.2f}"
    )


def ask_and_tell(name: str, threads: int, until: float, answers: Any) -> None:
    """Workers of plain Optuna in one process."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    numbers: list[int] = []

    def run() -> None:
        storage = optuna.storages.RDBStorage(os.environ["SWEEP_STORAGE"], {"pool_size": 1})
        study = optuna.load_study(study_name=name, storage=storage)
        while time.time() < until:
            trial = study.ask()
            if "enqueued" not in trial.user_attrs:  # nothing waits any more: this one is new
                return
            study.tell(trial, 0.5)
            numbers.append(trial.number)

    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    answers.put(numbers)


def measure_peer(workers: int, arguments: argparse.Namespace) -> str:
    """The same of plain Optuna."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(os.environ["SWEEP_STORAGE"], {"pool_size": 1})
    study = optuna.create_study(study_name=f"peer{workers}-{time.time_ns()}", storage=storage)
    begun = time.perf_counter()
    for number in range(PEER_TRIALS):
        study.add_trial(create_trial(
            state=TrialState.WAITING, params={"x": number / PEER_TRIALS},
            distributions={"x": FloatDistribution(0, 1)}, user_attrs={"enqueued": True},
        ))  # fmt: skip
    enqueued_s = time.perf_counter() - begun
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    shares = [len(share) for share in np.array_split(range(workers), arguments.processes) if len(share)]
    begun = time.time()
    processes = [
        context.Process(target=ask_and_tell, args=(study.study_name, share, begun + arguments.peer_seconds, answers))
        for share in shares
    ]
    for process in processes:
        process.start()
    numbers = [number for _ in processes for number in answers.get()]
    wall_s = time.time() - begun
    doubled = len(numbers) - len(set(numbers))
    line = f"{workers:>7} {len(numbers):>7} {len(numbers) / wall_s:>9.1f}"
    return f"{line}   doubled: {doubled}, enqueued in {enqueued_s:.2f} s"


def main() -> None:
    """Measure every number of workers, and the peer with as many."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8, 50, 1000])
    parser.add_argument("--claims", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--trial-s", type=float, default=3.0)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--peer-seconds", type=float, default=30.0)
    parser.add_argument("--connections", type=int, default=2200)
    parser.add_argument("--url")
    arguments = parser.parse_args()
    with server(arguments.url, arguments.connections):
        print("sweep     (ms: median and p99 of claim and of finish; s: slowest opening, enqueueing)")
        print(f"{'workers':>7} {'claims':>7} {'a second':>9} {'claim':>9} {'p99':>9} {'finish':>9} {'p99':>9} "
              f"{'open s':>9} {'enqueue s':>9}")  # fmt: skip
        for workers in arguments.workers:
            print(measure(workers, arguments), flush=True)
        print(f"plain Optuna, {PEER_TRIALS} trials (the time has the start of its processes in it)")
        for workers in arguments.workers:
            if workers <= MOST_PEERS:
                print(measure_peer(workers, arguments), flush=True)


if __name__ == "__main__":
    main()
