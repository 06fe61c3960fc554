"""The registry of metrics. Catalogue, cells, tables, checks and docs/metrics.md are derived from it.

A new metric is a function with a docstring (in quality, agreement or geometry) and an entry in METRICS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sweep.evaluation import agreement, geometry, quality
from sweep.settings import Protocol
from sweep.settings.metric_key import MetricKey

Cell = Literal["language", "ordered pair", "pair"]


@dataclass(frozen=True)
class Family:
    """Metrics that look at the same thing.

    Attributes:
        name: second part of a key.
        cell: what has a figure of its own: a question language ("en"), an ordered pair question-passage ("en-de"), or
            an unordered pair in the benchmark's order of languages.
        about: what its metrics look at.
        has_pools: whether questions are ranked in pools, so that some may be left out for want of a relevant passage.
        parallel_only: whether only benchmarks with parallel questions have it.
    """

    name: str
    cell: Cell
    about: str
    has_pools: bool = False
    parallel_only: bool = True


FAMILIES = {
    family.name: family
    for family in (
        Family("mono", "language", "questions in a language, passages in the same", True, parallel_only=False),
        Family("cross", "ordered pair", "questions in a language, passages in another", True),
        Family("pooled", "language", "questions in a language, passages of all languages together", True),
        Family("agreement", "pair", "the answers to a question and to its translation, in the pool of all languages"),
        Family("geometry", "pair", "the embeddings of parallel questions, without passages"),
    )
}
POOLS = ("mono", "cross", "pooled")
# Questions that count, and questions without a relevant passage in the pool: figures of every family with pools.
COUNTS = ("questions", "left_out")


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: third part of a key.
        families: the families that have it.
        function: what computes it; its docstring has summary, formula, range, direction, source and pitfall.
        values: calls the function on a view of the family: for every question or translation group a value, NaN
            where it has none. A metric that is no mean (`is_mean`) gives a figure for every language instead.
        label: heading of its column, `short` where that stands beside others of the same metric.
        better: which way is better.
        digits: after the decimal point, in tables with room.
        depth: how deep a ranking must be known, None for all of it.
        cell: instead of the family's.
    """

    name: str
    families: tuple[str, ...]
    function: Callable[..., Any]
    values: Callable[[Any], Any]
    label: str
    short: str = ""
    better: Literal["higher", "lower", "target"] = "higher"
    digits: int = 4
    depth: int | None = None
    cell: Cell | None = None
    is_mean: bool = True

    def cell_in(self, family: str) -> Cell:
        """What has a figure of its own."""
        return self.cell or FAMILIES[family].cell

    def known_at(self, depth: int | None) -> bool:
        """Whether a search to this depth (None: exact ranks) is enough."""
        return depth is None or (self.depth is not None and self.depth <= depth)


def _recall(k: int) -> Metric:
    return Metric(
        f"recall@{k}",
        POOLS,
        quality.recall_at,
        lambda pool: quality.recall_at(pool.rank_qr, k),
        f"Recall@{k}",
        depth=k,
    )


METRICS = (
    Metric("map", POOLS, quality.average_precision, lambda pool: quality.average_precision(pool.rank_qr), "mAP"),
    _recall(1),
    _recall(10),
    _recall(100),
    Metric(
        "mrr@10",
        POOLS,
        quality.reciprocal_rank_at,
        lambda pool: quality.reciprocal_rank_at(pool.rank_qr, 10),
        "MRR@10",
        depth=10,
    ),
    Metric(
        "ndcg@10",
        POOLS,
        quality.ndcg_at,
        lambda pool: quality.ndcg_at(pool.rank_qr, pool.grade_qr, 10),
        "nDCG@10",
        depth=10,
    ),
    Metric(
        "alignment_consistency",
        ("pooled",),
        quality.alignment_consistency,
        lambda pool: quality.alignment_consistency(pool.rank_qr, pool.pool_size),
        "alignment",
        short="align.",
    ),
    Metric(
        "rank_distance",
        ("pooled",),
        quality.rank_distance,
        lambda pool: quality.rank_distance(pool.rank_qr),
        "rank distance",
        better="lower",
        digits=1,
    ),
    Metric(
        "language_preference",
        ("pooled",),
        quality.prefers_own_language,
        lambda pool: quality.prefers_own_language(pool.rank_qr, pool.relevant_language_qr, pool.language_q),
        "own lang.",
        better="target",
    ),
    Metric(
        "same_language@1",
        ("pooled",),
        quality.same_language_first,
        lambda pool: quality.same_language_first(pool.rank_qr, pool.top_language_q, pool.language_q),
        "same lang.@1",
        better="target",
    ),
    Metric(
        "rbo",
        ("agreement",),
        agreement.rank_biased_overlap,
        lambda pair: agreement.rank_biased_overlap(pair.one_gk, pair.other_gk),
        "RBO",
    ),
    Metric(
        "jaccard@10",
        ("agreement",),
        agreement.jaccard,
        lambda pair: agreement.jaccard(pair.one_gk, pair.other_gk),
        "Jaccard@10",
    ),
    Metric(
        "agree_correct@1",
        ("agreement",),
        agreement.both_correct,
        lambda pair: agreement.both_correct(pair.one_correct_g, pair.other_correct_g),
        "agree correct@1",
    ),
    Metric(
        "bitext_accuracy",
        ("geometry",),
        geometry.bitext_accuracy,
        lambda pair: geometry.bitext_accuracy(pair.cosine_mn, pair.row_g, pair.column_g),
        "bitext",
    ),
    Metric(
        "mexa",
        ("geometry",),
        geometry.mexa,
        lambda pair: geometry.mexa(pair.cosine_mn, pair.row_g, pair.column_g),
        "MEXA",
    ),
    Metric(
        "alignment_loss",
        ("geometry",),
        geometry.alignment_loss,
        lambda pair: geometry.alignment_loss(pair.one_gh, pair.other_gh),
        "alignment loss",
        better="lower",
    ),
    Metric(
        "uniformity",
        ("geometry",),
        geometry.uniformity,
        lambda every: [geometry.uniformity(embedding_mh) for embedding_mh in every.by_language()],
        "uniformity",
        better="lower",
        cell="language",
        is_mean=False,
    ),
    Metric(
        "language_probe",
        ("geometry",),
        geometry.language_probe,
        lambda every: geometry.language_probe(every.embedding_qh, every.language_q, every.group_q),
        "language probe",
        better="target",
        cell="language",
    ),
)
_DIGITS_OF_OTHERS = 4
_BY_NAME = {(family, metric.name): metric for metric in METRICS for family in metric.families}


def metrics_of(family: str, cell: Cell | None = None) -> list[Metric]:
    """The metrics of a family, or those with this kind of cell, in the order of the registry."""
    return [
        metric for metric in METRICS if family in metric.families and (cell is None or metric.cell_in(family) == cell)
    ]


def metric_of(key: MetricKey) -> Metric:
    """The metric of a key. Raises KeyError for a count and for what is not in the registry."""
    return _BY_NAME[key.family, key.metric]


def families_of(protocol: Protocol) -> list[str]:
    """The families that benchmarks of this protocol have."""
    return [name for name, family in FAMILIES.items() if protocol == "parallel" or not family.parallel_only]


def digits_of(key: MetricKey) -> int:
    """Digits after the decimal point of a figure in a table with room; narrow tables have one fewer."""
    metric = _BY_NAME.get((key.family, key.metric))
    return _DIGITS_OF_OTHERS if metric is None else metric.digits
