"""A global batch over the ranks: what each of them encodes, and the whole again.

Shapes: n = what a rank encodes, h = size of an embedding.
"""

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor

from sweep.training.plan import rank_slice


def own_places(size: int, accelerator: Accelerator) -> NDArray[np.int64]:
    """Which of so many texts this rank encodes."""
    return rank_slice(size, accelerator.process_index, accelerator.num_processes)


def gathered(local_nh: Tensor, size: int, accelerator: Accelerator) -> Tensor:
    """Embeddings of the whole batch (size, h); only this rank's own carry gradients. Every rank computes the whole
    loss, so the ranks' gradients of the parameters add up to those of the batch."""
    if accelerator.num_processes == 1 or size == 0:
        return local_nh
    everyone = list(accelerator.gather(local_nh.detach()).chunk(accelerator.num_processes))
    everyone[accelerator.process_index] = local_nh
    return torch.cat(everyone)[:size]
