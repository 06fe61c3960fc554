"""Float64 products on a device, as many rows at a time as its memory holds.

Float64, and not float32 with a tolerance: no kernel shortens its products to TF32, and what the order of additions
leaves open is so little that it can be settled exactly (`exact_products`).
Shapes: b = questions of a block, c = passages (columns), h = hidden size.
"""

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from sweep.errors import is_out_of_memory

LARGEST_BLOCK = 2 * 2**30  # bytes of scores at a time
BLOCK_WITHOUT_DEVICE = 64 * 2**20
BYTES_PER_SCORE = 48  # a score, its comparisons, and the highest score of its unit
COLUMNS_AT_A_TIME = 65_536  # of passages in float64

log = logging.getLogger("sweep")


def has_exact_products(device: torch.device | None) -> bool:
    """Whether ranks are counted on this device: on those of CUDA and ROCm. Others have no float64, or are the CPU."""
    return device is not None and device.type == "cuda"


def free_bytes(device: torch.device) -> int | None:
    """Memory that the device has left, what torch keeps for later included; None for a CPU."""
    if device.type != "cuda":
        return None
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0] + kept)


def rows_that_fit(columns: int, device: torch.device) -> int:
    """How many questions to take at a time for this many columns: half of the free memory."""
    free = free_bytes(device)
    scores = BLOCK_WITHOUT_DEVICE if free is None else min(LARGEST_BLOCK, free * 8 // (2 * BYTES_PER_SCORE))
    return max(1, scores // (8 * max(1, columns)))


def in_blocks(size: int, rows: int, device: torch.device, work: Callable[[slice], None]) -> None:
    """Call `work` with consecutive slices of `rows` of `size`; where memory does not hold one, with half as many from
    there on. `work` must leave nothing behind when it raises. Raises what it raised if it is a single row."""
    start, rows = 0, min(rows, size)
    while start < size:
        try:
            work(slice(start, min(start + rows, size)))
            start += rows
            continue
        except (RuntimeError, MemoryError) as error:  # torch's OutOfMemoryError is a RuntimeError
            if rows == 1 or not is_out_of_memory(error):
                raise
        # Behind the `except`, so that the frames of the failed block, and their tensors, are gone.
        rows //= 2
        free_memory(device)
        log.info("not enough memory on %s: ranks are counted for %d questions at a time", device, rows)


def free_memory(device: torch.device) -> None:
    """Give back what torch keeps of the device's memory."""
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.empty_cache()


def products(query_bh: Tensor, passage_ch: Tensor) -> Tensor:
    """Sums in float64 (b, c) of float32 embeddings that are on the device."""
    wide_bh = query_bh.double()
    scores_bc = torch.empty(len(query_bh), len(passage_ch), dtype=torch.float64, device=query_bh.device)
    for low in range(0, len(passage_ch), COLUMNS_AT_A_TIME):
        part = slice(low, low + COLUMNS_AT_A_TIME)
        scores_bc[:, part] = wide_bh @ passage_ch[part].double().T
    return scores_bc
