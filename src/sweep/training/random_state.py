"""What dropout draws from, on one rank."""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor


class RandomState(NamedTuple):
    """The states of torch's generators: the CPU's, and that of the rank's GPU if it has one."""

    cpu: Tensor
    cuda: Tensor | None

    @classmethod
    def now(cls, device: torch.device) -> "RandomState":
        """As they are at this moment."""
        return cls(torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None)

    def restore(self, device: torch.device) -> None:
        """Draw what was to be drawn next at that moment."""
        torch.set_rng_state(self.cpu)
        if self.cuda is not None:
            torch.cuda.set_rng_state(self.cuda, device)

    def tensors(self) -> dict[str, Tensor]:
        """By name, for a file."""
        return {name: state for name, state in self._asdict().items() if state is not None}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> "RandomState":
        """The inverse of `tensors`."""
        return cls(tensors["cpu"], tensors.get("cuda"))


def seed_rank(seed: int, rank: int, step: int) -> None:
    """Seed the generators of a rank that has no state of its own at this step: repeatable, and different on every
    rank and at every step."""
    digest = hashlib.sha256(f"{seed} {rank} {step}".encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:8], "big") >> 1)
