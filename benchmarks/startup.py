"""How long a user waits before anything happens: for help, for a first training step, for a worker.

    python benchmarks/startup.py [--repeats 5] [--workers 3]

All figures are medians of the repeats, with a warm file cache.

commands   wall seconds of what only shows something
step       from the main job's command to the first line of a trial's losses, with caches of an earlier run
worker     from the request to start a worker to the first line of its own work, all imports done, and the memory
           that it shares with nobody (Private_Clean + Private_Dirty of smaps_rollup). Of launcher=local: the first
           one, which waits for the fork server's imports, and further ones; against launcher=spawn, a fresh
           interpreter for each
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from sweep.launch.order import WorkOrder
from sweep.launch.registry import make_launcher
from sweep.settings import LocalLauncher, SpawnLauncher

COMMANDS = {
    "--help": ("sweep", "--help"),
    "--cfg job": ("sweep", "--cfg", "job"),
    "sweep.studies": ("sweep.studies",),
}
MAIN_JOB = ("+experiment=ratio_grid", "train.log_every=1", "launcher.workers=1")
LIMITS_S = {**dict.fromkeys(COMMANDS, 1.0), "first step": 6.0, "further worker": 0.3}


def seconds_of(module: str, *arguments: str, home: Path) -> float:
    """Wall seconds of a command."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", module, *arguments], cwd=home, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def seconds_to_first_step(home: Path, name: str) -> float:
    """From the main job's command to its first training step; the command is killed then."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "sweep", *MAIN_JOB, f"study.name={name}"],
        cwd=home,
        env={**os.environ, "SWEEP_CACHE": str(home / "cache")},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    trials = home / "sweeps" / name / "trials"
    while not any(file.read_text().count("\n") > 1 for file in trials.glob("*/losses.csv")):
        if process.poll() is not None:
            sys.exit(f"the main job ended with status {process.returncode}")
        time.sleep(0.005)
    seconds = time.perf_counter() - began
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return seconds


def ready(order: WorkOrder, stop_asked: Callable[[], bool]) -> int:
    """A worker's work here: import what a worker imports, say when that was done, and wait."""
    import sweep.trial.worker  # noqa: F401

    now = time.time()
    memory = Path("/proc/self/smaps_rollup").read_text()
    private = [int(line.split()[1]) for line in memory.splitlines() if line.startswith("Private_")]
    file = Path(order.study_folder) / order.worker
    file.with_suffix(".draft").write_text(json.dumps({"time": now, "private_mb": sum(private) / 1024}))
    file.with_suffix(".draft").rename(file)
    while not stop_asked():
        time.sleep(0.01)
    return 0


def start_workers(kind: str, number: int) -> list[dict[str, float]]:
    """Start workers one after another, in this process; seconds and private megabytes of each."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        given: dict[str, Any] = {"kind": kind, "workers": number, "processes": 1, "threads": 1}
        chosen = LocalLauncher if kind == "local" else SpawnLauncher
        settings = chosen(**given, share_devices=False, accelerate_config=None)
        launcher = make_launcher(settings, Path(folder), "startup:ready")
        workers = []
        for slot in range(number):
            began = time.time()
            workers.append(launcher.start(WorkOrder(f"w{slot}", folder, (), None), slot))
            while not (Path(folder) / f"w{slot}").exists():
                if workers[-1].poll() is not None:
                    sys.exit(workers[-1].log.read_text())
                time.sleep(0.002)
            report = json.loads((Path(folder) / f"w{slot}").read_text())
            results.append({"seconds": report["time"] - began, "private_mb": report["private_mb"]})
        for worker in workers:
            worker.end()
    return results


def workers_of(kind: str, number: int) -> list[dict[str, float]]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--side", kind, "--workers", str(number)]
    results: list[dict[str, float]] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return results


def show(name: str, seconds: list[float], private_mb: list[float] | None = None) -> None:
    """One line: the median, what it ranges over, the limit."""
    limit = f", limit {LIMITS_S[name]:.1f}" if name in LIMITS_S else ""
    memory = f"   {median(private_mb):6.1f} MB private" if private_mb else ""
    print(
        f"{name:<24}{median(seconds):7.2f} s  ({min(seconds):.2f} to {max(seconds):.2f}{limit}){memory}", flush=True
    )


def main() -> None:
    """Measure, in turns, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workers", type=int, default=3, help="that are started in each repeat")
    parser.add_argument("--side", choices=["local", "spawn"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(start_workers(options.side, options.workers)))
        return
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        seconds_to_first_step(home, "warm")
        for name, (module, *arguments) in COMMANDS.items():
            show(name, [seconds_of(module, *arguments, home=home) for _ in range(options.repeats)])
        show("first step", [seconds_to_first_step(home, f"run{number}") for number in range(options.repeats)])
    sides: dict[str, list[list[dict[str, float]]]] = {"local": [], "spawn": []}
    for _ in range(options.repeats):
        for kind, runs in sides.items():
            runs.append(workers_of(kind, options.workers))
    groups = {
        "first worker": [run[0] for run in sides["local"]],
        "further worker": [worker for run in sides["local"] for worker in run[1:]],
        "worker, fresh": [worker for run in sides["spawn"] for worker in run],
    }
    for name, workers in groups.items():
        show(name, [worker["seconds"] for worker in workers], [worker["private_mb"] for worker in workers])


if __name__ == "__main__":
    main()
