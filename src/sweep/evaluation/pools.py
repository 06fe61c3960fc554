"""The pools that questions are asked of: of one language's passages each, and of all passages together.

A metric is computed once for all questions of a pool, and its values are cut into cells: a benchmark of 14 languages
has 210 cells, and 16 pools. Shapes: q = questions, r = relevant passages of a question (padded), l = languages,
g = translation groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep.evaluation.families import POOLS
from sweep.evaluation.ranking import PAD, Ranking
from sweep.evaluation.views import PoolView, Size

Rows = NDArray[np.int64]
Pool = tuple[str, Rows, PoolView]  # cell, its questions, and what their metrics look at


@dataclass(frozen=True)
class Cell:
    """Some of a pool's questions: those in one language. `place` orders the cells of a family."""

    place: tuple[int, int]
    name: str
    rows: Rows


@dataclass(frozen=True, eq=False)
class AskedPool:
    """What the metrics of a pool look at, for all questions of the benchmark, and the cells made of them."""

    view: PoolView
    cells: tuple[Cell, ...]


def asked_pools(ranking: Ranking, translated: bool = True) -> dict[str, list[AskedPool]]:
    """The pools of every family that the ranking has. Without questions, or without passages, there is no cell.
    `translated`: with the ranks of translations, which only `map_gap` looks at."""
    pools: dict[str, list[AskedPool]] = {
        family: [] for family in (POOLS if ranking.pooled is not None else POOLS[:1])
    }
    asked_rows = [
        (asked, ranking.languages[asked], rows) for asked, rows in enumerate(rows_by_language(ranking)) if len(rows)
    ]
    with_passages = set(np.flatnonzero(ranking.pool_size_l).tolist())
    questions = _questions(ranking)
    own = tuple(Cell((asked, asked), name, rows) for asked, name, rows in asked_rows if asked in with_passages)
    pools["mono"].append(AskedPool(_within(questions, ranking.language_q[:, None], size=questions.own_passages), own))
    if ranking.pooled is None:
        return {family: [pool for pool in listed if pool.cells] for family, listed in pools.items()}
    question_lg = question_table(ranking)
    for answered in sorted(with_passages):
        code = ranking.languages[answered]
        size = _pool_size(ranking, np.full(len(ranking.language_q), ranking.pool_size_l[answered]), [answered])
        view = _within(questions, answered, size)
        if translated:
            view = replace(view, translated_qr=_of_others(view, question_lg[answered, ranking.group_q]))
        others = [one for one in asked_rows if one[0] != answered]
        cells = tuple(Cell((asked, answered), f"{name}-{code}", rows) for asked, name, rows in others)
        pools["cross"].append(AskedPool(view, cells))
    pooled = tuple(Cell((asked, 0), name, rows) for asked, name, rows in asked_rows)
    pools["pooled"].append(AskedPool(replace(questions, ranks_qr=ranking.pooled.rank_qr), pooled))
    return {family: [pool for pool in listed if pool.cells] for family, listed in pools.items()}


def pools_of(ranking: Ranking) -> dict[str, list[Pool]]:
    """The same by cell: the questions in one language in each pool."""
    pools: dict[str, list[Pool]] = {}
    for family, asked in asked_pools(ranking).items():
        ordered = sorted(((cell, pool.view) for pool in asked for cell in pool.cells), key=lambda one: one[0].place)
        pools[family] = [(cell.name, cell.rows, _of_rows(view, cell.rows)) for cell, view in ordered]
    return pools


def question_table(ranking: Ranking) -> NDArray[np.int64]:
    """The question of each language and translation group; -1 where there is none."""
    question_lg = np.full((len(ranking.languages), len(ranking.groups)), -1)
    question_lg[ranking.language_q, ranking.group_q] = np.arange(len(ranking.language_q))
    return question_lg


def rows_by_language(ranking: Ranking) -> list[Rows]:
    """The questions of each language."""
    return [np.flatnonzero(ranking.language_q == place) for place in range(len(ranking.languages))]


def _questions(ranking: Ranking) -> PoolView:
    """All questions, with each passage's rank in its own language."""
    own_q = ranking.language_q[:, None]
    size_q = ranking.pool_size_l[ranking.language_q]
    if ranking.ignored_ql is not None and len(own_q):
        size_q = _less(size_q, np.take_along_axis(ranking.ignored_ql, own_q, 1)[:, 0])
    unknown_q = np.full(len(own_q), -1)
    total: Size = ranking.pool_size
    if ranking.ignored_ql is not None:
        total = _less(np.full(len(own_q), total), ranking.ignored_ql.sum(1))
    return PoolView(
        ranks_qr=ranking.own_qr,
        grade_qr=ranking.grade_qr,
        relevant_language_qr=ranking.relevant_language_qr,
        question_language_q=ranking.language_q,
        pool_size=total,
        own_passages=size_q,
        top_language_q=unknown_q if ranking.pooled is None else ranking.pooled.top_language_q,
        translated_qr=np.full((len(own_q), 1), PAD, np.int32),
    )


def _pool_size(ranking: Ranking, size_q: Rows, languages: Sequence[int]) -> Rows:
    """Passages of the languages, less those that a question ignores."""
    if ranking.ignored_ql is None:
        return size_q
    return _less(size_q, ranking.ignored_ql[:, languages].sum(1))


def _less(size_q: Rows, ignored_q: NDArray[np.integer[Any]]) -> Rows:
    """A pool without any passage has no relevant one either: at least one is left, but of none."""
    return np.where(size_q > 0, np.maximum(1, size_q - ignored_q), size_q)


def _within(questions: PoolView, language: int | NDArray[np.int64], size: Size) -> PoolView:
    """The pool of one language's passages, of each question's own one (q, 1) if several are given. A question of a
    parallel benchmark has one relevant passage there: then nothing is padded."""
    is_here_qr = questions.relevant_language_qr == language
    ranks_qr = np.where(is_here_qr, questions.ranks_qr, PAD)
    view = replace(questions, ranks_qr=ranks_qr, pool_size=size)
    if ranks_qr.shape[1] == 1 or is_here_qr.sum(1).max(initial=0) > 1:
        return view
    place_q1 = is_here_qr.argmax(1)[:, None]
    narrow = {
        name: np.take_along_axis(getattr(view, name), place_q1, 1)
        for name in ("ranks_qr", "grade_qr", "relevant_language_qr")
    }
    return replace(view, **narrow)


def _of_others(view: PoolView, other_q: Rows) -> NDArray[np.int32]:
    """The ranks of other questions (-1: there is none) in the same pool."""
    return np.where((other_q >= 0)[:, None], view.ranks_qr[other_q], PAD)


def _of_rows(view: PoolView, rows: Rows) -> PoolView:
    """Some questions of a pool; its sizes are numbers where they are the same for all of them."""
    return PoolView(
        ranks_qr=view.ranks_qr[rows],
        grade_qr=view.grade_qr[rows],
        relevant_language_qr=view.relevant_language_qr[rows],
        question_language_q=view.question_language_q[rows],
        pool_size=_one(view.pool_size, rows),
        own_passages=_one(view.own_passages, rows),
        top_language_q=view.top_language_q[rows],
        translated_qr=view.translated_qr[rows],
    )


def _one(size: Size, rows: Rows) -> Size:
    if isinstance(size, int):
        return size
    own_q = size[rows]
    return int(own_q[0]) if (own_q == own_q[0]).all() else own_q
