"""Character n-grams: what string matching finds, without any training."""

from typing import Any

import numpy as np

from sweep.data.benchmark import Benchmark
from sweep.evaluation.cells import rank_cells
from sweep.evaluation.outcome import Evaluation
from sweep.evaluation.parallel_ranks import rank_sparse
from sweep.evaluation.summarise import Members, summarise

SIZES = (1, 4)
MOST_PASSAGES = 100_000  # more take long, and their n-grams much memory


def match_ngrams(benchmark: Benchmark, tiers: Members) -> Evaluation:
    """TF-IDF of characters' 1- to 4-grams by cosine, its weights from the passages: what string matching finds.

    Only for benchmarks whose languages are ranked together.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=SIZES, dtype=np.float32)
    passage_dv: Any = vectorizer.fit_transform(benchmark.passages.texts())
    query_qv: Any = vectorizer.transform(question.text for question in benchmark.questions)
    by_ngrams = rank_sparse(benchmark, query_qv, passage_dv)
    table, counts = rank_cells(by_ngrams)
    evaluated = summarise(benchmark.name, table, counts, {}, tiers)
    return Evaluation(evaluated, by_ngrams, dict(tiers), {})
