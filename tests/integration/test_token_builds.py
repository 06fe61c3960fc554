"""Token files that several processes build, and one that is killed."""

import multiprocessing
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.test_model import tiny
from tests.unit.test_token_cache import MANY, files, kept, lists

from sweep.data.texts import Texts, texts_in_memory
from sweep.model import token_cache as module
from sweep.model.encoder import Retriever
from sweep.model.token_cache import TokenCache

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several batches, the last of them not full."""
    monkeypatch.setattr(module, "TEXTS_PER_BATCH", 100)


def build(retriever: Retriever, folder: Path, start: Any, told: Any, wait: float, last: int | None = None) -> None:
    """In a process of its own: build once `start` is set, take some time with each batch of texts, and do not come
    back from the one that begins with the row `last`."""
    texts = texts_in_memory(MANY)[0]

    def read(rows: np.ndarray[Any, Any]) -> Any:
        told.put(f"reading {rows[0]}")
        time.sleep(wait if rows[0] != last else 600)
        return texts.read(rows)

    tokens = TokenCache(retriever, folder, told.put)
    start.wait()
    ids = tokens.of(Texts(texts.size, read, texts.digest), "query")
    told.put(lists(ids))


FORK = multiprocessing.get_context("fork")  # nothing to import again


def test_two_processes_at_once_build_once(cache: Path, tmp_path: Path) -> None:
    start, told = FORK.Event(), [FORK.Queue(), FORK.Queue()]
    retriever = tiny(cache)
    processes = [FORK.Process(target=build, args=(retriever, tmp_path, start, queue, 0.1)) for queue in told]
    for process in processes:
        process.start()
    start.set()
    heard: list[list[Any]] = [[], []]
    for lines, queue in zip(heard, told, strict=True):
        while not lines or not isinstance(lines[-1], list):
            lines.append(queue.get(timeout=60))
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert sorted(len(lines) for lines in heard) == [1, 7]  # five batches and a note; the other has the ids alone
    ids, notes = kept(retriever, tmp_path)
    assert notes == []
    assert all(lines[-1] == lists(ids) for lines in heard)


def test_a_killed_build_leaves_nothing_that_counts(cache: Path, tmp_path: Path) -> None:
    start, told = FORK.Event(), FORK.Queue()
    retriever = tiny(cache)
    process = FORK.Process(target=build, args=(retriever, tmp_path, start, told, 0, 300))
    process.start()
    start.set()
    while told.get(timeout=60) != "reading 300":
        assert process.is_alive()
    process.kill()
    process.join(60)
    assert files(tmp_path) == []
    assert len(list(tmp_path.glob("*.draft"))) == 1
    ids, notes = kept(retriever, tmp_path)  # the lock went with its holder
    assert notes == [f"tokenised {len(MANY)} distinct query texts"]
    assert lists(ids) == [sequence.tolist() for sequence in retriever.tokenize(MANY, "query").ids]
    assert not list(tmp_path.glob("*.draft"))
