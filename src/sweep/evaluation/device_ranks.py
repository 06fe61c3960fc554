"""Exact ranks counted on a device: scores that are surely higher, lower or equal there, the few open ones on the CPU.

The scores are inner products correctly rounded to float32 (`exact_products`), so the ranks are the same on every
device. On the CPU alone, ranks are counted from its own float32 products; they differ from these only where two
passages' products are nearer to each other than the rounding of those.

Shapes: q = questions, d = passages, c = columns, b = questions of a block, r = relevant passages (padded),
u = distinct units, l = languages, k = best units, n = open comparisons, h = hidden size.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sweep.data.benchmark import Benchmark
from sweep.evaluation import device_blocks
from sweep.evaluation.device_blocks import in_blocks, rows_that_fit
from sweep.evaluation.exact_products import ExactProducts, Limits, limits, longest, sum_error
from sweep.evaluation.pool_columns import pool_columns
from sweep.evaluation.ranking import NO_UNIT, PAD, TOP_UNITS, Pooled, Ranking, Ranks2D, Search, ranking, targets

PASSAGES_PER_BLOCK = 262_144  # of a pool that is read a block at a time

Rows = NDArray[np.int64]


class _Wanted(NamedTuple):
    """The relevant passages of some questions: their numbers (-1 in padding), scores, and the limits of these."""

    relevant_qr: Rows
    score_qr: NDArray[np.float32]  # +inf in padding
    limits_qr: Limits

    @classmethod
    def of(cls, relevant_qr: Rows, text_d: Rows, exact: ExactProducts) -> "_Wanted":
        row_n, place_n = np.nonzero(relevant_qr >= 0)
        score_qr = np.full(relevant_qr.shape, np.inf, np.float32)
        score_qr[row_n, place_n] = exact.scores(row_n, text_d[relevant_qr[row_n, place_n]])
        return cls(relevant_qr, score_qr, limits(score_qr, exact.error))


class _Columns(NamedTuple):
    """Passages that stand side by side: their numbers, and the rows of their texts; and the numbers on the device."""

    passage_c: Rows
    text_c: Rows
    on_device_c: Tensor

    def slice(self, low: int, high: int) -> "_Columns":
        return _Columns(self.passage_c[low:high], self.text_c[low:high], self.on_device_c[low:high])


def rank_parallel_on(
    device: torch.device,
    benchmark: Benchmark,
    query_qh: NDArray[np.float32],
    passage_uh: NDArray[np.float32],
    text_d: Rows,
) -> Ranking:
    """`rank_parallel` on a device. Raises torch's OutOfMemoryError if it has no memory for a single question."""
    pool, relevant = pool_columns(benchmark), targets(benchmark)
    exact = ExactProducts(query_qh, passage_uh, sum_error(query_qh.shape[1], longest(query_qh), longest(passage_uh)))
    wanted = _Wanted.of(relevant.relevant_qr, text_d, exact)
    columns = _Columns(pool.passage_c, text_d[pool.passage_c], torch.from_numpy(pool.passage_c).to(device))
    unit_c, passage_ch = (torch.from_numpy(one).to(device) for one in (pool.unit_c, passage_uh[columns.text_c]))
    place_d = np.full(len(benchmark.passages), -1)
    place_d[pool.passage_c] = np.arange(len(pool.passage_c))
    ignored_q = [place_d[rows] for rows in benchmark.ignored_q]
    size = len(query_qh)
    own_qr = np.full(wanted.relevant_qr.shape, PAD, np.int32)
    pooled = Pooled(
        rank_qr=own_qr.copy(),
        top_language_q=np.zeros(size, np.int64),
        top_relevant_q=np.zeros(size, bool),
        units_qk=np.full((size, TOP_UNITS), NO_UNIT, np.int32),
    )

    def work(rows: slice) -> None:
        scores_bc = device_blocks.products(torch.from_numpy(query_qh[rows]).to(device), passage_ch)
        _leave_out(scores_bc, ignored_q[rows])
        ahead_lbr = np.array(
            [
                _ahead(scores_bc[:, low:high], columns.slice(low, high), wanted, rows, exact)
                for low, high in pairwise(pool.language_starts.tolist())
            ]
        )
        real_br = wanted.relevant_qr[rows] >= 0
        language_br = np.maximum(relevant.language_qr[rows], 0).astype(np.int64)
        own_br = np.take_along_axis(ahead_lbr, language_br[None], axis=0)[0]
        own_qr[rows] = np.where(real_br, 1 + own_br, PAD)
        pooled.rank_qr[rows] = np.where(real_br, 1 + ahead_lbr.sum(0), PAD)
        candidates = _may_be_best(scores_bc, unit_c, len(pool.unit_starts), exact.error)
        first_b, pooled.units_qk[rows] = _best(candidates, rows, columns, pool.unit_c, exact)
        pooled.top_language_q[rows] = benchmark.passages.language_d[first_b]
        pooled.top_relevant_q[rows] = (wanted.relevant_qr[rows] == first_b[:, None]).any(1)

    in_blocks(size, rows_that_fit(len(pool.passage_c), device), device, work)
    return ranking(benchmark, relevant, own_qr, pooled, Search())


def exact_ranks_on(
    device: torch.device,
    query_qh: NDArray[np.float32],
    passage_uh: NDArray[np.float32],
    text_d: Rows,
    relevant_qr: Rows,
    ignored_q: Sequence[Rows] = (),
) -> Ranks2D:
    """`exact_ranks` on a device; passages are read a block at a time. Raises as `rank_parallel_on`."""
    starts = range(0, len(text_d), PASSAGES_PER_BLOCK)
    norm = max((longest(passage_uh[text_d[low : low + PASSAGES_PER_BLOCK]]) for low in starts), default=0.0)
    exact = ExactProducts(query_qh, passage_uh, sum_error(query_qh.shape[1], longest(query_qh), norm))
    wanted = _Wanted.of(relevant_qr, text_d, exact)
    ahead_qr = np.zeros(relevant_qr.shape, np.int64)
    for low in starts:
        text_c = text_d[low : low + PASSAGES_PER_BLOCK]
        place_c = np.arange(low, low + len(text_c))
        columns = _Columns(place_c, text_c, torch.from_numpy(place_c).to(device))
        passage_ch = torch.from_numpy(np.array(passage_uh[text_c])).to(device)

        def work(rows: slice, columns: _Columns = columns, passage_ch: Tensor = passage_ch, low: int = low) -> None:
            scores_bc = device_blocks.products(torch.from_numpy(query_qh[rows]).to(device), passage_ch)
            _leave_out(scores_bc, ignored_q[rows], low)
            ahead_qr[rows] += _ahead(scores_bc, columns, wanted, rows, exact)

        in_blocks(len(query_qh), rows_that_fit(len(text_c), device), device, work)
    return np.where(relevant_qr >= 0, 1 + ahead_qr, PAD).astype(np.int32)


def _leave_out(scores_bc: Tensor, places_b: Sequence[Rows], low: int = 0) -> None:
    """Give -inf to the passages that are no candidates for a question; `low` is the place of the first column."""
    columns_b = [places[(places >= low) & (places < low + scores_bc.shape[1])] - low for places in places_b]
    if any(map(len, columns_b)):
        row_n = np.repeat(np.arange(len(columns_b)), [len(columns) for columns in columns_b])
        index = (torch.from_numpy(part).to(scores_bc.device) for part in (row_n, np.concatenate(columns_b)))
        scores_bc[tuple(index)] = -torch.inf


def _ahead(scores_bc: Tensor, columns: _Columns, wanted: _Wanted, rows: slice, exact: ExactProducts) -> Rows:
    """How many of the columns stand before each relevant passage (b, r)."""
    relevant_br, *limits_br = (
        torch.from_numpy(np.ascontiguousarray(part_qr[rows])).to(scores_bc.device)
        for part_qr in (wanted.relevant_qr, *wanted.limits_qr)
    )
    ahead_br = np.zeros(relevant_br.shape, np.int64)
    for place in range(relevant_br.shape[1]):
        relevant_b1, below_b1, tie_low_b1, tie_high_b1, above_b1 = (
            part_br[:, place, None] for part_br in (relevant_br, *limits_br)
        )
        ahead_bc = scores_bc > above_b1
        tied_bc = (scores_bc > tie_low_b1) & (scores_bc < tie_high_b1)
        open_bc = (scores_bc >= below_b1) & ~ahead_bc & ~tied_bc & (relevant_b1 >= 0)
        ahead_bc |= tied_bc & (columns.on_device_c < relevant_b1)
        ahead_br[:, place] = ahead_bc.sum(1).cpu().numpy()
        row_n, column_n = (part.cpu().numpy() for part in open_bc.nonzero(as_tuple=True))
        score_n = exact.scores(rows.start + row_n, columns.text_c[column_n])
        of_relevant_n = wanted.score_qr[rows][row_n, place]
        earlier_n = columns.passage_c[column_n] < wanted.relevant_qr[rows][row_n, place]
        np.add.at(ahead_br[:, place], row_n, (score_n > of_relevant_n) | ((score_n == of_relevant_n) & earlier_n))
    return ahead_br


def _may_be_best(scores_bc: Tensor, unit_c: Tensor, units: int, error: float) -> tuple[Rows, Rows]:
    """Rows and columns of all passages that may be the first ones of the 10 best units: those whose scores are, but
    for rounding, their unit's highest, which is one of the 10 highest."""
    highest_bu = torch.full((len(scores_bc), units), -torch.inf, dtype=torch.float64, device=scores_bc.device)
    highest_bu.scatter_reduce_(1, unit_c.expand_as(scores_bc), scores_bc, "amax")
    last_b1 = highest_bu.topk(min(TOP_UNITS, units), dim=1).values[:, -1:]
    least_bu = torch.maximum(highest_bu, last_b1)
    least_bu -= least_bu.abs() * 2.0**-22 + 4 * error + 2.0**-148  # two units in the last place, and the sums' errors
    row_n, column_n = ((scores_bc >= least_bu[:, unit_c]) & (scores_bc > -torch.inf)).nonzero(as_tuple=True)
    return row_n.cpu().numpy(), column_n.cpu().numpy()


def _best(
    candidates: tuple[Rows, Rows], rows: slice, columns: _Columns, unit_c: Rows, exact: ExactProducts
) -> tuple[Rows, Rows]:
    """The best passage (b), of several the one with the smallest number, and the best units (b, k)."""
    row_n, column_n = candidates
    score_n = exact.scores(rows.start + row_n, columns.text_c[column_n])
    passage_n = columns.passage_c[column_n]
    order = np.lexsort((passage_n, -score_n, row_n))
    size = rows.stop - rows.start
    first_b = np.full(size, columns.passage_c.min())  # where nothing is a candidate
    units_bk = np.full((size, TOP_UNITS), NO_UNIT)
    taken_b: list[dict[int, None]] = [{} for _ in range(size)]
    in_order = (part[order].tolist() for part in (row_n, passage_n, unit_c[column_n]))
    for row, passage, unit in zip(*in_order, strict=True):
        if not taken_b[row]:
            first_b[row] = passage
        taken_b[row].setdefault(unit)
    for row, taken in enumerate(taken_b):
        chosen = list(taken)[:TOP_UNITS]
        units_bk[row, : len(chosen)] = chosen
    return first_b, units_bk
