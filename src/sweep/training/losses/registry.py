"""Which loss a `kind` names."""

from collections.abc import Callable
from typing import Any

from sweep.settings import LossSettings, TrainSettings
from sweep.training.losses.by_kind import by_kind
from sweep.training.losses.clear import Clear
from sweep.training.losses.debias import Debias
from sweep.training.losses.distill import Distill
from sweep.training.losses.info_nce import InfoNce
from sweep.training.losses.protocol import Loss
from sweep.training.losses.translation import TranslationRanking

LOSSES: dict[str, Callable[[Any, TrainSettings], Loss]] = {
    "info_nce": by_kind(InfoNce.from_settings),
    "clear": by_kind(Clear.from_settings),
    "debias": Debias.from_settings,
    "distill": by_kind(Distill.from_settings),
    "translation": by_kind(TranslationRanking.from_settings),
}


def make_loss(settings: LossSettings, train: TrainSettings) -> Loss:
    """The loss that the settings choose."""
    return LOSSES[settings.kind](settings, train)
