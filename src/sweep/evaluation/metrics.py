"""The registry of metrics. Catalogue, cells, tables, checks and docs/metrics.md are derived from it.

A new metric is a function with a docstring (in quality, agreement or geometry) and a line in METRICS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from inspect import signature
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sweep.evaluation import agreement, geometry, quality
from sweep.evaluation.families import FAMILIES, POOLS, Cell
from sweep.evaluation.ranking import several_languages
from sweep.evaluation.views import PoolView, View
from sweep.settings.metric_key import MetricKey


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: third part of a key.
        families: the families that have it.
        function: what computes it. Its parameters are named after what it looks at: the fields of its family's view
            (see `sweep.evaluation.views`), and `depth`. It gives a value for every question or translation group, NaN
            where there is none; one that is no mean (`is_mean`) gives a language's figure. Its docstring has summary,
            formula, range, direction, source and pitfall.
        label: heading of its column, `short` where the column is narrow.
        depth: how deep a ranking must be known, None for all of it.
        better: which way is better.
        digits: after the decimal point, in tables with room.
        cell: what has a figure of its own, if not what the family says.
        needs: relevant passages in several languages, or candidates in the question's own and in another one; a
            question without has no value.
    """

    name: str
    families: tuple[str, ...]
    function: Callable[..., Any]
    label: str
    short: str = ""
    depth: int | None = None
    better: Literal["higher", "lower", "target"] = "higher"
    digits: int = 4
    cell: Cell | None = None
    is_mean: bool = True
    needs: Literal["translations", "languages"] | None = None

    def among(self, view: PoolView, value_q: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values, NaN where a question lacks what the metric needs."""
        if self.needs == "translations":
            return np.where(several_languages(view.ranks_qr, view.relevant_language_qr), value_q, np.nan)
        if self.needs == "languages":
            own_passages = np.asarray(view.own_passages)
            return np.where((own_passages > 0) & (own_passages < view.pool_size), value_q, np.nan)
        return value_q

    def values(self, view: View) -> NDArray[np.float64]:
        """What the function makes of a view (q or g), or a single figure."""
        wanted = _parameters(self.function)
        return np.asarray(
            self.function(**{name: self.depth if name == "depth" else getattr(view, name) for name in wanted})
        )

    def cell_in(self, family: str) -> Cell:
        """What has a figure of its own."""
        return self.cell or FAMILIES[family].cell

    def known_at(self, depth: int | None) -> bool:
        """Whether a search to this depth (None: exact ranks) is enough."""
        return depth is None or (self.depth is not None and self.depth <= depth)


@cache
def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(signature(function).parameters)


PARALLEL: Literal["translations"] = "translations"
POOLED, AGREEMENT, GEOMETRY = ("pooled",), ("agreement",), ("geometry",)
METRICS = (
    Metric("map", POOLS, quality.average_precision, "mAP"),
    Metric("recall@1", POOLS, quality.recall_at, "Recall@1", depth=1),
    Metric("recall@10", POOLS, quality.recall_at, "Recall@10", depth=10),
    Metric("recall@100", POOLS, quality.recall_at, "Recall@100", depth=100),
    Metric("mrr@10", POOLS, quality.reciprocal_rank_at, "MRR@10", depth=10),
    Metric("ndcg@10", POOLS, quality.ndcg_at, "nDCG@10", depth=10),
    Metric("map_gap", ("cross",), quality.map_gap, "mAP gap", better="lower"),
    Metric(
        "alignment_consistency",
        POOLED,
        quality.alignment_consistency,
        "alignment",
        short="align.",
        needs=PARALLEL,
    ),
    Metric(
        "rank_distance",
        POOLED,
        quality.rank_distance,
        "rank distance",
        short="rank dist.",
        better="lower",
        digits=1,
        needs=PARALLEL,
    ),
    Metric(
        "language_preference",
        POOLED,
        quality.prefers_own_language,
        "own lang.",
        better="target",
        needs=PARALLEL,
    ),
    Metric("unbiased_preference", POOLED, quality.unbiased_preference, "unbiased", better="target", needs=PARALLEL),
    Metric("language_bias", POOLED, quality.language_bias, "lang. bias", better="target", needs=PARALLEL),
    Metric(
        "same_language@1", POOLED, quality.same_language_first, "same lang.@1", better="target", needs="languages"
    ),
    Metric("rbo", AGREEMENT, agreement.rank_biased_overlap, "RBO"),
    Metric("jaccard@10", AGREEMENT, agreement.jaccard, "Jaccard@10"),
    Metric("agree_correct@1", AGREEMENT, agreement.both_correct, "agree correct@1"),
    Metric("bitext_accuracy", GEOMETRY, geometry.bitext_accuracy, "bitext"),
    Metric("mexa", GEOMETRY, geometry.mexa, "MEXA"),
    Metric("alignment_loss", GEOMETRY, geometry.alignment_loss, "align. loss", better="lower"),
    Metric("uniformity", GEOMETRY, geometry.uniformity, "uniformity", better="lower", cell="language", is_mean=False),
    Metric("language_probe", GEOMETRY, geometry.language_probe, "lang. probe", better="target", cell="language"),
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


def digits_of(key: MetricKey) -> int:
    """Digits after the decimal point of a figure in a table with room; narrow tables have one fewer."""
    metric = _BY_NAME.get((key.family, key.metric))
    return _DIGITS_OF_OTHERS if metric is None else metric.digits
