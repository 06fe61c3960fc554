"""Embeddings by several processes, and by one that is killed."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.unit.test_encode import SHARD, TEXTS, Counter, assert_same_bits, run, tiny
from tests.waiting import SECONDS

from sweep.evaluation import encode as module
from sweep.model.encoder import Retriever

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several shards, and several batches in each; as SCRIPT has them."""
    monkeypatch.setattr(module, "TEXTS_PER_SHARD", SHARD)
    monkeypatch.setattr(module, "TOKENS_PER_BATCH", 24)


@pytest.fixture
def retriever(cache: Path) -> Retriever:
    return tiny(cache)


# Every rank has a folder of its own, as on nodes that share no disk.
SCRIPT = """
import os, signal, sys
from pathlib import Path
import numpy as np
from accelerate import Accelerator
sys.path.insert(0, sys.argv[1])
import test_encode as tests
from sweep.evaluation import encode as module

module.TEXTS_PER_SHARD, module.TOKENS_PER_BATCH = tests.SHARD, 24
cache, folder, task = Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
retriever = tests.tiny(cache)
accelerator = Accelerator(cpu=True)
if task == "both":
    folder /= str(accelerator.process_index)

def kill(done, size):
    if tests.SHARD < done < 2 * tests.SHARD:
        os.kill(os.getpid(), signal.SIGKILL)

if task == "killed":
    module.encode(retriever, tests.texts_of(tests.TEXTS), "passage", accelerator, folder, kill)
assert accelerator.num_processes == 2
for name, kept in (("memory", None), ("disk", folder), ("again", folder)):
    counter = tests.Counter(retriever)
    found = module.encode(retriever, tests.texts_of(tests.TEXTS), "passage", accelerator, kept)
    np.save(cache / f"{name}-{accelerator.process_index}.npy", found.embedding_uh)
    print(name, found.truncated, counter.texts)
sys.stdout.flush()
os._exit(0)  # as a rank ends: to be taken down under Gloo's threads can abort an interpreter
"""


def start(cache: Path, folder: Path, task: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(Path(__file__).parents[1] / "unit"), str(cache), str(folder), task]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", **environment},
    )


def test_a_killed_run_goes_on(retriever: Retriever, cache: Path, tmp_path: Path) -> None:
    process = start(cache, tmp_path / "kept", "killed")
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == -signal.SIGKILL, errors
    counter = Counter(retriever)
    resumed = run(retriever, tmp_path / "kept")
    assert counter.texts == len(TEXTS) - SHARD
    whole = run(retriever)
    assert_same_bits(resumed.embedding_uh, whole.embedding_uh)
    assert resumed.truncated == whole.truncated


def test_two_processes_give_the_bits_of_one(retriever: Retriever, cache: Path, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    ranks = [
        start(cache, tmp_path / "kept", "both", RANK=str(rank), LOCAL_RANK=str(rank), **group) for rank in range(2)
    ]
    try:
        ended = [process.communicate(timeout=SECONDS) for process in ranks]
    finally:
        for process in ranks:
            process.kill()
    expected = run(retriever, tmp_path / "alone")
    encoded = {"memory": 0, "disk": 0, "again": 0}
    for rank, (output, errors) in enumerate(ended):
        assert ranks[rank].returncode == 0, errors
        lines = [line.split() for line in output.splitlines()]
        assert [(name, int(truncated)) for name, truncated, _ in lines] == [
            (name, expected.truncated) for name in encoded
        ]
        for name, _, count in lines:
            found = np.load(cache / f"{name}-{rank}.npy")
            if rank == 0 or name == "memory":
                assert_same_bits(found, expected.embedding_uh)
            else:
                assert found.shape == (0, expected.embedding_uh.shape[1])
            assert int(count) < len(TEXTS)  # the work is shared
            encoded[name] += int(count)
    assert encoded == {"memory": len(TEXTS), "disk": len(TEXTS), "again": 0}
    files = [tmp_path / name / "passage/embeddings.npy" for name in ("alone", "kept/0")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert not (tmp_path / "kept/1").exists()
