"""Workers that do all that a worker does with its study, and train nothing: hundreds in one process, as threads.

Each has a store of its own. It claims, gives a sign of life, waits for as long as a trial takes, and finishes.
"""

import json
import multiprocessing
import threading
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

from sweep.records.folder import StudyFolder
from sweep.records.values import TrialResult
from sweep.settings import Settings
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.study.store import StudyStore

METRIC = "cldr/pooled/alignment_consistency/low"


def settings_of(overrides: list[str]) -> Settings:
    return load_settings(Composer("sweep", ["study.select_on=all", *overrides]))


def grid_of(trials: int) -> list[str]:
    """Overrides of a grid with so many trials, a multiple of 100."""
    ratios = [number / 100 for number in range(100)]
    seeds = list(range(trials // 100))
    return [f"study.space={{ratio.monolingual: {{grid: {ratios}}}}}", f"study.seeds={seeds}"]


@dataclass
class Seen:
    """What some workers did: keys in the order of finishing, and how long each call took."""

    keys: list[str] = field(default_factory=list)
    open_s: list[float] = field(default_factory=list)
    claim_s: list[float] = field(default_factory=list)
    finish_s: list[float] = field(default_factory=list)

    def add(self, other: Self) -> None:
        self.keys += other.keys
        self.open_s += other.open_s
        self.claim_s += other.claim_s
        self.finish_s += other.finish_s


def work(folder: Path, settings: Settings, worker: str, trial_s: float, until: float) -> Seen:
    """One worker, until nothing is left or the time is over."""
    seen, begun = Seen(), time.perf_counter()
    store = StudyStore(StudyFolder(folder), settings.study, lambda _: True)
    seen.open_s.append(time.perf_counter() - begun)
    try:
        while time.time() < until:
            begun = time.perf_counter()
            claim = store.claim(worker)
            if claim is None:
                break
            seen.claim_s.append(time.perf_counter() - begun)
            assert store.storage.patiently(partial(store.beat, claim))  # a heartbeat goes on after faults, too
            if trial_s:
                time.sleep(trial_s)
            begun = time.perf_counter()
            store.finish(claim, TrialResult(claim.point.key, "f", {METRIC: 0.5}, 0.1, 1.0, {}, 0, {}))
            seen.finish_s.append(time.perf_counter() - begun)
            seen.keys.append(claim.point.key)
    finally:
        store.storage.close()
    return seen


def work_together(folder: Path, overrides: list[str], workers: list[str], trial_s: float, until: float) -> None:
    """Several workers in this process, each a thread; what they did goes into a file."""
    settings, all_seen, faults = settings_of(overrides), Seen(), []
    guard = threading.Lock()

    def run(worker: str) -> None:
        try:
            seen = work(folder, settings, worker, trial_s, until)
        except Exception as error:
            faults.append(f"{worker}: {error!r}")
            raise
        with guard:
            all_seen.add(seen)

    threads = [threading.Thread(target=run, args=(worker,), daemon=True) for worker in workers]
    for thread in threads:
        thread.start()
        time.sleep(min(0.02, trial_s / len(workers)))
    for thread in threads:
        thread.join()
    (folder / f"{workers[0]}.seen.json").write_text(json.dumps({"seen": asdict(all_seen), "faults": faults}))


class SimulatedWorkers:
    """Processes with workers of a study in this folder."""

    def __init__(self, folder: Path, overrides: list[str], count: int, processes: int, trial_s: float) -> None:
        self._folder = folder
        self._context = multiprocessing.get_context("spawn")
        names = [f"s{number}@cluster" for number in range(count)]
        self.of_process = [names[number::processes] for number in range(min(count, processes))]
        self._arguments = folder, overrides, trial_s
        self.processes: list[BaseProcess] = []

    def start(self, seconds: float) -> None:
        """They stop claiming after so many seconds."""
        folder, overrides, trial_s = self._arguments
        until = time.time() + seconds
        for workers in self.of_process:
            process = self._context.Process(
                target=work_together, args=(folder, overrides, workers, trial_s, until), daemon=True
            )
            process.start()
            self.processes.append(process)

    def kill(self, number: int) -> list[str]:
        """Kill a process; the workers that were in it."""
        self.processes[number].kill()
        self.processes[number].join()
        return self.of_process[number]

    def wait(self) -> Seen:
        """What all did that were not killed. Raises AssertionError if one of them raised anything."""
        everything = Seen()
        for process, workers in zip(self.processes, self.of_process, strict=True):
            process.join()
            file = self._folder / f"{workers[0]}.seen.json"
            if file.exists():
                written = json.loads(file.read_text())
                assert not written["faults"], written["faults"][:3]
                everything.add(Seen(**written["seen"]))
        return everything
