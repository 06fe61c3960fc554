"""Pools of questions: metrics are computed once a pool, and are the same as cell by cell."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from random_pools import of_pool, random_pools, rank_scores, scores_by_id
from slow_reference import Pool

from sweep.evaluation.cells import rank_cells
from sweep.evaluation.metrics import METRICS
from sweep.evaluation.pools import asked_pools, pools_of
from sweep.evaluation.ranking import Ranking


def ranking_of(pool: Pool) -> Ranking:
    return rank_scores(of_pool(pool), scores_by_id(pool))


@settings(max_examples=60, deadline=None)
@given(st.one_of(random_pools(), random_pools("monolingual")))
def test_values_of_a_pool_are_those_of_its_cells_to_the_bit(pool: Pool) -> None:
    ranking = ranking_of(pool)
    table, counts = rank_cells(ranking)
    by_name = {metric.name: metric for metric in METRICS}
    for family, pools in pools_of(ranking).items():
        for (of, name), cells in table.items():
            if of != family:
                continue
            assert cells.names == tuple(cell for cell, _, _ in pools)
            for place, (_, rows, view) in enumerate(pools):
                own_g = by_name[name].among(view, by_name[name].values(view))
                np.testing.assert_array_equal(cells.value_cg[place, ranking.group_q[rows]], own_g)
        if pools:
            assert list(counts[family].questions) == [cell for cell, _, _ in pools]


def test_fourteen_languages_have_sixteen_pools_as_narrow_as_they_can_be() -> None:
    """Cell by cell it is 210 of them, and 14 ranks of a question of which 13 are padding."""
    languages = [f"l{place:02d}" for place in range(14)]
    questions = [(f"g{group}", code) for group in range(3) for code in languages]
    passages = [(f"g{group}{code}", code, "") for group in range(3) for code in languages]
    grades = {f"g{group}": {f"g{group}{code}": 1 for code in languages} for group in range(3)}
    rng = np.random.default_rng(0)
    scores = rng.random((len(questions), len(passages))).tolist()
    pools = asked_pools(ranking_of(Pool(languages, questions, passages, grades, scores, "parallel", {})))
    assert {family: len(listed) for family, listed in pools.items()} == {"mono": 1, "cross": 14, "pooled": 1}
    assert {family: listed[0].view.ranks_qr.shape for family, listed in pools.items()} == {
        "mono": (42, 1),
        "cross": (42, 1),
        "pooled": (42, 14),
    }
    assert sum(len(pool.cells) for pool in pools["cross"]) == 14 * 13
