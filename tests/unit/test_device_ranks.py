"""Ranks counted on a device: the very code that runs on a GPU, here on a CPU, against exact arithmetic.

Kernels of other devices add up in other orders: their sums are simulated by noise as large as the bound allows.
"""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from random_pools import make_benchmark, of_pool, random_pools, scores_by_id
from slow_reference import Pool

from sweep.data.benchmark import Benchmark
from sweep.evaluation import device_blocks, device_ranks, exact_products
from sweep.evaluation.device_blocks import in_blocks
from sweep.evaluation.device_ranks import exact_ranks_on, rank_parallel_on
from sweep.evaluation.exact_products import exact_score, limits, longest, sum_error
from sweep.evaluation.monolingual_ranks import exact_ranks
from sweep.evaluation.parallel_ranks import rank_parallel
from sweep.evaluation.ranking import PAD, Ranking

CPU = torch.device("cpu")
Embedded = tuple[NDArray[np.float32], NDArray[np.float32]]


def assert_same(one: Ranking, other: Ranking) -> None:
    assert one.own_qr.tolist() == other.own_qr.tolist()
    assert one.pooled is not None
    assert other.pooled is not None
    for name in ("rank_qr", "top_language_q", "top_relevant_q", "units_qk"):
        assert getattr(one.pooled, name).tolist() == getattr(other.pooled, name).tolist(), name


def add_noise(patch: pytest.MonkeyPatch, seed: int, share: float = 0.99) -> list[float]:
    """Let products be off by up to nearly the bound that holds for any order of additions; the largest error."""
    rng, plain, largest = np.random.default_rng(seed), device_blocks.products, [0.0]

    def products(query_bh: torch.Tensor, passage_ch: torch.Tensor) -> torch.Tensor:
        scores_bc = plain(query_bh, passage_ch)
        norms = longest(query_bh.numpy()), longest(passage_ch.numpy())
        bound = share * sum_error(query_bh.shape[1], *norms) / exact_products.SLACK
        noise_bc = bound * rng.choice([-1.0, 1.0, 0.5], scores_bc.shape)
        largest[0] = max(largest[0], float(np.abs(noise_bc).max()))
        return scores_bc + torch.from_numpy(noise_bc)

    patch.setattr(device_blocks, "products", products)
    return largest


@settings(max_examples=60, deadline=None)
@given(random_pools(), st.integers(1, 4), st.booleans())
def test_pools_with_ties_have_the_ranks_of_the_cpu(pool: Pool, rows: int, noisy: bool) -> None:
    bench, scores_qd = of_pool(pool), scores_by_id(pool)
    identity, numbers = np.eye(len(bench.passages), dtype=np.float32), np.arange(len(bench.passages))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_ranks, "rows_that_fit", lambda columns, device: rows)
        if noisy:
            add_noise(patch, 1)
        on_device = rank_parallel_on(CPU, bench, scores_qd, identity, numbers)
    assert_same(on_device, rank_parallel(bench, scores_qd, identity, numbers))


# Products that differ by less than float32 tells apart ----------------------------------------------------------


def near_ties(seed: int, questions: int = 4, passages: int = 40, width: int = 24) -> Embedded:
    """Passages whose products with the questions are a few float32 steps apart, or less than one, or equal in numbers
    that are added up in another order."""
    rng = np.random.default_rng(seed)
    query_qh = rng.normal(size=(questions, width)).astype(np.float32)
    query_qh[1] = query_qh[0, ::-1]
    passage_dh = np.tile(rng.normal(size=width).astype(np.float32), (passages, 1))
    passage_dh[1] = passage_dh[0]
    for row in range(2, passages):
        place = rng.integers(width)
        steps = passage_dh[row, place] * np.float32(2.0**-23) * rng.integers(-3, 4)
        passage_dh[row, place] += np.float32(steps)
    query_qh[2], passage_dh[:, width // 2 :] = np.abs(query_qh[2, 0]), passage_dh[:, : width // 2]
    passage_dh[3::7] = passage_dh[3::7, ::-1]  # of question 2 the same sum in another order
    query_qh /= np.linalg.norm(query_qh, axis=1, keepdims=True)
    passage_dh /= np.linalg.norm(passage_dh, axis=1, keepdims=True).max()
    return query_qh, passage_dh


def rounded_scores(query_qh: NDArray[np.float32], passage_dh: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inner products in rational numbers, then rounded."""
    rows = [[Fraction(float(value)) for value in row_h] for row_h in (*query_qh, *passage_dh)]
    queries, passages = rows[: len(query_qh)], rows[len(query_qh) :]
    return np.array(
        [[np.float32(float(sum(a * b for a, b in zip(q, d, strict=True)))) for d in passages] for q in queries]
    )


def orders_of(score_qd: NDArray[np.float32]) -> list[list[int]]:
    return [sorted(range(len(score_d)), key=lambda d: (-score_d[d], d)) for score_d in score_qd]


def near_benchmark(passages: int) -> Benchmark:
    ids = [f"p{number:03d}" for number in range(passages)]
    pools = {"en": ids[::2], "de": ids[1::2]}
    units = {id_: f"u{number % 17}" for number, id_ in enumerate(ids)}
    questions = [(group, code) for group in ("g", "h") for code in pools]
    return make_benchmark(pools, questions, {"g": {*ids[:9]}, "h": {*ids[20:28]}}, units)


@pytest.mark.parametrize("seed", range(6))
def test_near_ties_have_the_ranks_of_exact_arithmetic(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    query_qh, passage_dh = near_ties(seed)
    bench = near_benchmark(len(passage_dh))
    order_q = orders_of(rounded_scores(query_qh, passage_dh))
    settled = add_noise(monkeypatch, seed)
    ranking = rank_parallel_on(CPU, bench, query_qh, passage_dh, np.arange(len(passage_dh)))
    assert ranking.pooled is not None
    assert settled[0] > 0
    unit_d, language_d = bench.passages.unit_d, bench.passages.language_d
    for row, order in enumerate(order_q):
        relevant = bench.relevant_q[row].tolist()
        assert ranking.pooled.rank_qr[row, : len(relevant)].tolist() == [order.index(d) + 1 for d in relevant]
        for place, d in enumerate(relevant):
            own = [other for other in order if language_d[other] == language_d[d]]
            assert ranking.own_qr[row, place] == own.index(d) + 1
        units = list(dict.fromkeys(int(unit_d[d]) for d in order))[:10]
        assert ranking.pooled.units_qk[row].tolist() == units
        assert ranking.pooled.top_language_q[row] == language_d[order[0]]
        assert ranking.pooled.top_relevant_q[row] == (order[0] in relevant)


def test_float32_products_would_not_give_these_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the exact arithmetic is for: a kernel's own float32 sums order near ties otherwise."""
    query_qh, passage_dh = near_ties(0)
    bench, numbers = near_benchmark(len(passage_dh)), np.arange(len(passage_dh))
    exact = rank_parallel_on(CPU, bench, query_qh, passage_dh, numbers)
    monkeypatch.setattr(device_blocks, "products", lambda query_bh, passage_ch: (query_bh @ passage_ch.T).double())
    single = rank_parallel_on(CPU, bench, query_qh, passage_dh, numbers)
    assert single.own_qr.tolist() != exact.own_qr.tolist()


@pytest.mark.parametrize("seed", range(4))
def test_a_pool_in_blocks_has_the_same_ranks(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    query_qh, passage_dh = near_ties(seed)
    order_q = orders_of(rounded_scores(query_qh, passage_dh))
    relevant_qr = np.array([[5, 0, 31], [3, 1, -1], [39, 10, 17], [2, 20, -1]])
    ignored_q = [np.array([], np.int64), np.array([4, 38]), np.array([0]), np.array([19, 21, 22])]
    expected = [
        [PAD if d < 0 else [one for one in order if one not in ignored].index(d) + 1 for d in row]
        for order, ignored, row in zip(order_q, ignored_q, relevant_qr.tolist(), strict=True)
    ]
    add_noise(monkeypatch, seed)
    for passages, questions in ((7, 3), (1, 1), (100, 100)):
        monkeypatch.setattr(device_ranks, "PASSAGES_PER_BLOCK", passages)
        monkeypatch.setattr(device_ranks, "rows_that_fit", lambda columns, device, size=questions: size)
        ranks_qr = exact_ranks_on(CPU, query_qh, passage_dh, np.arange(40), relevant_qr, ignored_q)
        assert ranks_qr.tolist() == expected


def test_the_limits_are_those_of_rounding() -> None:
    score = np.array([0.75, -0.3, 0.0, 1e-30, np.inf], np.float32)
    below, tie_low, tie_high, above = limits(score, 0.0)
    assert (below == tie_low).all()
    assert (tie_high == above).all()
    for one, low, high in zip(score[:4], below, above, strict=False):
        assert np.float32(low - abs(low) * 2e-16) < one < np.float32(high + abs(high) * 2e-16)
        assert np.float32((low + high) / 2) == one
    assert above[4] == np.inf


def test_a_sum_that_float64_cannot_tell_is_exact() -> None:
    query_h = np.array([1.0, 2.0**-30, -1.0, 1.0], np.float32)
    passage_h = np.array([2.0**60, 1.0, 2.0**60, 0.0], np.float32)
    assert exact_score(query_h, passage_h) == np.float32(2.0**-30)


# Random embeddings: as on the CPU, but where its own rounding decides ---------------------------------------------


@pytest.mark.parametrize("width", [16, 384])
def test_ranks_differ_from_those_of_the_cpu_only_within_its_rounding(width: int) -> None:
    rng = np.random.default_rng(width)
    ids = [f"p{number:04d}" for number in range(800)]
    questions = [(f"g{number}", code) for number in range(40) for code in ("en", "de")]
    relevant = {f"g{number}": {*ids[number * 20 : number * 20 + 3]} for number in range(40)}
    bench = make_benchmark({"en": ids[::2], "de": ids[1::2]}, questions, relevant)
    query_qh, passage_dh = (rng.normal(size=(size, width)).astype(np.float32) for size in (80, 800))
    for embedding in (query_qh, passage_dh):
        embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    numbers = np.arange(800)
    on_device = rank_parallel_on(CPU, bench, query_qh, passage_dh, numbers)
    on_cpu = rank_parallel(bench, query_qh, passage_dh, numbers)
    assert on_device.pooled is not None
    assert on_cpu.pooled is not None
    sums_qd = query_qh.astype(np.float64) @ passage_dh.T.astype(np.float64)
    for row, place in zip(*np.nonzero(on_device.pooled.rank_qr != on_cpu.pooled.rank_qr), strict=True):
        gap_d = np.abs(sums_qd[row] - sums_qd[row, bench.relevant_q[row][place]])
        moved = abs(int(on_device.pooled.rank_qr[row, place]) - int(on_cpu.pooled.rank_qr[row, place]))
        assert np.sort(gap_d)[moved] < width * 2.0**-24
    assert (on_device.own_qr != on_cpu.own_qr).mean() < 0.02


def test_a_collapsed_encoder_ranks_by_id() -> None:
    ids = [f"p{number:03d}" for number in range(60)]
    bench = make_benchmark({"en": ids}, [("g", "en"), ("h", "en")], {"g": {"p003"}, "h": {"p059", "p010"}})
    query_qh, passage_uh = np.full((2, 8), 8**-0.5, np.float32), np.full((1, 8), 8**-0.5, np.float32)
    ranking = rank_parallel_on(CPU, bench, query_qh, passage_uh, np.zeros(60, np.int64))
    assert [[rank for rank in row if rank] for row in ranking.own_qr.tolist()] == [[4], [11, 60]]


# Memory ------------------------------------------------------------------------------------------------------------


def test_without_memory_blocks_are_halved_and_the_ranks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    query_qh, passage_dh = near_ties(3)
    bench, numbers = near_benchmark(40), np.arange(40)
    expected = rank_parallel_on(CPU, bench, query_qh, passage_dh, numbers)
    plain, asked = device_blocks.products, []

    def products(query_bh: torch.Tensor, passage_ch: torch.Tensor) -> torch.Tensor:
        asked.append(len(query_bh))
        if len(query_bh) > 1:
            torch.empty(2**60, dtype=torch.uint8)  # more than any machine has
        return plain(query_bh, passage_ch)

    monkeypatch.setattr(device_blocks, "products", products)
    assert_same(rank_parallel_on(CPU, bench, query_qh, passage_dh, numbers), expected)
    assert asked == [4, 2, 1, 1, 1, 1]


def test_one_question_without_memory_raises_and_other_errors_are_not_swallowed() -> None:
    def no_memory(rows: slice) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    def broken(rows: slice) -> None:
        raise RuntimeError("device-side assert triggered")

    with pytest.raises(torch.OutOfMemoryError):
        in_blocks(8, 4, CPU, no_memory)
    with pytest.raises(RuntimeError, match="device-side"):
        in_blocks(8, 4, CPU, broken)


def test_all_rows_come_once(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[int] = []

    def work(rows: slice) -> None:
        if rows.stop - rows.start > 3:
            raise MemoryError
        done.extend(range(rows.start, rows.stop))

    in_blocks(23, 16, CPU, work)
    assert done == list(range(23))


def test_a_cpu_takes_its_own_way_and_a_gpu_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    monkeypatch.setattr("sweep.evaluation.parallel_ranks.rank_parallel_on", lambda device, *rest: taken.append("all"))
    monkeypatch.setattr(
        "sweep.evaluation.monolingual_ranks.exact_ranks_on", lambda device, *rest: taken.append("own")
    )
    bench, one = make_benchmark({"en": ["a"]}, [("g", "en")], {"g": {"a"}}), np.ones((1, 1), np.float32)
    for device in (None, CPU, torch.device("mps"), torch.device("cuda", 1)):
        rank_parallel(bench, one, one, np.zeros(1, np.int64), device)
        exact_ranks(one, one, np.zeros(1, np.int64), np.zeros((1, 1), np.int64), device=device)
    assert taken == ["all", "own"]
