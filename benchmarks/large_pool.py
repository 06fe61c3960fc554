"""A pool of a million passages: exact ranks and FAISS indexes, their time, memory and recall, and a killed build.

    python benchmarks/large_pool.py [--folder DIR] [--passages 1000000] [--dimensions 384] [--questions 1000]
                                    [--clusters 0] [--threads 2] [--block 131072] [--hnsw] [--kill]

Random unit vectors are written to a memory-mapped file, a shard at a time; a question and its 1 to 3 relevant
passages are one vector with noise. IVF searches near clusters and finds little among vectors that have none, so
--clusters 4000 shows what it does for texts, which have topics. Compared: ranks by counting (exact), FAISS flat and
IVF to a depth of 1,000, and with --hnsw a graph (slow to build). Each runs in a process of its own. Peak memory is
that of the whole process: resident counts the pages of mapped files that happen to be in memory and that the system
may take back; anonymous is what the process holds itself. Recall is the share of the relevant passages in the first
k, and that divided by the recall of exact ranks.

With --kill, an IVF build is killed (SIGKILL) when half of its blocks are there and the next is being written, and
started again: the blocks that were there must not be built again, and the result must be that of a build that was not
killed.
Fails if a side takes more than 6 GB. Needs about 4 GB of disk at the default size, or twice as much with --kill.
"""

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from sweep.evaluation import passage_index
from sweep.evaluation.monolingual_ranks import exact_ranks, ranks_among
from sweep.evaluation.quality import recall_at
from sweep.settings import SearchSettings

PASSAGES_PER_SHARD = 50_000
RELEVANT = 3  # at most so many passages a question
NOISE, TOPIC = 1.7, 0.5  # lengths of what is added to a unit vector: by each copy, and by a cluster
DEPTHS = (1, 100)
MEMORY = 6 * 2**30
SIDES = ("exact", "flat", "ivf", "hnsw")

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Run:
    """What one process measured: seconds, peak bytes (resident, and anonymous alone), recall by depth."""

    cpu: float
    wall: float
    resident: int
    anonymous: int
    recall: list[float]


class AnonymousPeak:
    """The highest anonymous memory of this process, looked up every 20 ms."""

    def __init__(self) -> None:
        self.bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "AnonymousPeak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            status = Path("/proc/self/status").read_text()
            found = next(line for line in status.splitlines() if line.startswith("RssAnon"))
            self.bytes = max(self.bytes, int(found.split()[1]) * 1024)


def write_pool(folder: Path, passages: int, dimensions: int, questions: int, clusters: int) -> None:
    """Passages in a file of their own; a question and its relevant passages are noisy copies of one vector."""
    rng = np.random.default_rng(0)
    topic_kh = TOPIC * _units(rng, clusters, dimensions) if clusters else np.zeros((1, dimensions), np.float32)
    chosen = rng.choice(passages, (questions, RELEVANT), replace=False)
    centre_qh = _on_topics(rng, questions, topic_kh)
    mapped = np.lib.format.open_memmap(folder / "passages.npy", "w+", np.float32, (passages, dimensions))
    for low in range(0, passages, PASSAGES_PER_SHARD):
        mapped[low : low + PASSAGES_PER_SHARD] = _on_topics(rng, min(PASSAGES_PER_SHARD, passages - low), topic_kh)
    present_qr = np.arange(RELEVANT) < rng.integers(1, RELEVANT + 1, questions)[:, None]
    for row, place in zip(*np.nonzero(present_qr), strict=True):
        mapped[chosen[row, place]] = _near(rng, centre_qh[row])
    mapped.flush()
    np.save(folder / "relevant.npy", np.where(present_qr, chosen, -1))
    np.save(folder / "questions.npy", np.stack([_near(rng, centre_h) for centre_h in centre_qh]))


def _units(rng: np.random.Generator, size: int, dimensions: int) -> Vectors:
    return _normed(rng.standard_normal((size, dimensions), np.float32))


def _normed(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _on_topics(rng: np.random.Generator, size: int, topic_kh: Vectors) -> Vectors:
    return _normed(_units(rng, size, topic_kh.shape[1]) + topic_kh[rng.integers(0, len(topic_kh), size)])


def _near(rng: np.random.Generator, centre_h: Vectors) -> Vectors:
    return np.asarray(_normed(centre_h + NOISE * _units(rng, 1, len(centre_h)))[0])


def ranks(side: str, folder: Path, index: Path) -> NDArray[np.int32]:
    """Ranks of the relevant passages; those that a search did not find are far behind."""
    passage_dh = np.load(folder / "passages.npy", mmap_mode="r")
    query_qh, relevant_qr = np.load(folder / "questions.npy"), np.load(folder / "relevant.npy")
    text_d = np.arange(len(passage_dh))
    if side == "exact":
        return exact_ranks(query_qh, passage_dh, text_d, relevant_qr)
    search = SearchSettings.model_validate(
        {"index": side, "depth": 1000, "lists": None, "probes": 64, "neighbours": 32}
    )
    return ranks_among(passage_index.best_passages(query_qh, passage_dh, text_d, search, index), relevant_qr)


def measured(side: str, folder: Path, index: Path, threads: int, block: int) -> Run:
    """Rank in this process, and leave the ranks beside the index."""
    passage_index.PASSAGES_PER_BLOCK = block
    faiss.omp_set_num_threads(threads)
    torch.set_num_threads(threads)
    with AnonymousPeak() as anonymous:
        wall, cpu = time.perf_counter(), time.process_time()
        ranks_qr = ranks(side, folder, index)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    index.mkdir(parents=True, exist_ok=True)
    np.save(index / "ranks.npy", ranks_qr)
    recall = [float(recall_at(ranks_qr, depth).mean()) for depth in DEPTHS]
    return Run(cpu, wall, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, anonymous.bytes, recall)


def die_at_write(number: int) -> None:
    """Kill this process when it has written its index file of this number, and that has yet to take its place."""
    write, written = faiss.write_index, []

    def write_and_die(index: Any, file: str) -> None:
        write(index, file)
        written.append(file)
        if len(written) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    faiss.write_index = write_and_die  # type: ignore[assignment]


def finished(side: str, folder: Path, index: Path, threads: int, block: int) -> Run:
    """One side, measured in a process of its own."""
    status, output = ended(side, folder, index, threads, block)
    if status:
        sys.exit(f"{side} failed with {status}")
    return Run(**json.loads(output.splitlines()[-1]))


def ended(side: str, folder: Path, index: Path, threads: int, block: int, *more: str) -> tuple[int, str]:
    """The status and the output of a process that measures one side."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder), "--index", str(index)]
    command += ["--threads", str(threads), "--block", str(block), *more]
    done = subprocess.run(command, env=os.environ | limits, stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout


def compare(folder: Path, sides: list[str], threads: int, block: int) -> None:
    """Measure the sides one after the other and print a table."""
    print(
        f"{'':<7}{'CPU s':>8}{'wall s':>8}{'resident MB':>13}{'anonymous MB':>14}"
        + "".join(f"{f'recall@{depth}':>12}{'of exact':>10}" for depth in DEPTHS)
    )
    exact: list[float] = []
    for side in sides:
        run = finished(side, folder, folder / "index" / side, threads, block)
        exact = exact or run.recall
        print(
            f"{side:<7}{run.cpu:>8.1f}{run.wall:>8.1f}{run.resident / 2**20:>13,.0f}{run.anonymous / 2**20:>14,.0f}"
            + "".join(f"{got:>12.4f}{got / best:>10.4f}" for got, best in zip(run.recall, exact, strict=True)),
            flush=True,
        )
        if run.resident >= MEMORY:
            sys.exit(f"{side} took 6 GB or more")


def files(index: Path) -> dict[str, int]:
    """The finished files of an IVF index, its clusters and its blocks, and when they were written."""
    return {file.name: file.stat().st_mtime_ns for file in index.glob("*/[!.]*.faiss")}


def kill(folder: Path, passages: int, threads: int, block: int) -> None:
    """Kill an IVF build half-way, start it again, and compare it with the one that was not killed."""
    index = folder / "index" / "killed"
    size = -(-passages // block)
    there = 1 + size // 2  # the clusters, and half of the blocks
    status, _ = ended("ivf", folder, index, threads, block, "--die-at", str(there + 1))
    before = files(index)
    if status != -signal.SIGKILL or len(before) != there:
        sys.exit(f"the build ended with {status} and {len(before)} files, not killed with {there}")
    run = finished("ivf", folder, index, threads, block)
    after = files(index)
    print(f"killed with {len(before) - 1} of {size} blocks; started again: {run.cpu:.1f} CPU s, {run.wall:.1f} s")
    if any(after[name] != written for name, written in before.items()):
        sys.exit("a file that was there was written again")
    whole, resumed = (np.load(folder / "index" / name / "ranks.npy") for name in ("ivf", "killed"))
    if not np.array_equal(whole, resumed):
        sys.exit("the ranks are not those of the build that was not killed")
    print("nothing was built twice, and all ranks are those of the build that was not killed")


def run_all(options: argparse.Namespace, folder: Path) -> None:
    """Write the pool, compare the sides, kill a build."""
    start = time.perf_counter()
    write_pool(folder, options.passages, options.dimensions, options.questions, options.clusters)
    shutil.rmtree(folder / "index", ignore_errors=True)
    print(
        f"{options.passages:,} passages x {options.dimensions}, {options.questions:,} questions, "
        f"{options.clusters:,} clusters, "
        f"{options.threads} thread(s); written in {time.perf_counter() - start:.1f} s",
        flush=True,
    )
    sides = [side for side in SIDES if side != "hnsw" or options.hnsw]
    compare(folder, sides, options.threads, options.block)
    if options.kill:
        kill(folder, options.passages, options.threads, options.block)


def main() -> None:
    """Compare the sides, or be one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="for embeddings and indexes; by default a temporary one")
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--clusters", type=int, default=0, help="topics of the passages; 0: none")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--block", type=int, default=passage_index.PASSAGES_PER_BLOCK, help="passages of an index block"
    )
    parser.add_argument("--hnsw", action="store_true", help="compare a graph index too")
    parser.add_argument("--kill", action="store_true", help="kill an IVF build and start it again")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--index", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--die-at", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side is not None:
        if options.die_at is not None:
            die_at_write(options.die_at)
        print(
            json.dumps(asdict(measured(options.side, options.folder, options.index, options.threads, options.block)))
        )
    elif options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        run_all(options, options.folder)
    else:
        with tempfile.TemporaryDirectory() as folder:
            run_all(options, Path(folder))


if __name__ == "__main__":
    main()
