"""Memory of a trial that is over, for the next one in the same process."""

import gc

import torch

from sweep.evaluation.device_blocks import free_memory


def release_memory(device: torch.device) -> None:
    """Give back what nothing refers to any more: a failed trial's weights and activations hang in cycles (modules and
    hooks, exceptions and their frames), and torch keeps freed memory of a GPU for itself."""
    gc.collect()
    free_memory(device)
