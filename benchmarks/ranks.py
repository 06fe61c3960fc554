"""Exact ranks of LAReQA-sized pools against FAISS top-1000 with pytrec_eval, on the same random embeddings.

    python benchmarks/ranks.py [repetitions]

Scores questions x passages of XQuAD-R's size (13,090 x 13,014 x 384, 11 languages, 11 relevant passages a question)
and computes every metric of the mono, cross and pooled pools; the peer ranks the pooled pool alone, to depth 1,000,
and computes average precision and recall. Prints CPU seconds of paired runs and the median of their ratios.
"""

import statistics
import sys
import time

import faiss
import numpy as np
import pytrec_eval
from numpy.typing import NDArray

from sweep.data.benchmark import Benchmark, Passage, Question, benchmark
from sweep.evaluation.evaluate import metrics_from_ranks
from sweep.evaluation.ranks import rank
from sweep.settings import Tiers

LANGUAGES = ("ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh")
GROUPS, PASSAGES_PER_LANGUAGE, HIDDEN, DEPTH = 1190, 1183, 384, 1000


def pool() -> tuple[Benchmark, NDArray[np.float32], NDArray[np.float32]]:
    """A benchmark and unit embeddings in which questions are noisy copies of their relevant passages."""
    rng = np.random.default_rng(0)
    questions = [Question(f"g{group:04d}", code, "") for code in LANGUAGES for group in range(GROUPS)]
    passages = [Passage(f"{code}:{n:04d}", code, "") for code in LANGUAGES for n in range(PASSAGES_PER_LANGUAGE)]
    answers = rng.integers(0, PASSAGES_PER_LANGUAGE, (GROUPS, len(LANGUAGES)))
    relevant = {
        f"g{group:04d}": {f"{code}:{answers[group, column]:04d}" for column, code in enumerate(LANGUAGES)}
        for group in range(GROUPS)
    }
    bench = benchmark("random", LANGUAGES, questions, passages, relevant)
    passage_dh = rng.normal(size=(len(passages), HIDDEN)).astype(np.float32)
    query_qh = np.stack([passage_dh[found].mean(0) for found in bench.relevant_q])
    query_qh += rng.normal(scale=0.3, size=query_qh.shape)
    query_qh /= np.linalg.norm(query_qh, axis=1, keepdims=True)
    passage_dh /= np.linalg.norm(passage_dh, axis=1, keepdims=True)
    return bench, query_qh.astype(np.float32), passage_dh


def ours(bench: Benchmark, query_qh: NDArray[np.float32], passage_dh: NDArray[np.float32]) -> float:
    """Pooled mAP, with all other metrics of all pools computed on the way."""
    ranks = rank(bench, query_qh, passage_dh, np.arange(len(passage_dh)))
    return metrics_from_ranks(bench, ranks, Tiers(), ())["random/pooled/map"]


def peer(bench: Benchmark, query_qh: NDArray[np.float32], passage_dh: NDArray[np.float32]) -> float:
    """Pooled mAP, cut at depth 1,000."""
    index = faiss.IndexFlatIP(HIDDEN)
    index.add(passage_dh)
    scores_qk, found_qk = index.search(query_qh, DEPTH)
    ids = [passage.id for passage in bench.passages]
    run = {
        str(row): {ids[place]: float(score) for place, score in zip(found_qk[row], scores_qk[row], strict=True)}
        for row in range(len(query_qh))
    }
    judged = {str(row): {ids[place]: 1 for place in found} for row, found in enumerate(bench.relevant_q)}
    results = pytrec_eval.RelevanceEvaluator(judged, {"map", "recall.1,10,100"}).evaluate(run)
    return float(np.mean([found["map"] for found in results.values()]))


def main() -> None:
    """Print paired CPU seconds and the median ratio."""
    data = pool()
    ratios = []
    for repetition in range(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
        spent = {}
        for name, function in (("ours", ours), ("faiss + pytrec_eval", peer)):
            started = time.process_time()
            value = function(*data)
            spent[name] = time.process_time() - started
            print(f"run {repetition + 1}  {name:<20} {spent[name]:6.1f} CPU s   pooled mAP {value:.4f}")
        ratios.append(spent["faiss + pytrec_eval"] / spent["ours"])
    print(f"faiss + pytrec_eval takes {statistics.median(ratios):.1f} x our CPU time (median of {len(ratios)} pairs)")


if __name__ == "__main__":
    main()
