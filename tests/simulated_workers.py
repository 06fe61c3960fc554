"""Workers that do all that a worker does with its study, and train nothing: hundreds in one process.

Each has a store of its own. It claims, gives a sign of life, waits for as long as a trial takes, and finishes.
"""

import itertools
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from heapq import heappop, heappush
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

from sweep.records.folder import StudyFolder
from sweep.records.values import TrialResult
from sweep.settings import Settings
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.study.store import Claim, StudyStore

THREADS = 4  # of a process
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
    """What some workers did: keys in the order of finishing, how long each call took, and the unix times at which
    they had opened the study, and finished trials."""

    keys: list[str] = field(default_factory=list)
    open_s: list[float] = field(default_factory=list)
    claim_s: list[float] = field(default_factory=list)
    finish_s: list[float] = field(default_factory=list)
    opened_at: list[float] = field(default_factory=list)
    finished_at: list[float] = field(default_factory=list)

    def add(self, other: Self) -> None:
        self.keys += other.keys
        self.open_s += other.open_s
        self.claim_s += other.claim_s
        self.finish_s += other.finish_s
        self.opened_at += other.opened_at
        self.finished_at += other.finished_at


class SimulatedWorker:
    """One worker: its store, and the trial that it has."""

    def __init__(self, folder: Path, settings: Settings, name: str, seen: Seen) -> None:
        self._folder, self._settings, self._name, self._seen = folder, settings, name, seen
        self._store: StudyStore | None = None
        self._claim: Claim | None = None

    def go_on(self, claims_more: bool) -> bool:
        """Finish the trial that it has, and claim the next; whether it got one."""
        if self._store is None:
            begun = time.perf_counter()
            self._store = StudyStore(StudyFolder(self._folder), self._settings.study, lambda _: True)
            self._seen.open_s.append(time.perf_counter() - begun)
            self._seen.opened_at.append(time.time())
        if (claim := self._claim) is not None:
            begun = time.perf_counter()
            self._store.finish(claim, TrialResult(claim.point.key, "f", {METRIC: 0.5}, 0.1, 1.0, {}, 0, {}))
            self._seen.finish_s.append(time.perf_counter() - begun)
            self._seen.keys.append(claim.point.key)
            self._seen.finished_at.append(time.time())
        begun = time.perf_counter()
        claim = self._claim = self._store.claim(self._name) if claims_more else None
        if claim is None:
            self._store.storage.close()
            return False
        self._seen.claim_s.append(time.perf_counter() - begun)
        # A heartbeat goes on after faults, too.
        assert self._store.storage.patiently(partial(self._store.beat, claim))
        return True


def attend(workers: list[SimulatedWorker], trial_s: float, until: float, after_each: Callable[[], None]) -> None:
    """Do what each worker has to do when it is due, one after another, until nothing is left or the time is over."""
    due = [(trial_s * number / len(workers), number) for number in range(len(workers))]
    begun = time.monotonic()
    while due:
        at_s, number = heappop(due)
        time.sleep(max(0.0, begun + at_s - time.monotonic()))
        if workers[number].go_on(time.time() < until):
            heappush(due, (time.monotonic() - begun + trial_s, number))
        after_each()


def work_together(
    folder: Path, overrides: list[str], names: list[str], trial_s: float, until: float, dies_after: int | None
) -> None:
    """Several workers in this process, in a few threads: Python would spend most of its time on changing between
    hundreds. What they did goes into a file. The process is killed when each has a trial and they have finished as
    many as `dies_after`."""
    settings, all_seen, faults = settings_of(overrides), [], []
    rounds = itertools.count(1)  # the first ones only claim

    def after_each() -> None:
        if dies_after is not None and next(rounds) >= len(names) + dies_after:
            os.kill(os.getpid(), signal.SIGKILL)

    def run(names: list[str]) -> None:
        seen = Seen()
        try:
            attend([SimulatedWorker(folder, settings, name, seen) for name in names], trial_s, until, after_each)
        except Exception as error:
            faults.append(f"{names[0]}: {error!r}")
            raise
        finally:
            all_seen.append(seen)

    threads = [threading.Thread(target=run, args=(names[n::THREADS],), daemon=True) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = Seen()
    for seen in all_seen:
        together.add(seen)
    (folder / f"{names[0]}.seen.json").write_text(json.dumps({"seen": asdict(together), "faults": faults}))


class SimulatedWorkers:
    """Processes with workers of a study in this folder."""

    def __init__(self, folder: Path, overrides: list[str], count: int, processes: int, trial_s: float) -> None:
        self._folder = folder
        self._context = multiprocessing.get_context("spawn")
        names = [f"s{number}@cluster" for number in range(count)]
        self.of_process = [names[number::processes] for number in range(min(count, processes))]
        self._arguments = folder, overrides, trial_s
        self.processes: list[BaseProcess] = []

    def start(self, seconds: float, dies_after: int | None = None) -> None:
        """They stop claiming after so many seconds. The last process is killed when its workers have finished as many
        trials as `dies_after`."""
        folder, overrides, trial_s = self._arguments
        until = time.time() + seconds
        for workers in self.of_process:
            dies = dies_after if workers is self.of_process[-1] else None
            process = self._context.Process(
                target=work_together, args=(folder, overrides, workers, trial_s, until, dies), daemon=True
            )
            process.start()
            self.processes.append(process)

    def killed(self) -> list[str]:
        """Wait until the last process has been killed; the workers that were in it."""
        self.processes[-1].join()
        assert self.processes[-1].exitcode == -signal.SIGKILL
        return self.of_process[-1]

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
