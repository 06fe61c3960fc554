"""How far a training is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from sweep.training.exposure import NOTHING, Exposure


@dataclass(frozen=True)
class Progress:
    """How far a training is: steps done, the losses since the last logged point, seconds spent over all attempts,
    the best validation (its step and value), validations since then, and whether it has ended before its last step.

    `exposure` counts the batches of all these steps; `notes` are what a reader of the result should know of them.
    """

    step: int = 0
    losses: tuple[float, ...] = ()
    last_loss: float = math.nan
    seconds: float = 0.0
    best: tuple[int, float] | None = None
    worse: int = 0
    ended: bool = False
    exposure: Exposure = NOTHING
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As a checkpoint keeps it."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**plain, "exposure": self.exposure.to_json()}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "Progress":
        """The inverse of `to_json`; an earlier version's has neither exposure nor notes."""
        best = None if saved["best"] is None else (int(saved["best"][0]), float(saved["best"][1]))
        exposure = Exposure.from_json(saved["exposure"]) if "exposure" in saved else Exposure()
        sequences = {"losses": tuple(saved["losses"]), "notes": tuple(saved.get("notes", ()))}
        return cls(**{**saved, **sequences, "best": best, "exposure": exposure})
