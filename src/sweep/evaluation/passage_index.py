"""The best passages of a large pool by FAISS: flat (all are compared), IVF (near clusters), HNSW (a graph).

A pool is indexed in blocks, each of which is searched on its own and the results are merged: memory holds one block,
and a build that was killed goes on with the first block that is missing. On GPUs a block is spread over all devices.
Shapes: q = questions, d = passages, c = passages of a block, u = distinct passage texts, h = hidden size, k = depth.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.evaluation.faiss_library import faiss
from sweep.records.faiss_packages import check_one_faiss
from sweep.records.files import replacing_file
from sweep.settings import SearchSettings

PASSAGES_PER_BLOCK = 131_072
TRAINING_PER_LIST = 40  # FAISS warns below 39
KMEANS_ROUNDS = 10
HNSW_CONSTRUCTION = 200
DEEPEST_ON_GPU = 2048  # FAISS gives no more there


def best_passages(
    query_qh: NDArray[np.float32],
    passage_uh: NDArray[np.float32],
    text_d: NDArray[np.int64],
    search: SearchSettings,
    folder: Path,
) -> NDArray[np.int64]:
    """The `search.depth` best passages (rows of `text_d`) of each question, best first, -1 where there are fewer.

    Equal scores go to the smaller row, but FAISS chooses which of those that tie at the very last place are in.
    `flat` is exact; `ivf` and `hnsw` may miss passages. Raises InputError if several packages provide FAISS.
    """
    return scored_passages(query_qh, passage_uh, text_d, search, folder)[1]


def scored_passages(
    query_qh: NDArray[np.float32],
    passage_uh: NDArray[np.float32],
    text_d: NDArray[np.int64],
    search: SearchSettings,
    folder: Path,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """As `best_passages`, with their scores before them; these are meaningless where there is no passage."""
    check_one_faiss()
    depth = min(search.depth, len(text_d))
    heap = faiss.ResultHeap(len(query_qh), depth, keep_max=True)
    for low, index in _blocks(passage_uh, text_d, search, folder):
        score_qk, place_qk = index.search(np.ascontiguousarray(query_qh), min(depth, index.ntotal))
        heap.add_result(score_qk, np.where(place_qk >= 0, place_qk + low, -1))
    heap.finalize()
    order_qk = np.lexsort((heap.I, -heap.D), axis=1)
    return np.take_along_axis(heap.D, order_qk, axis=1), np.take_along_axis(heap.I, order_qk, axis=1)


def _blocks(
    passage_uh: NDArray[np.float32], text_d: NDArray[np.int64], search: SearchSettings, folder: Path
) -> Iterator[tuple[int, Any]]:
    """The first row and the index of each block, in order."""
    rows_digest = hashlib.sha256(text_d.tobytes()).hexdigest()
    parts = (search.index, search.lists, search.neighbours, rows_digest, PASSAGES_PER_BLOCK, passage_uh.shape[1])
    kept = folder / hashlib.sha256(repr((*parts, faiss.__version__)).encode()).hexdigest()[:16]
    trained = _trained(passage_uh, text_d, search, kept) if search.index == "ivf" else None
    for low in range(0, len(text_d), PASSAGES_PER_BLOCK):
        rows = text_d[low : low + PASSAGES_PER_BLOCK]
        if search.index == "flat":
            index = faiss.IndexFlatIP(passage_uh.shape[1])
            index.add(np.asarray(passage_uh[rows]))
        else:
            index = _kept(kept / f"block-{low:010d}.faiss", passage_uh, rows, search, trained)
        yield low, _on_devices(index, min(search.depth, len(text_d)))


def _kept(
    file: Path, passage_uh: NDArray[np.float32], rows: NDArray[np.int64], search: SearchSettings, trained: Path | None
) -> Any:
    """The block's index from its file, or a new one."""
    if not file.exists():
        index: Any
        if trained is not None:
            index = faiss.read_index(str(trained))
        else:
            index = faiss.IndexHNSWFlat(passage_uh.shape[1], search.neighbours, faiss.METRIC_INNER_PRODUCT)
            index.hnsw.efConstruction = HNSW_CONSTRUCTION
        index.add(np.asarray(passage_uh[rows]))
        _write(index, file)
    index = faiss.read_index(str(file))
    if search.index == "ivf":
        index.nprobe = min(search.probes, index.nlist)
    else:
        index.hnsw.efSearch = max(search.probes, search.depth)
    return index


def _trained(passage_uh: NDArray[np.float32], text_d: NDArray[np.int64], search: SearchSettings, kept: Path) -> Path:
    """An IVF index with its clusters and no passages: spherical k-means on a sample."""
    file = kept / "trained.faiss"
    if not file.exists():
        size = passage_uh.shape[1]
        lists = min(search.lists or max(1, round(4 * len(text_d) ** 0.5)), max(1, len(text_d) // TRAINING_PER_LIST))
        chosen = np.random.default_rng(0).choice(
            len(text_d), min(len(text_d), TRAINING_PER_LIST * lists), replace=False
        )
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(size), size, lists, faiss.METRIC_INNER_PRODUCT)
        index.cp.spherical = True
        index.cp.niter = KMEANS_ROUNDS
        index.train(np.asarray(passage_uh[text_d[np.sort(chosen)]]))
        _write(index, file)
    return file


def _write(index: Any, file: Path) -> None:
    with replacing_file(file) as draft:
        faiss.write_index(index, str(draft))


def _on_devices(index: Any, depth: int) -> Any:
    """The index spread over all visible GPUs (with the `gpu` extra), or as it is. FAISS has no HNSW
    on GPUs, and no deep lists."""
    if (
        not hasattr(faiss, "StandardGpuResources")
        or faiss.get_num_gpus() == 0
        or depth > DEEPEST_ON_GPU
        or isinstance(index, faiss.IndexHNSWFlat)
    ):
        return index
    options = faiss.GpuMultipleClonerOptions()
    options.shard = True
    return faiss.index_cpu_to_all_gpus(index, options)
