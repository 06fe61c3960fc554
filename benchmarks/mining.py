"""Hard negatives for ready-made embeddings: time and memory, beside sentence-transformers' mine_hard_negatives.

    python benchmarks/mining.py [--passages 30000] [--rows 3000] [--dimensions 384] [--threads 2] [--index flat]
                                [--near-copies 0.8]

A row has a question and a relevant passage; the other passages are its negatives in the data, which both sides may
choose from and neither keeps. Embeddings are random unit vectors, a question's near its passage's. Both sides take
the 8 best of the first 100 ranks at .95 of the row's own score, with FAISS (flat; with --index ivf or hnsw ours
alone is approximate). The peer knows a question's own passage; ours looks for translations, twins and near copies as
well: what the last cost, --near-copies 0 shows. Both begin with the texts in a file and end with a Parquet file of
rows. Each runs in a process of its own, imports are not counted, peak memory is resident with mapped files in it.

Prints ours / peer, and fails where the negatives differ for more than 1 in 1,000 rows (rounding at ties). A large
one: --passages 1000000 --rows 20000.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow.parquet as pq
from datasets import Dataset
from numpy.typing import NDArray
from sentence_transformers import util

from sweep.data.remarks import Remark
from sweep.data.training_row import TrainingRow, TrainingRows
from sweep.mining.job import written_rows
from sweep.mining.parts import Parts
from sweep.mining.pools import pools_of
from sweep.mining.rows_file import write_rows
from sweep.mining.search import Embeddings, Miner
from sweep.mining.spool import spooled
from sweep.mining.summary import Summary
from sweep.settings import Mining, MiningSearch

NEGATIVES, DEPTH, SHARE = 8, 100, 0.95
WORDS_PER_PASSAGE = 60
SHARD = 50_000
SIDES = ("ours", "peer")


def texts_of(folder: Path) -> list[str]:
    """The texts of all passages."""
    return (folder / "passages.txt").read_text().splitlines()


def make(folder: Path, passages: int, rows: int, size: int) -> None:
    """Texts of some 60 words, their embeddings, and those of questions near the first ones."""
    rng = np.random.default_rng(0)
    with (folder / "passages.txt").open("w") as file:
        for _ in range(passages):
            file.write(" ".join(map(str, rng.integers(1000, 30_000, WORDS_PER_PASSAGE).tolist())) + "\n")
    passage_dh = np.lib.format.open_memmap(folder / "passage.npy", "w+", np.float32, (passages, size))
    for low in range(0, passages, SHARD):
        part = rng.standard_normal((min(SHARD, passages - low), size), np.float32)
        passage_dh[low : low + SHARD] = part / np.linalg.norm(part, axis=1, keepdims=True)
    noise = rng.standard_normal((rows, size), np.float32)
    query_rh = passage_dh[:rows] + 2 * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    np.save(folder / "query.npy", query_rh / np.linalg.norm(query_rh, axis=1, keepdims=True))


def ours(folder: Path, options: argparse.Namespace) -> None:
    """Mine as `python -m sweep.mine` does, with the embeddings as they are."""

    def read(remarks: list[Remark]) -> Iterator[TrainingRow]:
        texts = texts_of(folder)
        shares = np.linspace(options.rows, options.passages, options.rows + 1).astype(int).tolist()
        for row in range(options.rows):
            others = tuple(texts[shares[row] : shares[row + 1]])
            yield TrainingRow(f"g{row}", "en", f"question {row}", texts[row], others)

    pools = pools_of(spooled(TrainingRows("random", (), read), ("en",), folder))
    # Distinct passages are numbered as they come: relevant ones, and then the others.
    embeddings = Embeddings(np.load(folder / "query.npy"), np.load(folder / "passage.npy", mmap_mode="r"))
    how = Mining(
        language="passage", negatives=NEGATIVES, ranks=(1, DEPTH), margin=None, relative=SHARE,
        near_copies=options.near_copies or None, draw="top", keep=False, seed=0,
        search=MiningSearch(index=options.index, lists=None, probes=64, neighbours=32),
    )  # fmt: skip
    parts = Parts(folder, options.rows)
    parts.mine(Miner(pools, embeddings, how, folder / "index"), lambda done, size: None)
    write_rows(folder / "ours.parquet", written_rows(pools, parts, False, Summary(NEGATIVES)))


def peer(folder: Path, options: argparse.Namespace) -> None:
    """The same by sentence-transformers."""

    class Ready:
        """What the function asks of a model, with embeddings that are there."""

        device = "cpu"
        similarity_pairwise = staticmethod(util.pairwise_dot_score)

        def get_embedding_dimension(self) -> int:
            return int(options.dimensions)

        def encode_document(self, texts: list[str], **_: Any) -> NDArray[np.float32]:
            return np.asarray(np.load(folder / "passage.npy"), np.float32)

        def encode_query(self, texts: list[str], **_: Any) -> NDArray[np.float32]:
            return np.asarray(np.load(folder / "query.npy"), np.float32)

    texts = texts_of(folder)
    queries = [f"question {row}" for row in range(options.rows)]
    data = Dataset.from_dict({"query": queries, "passage": texts[: options.rows]})
    mined = util.mine_hard_negatives(
        data, cast(Any, Ready()), corpus=texts, range_max=DEPTH, relative_margin=1 - SHARE, num_negatives=NEGATIVES,
        use_faiss=True, output_format="labeled-list", verbose=False,
    )  # fmt: skip
    mined.to_parquet(folder / "peer.parquet")


def negatives(folder: Path, side: str) -> dict[str, list[str]]:
    """The negatives of each question."""
    rows = pq.read_table(folder / f"{side}.parquet").to_pylist()
    if side == "ours":
        return {row["query"]: row["negatives"] for row in rows}
    return {
        row["query"]: [text for text, label in zip(row["passage"], row["labels"], strict=True) if not label]
        for row in rows
    }


def main() -> int:
    """Exit status 1 if the negatives differ."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--passages", type=int, default=30_000)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--index", choices=["flat", "ivf", "hnsw"], default="flat")
    parser.add_argument("--near-copies", type=float, default=0.8)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        wall, cpu = time.perf_counter(), time.process_time()
        (ours if options.side == "ours" else peer)(options.folder, options)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu, peak]))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make(folder, options.passages, options.rows, options.dimensions)
        measured = {}
        for side in SIDES:
            command = [sys.executable, __file__, *sys.argv[1:], "--side", side, "--folder", temporary]
            environment = {
                **os.environ,
                "OMP_NUM_THREADS": str(options.threads),
                "OMP_WAIT_POLICY": "PASSIVE",
                "TQDM_DISABLE": "1",
            }
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            measured[side] = json.loads(done.stdout.splitlines()[-1])
            wall, cpu, peak = measured[side]
            print(f"{side}: {wall:.1f} s, {cpu:.1f} CPU s, peak {peak / 2**20:,.0f} MB", flush=True)
        chosen, others = (negatives(folder, side) for side in SIDES)
        different = sum(chosen[query] != others.get(query, []) for query in chosen)
    ratios = [ours / peer for ours, peer in zip(*measured.values(), strict=True)]
    print(f"ours / sentence-transformers: {ratios[0]:.2f} of the time, {ratios[1]:.2f} CPU, {ratios[2]:.2f} memory")
    print(f"rows with other negatives: {different:,} of {options.rows:,}")
    return int(options.index == "flat" and different > options.rows / 1000)


if __name__ == "__main__":
    sys.exit(main())
