"""Which figures the tables show: named lists of entries of the registry, with their headings and digits."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sweep.evaluation.metrics import metric_of
from sweep.evaluation.parts import label_of
from sweep.settings.metric_key import MetricKey


@dataclass(frozen=True)
class Column:
    """A figure in a table. `name` is its key without the benchmark; `digits` come after the decimal point."""

    name: str
    title: str
    digits: int

    def key(self, benchmark: str) -> MetricKey:
        """The figure of a benchmark."""
        return MetricKey.within(benchmark, self.name)


def _columns(*names: str, narrow: bool = False) -> tuple[Column, ...]:
    """Headed by each metric's label, with its family and its part where the list has several of these. A `narrow`
    table has short labels and one digit fewer, as it shows spreads beside the figures."""
    keys = [MetricKey.parse(f"/{name}") for name in names]
    families = Counter(key.metric for key in {key.whole for key in keys})
    parts = Counter(key.whole for key in keys)

    def column(key: MetricKey) -> Column:
        metric = metric_of(key)
        title = metric.short or metric.label if narrow else metric.label
        if families[key.metric] > 1:
            title = f"{key.family} {title}"
        if parts[key.whole] > 1:
            title = f"{title} {label_of(key.part)}"
        return Column(key.name, title, metric.digits - narrow)

    return tuple(map(column, keys))


# The end of a study.
RESULTS = _columns(
    "mono/map",
    "cross/map",
    "cross/map/other_script",
    "pooled/map",
    "pooled/alignment_consistency",
    "pooled/alignment_consistency/low",
    "pooled/alignment_consistency/unseen",
    "pooled/rank_distance",
    narrow=True,
)
# `python -m sweep.evaluate`, by language.
EVALUATION = _columns(
    "mono/map",
    "cross/map",
    "cross/map_gap",
    "pooled/map",
    "pooled/alignment_consistency",
    "pooled/rank_distance",
    "pooled/same_language@1",
    "agreement/rbo",
    "agreement/agree_correct@1",
    "geometry/bitext_accuracy",
    "mono/ndcg@10",
    "mono/recall@100",
)
# The model card of an exported retriever.
CARD = _columns(
    "mono/map",
    "cross/map",
    "cross/map/other_script",
    "pooled/map",
    "pooled/alignment_consistency",
    "pooled/alignment_consistency/low",
    "pooled/alignment_consistency/unseen_by_model",
    "pooled/rank_distance",
    "mono/ndcg@10",
)
# `python -m sweep.compare` unless other metrics are asked for.
COMPARISON = _columns(
    "mono/map",
    "cross/map",
    "cross/map/other_script",
    "pooled/map",
    "pooled/alignment_consistency",
    "pooled/alignment_consistency/low",
    "pooled/alignment_consistency/unseen_by_model",
    "pooled/rank_distance",
    "mono/ndcg@10",
    "mono/recall@100",
)
# While a training runs, beside the study's objective.
VALIDATION = _columns("mono/map", "cross/map", "pooled/map", "pooled/alignment_consistency")

# The figures that MIRACL and BEIR are known by; beside the others they would say little.
_ONLY_WITHOUT_PARALLEL = ("mono/ndcg@10", "mono/recall@100")


def results_for(objectives: Iterable[str]) -> list[Column]:
    """The columns at the end of a study: those that are among its objectives (keys) come first."""
    first = [MetricKey.parse(objective).name for objective in objectives]
    return sorted(RESULTS, key=lambda column: first.index(column.name) if column.name in first else len(first))


def columns_for(columns: Iterable[Column], parallel: bool) -> list[Column]:
    """Those that a table of a benchmark of this protocol shows."""
    return [column for column in columns if not (parallel and column.name in _ONLY_WITHOUT_PARALLEL)]
