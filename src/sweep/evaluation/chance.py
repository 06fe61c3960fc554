"""What a random ranking is expected to score: each metric's mean over all orders of a pool, in closed form.

A question has R relevant passages among N. Shapes: q = questions, r = relevant passages (padded).
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sweep.data.benchmark import Benchmark
from sweep.evaluation.cells import Cells, CellTable
from sweep.evaluation.metrics import Metric, metrics_of
from sweep.evaluation.pools import pools_of
from sweep.evaluation.quality import unbiased_preference
from sweep.evaluation.ranking import NO_UNIT, PAD, TOP_UNITS, Pooled, Ranking, Search, ranking, targets
from sweep.evaluation.summarise import Members, Metrics, summarise
from sweep.evaluation.views import PoolView

PerQuestion = NDArray[np.float64]


def expected_by_chance(benchmark: Benchmark, tiers: Members) -> Metrics:
    """The expected figures of all metrics that come from the ranks of relevant passages."""
    answered = _without_order(benchmark)
    table: CellTable = {}
    for family, pools in pools_of(answered).items():
        for metric in metrics_of(family) if pools else ():
            value_cg = np.full((len(pools), len(answered.groups)), np.nan)
            for place, (_, rows, view) in enumerate(pools):
                value_cg[place, answered.group_q[rows]] = metric.among(view, _expected(metric, view))
            table[family, metric.name] = Cells(tuple(name for name, _, _ in pools), value_cg)
    return summarise(benchmark.name, table, {}, {}, tiers).metrics


def _expected(metric: Metric, view: PoolView) -> PerQuestion:
    """A metric's expectation; questions with pools of several sizes are taken a size at a time."""
    expected = EXPECTED[metric.name]
    if isinstance(view.pool_size, int):
        return expected(view, metric.depth)
    value_q = np.full(len(view.ranks_qr), np.nan)
    sizes_qs = np.stack([view.pool_size, np.broadcast_to(view.own_passages, len(value_q))], axis=1)
    for size, own in np.unique(sizes_qs, axis=0).tolist():
        here_q = (sizes_qs == (size, own)).all(1)
        value_q[here_q] = expected(replace(view, pool_size=size, own_passages=own), metric.depth)[here_q]
    return value_q


def _without_order(benchmark: Benchmark) -> Ranking:
    """Which passages are relevant to which question. All ranks are 1, which nothing here reads."""
    wanted = targets(benchmark)
    ranks_qr = np.where(wanted.relevant_qr >= 0, 1, PAD).astype(np.int32)
    pooled = None
    if benchmark.protocol == "parallel":
        nothing_q = np.zeros(len(ranks_qr), np.int64)
        units_qk = np.full((len(ranks_qr), TOP_UNITS), NO_UNIT, np.int32)
        pooled = Pooled(ranks_qr, nothing_q, nothing_q > 0, units_qk)
    return ranking(benchmark, wanted, ranks_qr, pooled, Search())


def _size(view: PoolView) -> int:
    """N, the same for all questions (see `_expected`)."""
    assert isinstance(view.pool_size, int)
    return view.pool_size


def _relevant(view: PoolView) -> PerQuestion:
    """R; NaN where it is 0, which leaves the question out."""
    count_q = (view.ranks_qr != PAD).sum(1).astype(float)
    return np.where(count_q > 0, count_q, np.nan)


def _average_precision(view: PoolView, depth: int | None) -> PerQuestion:
    """(H_N + (R - 1) / (N - 1) * (N - H_N)) / N, with H_N = 1 + 1/2 + ... + 1/N: of the other relevant passages, each
    stands before rank k with probability (k - 1) / (N - 1)."""
    size = _size(view)
    harmonic = float((1 / np.arange(1, size + 1)).sum())
    return (harmonic + (_relevant(view) - 1) / max(size - 1, 1) * (size - harmonic)) / size


def _recall(view: PoolView, depth: int | None) -> PerQuestion:
    """k / N."""
    assert depth is not None
    return np.where(np.isnan(_relevant(view)), np.nan, min(depth, _size(view)) / _size(view))


def _reciprocal_rank(view: PoolView, depth: int | None) -> PerQuestion:
    """Sum over i = 1..k of P(min = i) / i. The smallest rank is i or more if all R are among the last N - i + 1."""
    assert depth is not None
    rank_i = np.arange(1, min(depth, _size(view)) + 1)

    def expected(relevant: int) -> float:
        at_least_i = _share_of_choices(_size(view) - np.append(rank_i, rank_i[-1] + 1) + 1, relevant, _size(view))
        return float((-np.diff(at_least_i) / rank_i).sum())

    return _by_count(view, expected)


def _discounted_gain(view: PoolView, depth: int | None) -> PerQuestion:
    """Every passage's gain is met at each rank with probability 1 / N; divided by the ideal order's gain."""
    assert depth is not None
    gain_qr = np.where(view.ranks_qr == PAD, 0, view.grade_qr)
    discounts = 1 / np.log2(np.arange(2, min(depth, _size(view)) + 2))
    ideal_qr = -np.sort(-gain_qr, axis=1)[:, :depth]
    ideal_q = (ideal_qr / np.log2(np.arange(2, ideal_qr.shape[1] + 2))).sum(1)
    return np.asarray(gain_qr.sum(1) / _size(view) * discounts.sum() / np.where(ideal_q > 0, ideal_q, np.nan))


def _alignment(view: PoolView, depth: int | None) -> PerQuestion:
    """(ln N - E ln max) / (ln N - ln R). The largest rank is m or less if all R are among the first m."""
    rank_m = np.arange(1, _size(view) + 1)

    def expected(relevant: int) -> float:
        up_to_m = _share_of_choices(rank_m, relevant, _size(view))
        span = float(np.log(_size(view)) - np.log(relevant))
        worst = float((np.log(rank_m) * np.diff(up_to_m, prepend=0.0)).sum())
        return 1.0 if span == 0 else (float(np.log(_size(view))) - worst) / span

    return _by_count(view, expected)


def _rank_distance(view: PoolView, depth: int | None) -> PerQuestion:
    """(R - 1)(N + 1) / (R + 1): R ranks cut the pool into R + 1 stretches of equal expected length."""
    return (_relevant(view) - 1) * (_size(view) + 1) / (_relevant(view) + 1)


def _own_share(view: PoolView, depth: int | None) -> PerQuestion:
    """Each relevant passage is as likely as the others to be the first of them."""
    return unbiased_preference(view.ranks_qr, view.relevant_language_qr, view.question_language_q)


def _nothing(view: PoolView, depth: int | None) -> PerQuestion:
    """No language is preferred."""
    return 0 * _relevant(view)


def _no_gap(view: PoolView, depth: int | None) -> PerQuestion:
    """In a random order the language of the question does not matter."""
    return np.where((view.translated_qr != PAD).any(1), 0 * _relevant(view), np.nan)


def _language_share(view: PoolView, depth: int | None) -> PerQuestion:
    """Each passage is as likely as the others to be the first: the language's share of the pool."""
    return 0 * _relevant(view) + view.own_passages / _size(view)


def _by_count(view: PoolView, expected: Callable[[int], float]) -> PerQuestion:
    """Compute once for every number of relevant passages."""
    value_q = _relevant(view)
    for count in np.unique(value_q[~np.isnan(value_q)]):
        value_q = np.where(_relevant(view) == count, expected(int(count)), value_q)
    return value_q


def _share_of_choices(among: NDArray[np.int64], relevant: int, size: int) -> NDArray[np.float64]:
    """The share of all choices of R ranks of a pool that lie among so many of its ranks: C(n, R) / C(N, R)."""
    from scipy.special import gammaln  # only what compares with random rankings needs it

    enough = np.maximum(among, relevant)
    log_share = (
        gammaln(enough + 1) - gammaln(enough - relevant + 1) - gammaln(size + 1) + gammaln(size - relevant + 1)
    )
    return np.where(among < relevant, 0.0, np.exp(log_share))


EXPECTED: dict[str, Callable[[PoolView, int | None], PerQuestion]] = {
    "map": _average_precision,
    "map_gap": _no_gap,
    "recall@1": _recall,
    "recall@10": _recall,
    "recall@100": _recall,
    "mrr@10": _reciprocal_rank,
    "ndcg@10": _discounted_gain,
    "alignment_consistency": _alignment,
    "rank_distance": _rank_distance,
    "language_preference": _own_share,
    "unbiased_preference": _own_share,
    "language_bias": _nothing,
    "same_language@1": _language_share,
}
