"""What a driver and the jobs that it has submitted say to each other, in files of a folder that all of them share.

A job may run on any node, so there is neither a pipe nor a signal between the two. The driver renews one file every
second: `driver-ID.json` has a number that grows, its jobs, and what they are asked to do. A job that sees the number
stand still has lost its driver, and ends; one that cannot be reached is cancelled by whoever runs the study next.
Jobs leave files of their own: `WORKER.RUN.RANK.end` has the exit status of a rank, `WORKER.RUN.requeued` says that
the job was queued again, `WORKER.RUN.meet` where the ranks of that run meet.
"""

import json
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sweep.records.files import write_atomically

BEAT_S = 1.0
GONE_S = {"local": 10.0, "slurm": 120.0}  # a driver whose number stands still is gone; shared folders have caches

Word = Literal["work", "stop", "end"]


@dataclass
class Board:
    """A driver's side. `jobs`: the cluster's id of each worker's job, as far as it was submitted."""

    folder: Path
    jobs: dict[str, str] = field(default_factory=dict)
    file: Path = field(init=False)

    def __post_init__(self) -> None:
        self.file = self.folder / f"driver-{uuid.uuid4().hex[:12]}.json"
        self._words: dict[str, Word] = {}
        self._beat = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._workers: set[str] = set()

    def open(self, worker: str) -> None:
        """Give signs of life for one more worker."""
        with self._lock:
            self._workers.add(worker)
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat_on, daemon=True)
                self._thread.start()

    def forget(self, worker: str) -> None:
        """The worker has ended; without any the file goes."""
        with self._lock:
            self._workers.discard(worker)
            self.jobs.pop(worker, None)
            self._words.pop(worker, None)
            if not self._workers:
                self.file.unlink(missing_ok=True)

    def submitted(self, worker: str, job_id: str) -> None:
        """Write down which job is a worker's, unless that is over: whoever runs the study next cancels it."""
        with self._lock:
            if worker in self._workers:
                self.jobs[worker] = job_id
                self._write()

    def ask(self, worker: str, word: Word) -> None:
        """Ask a worker's job to stop in order, or to end now, unless it is over: its file may be gone."""
        with self._lock:
            if worker in self._workers:
                self._words[worker] = word
                self._write()

    def _write(self) -> None:
        self._beat += 1
        write_atomically(self.file, json.dumps({"beat": self._beat, "jobs": self.jobs, "words": self._words}))

    def _beat_on(self) -> None:
        while True:
            with self._lock:
                if not self._workers:
                    self._thread = None
                    return
                try:
                    self._write()
                except OSError:  # a full disk, say: the jobs stop in order if it lasts, as if the driver were gone
                    self._beat -= 1
            time.sleep(BEAT_S)


class BoardReader:
    """A job's side: what its driver asks of a worker."""

    def __init__(self, file: Path, worker: str, gone_s: float) -> None:
        self._file = file
        self._worker = worker
        self._gone_s = gone_s
        self._beat = -1
        self._renewed_at = time.monotonic()
        self.is_abandoned = False

    def look(self) -> Word:
        """What to do now. A job whose driver is gone is to stop in order."""
        content = read_board(self._file)
        beat = content.get("beat", -1)
        if beat != self._beat:
            self._beat, self._renewed_at = beat, time.monotonic()
        self.is_abandoned = time.monotonic() - self._renewed_at > self._gone_s
        word: Word = content.get("words", {}).get(self._worker, "work")
        if word == "work" and (self.is_abandoned or content.get("closed")):
            return "stop"
        return word


def read_board(file: Path) -> dict[str, Any]:
    """What a driver's file says; nothing if it is gone or damaged: its jobs then take their driver for gone."""
    try:
        content: dict[str, Any] = json.loads(file.read_text())
    except (OSError, ValueError):  # an OSError as well while its server is away for a moment
        return {}
    return content


def close_boards(folder: Path, mine: Path) -> dict[Path, dict[str, str]]:
    """Ask the jobs of all other drivers to stop in order: none of those drivers can live, as one runs a study at a
    time. Their files, with the ids of their jobs by worker."""
    others = {}
    for file in sorted(folder.glob("driver-*.json")):
        if file != mine:
            content = read_board(file)
            write_atomically(file, json.dumps({**content, "closed": True}))
            others[file] = dict(content.get("jobs", {}))
    return others


@dataclass(frozen=True)
class Traces:
    """What a worker's job has left behind, in its last run. `ends`: exit status by rank."""

    ends: dict[int, int]
    was_requeued: bool


def write_end(folder: Path, worker: str, run: str, rank: int, status: int) -> None:
    """Leave a rank's exit status."""
    write_atomically(folder / f"{worker}.{run}.{rank}.end", str(status))


def write_requeued(folder: Path, worker: str, run: str) -> None:
    """Say that the job is queued again after this run."""
    write_atomically(folder / f"{worker}.{run}.requeued", "")


def read_traces(folder: Path, worker: str) -> Traces:
    """What there is of a worker's last run."""
    ends: dict[str, dict[int, int]] = {}
    requeued = [file.name.split(".")[-2] for file in folder.glob(f"{worker}.*.requeued")]
    for file in folder.glob(f"{worker}.*.end"):
        run, rank = file.name.split(".")[-3:-1]
        ends.setdefault(run, {})[int(rank)] = int(file.read_text())
    last = max([*ends, *requeued], default="")
    return Traces(ends.get(last, {}), last in requeued)


def ends_of_peers(folder: Path, worker: str, run: str) -> dict[int, int]:
    """The exit status of the ranks of a run that have ended."""
    return {int(file.name.split(".")[-2]): int(file.read_text()) for file in folder.glob(f"{worker}.{run}.*.end")}


def remove_traces(folder: Path, worker: str) -> None:
    """Remove what a worker's job has left, once it is over."""
    for kind in ("end", "requeued", "meet"):
        for file in folder.glob(f"{worker}.*.{kind}"):
            file.unlink(missing_ok=True)
