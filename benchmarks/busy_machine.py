"""What a trial of two threads takes on a machine that is busy with other things, and on an idle one.

    python benchmarks/busy_machine.py [--repeats 3]

A trial's wall seconds (`duration_s` of its result), medians of the repeats, in turns:

ours      threads that wait for each other sleep (OMP_WAIT_POLICY=PASSIVE, which every rank gets by default)
libgomp   they spin first, as GNU's OpenMP library does if nothing is said (GOMP_SPINCOUNT=300000)

The load is a process a core that computes for ever: beside it a trial cannot take less than twice its time alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

STUDY = (
    "+experiment=smoke", "study.name=busy", "launcher.workers=1", "launcher.threads=2", "tracking=json_lines",
    "study.space={ratio.monolingual: {grid: [0.5]}}", "study.baselines=[]",
)  # fmt: skip
SIDES = {"ours": {"OMP_WAIT_POLICY": "PASSIVE"}, "libgomp": {"GOMP_SPINCOUNT": "300000"}}


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Keep this many cores busy meanwhile."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def seconds_of_trial(environment: dict[str, str], cache: Path) -> float:
    """Run a study of one trial."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "sweep", *STUDY],
            cwd=folder,
            env={**os.environ, **environment, "SWEEP_CACHE": str(cache)},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        (result,) = Path(folder).glob("sweeps/busy/trials/*/result.json")
        return float(json.loads(result.read_text())["duration_s"])


def main() -> None:
    """Measure, in turns, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as cache:
        seconds_of_trial(SIDES["ours"], Path(cache))  # fills the cache
        for name, processes in (("alone", 0), ("beside load", os.cpu_count() or 1)):
            seconds: dict[str, list[float]] = {side: [] for side in SIDES}
            with load(processes):
                for _ in range(repeats):
                    for side, environment in SIDES.items():
                        seconds[side].append(seconds_of_trial(environment, Path(cache)))
            ours, theirs = (median(seconds[side]) for side in SIDES)
            ratio = f"libgomp takes {theirs / ours:.2f} times as long"
            print(f"{name:<12} ours {ours:6.2f} s   libgomp {theirs:6.2f} s   {ratio}", flush=True)


if __name__ == "__main__":
    main()
