"""Embeddings of texts: every distinct text once, by length, split over accelerate's processes."""

from collections.abc import Sequence

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from sweep.errors import TrialFailed
from sweep.model.encoder import Retriever, Role

TOKENS_PER_BATCH = 4096  # padding included; keeps memory flat whatever the lengths


def length_sorted_batches(lengths: Sequence[int], budget: int) -> list[NDArray[np.int64]]:
    """Indices in batches of similar length; a batch's size times its longest text stays within `budget` tokens."""
    order = np.argsort(lengths, kind="stable")
    batches, start = [], 0
    for position in range(1, len(order) + 1):
        full = position == len(order) or (position + 1 - start) * lengths[order[position]] > budget
        if full:
            batches.append(order[start:position])
            start = position
    return batches


@torch.inference_mode()
def encode(retriever: Retriever, texts: Sequence[str], role: Role, accelerator: Accelerator) -> NDArray[np.float32]:
    """L2-normalised float32 embeddings (distinct texts, h), on every process, in the order of `texts`.

    Every process encodes every n-th batch; batches are the same for any number of processes, so the embeddings are
    too. Raises TrialFailed if one of them is NaN or infinite.
    """
    encoder = retriever.encoder.to(accelerator.device).eval()
    ids = retriever.tokenize(texts, role)
    batches = length_sorted_batches([len(sequence) for sequence in ids], TOKENS_PER_BATCH)
    embedding_dh: torch.Tensor | None = None
    for index in batches[accelerator.process_index :: accelerator.num_processes]:
        (part_bh,) = encoder([retriever.collate([ids[row] for row in index], accelerator.device)])
        if embedding_dh is None:
            embedding_dh = torch.zeros(len(texts), part_bh.shape[1])
        embedding_dh[torch.from_numpy(index)] = part_bh.float().cpu()
    if accelerator.num_processes > 1:
        embedding_dh = _merged(embedding_dh, len(texts), retriever, accelerator)
    assert embedding_dh is not None
    if not torch.isfinite(embedding_dh).all():
        bad = int((~torch.isfinite(embedding_dh).all(1)).nonzero()[0])
        raise TrialFailed(f"the embedding of a {role} is not finite (text: {texts[bad][:80]!r})")
    return embedding_dh.numpy()


def _merged(part_dh: torch.Tensor | None, size: int, retriever: Retriever, accelerator: Accelerator) -> torch.Tensor:
    """All processes' rows: each row is zero everywhere but on one process, so their sum is exact."""
    if part_dh is None:  # fewer batches than processes
        part_dh = torch.zeros(size, retriever.encoder.hidden_size)
    merged: torch.Tensor = accelerator.reduce(part_dh.to(accelerator.device), reduction="sum").cpu()
    return merged
