"""Figures of the literature on the same benchmarks (docs/statistics.md: what they can be compared with).

They are of other models and other training data, without seeds or intervals, and means over all languages of a
benchmark: a study that evaluates on some of them, or in a smaller pool, has nothing to do with them.
"""

from collections.abc import Collection

from sweep.answer.contents import PublishedFigure
from sweep.settings import EvaluationSettings
from sweep.settings.evaluation import CorpusEvaluation

NOT_OURS = "another model and other training data; no seeds or intervals were published"
HYBRID, LAREQA = "arXiv 2408.10536", "LAReQA, arXiv 2004.05484"
MIRACL_LANGUAGES = 15  # that the published means are over, of the 16 there are
RATIOS = (1.0, 0.0, 0.5)  # X-X-mono, X-Y, hybrid: the columns of the tables
SYSTEMS = ("X-X-mono", "X-Y", "hybrid")

# Of each system: mono, cross and pooled mAP, and rank distance.
PARALLEL = {
    ("xquad_r", "XLM-R"): ((0.792, 0.674, 0.547, 410), (0.755, 0.700, 0.593, 295), (0.798, 0.705, 0.593, 287)),
    ("mlqa_r", "XLM-R"): ((0.648, 0.584, 0.473, 288), (0.626, 0.620, 0.508, 227), (0.648, 0.623, 0.512, 227)),
    ("xquad_r", "LaBSE"): ((0.808, 0.752, 0.652, 262), (0.801, 0.762, 0.679, 225), (0.817, 0.767, 0.682, 221)),
    ("mlqa_r", "LaBSE"): ((0.681, 0.656, 0.550, 225), (0.671, 0.677, 0.576, 198), (0.686, 0.681, 0.579, 195)),
}
PARALLEL_METRICS = ("mono/map", "cross/map", "pooled/map", "pooled/rank_distance")
# nDCG@10 and Recall@100.
MIRACL = {
    "XLM-R": ((0.415, 0.768), (0.399, 0.749), (0.405, 0.763)),
    "LaBSE": ((0.455, 0.812), (0.418, 0.777), (0.441, 0.801)),
}
MIRACL_METRICS = ("mono/ndcg@10", "mono/recall@100")
# mBERT on XQuAD-R, pooled mAP. En-En and X-X have no ratio: their batches are not of one kind.
MULTILINGUAL_BERT = (("En-En", None, 0.29), ("X-X", None, 0.23), ("X-X-mono", 1.0, 0.52), ("X-Y", 0.0, 0.66))


def published_figures(
    evaluation: EvaluationSettings, languages: Collection[str], metric: str
) -> tuple[PublishedFigure, ...]:
    """The figures of a metric, such as "pooled/map", on the benchmark that these settings describe; none unless the
    study evaluates on all of its languages, with its whole pools."""
    if not isinstance(evaluation, CorpusEvaluation) or not evaluation.is_whole:
        return ()
    name, known = evaluation.name, set(evaluation.corpus.languages)
    if name == "miracl":
        return _of_miracl(metric) if known and len(known & set(languages)) >= MIRACL_LANGUAGES else ()
    if not known or known != set(languages):
        return ()
    return (*_of_hybrid(name, metric), *_of_lareqa(name, metric))


def _of_hybrid(name: str, metric: str) -> tuple[PublishedFigure, ...]:
    if metric not in PARALLEL_METRICS:
        return ()
    place = PARALLEL_METRICS.index(metric)
    return tuple(
        PublishedFigure(f"{HYBRID}: {NOT_OURS}", f"{model} {system}", ratio, row[place])
        for (benchmark, model), rows in PARALLEL.items()
        if benchmark == name
        for system, ratio, row in zip(SYSTEMS, RATIOS, rows, strict=True)
    )


def _of_lareqa(name: str, metric: str) -> tuple[PublishedFigure, ...]:
    if (name, metric) != ("xquad_r", "pooled/map"):
        return ()
    source = f"{LAREQA}: {NOT_OURS}"
    return tuple(
        PublishedFigure(source, f"mBERT {system}", ratio, value) for system, ratio, value in MULTILINGUAL_BERT
    )


def _of_miracl(metric: str) -> tuple[PublishedFigure, ...]:
    if metric not in MIRACL_METRICS:
        return ()
    place = MIRACL_METRICS.index(metric)
    source = f"{HYBRID}, mean over {MIRACL_LANGUAGES} languages: {NOT_OURS}"
    return tuple(
        PublishedFigure(source, f"{model} {system}", ratio, row[place])
        for model, rows in MIRACL.items()
        for system, ratio, row in zip(SYSTEMS, RATIOS, rows, strict=True)
    )
