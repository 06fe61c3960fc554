"""Near copies of a benchmark among a million training texts, and a ratio against MinHash with LSH (datasketch).

    PYTHONPATH=src python benchmarks/near_copies.py [--texts 1000000] [--reference 20000]

Texts are words drawn by Zipf's law, 5 to 60 of them; one of a thousand is a benchmark's text with a word changed. The
reference indexes a part of the texts, since it keeps all of them in memory; its time is given for that many.
datasketch is there for development alone: without it there is no ratio.
"""

import argparse
import resource
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import numpy as np

from sweep.data.leakage import CHARACTERS_AT_A_TIME, TEXTS_AT_A_TIME
from sweep.data.shingles import Shortlist, grams_of, jaccard, shingles

VOCABULARY = 50_000
ASKED = 20_000
THRESHOLD = 0.8
PLANTED = 0.001


def words() -> np.ndarray:
    """Made-up words; frequent ones are short."""
    rng = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    return np.array(
        ["".join(rng.choice(letters, rng.integers(2, 4 + min(8, place // 20)))) for place in range(VOCABULARY)],
        object,
    )


def drawn(rng: np.random.Generator, vocabulary: np.ndarray, number: int) -> list[str]:
    """Texts of 5 to 60 words."""
    lengths = rng.integers(5, 61, number)
    ranks = np.minimum(rng.zipf(1.2, lengths.sum()) - 1, VOCABULARY - 1)
    parts = np.split(vocabulary[ranks], np.cumsum(lengths)[:-1])
    return [" ".join(part) for part in parts]


def training_texts(number: int, vocabulary: np.ndarray, asked: list[str]) -> Iterator[list[str]]:
    """Batches of texts, some of them nearly one of the asked."""
    rng = np.random.default_rng(2)
    for _ in range(0, number, TEXTS_AT_A_TIME):
        batch = drawn(rng, vocabulary, TEXTS_AT_A_TIME)
        for place in np.flatnonzero(rng.random(len(batch)) < PLANTED):
            copied = asked[rng.integers(len(asked))].split(" ")
            copied[rng.integers(len(copied))] = str(vocabulary[rng.integers(VOCABULARY)])
            batch[place] = " ".join(copied)
        yield batch


def streamed(batches: Iterator[list[str]], asked: list[str]) -> tuple[set[int], float, float]:
    """The copies, and the CPU seconds to index the asked texts and to go through the batches."""
    began = time.process_time()
    shortlist = Shortlist(asked, THRESHOLD)
    indexed = time.process_time()
    copies, spent = set(), 0.0
    for batch in batches:
        start = time.process_time()  # drawing texts is none of it
        for text, few, _ in shortlist.pairs(grams_of(batch)):
            if jaccard(batch[text], asked[few]) >= THRESHOLD:
                copies.add(few)
        spent += time.process_time() - start
    return copies, indexed - began, spent


def with_minhash(batches: Iterator[list[str]], asked: list[str]) -> tuple[set[int], float]:
    """The same by the former way: 64 permutations, the training side indexed."""
    from datasketch import MinHash, MinHashLSH

    def sketches(texts: list[str]) -> Iterator[Any]:
        hashed = [[crc32(gram.encode()) for gram in shingles(text)] for text in texts]
        sketched: Iterator[Any] = MinHash.generator(hashed, num_perm=64, hashfunc=int)
        return sketched

    began = time.process_time()
    index = MinHashLSH(THRESHOLD, 64, weights=(0.02, 0.98))
    for batch in batches:
        for text, sketch in zip(batch, sketches(batch), strict=True):
            index.insert(text, sketch, check_duplication=False)
    copies = {
        place
        for place, (text, sketch) in enumerate(zip(asked, sketches(asked), strict=True))
        if any(jaccard(text, other) >= THRESHOLD for other in index.query(sketch))
    }
    return copies, time.process_time() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--reference", type=int, default=20_000)
    options = parser.parse_args(namespace=SimpleNamespace())
    vocabulary = words()
    asked = list(dict.fromkeys(drawn(np.random.default_rng(1), vocabulary, ASKED)))
    assert CHARACTERS_AT_A_TIME >= TEXTS_AT_A_TIME
    try:
        part, seconds = with_minhash(training_texts(options.reference, vocabulary, asked), asked)
        own, index_s, stream_s = streamed(training_texts(options.reference, vocabulary, asked), asked)
        print(f"{options.reference:,} texts by MinHash: {seconds:.1f} CPU s, {len(part)} copies")
        print(f"{options.reference:,} texts streamed:   {index_s + stream_s:.1f} CPU s, {len(own)} copies")
        print(f"ratio {(index_s + stream_s) / seconds:.2f}; copies that MinHash misses: {len(own - part)}")
    except ImportError:
        print("no datasketch: no ratio")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    copies, index_s, stream_s = streamed(training_texts(options.texts, vocabulary, asked), asked)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rate = options.texts / stream_s
    print(f"{options.texts:,} texts streamed: index {index_s:.1f} CPU s, {stream_s:.1f} CPU s ({rate:,.0f} texts/s)")
    print(f"{len(copies)} copies of {len(asked):,}; peak memory {peak / 2**20:.2f} GB ({before / 2**20:.2f} before)")


if __name__ == "__main__":
    main()
