"""Every metric's values by cell and translation group: what means, intervals and comparisons are made of.

A cell is a question language ("en"), a pair question-passage ("en-de"), or for agreement and geometry an unordered
pair in the benchmark's order of languages. Shapes: c = cells, g = translation groups, q = questions.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sweep.evaluation import agreement, geometry, quality
from sweep.evaluation.ranking import PAD, Ranking

PerQuestion = NDArray[np.float64]
Quality = Callable[[NDArray[np.int32], NDArray[np.int32]], PerQuestion]  # ranks, grades

FULL_DEPTH = None
# Metric -> how deep a ranking must be known, and its values from ranks and grades.
QUALITY: dict[str, tuple[int | None, Quality]] = {
    "map": (FULL_DEPTH, lambda ranks, _: quality.average_precision(ranks)),
    "recall@1": (1, lambda ranks, _: quality.recall_at(ranks, 1)),
    "recall@10": (10, lambda ranks, _: quality.recall_at(ranks, 10)),
    "recall@100": (100, lambda ranks, _: quality.recall_at(ranks, 100)),
    "mrr@10": (10, lambda ranks, _: quality.reciprocal_rank_at(ranks, 10)),
    "ndcg@10": (10, lambda ranks, grades: quality.ndcg_at(ranks, grades, 10)),
}


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


def rank_cells(ranking: Ranking) -> tuple[CellTable, dict[str, Counts]]:
    """All metrics of sections 1 to 3, and the counts of each family of pools."""
    table: CellTable = {}
    counts: dict[str, Counts] = {}
    families = {"mono": _own_pools(ranking, cross=False)}
    if ranking.pooled is not None:
        families["cross"] = _own_pools(ranking, cross=True)
        families["pooled"] = [
            (name, rows, ranking.pooled.rank_qr[rows])
            for name, rows in zip(ranking.languages, _asked(ranking), strict=True)
        ]
    for family, pools in families.items():
        if not pools:  # a single language has no cross-lingual ones
            continue
        counts[family] = _counts(pools)
        for metric in searched_metrics(ranking):
            value = QUALITY[metric][1]
            cells = [(name, rows, value(ranks_qr, ranking.grade_qr[rows])) for name, rows, ranks_qr in pools]
            table[family, metric] = _by_group(ranking, cells)
    if ranking.pooled is not None:
        table |= _alignment(ranking)
        table |= _agreement(ranking)
    return table, counts


def known_at(metric: str, depth: int | None) -> bool:
    """Whether a search to this depth (None: exact ranks) is enough for a metric of retrieval quality."""
    needed = QUALITY[metric][0]
    return depth is None or (needed is not None and needed <= depth)


def searched_metrics(ranking: Ranking) -> list[str]:
    """Metrics of retrieval quality that the depth of the search allows."""
    return [metric for metric in QUALITY if known_at(metric, ranking.search.depth)]


Pool = tuple[str, NDArray[np.int64], NDArray[np.int32]]  # cell, its questions, their ranks in this pool


def _asked(ranking: Ranking) -> list[NDArray[np.int64]]:
    """The questions of each language."""
    return [np.flatnonzero(ranking.language_q == place) for place in range(len(ranking.languages))]


def _own_pools(ranking: Ranking, cross: bool) -> list[Pool]:
    """The pools of one language's passages each, for questions in that language or in the others."""
    pools = []
    for asked, (asked_name, rows) in enumerate(zip(ranking.languages, _asked(ranking), strict=True)):
        language_qr, own_qr = ranking.relevant_language_qr[rows], ranking.own_qr[rows]
        for answered, answered_name in enumerate(ranking.languages):
            if (asked != answered) == cross:
                name = f"{asked_name}-{answered_name}" if cross else asked_name
                pools.append((name, rows, np.where(language_qr == answered, own_qr, PAD)))
    return pools


def _counts(pools: list[Pool]) -> Counts:
    answered = {name: int((ranks_qr != PAD).any(1).sum()) for name, _, ranks_qr in pools}
    return Counts(answered, {name: len(rows) - answered[name] for name, rows, _ in pools})


def _by_group(ranking: Ranking, cells: list[tuple[str, NDArray[np.int64], PerQuestion]]) -> Cells:
    """Values of each cell's questions (in the order of the questions) by translation group."""
    value_cg = np.full((len(cells), len(ranking.groups)), np.nan)
    for place, (_, rows, value_q) in enumerate(cells):
        value_cg[place, ranking.group_q[rows]] = value_q
    return Cells(tuple(name for name, _, _ in cells), value_cg)


def _answered(ranks_qr: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Questions with a relevant passage in the pool; the others are left out of it."""
    return np.asarray((ranks_qr != PAD).any(1))


def _alignment(ranking: Ranking) -> CellTable:
    assert ranking.pooled is not None
    ranks_qr, language_q = ranking.pooled.rank_qr, ranking.language_q
    same_language_q = quality.same_language_first(ranking.pooled.top_language_q, language_q)
    values = {
        "alignment_consistency": quality.alignment_consistency(ranks_qr, ranking.pool_size),
        "rank_distance": quality.rank_distance(ranks_qr),
        "language_preference": quality.prefers_own_language(ranks_qr, ranking.relevant_language_qr, language_q),
        "same_language@1": np.where(_answered(ranks_qr), same_language_q, np.nan),
    }
    return {("pooled", metric): _by_language(ranking, value_q) for metric, value_q in values.items()}


def _by_language(ranking: Ranking, value_q: PerQuestion) -> Cells:
    cells = zip(ranking.languages, _asked(ranking), strict=True)
    return _by_group(ranking, [(name, rows, value_q[rows]) for name, rows in cells])


def _question_of(ranking: Ranking) -> NDArray[np.int64]:
    """The question (row) of every language and translation group (l, g); -1 where there is none."""
    question_lg = np.full((len(ranking.languages), len(ranking.groups)), -1)
    question_lg[ranking.language_q, ranking.group_q] = np.arange(len(ranking.language_q))
    return question_lg


def _pairs(ranking: Ranking) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Each unordered pair of languages with the groups that both have, and these groups' questions in each."""
    question_lg = _question_of(ranking)
    for one, other in combinations(range(len(ranking.languages)), 2):
        groups = np.flatnonzero((question_lg[one] >= 0) & (question_lg[other] >= 0))
        if len(groups):
            name = f"{ranking.languages[one]}-{ranking.languages[other]}"
            yield name, groups, question_lg[one, groups], question_lg[other, groups]


def _pair_cells(
    ranking: Ranking, values: Mapping[str, Mapping[str, tuple[NDArray[np.int64], PerQuestion]]]
) -> CellTable:
    """(family, metric) from family/metric -> pair -> (groups, values)."""
    table: CellTable = {}
    for key, by_pair in values.items():
        value_cg = np.full((len(by_pair), len(ranking.groups)), np.nan)
        for place, (groups, value_g) in enumerate(by_pair.values()):
            value_cg[place, groups] = value_g
        family, metric = key.split("/")
        table[family, metric] = Cells(tuple(by_pair), value_cg)
    return table


def _agreement(ranking: Ranking) -> CellTable:
    """Section 3: parallel questions, their first units and their first passages."""
    assert ranking.pooled is not None
    units_qk, correct_q = ranking.pooled.units_qk, ranking.pooled.top_relevant_q
    answered_q = _answered(ranking.pooled.rank_qr)
    values: dict[str, dict[str, tuple[NDArray[np.int64], PerQuestion]]] = {}
    for pair, groups, one, other in _pairs(ranking):
        for metric, value_g in {
            "rbo": agreement.rank_biased_overlap(units_qk[one], units_qk[other]),
            "jaccard@10": agreement.jaccard(units_qk[one], units_qk[other]),
            "agree_correct@1": agreement.both_correct(correct_q[one], correct_q[other]),
        }.items():
            value_g = np.where(answered_q[one] & answered_q[other], value_g, np.nan)
            values.setdefault(f"agreement/{metric}", {})[pair] = groups, value_g
    return _pair_cells(ranking, values)


def geometry_cells(ranking: Ranking, query_qh: NDArray[np.float32]) -> tuple[CellTable, dict[str, float]]:
    """Section 4: by pair and, for the probe, by language; and the uniformity of each language, which is no mean."""
    values: dict[str, dict[str, tuple[NDArray[np.int64], PerQuestion]]] = {}
    rows_of = {code: np.flatnonzero(ranking.language_q == place) for place, code in enumerate(ranking.languages)}
    # Equal embeddings have exactly equal cosines; a matrix product alone does not see to that.
    distinct = {code: np.unique(query_qh[rows], axis=0, return_inverse=True) for code, rows in rows_of.items()}
    for pair, groups, one, other in _pairs(ranking):
        first, second = (rows_of[code] for code in pair.split("-"))
        (one_uh, row_m), (other_uh, column_n) = (distinct[code] for code in pair.split("-"))
        cosine_mn = (one_uh @ other_uh.T)[np.ix_(row_m, column_n)]
        places = np.searchsorted(first, one), np.searchsorted(second, other)
        for metric, value_g in {
            "bitext_accuracy": geometry.bitext_accuracy(cosine_mn, *places),
            "mexa": geometry.mexa(cosine_mn, *places),
            "alignment_loss": geometry.alignment_loss(query_qh[one], query_qh[other]),
        }.items():
            values.setdefault(f"geometry/{metric}", {})[pair] = groups, value_g
    table = _pair_cells(ranking, values)
    if len(ranking.languages) > 1:
        probe_q = geometry.language_probe(query_qh, ranking.language_q, ranking.group_q)
        if not np.isnan(probe_q).all():
            table["geometry", "language_probe"] = _by_language(ranking, probe_q)
    uniform = {code: geometry.uniformity(query_qh[rows]) for code, rows in rows_of.items()}
    return table, {code: value for code, value in uniform.items() if not np.isnan(value)}
