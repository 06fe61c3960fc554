"""Two halves of a benchmark's questions: one that points are chosen by, and the other one for all that is reported.

A choice is made among noisy figures, so the figures that it was made by flatter what was chosen; those of questions
that had no say do not (docs/statistics.md). A translation group is in one half with all its questions, by a hash of
its id alone: it is the same half in every trial, study and version. Pools stay whole: ranks are over all passages.
Shapes: q = questions, h = hidden size.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sweep.evaluation.cells import Plain, geometry_cells, rank_cells
from sweep.evaluation.columns import CARD, RESULTS
from sweep.evaluation.rank_file import read_ranking
from sweep.evaluation.ranking import Ranking
from sweep.evaluation.summarise import Evaluated, Members, summarise
from sweep.settings import StudySettings
from sweep.settings.metric_key import Half, MetricKey

Wanted = Mapping[Half, Collection[str]]  # keys, of the benchmark as a whole, that each half is to have figures of


def wanted_of(study: StudySettings, benchmark: str) -> Wanted:
    """What a study with `select_on=half` wants of each half of a benchmark: of one its objectives and constraints, of
    the other one what its tables show, too. Nothing if it chooses by all questions."""
    if not study.selects_on_half:
        return {}
    shown = [str(column.key(benchmark)) for column in (*RESULTS, *CARD)]
    goals = tuple(metric for metric in study.goals if MetricKey.parse(metric).benchmark == benchmark)
    return {"select": goals, "report": tuple(dict.fromkeys([*shown, *goals]))}


def half_of(group: str) -> Half:
    """The half of a translation group: the parity of the first byte of the SHA-256 of its id in UTF-8."""
    return "report" if sha256(group.encode()).digest()[0] % 2 else "select"


def of_half(ranking: Ranking, half: Half) -> Ranking:
    """The questions of one half, with the ranks that they have."""
    return _of_rows(ranking, _rows(ranking, half))


def _rows(ranking: Ranking, half: Half) -> NDArray[np.int64]:
    in_half_g = np.array([half_of(group) == half for group in ranking.groups], bool)
    return np.flatnonzero(in_half_g[ranking.group_q])


def _of_rows(ranking: Ranking, rows: NDArray[np.int64]) -> Ranking:
    kept_g, group_q = np.unique(ranking.group_q[rows], return_inverse=True)
    pooled = ranking.pooled
    if pooled is not None:
        pooled = replace(
            pooled,
            rank_qr=pooled.rank_qr[rows],
            top_language_q=pooled.top_language_q[rows],
            top_relevant_q=pooled.top_relevant_q[rows],
            units_qk=pooled.units_qk[rows],
        )
    return replace(
        ranking,
        groups=tuple(ranking.groups[place] for place in kept_g),
        group_q=group_q,
        language_q=ranking.language_q[rows],
        relevant_language_qr=ranking.relevant_language_qr[rows],
        grade_qr=ranking.grade_qr[rows],
        own_qr=ranking.own_qr[rows],
        pooled=pooled,
        ignored_ql=None if ranking.ignored_ql is None else ranking.ignored_ql[rows],
    )


def evaluated_halves(
    ranking: Ranking, tiers: Members, wanted: Wanted, query_qh: NDArray[np.float32] | None = None
) -> Evaluated:
    """The wanted figures of each half by their keys (`xquad_r+select/mono/map`), with their intervals.

    Those of geometry need the questions' embeddings (q, h), and are of the half's questions alone: neighbours are
    sought among them. A figure that a half does not have is left out.
    """
    metrics, intervals = {}, {}
    for half, keys in wanted.items():
        rows = _rows(ranking, half)
        own = _of_rows(ranking, rows)
        asked = {MetricKey.parse(key).whole for key in keys}
        table, counts = rank_cells(own)
        plain: Plain = {}
        if query_qh is not None and any(key.family == "geometry" for key in asked):
            geometry, plain = geometry_cells(own, query_qh[rows])
            table |= geometry
        named = {(key.family, key.metric) for key in asked}
        table = {name: cells for name, cells in table.items() if name in named}
        figures = summarise(ranking.benchmark, table, counts, plain, tiers)
        for key in keys:
            name = str(MetricKey.parse(key).of_half(half))
            if key in figures.metrics:
                metrics[name] = figures.metrics[key]
            if key in figures.intervals:
                intervals[name] = figures.intervals[key]
    return Evaluated(metrics, intervals)


def figures_from_ranks(file: Path, wanted: Wanted) -> dict[str, float]:
    """The same figures from a file of ranks; none of geometry. Raises InputError if the file is damaged."""
    ranking, tiers = read_ranking(file)
    return evaluated_halves(ranking, tiers, wanted).metrics
