"""Every metric's values by cell and translation group: what means, intervals and comparisons are made of.

A cell is a question language ("en"), a pair question-passage ("en-de"), or for agreement and geometry an unordered
pair in the benchmark's order of languages. Shapes: c = cells, g = translation groups, q = questions.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sweep.evaluation.metrics import Metric, metrics_of
from sweep.evaluation.pools import AskedPool, asked_pools, question_table, rows_by_language
from sweep.evaluation.ranking import PAD, Ranking
from sweep.evaluation.views import AnswersView, EmbeddingsView, LanguageView, TranslationsView

Rows = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cells:
    """One metric by cell. `value_cg` is NaN where a translation group has no value: no such question, or no relevant
    passage in the pool. A cell's figure is the mean over its groups."""

    names: tuple[str, ...]
    value_cg: NDArray[np.float64]


CellTable = dict[tuple[str, str], Cells]  # (family, metric)


@dataclass(frozen=True, eq=False)
class Counts:
    """How many questions count in a family's cells, and how many are left out for want of a relevant passage."""

    questions: dict[str, int]
    left_out: dict[str, int]


def rank_cells(
    ranking: Ranking, only: Collection[tuple[str, str]] | None = None
) -> tuple[CellTable, dict[str, Counts]]:
    """All metrics that come from ranks, or `only` some (family, metric), and the counts of each family of pools."""
    table: CellTable = {}
    counts: dict[str, Counts] = {}
    translated = only is None or any(metric == "map_gap" for _, metric in only)
    for family, pools in asked_pools(ranking, translated).items():
        if not pools:  # a single language has no cross-lingual ones
            continue
        counts[family] = _counts(pools)
        for metric in metrics_of(family):
            if metric.known_at(ranking.search.depth) and (only is None or (family, metric.name) in only):
                table[family, metric.name] = _cells(ranking, _values(ranking, pools, metric))
    if ranking.pooled is not None and (only is None or any(family == "agreement" for family, _ in only)):
        table |= _agreement(ranking)
    return table, counts


def searched_metrics(ranking: Ranking) -> list[str]:
    """Metrics of retrieval quality that the depth of the search allows."""
    return [metric.name for metric in metrics_of("mono") if metric.known_at(ranking.search.depth)]


def _values(ranking: Ranking, pools: Iterable[AskedPool], metric: Metric) -> list[tuple[str, Rows, Values]]:
    """Each cell's name, translation groups, and a metric's value for each of these."""
    values = []
    for pool in pools:
        value_q = metric.among(pool.view, metric.values(pool.view))
        values += [(cell, value_q[cell.rows]) for cell in pool.cells]
    values.sort(key=lambda one: one[0].place)
    return [(cell.name, ranking.group_q[cell.rows], value_g) for cell, value_g in values]


def _counts(pools: Iterable[AskedPool]) -> Counts:
    counted = []
    for pool in pools:
        answered_q = _answered(pool.view.ranks_qr)
        counted += [(cell.place, cell.name, len(cell.rows), int(answered_q[cell.rows].sum())) for cell in pool.cells]
    counted.sort()
    return Counts(
        {name: answered for _, name, _, answered in counted},
        {name: asked - answered for _, name, asked, answered in counted},
    )


def _answered(ranks_qr: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Questions with a relevant passage in the pool; the others are left out of it."""
    return np.asarray((ranks_qr != PAD).any(1))


def _cells(ranking: Ranking, values: Iterable[tuple[str, Rows, Values]]) -> Cells:
    """From each cell's name, translation groups, and a value for each of these."""
    listed = list(values)
    value_cg = np.full((len(listed), len(ranking.groups)), np.nan)
    for place, (_, groups, value_g) in enumerate(listed):
        value_cg[place, groups] = value_g
    return Cells(tuple(name for name, _, _ in listed), value_cg)


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two languages (by their places), the groups that both have, and these groups' questions in each."""

    one: int
    other: int
    name: str
    groups: Rows
    one_rows: Rows
    other_rows: Rows


def _pairs(ranking: Ranking) -> Iterator[_Pair]:
    """Each unordered pair of languages that have a group in common."""
    question_lg = question_table(ranking)
    for one, other in combinations(range(len(ranking.languages)), 2):
        groups = np.flatnonzero((question_lg[one] >= 0) & (question_lg[other] >= 0))
        if len(groups):
            name = f"{ranking.languages[one]}-{ranking.languages[other]}"
            yield _Pair(one, other, name, groups, question_lg[one, groups], question_lg[other, groups])


def _agreement(ranking: Ranking) -> CellTable:
    """Parallel questions, their first units and their first passages."""
    assert ranking.pooled is not None
    units_qk, correct_q = ranking.pooled.units_qk, ranking.pooled.top_relevant_q
    answered_q = _answered(ranking.pooled.rank_qr)
    values: dict[Metric, list[tuple[str, Rows, Values]]] = {}
    for pair in _pairs(ranking):
        one, other = pair.one_rows, pair.other_rows
        view = AnswersView(units_qk[one], units_qk[other], correct_q[one], correct_q[other])
        for metric in metrics_of("agreement"):
            value_g = np.where(answered_q[one] & answered_q[other], metric.values(view), np.nan)
            values.setdefault(metric, []).append((pair.name, pair.groups, value_g))
    return {("agreement", metric.name): _cells(ranking, by_pair) for metric, by_pair in values.items()}


Plain = Mapping[tuple[str, str], Mapping[str, float]]  # (family, metric) -> cell -> a figure that is no mean


def geometry_cells(ranking: Ranking, query_qh: NDArray[np.float32]) -> tuple[CellTable, Plain]:
    """All metrics of embeddings (q, h): those that are means, and each language's figure of those that are not."""
    values: dict[Metric, list[tuple[str, Rows, Values]]] = {}
    for pair, view in _translations(ranking, query_qh):
        for metric in metrics_of("geometry", "pair"):
            values.setdefault(metric, []).append((pair.name, pair.groups, metric.values(view)))
    table = {("geometry", metric.name): _cells(ranking, by_pair) for metric, by_pair in values.items()}
    rows_of = dict(zip(ranking.languages, rows_by_language(ranking), strict=True))
    plain: dict[tuple[str, str], dict[str, float]] = {}
    everything = EmbeddingsView(query_qh, ranking.language_q, ranking.group_q)
    for metric in metrics_of("geometry", "language"):
        if metric.is_mean:
            value_q = metric.values(everything)
            if not np.isnan(value_q).all():
                cells = [(code, ranking.group_q[rows], value_q[rows]) for code, rows in rows_of.items()]
                table["geometry", metric.name] = _cells(ranking, cells)
        else:
            figures = {code: float(metric.values(LanguageView(query_qh[rows]))) for code, rows in rows_of.items()}
            plain["geometry", metric.name] = {
                code: figure for code, figure in figures.items() if not np.isnan(figure)
            }
    return table, plain


def _translations(ranking: Ranking, query_qh: NDArray[np.float32]) -> Iterator[tuple[_Pair, TranslationsView]]:
    rows_l = rows_by_language(ranking)
    # Equal embeddings have exactly equal cosines; a matrix product alone does not see to that.
    distinct = [np.unique(query_qh[rows], axis=0, return_inverse=True) for rows in rows_l]
    for pair in _pairs(ranking):
        (one_uh, row_m), (other_uh, column_n) = distinct[pair.one], distinct[pair.other]
        yield (
            pair,
            TranslationsView(
                one_gh=query_qh[pair.one_rows],
                other_gh=query_qh[pair.other_rows],
                cosine_mn=(one_uh @ other_uh.T)[np.ix_(row_m, column_n)],
                row_g=np.searchsorted(rows_l[pair.one], pair.one_rows),
                column_g=np.searchsorted(rows_l[pair.other], pair.other_rows),
            ),
        )
