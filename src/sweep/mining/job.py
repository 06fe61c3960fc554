"""Mining from settings to a file: read, encode, mine in parts, write. The same command goes on where one was killed.

What is not in the cache of embeddings already is kept in a folder of the cache, named by all that the result depends
on, until the file is written.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from filelock import FileLock, Timeout

from sweep.data.file_states import file_states
from sweep.data.registry import TRAINING
from sweep.data.row_writer import check_output
from sweep.data.training_row import TrainingRows
from sweep.errors import SweepError
from sweep.evaluation.encode import encode
from sweep.evaluation.faiss_library import faiss
from sweep.mining.parts import Parts
from sweep.mining.pools import Pools, pools_of
from sweep.mining.rows_file import ENDS, write_rows
from sweep.mining.search import Embeddings, Mined, Miner
from sweep.mining.spool import ROWS_PER_BATCH, spooled
from sweep.mining.summary import Summary
from sweep.model.encoder import Retriever
from sweep.settings import MineSettings

LAYOUT_VERSION = 2  # of what is kept of a mining: a change makes what an earlier version kept unused

Progress = Callable[[str, int, int], None]  # what is done, how many of it, of how many


def mine_to_file(
    settings: MineSettings,
    output: Path,
    retriever: Retriever,
    accelerator: Accelerator,
    cache: Path,
    progress: Progress = lambda task, done, size: None,
) -> tuple[Summary, tuple[str, ...]]:
    """Write the training data with hard negatives; what was mined, and what a reader should know of the data.

    Raises InputError (the data cannot be read, or the output is one of their files), TrialFailed (an embedding is not
    finite), SweepError (another process mines the very same).
    """
    rows = TRAINING[settings.data.kind].open(settings.data, settings.languages, cache)
    check_output(output, rows.files, ENDS)
    encoder = f"{retriever.fingerprint()[:24]}-{accelerator.device.type}"
    folder = cache / "mining" / _identity(settings, rows, encoder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder.with_suffix(".lock"), timeout=0):
            pools = pools_of(spooled(rows, settings.languages.train, folder))
            miner = _miner(pools, settings, retriever, accelerator, cache / "embeddings" / encoder, progress)
            parts = Parts(folder, len(pools.spool))
            parts.mine(miner, lambda done, size: progress("mining rows", done, size))
            summary = Summary(settings.mine.negatives)
            write_rows(output, written_rows(pools, parts, settings.mine.keep, summary))
            shutil.rmtree(folder)
    except Timeout as error:
        raise SweepError("another process mines the very same now; wait for it, or stop it") from error
    return summary, pools.spool.notes


def _miner(
    pools: Pools,
    settings: MineSettings,
    retriever: Retriever,
    accelerator: Accelerator,
    folder: Path,
    progress: Progress,
) -> Miner:
    """The embeddings of all texts, made where the cache does not have them, and what mines with them."""
    query, passage = folder / pools.queries.digest[:24], folder / pools.passages.digest[:24]
    query_uh = encode(
        retriever, pools.queries, "query", accelerator, query,
        lambda done, size: progress("encoding questions", done, size),
    ).embedding_uh  # fmt: skip
    passage_uh = encode(
        retriever, pools.passages, "passage", accelerator, passage,
        lambda done, size: progress("encoding passages", done, size),
    ).embedding_uh  # fmt: skip
    return Miner(pools, Embeddings(query_uh, passage_uh), settings.mine, passage / "index")


def _identity(settings: MineSettings, rows: TrainingRows, encoder: str) -> str:
    """A name for all that the mined negatives depend on: data and their files, encoder, settings."""
    sections = settings.data, settings.languages, settings.mine
    parts = (
        LAYOUT_VERSION,
        file_states(rows.files),
        [part.fingerprint() for part in sections],
        encoder,
        faiss.__version__,
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def written_rows(pools: Pools, parts: Parts, keep: bool, summary: Summary) -> Iterator[list[dict[str, Any]]]:
    """All rows with their negatives, some at a time; with `keep` those that they had come first. Counts them in the
    summary."""
    for rows, mined in parts:
        summary.add_part(mined)
        end_r = np.cumsum(mined.size_r)
        for low in range(rows.start, rows.stop, ROWS_PER_BATCH):
            high = min(low + ROWS_PER_BATCH, rows.stop)
            last = int(end_r[high - 1 - rows.start])
            first = int(end_r[low - rows.start] - mined.size_r[low - rows.start])
            texts = _texts(pools, mined, slice(first, last))
            batch = []
            for number, row in enumerate(pools.spool.rows(low, high), start=low - rows.start):
                size, end = int(mined.size_r[number]), int(end_r[number]) - first
                given = list(dict.fromkeys(row["negatives"])) if keep else []
                batch.append(_written(pools.spool.languages, row, given, texts[end - size : end]))
                summary.add_row(batch[-1], len(given))
            yield batch


def _texts(pools: Pools, mined: Mined, chosen: slice) -> list[tuple[str, str]]:
    """Text and language of mined negatives."""
    candidate_n = mined.candidate_n[chosen]
    text_u, place_n = np.unique(pools.text_c[candidate_n], return_inverse=True)
    read = pools.passages.read(text_u) if len(text_u) else []
    languages = pools.spool.languages
    codes = [languages[code] for code in pools.language_c[candidate_n].tolist()]
    return [(read[place], code) for place, code in zip(place_n.tolist(), codes, strict=True)]


def _written(
    languages: tuple[str, ...], row: dict[str, Any], given: list[str], mined: list[tuple[str, str]]
) -> dict[str, Any]:
    own = languages[row["passage_language"]]
    return {
        "group": row["group"],
        "query_language": languages[row["query_language"]],
        "query": row["query"],
        "passage_language": own,
        "passage": row["passage"],
        "negatives": [*given, *(text for text, _ in mined)],
        "negative_languages": [*[own] * len(given), *(code for _, code in mined)],
        "weight": row["weight"],
    }
