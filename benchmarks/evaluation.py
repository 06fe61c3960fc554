"""Scoring of XQuAD-R's size against sentence-transformers' evaluator and FAISS with pytrec_eval.

    python benchmarks/evaluation.py [--repeats 3] [--threads 1] [--all-pools] [--groups 1190]

One set of synthetic embeddings (11 languages x 1,190 questions, 13,014 passages, 384 dimensions), three sides:

- ours: full-depth ranks; all metrics of the mono, cross (110 pairs) and pooled pools and of agreement, with intervals
- st: sentence-transformers' InformationRetrievalEvaluator, MAP@1000 and its other metrics at 1, 10 and 100
- faiss: IndexFlatIP, the first 1,000 passages, and pytrec_eval's map, recall, ndcg_cut and recip_rank

The peers score the pooled pool alone, a part of our work, or with --all-pools the mono and cross pools too. Each run
is a process of its own, and sides take turns. Time is that of scoring alone, without imports, embeddings, ids and
judgements; memory is the peak of the whole process. Fails if a side's pooled mAP differs from ours by .01 or more, or
if our peak is 1.5 GB or more.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# LAReQA (arXiv 2004.05484): candidates of XQuAD-R by language.
SIZES = {
    "ar": 1222, "de": 1276, "el": 1234, "en": 1180, "es": 1215, "hi": 1244,
    "ru": 1219, "th": 852, "tr": 1167, "vi": 1209, "zh": 1196,
}  # fmt: skip
LANGUAGES = tuple(SIZES)
PARAGRAPHS, HIDDEN, DEPTH = 240, 384, 1000
CLOSE, MEMORY = 0.01, 1.5 * 2**30
# How much of an embedding is its group's, its paragraph's, its language's, and noise.
SHARES = (0.5, 0.4, 0.45, 0.95)

Rows = NDArray[np.int64]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Pool:
    """Embeddings and what belongs together: questions by (language, group), passages by language.

    `answer_lg` is the passage in language l that answers group g.
    """

    query_qh: Vectors
    passage_dh: Vectors
    language_d: Rows
    paragraph_d: Rows
    answer_lg: Rows

    @property
    def groups(self) -> int:
        """Translation groups."""
        return int(self.answer_lg.shape[1])

    def ids(self) -> list[str]:
        """Ids of the passages, ascending."""
        return [f"{LANGUAGES[language]}:{row:05d}" for row, language in enumerate(self.language_d)]


@dataclass(frozen=True)
class Run:
    """What one process measured: seconds of scoring, bytes just before it and at the peak, and the pooled mAP."""

    cpu: float
    wall: float
    before: int
    peak: int
    pooled_map: float
    work: str


def synthetic_pool(groups: int, seed: int = 0) -> Pool:
    """Passages that cluster by paragraph and by language, and questions near their answers and their own language."""
    rng = np.random.default_rng(seed)
    group_gh, paragraph_ph, language_lh = (_units(rng, size) for size in (groups, PARAGRAPHS, len(LANGUAGES)))
    paragraph_g = rng.integers(0, PARAGRAPHS, groups)
    passages, paragraphs, answers, low = [], [], [], 0
    for language, size in enumerate(SIZES.values()):
        paragraph_d = np.sort(np.r_[np.arange(PARAGRAPHS), rng.integers(0, PARAGRAPHS, size - PARAGRAPHS)])
        first_p = np.searchsorted(paragraph_d, np.arange(PARAGRAPHS))
        answer_g = first_p[paragraph_g] + rng.integers(0, np.bincount(paragraph_d)[paragraph_g])
        content_dh = _units(rng, size)
        content_dh[answer_g] = 0
        np.add.at(content_dh, answer_g, group_gh)
        parts = (_normed(content_dh), paragraph_ph[paragraph_d], language_lh[language], _units(rng, size))
        passages.append(_mixed(parts))
        paragraphs.append(paragraph_d)
        answers.append(answer_g + low)
        low += size
    questions = [
        _mixed((group_gh, paragraph_ph[paragraph_g], language_h, _units(rng, groups))) for language_h in language_lh
    ]
    language_d = np.repeat(np.arange(len(LANGUAGES)), list(SIZES.values()))
    return Pool(
        np.concatenate(questions), np.concatenate(passages), language_d, np.concatenate(paragraphs), np.stack(answers)
    )


def _units(rng: np.random.Generator, size: int) -> Vectors:
    return _normed(rng.normal(size=(size, HIDDEN)))


def _normed(vectors: NDArray[Any]) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _mixed(parts: tuple[Vectors, ...]) -> Vectors:
    mixed = sum(share * part for share, part in zip(SHARES, parts, strict=True))
    return _normed(np.asarray(mixed))


def ours(pool: Pool) -> tuple[Callable[[], float], str]:
    """All metrics of all pools, with intervals."""
    from sweep.data.benchmark import Passage, Question, benchmark
    from sweep.evaluation.cells import rank_cells
    from sweep.evaluation.parallel_ranks import rank_parallel
    from sweep.evaluation.summarise import summarise

    ids = pool.ids()
    passages = [
        Passage(id_, LANGUAGES[language], "", f"{paragraph:03d}")
        for id_, language, paragraph in zip(ids, pool.language_d, pool.paragraph_d, strict=True)
    ]
    questions = [Question(f"{group:05d}", code, "") for code in LANGUAGES for group in range(pool.groups)]
    relevant = {
        f"{group:05d}": dict.fromkeys((ids[d] for d in pool.answer_lg[:, group]), 1) for group in range(pool.groups)
    }
    bench = benchmark("synthetic", LANGUAGES, questions, passages, relevant)
    tiers = {"high": frozenset(("de", "en", "es", "ru", "zh")), "low": frozenset(("el", "th"))}

    def score() -> float:
        table, counts = rank_cells(rank_parallel(bench, pool.query_qh, pool.passage_dh, np.arange(len(passages))))
        return summarise(bench.name, table, counts, {}, tiers).metrics["synthetic/pooled/map"]

    return score, "all pools, full depth"


Part = tuple[Rows, Rows, NDArray[np.int64]]  # questions, passages, and the relevant passages of each question


def parts(pool: Pool, all_pools: bool) -> list[Part]:
    """The pools to score, the pooled one last."""
    language_q = np.repeat(np.arange(len(LANGUAGES)), pool.groups)
    group_q = np.tile(np.arange(pool.groups), len(LANGUAGES))
    everything: Part = (np.arange(len(group_q)), np.arange(len(pool.language_d)), pool.answer_lg.T[group_q])
    if not all_pools:
        return [everything]
    own: list[Part] = []
    for asked in range(len(LANGUAGES)):
        for answered in range(len(LANGUAGES)):
            rows = np.flatnonzero(language_q == asked)
            relevant = pool.answer_lg[answered, group_q[rows], None]
            own.append((rows, np.flatnonzero(pool.language_d == answered), relevant))
    return [*own, everything]


class GivenRows:
    """What the evaluator takes for a model: its texts are row numbers, its embeddings are there already."""

    def __init__(self, query_qh: Any, passage_dh: Any) -> None:
        self._query_qh, self._passage_dh = query_qh, passage_dh

    def encode_query(self, rows: list[int], **_: object) -> Any:
        """Embeddings of questions."""
        return self._query_qh[rows]

    def encode_document(self, rows: list[int], **_: object) -> Any:
        """Embeddings of passages."""
        return self._passage_dh[rows]


def sentence_transformers_side(pool: Pool, all_pools: bool) -> tuple[Callable[[], float], str]:
    """The evaluator with inner products, which are the cosines here."""
    import torch
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator
    from sentence_transformers.util import dot_score

    ids = pool.ids()
    evaluators = [
        InformationRetrievalEvaluator(
            queries={str(q): q for q in questions.tolist()},
            corpus={ids[d]: d for d in passages.tolist()},
            relevant_docs={
                str(q): {ids[d] for d in row} for q, row in zip(questions.tolist(), relevant, strict=True)
            },
            mrr_at_k=[10],
            ndcg_at_k=[10],
            accuracy_at_k=[1, 10, 100],
            precision_recall_at_k=[1, 10, 100],
            map_at_k=[DEPTH],
            score_functions={"dot": dot_score},
        )
        for questions, passages, relevant in parts(pool, all_pools)
    ]
    model: Any = GivenRows(torch.from_numpy(pool.query_qh), torch.from_numpy(pool.passage_dh))

    def score() -> float:
        found: list[Any] = [evaluator.compute_all_metrics(model) for evaluator in evaluators]
        return float(found[-1]["dot"]["map@k"][DEPTH])

    return score, _work(all_pools)


def faiss_side(pool: Pool, all_pools: bool) -> tuple[Callable[[], float], str]:
    """Exact search to a depth of 1,000 and trec_eval's metrics of these lists."""
    import faiss
    import pytrec_eval

    ids = np.array(pool.ids())
    measures = {"map", "recall.1,10,100", "ndcg_cut.10", "recip_rank"}
    prepared = [
        (
            questions,
            passages,
            pytrec_eval.RelevanceEvaluator(
                {str(q): dict.fromkeys(ids[row].tolist(), 1) for q, row in zip(questions, relevant, strict=True)},
                measures,
            ),
        )
        for questions, passages, relevant in parts(pool, all_pools)
    ]

    def score_part(questions: Rows, passages: Rows, evaluator: Any) -> float:
        index = faiss.IndexFlatIP(HIDDEN)
        index.add(pool.passage_dh[passages])
        score_qk, place_qk = index.search(pool.query_qh[questions], min(DEPTH, len(passages)))
        listed = ids[passages].tolist()
        run = {
            str(q): dict(zip([listed[place] for place in places], scores, strict=True))
            for q, places, scores in zip(questions.tolist(), place_qk.tolist(), score_qk.tolist(), strict=True)
        }
        results = evaluator.evaluate(run)
        means = {
            measure: np.mean([found[measure] for found in results.values()]) for measure in results[str(questions[0])]
        }
        return float(means["map"])

    def score() -> float:
        return [score_part(*part) for part in prepared][-1]

    return score, _work(all_pools)


def _work(all_pools: bool) -> str:
    return f"{'all pools' if all_pools else 'pooled pool'}, depth {DEPTH:,}"


SIDES: dict[str, Callable[[Pool, bool], tuple[Callable[[], float], str]]] = {
    "ours": lambda pool, _: ours(pool),
    "st": sentence_transformers_side,
    "faiss": faiss_side,
}


def measured(side: str, file: Path, all_pools: bool, threads: int) -> Run:
    """Score in this process."""
    import faiss
    import torch

    torch.set_num_threads(threads)
    faiss.omp_set_num_threads(threads)
    with np.load(file) as saved:
        pool = Pool(**saved)
    score, work = SIDES[side](pool, all_pools)
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    wall, cpu = time.perf_counter(), time.process_time()
    pooled_map = score()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Run(cpu, wall, before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, pooled_map, work)


def in_process(side: str, file: Path, all_pools: bool, threads: int) -> Run:
    """Score in a process of its own."""
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
    command = [sys.executable, __file__, "--side", side, "--pool", str(file), "--threads", str(threads)]
    command += ["--all-pools"] * all_pools
    done = subprocess.run(command, env=os.environ | limits, stdout=subprocess.PIPE, check=True, text=True)
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def median(runs: Iterable[Run], field: str) -> float:
    """Median of one field."""
    return float(statistics.median(getattr(run, field) for run in runs))


def table(runs: dict[str, list[Run]]) -> str:
    """Medians of every side; ratios are medians over the repeats of that side's value by ours."""
    lines = [
        f"{'':<7}{'work':<28}{'CPU s':>8}{'wall s':>8}{'before MB':>11}{'peak MB':>9}{'pooled mAP':>12}"
        f"{'CPU ratio':>11}{'peak ratio':>12}"
    ]
    for side, found in runs.items():
        cpu_ratio, peak_ratio = (
            statistics.median(
                getattr(run, field) / getattr(own, field) for run, own in zip(found, runs["ours"], strict=True)
            )
            for field in ("cpu", "peak")
        )
        lines.append(
            f"{side:<7}{found[0].work:<28}{median(found, 'cpu'):>8.1f}{median(found, 'wall'):>8.1f}"
            f"{median(found, 'before') / 2**20:>11,.0f}{median(found, 'peak') / 2**20:>9,.0f}"
            f"{found[0].pooled_map:>12.4f}{cpu_ratio:>11.2f}{peak_ratio:>12.2f}"
        )
    return "\n".join(lines)


def check(runs: dict[str, list[Run]]) -> None:
    """All sides measured the same thing, and ours within its memory."""
    expected = runs["ours"][0].pooled_map
    for side, found in runs.items():
        for run in found:
            if abs(run.pooled_map - expected) >= CLOSE:
                sys.exit(f"{side} has pooled mAP {run.pooled_map:.4f}, ours is {expected:.4f}: not the same thing")
    if max(run.peak for run in runs["ours"]) >= MEMORY:
        sys.exit("our peak memory is 1.5 GB or more")


def compare(options: argparse.Namespace) -> None:
    """Run the sides in turn and print the table."""
    runs: dict[str, list[Run]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pool.npz"
        pool = synthetic_pool(options.groups)
        np.savez(file, **vars(pool))
        print(f"{len(pool.query_qh):,} questions, {len(pool.passage_dh):,} passages, {options.threads} thread(s)")
        for repeat in range(options.repeats):
            for side in list(SIDES)[:: -1 if repeat % 2 else 1]:
                run = in_process(side, file, options.all_pools, options.threads)
                runs[side].append(run)
                print(f"run {repeat + 1}  {side:<6} {run.cpu:6.1f} CPU s", flush=True)
    print(table(runs))
    check(runs)


def main() -> None:
    """Compare the sides, or be one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--groups", type=int, default=1190, help="translation groups; fewer for a trial run")
    parser.add_argument("--all-pools", action="store_true", help="the peers score the mono and cross pools too")
    parser.add_argument("--side", choices=list(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--pool", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side is None:
        compare(options)
    else:
        print(json.dumps(asdict(measured(options.side, options.pool, options.all_pools, options.threads))))


if __name__ == "__main__":
    main()
