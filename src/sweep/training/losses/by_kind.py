"""A loss with a temperature for each kind of batch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from sweep.settings import TrainSettings
from sweep.settings.by_kind import LossSection
from sweep.training.losses.protocol import Embeddings, Loss, LossBatch
from sweep.training.needs import Needs
from sweep.training.plan import Kind

SettingsType = TypeVar("SettingsType", bound=LossSection)
MakeLoss = Callable[[SettingsType, TrainSettings], Loss]


@dataclass(frozen=True)
class ByKind:
    """The loss of the batch's kind."""

    losses: Mapping[Kind, Loss]

    @property
    def needs(self) -> Needs:
        """What the loss of either kind needs."""
        return self.losses["monolingual"].needs

    def __call__(self, embeddings: Embeddings, batch: LossBatch) -> Tensor:
        """Loss of each row, float32 (b)."""
        return self.losses[batch.kind](embeddings, batch)


def by_kind(make: MakeLoss[SettingsType]) -> MakeLoss[SettingsType]:
    """What makes a loss by `train.temperature`, with `loss.temperatures` in its place for the kinds that have one."""

    def made(settings: SettingsType, train: TrainSettings) -> Loss:
        asked: dict[Kind, float | None] = {
            "monolingual": settings.temperatures.monolingual,
            "cross-lingual": settings.temperatures.cross_lingual,
        }
        if not any(asked.values()):
            return make(settings, train)
        temperatures = {kind: own or train.temperature for kind, own in asked.items()}
        return ByKind(
            {
                kind: make(settings, train.model_copy(update={"temperature": temperature}))
                for kind, temperature in temperatures.items()
            }
        )

    return made
