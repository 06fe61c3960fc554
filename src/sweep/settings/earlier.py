"""What studies of earlier versions lack: settings that came later, and what stands for what these versions did."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sweep.settings.base import flattened
from sweep.settings.loss import DEFAULT_LOSS
from sweep.settings.reporting import DEFAULT_REPORT
from sweep.settings.untrained import UNTOUCHED

# Settings that earlier versions did not have, with the values that stand for what these versions did.
SINCE: dict[str, Any] = {
    "loss": DEFAULT_LOSS.model_dump(mode="json"),
    "report": DEFAULT_REPORT.model_dump(mode="json"),
    "evaluation": {"debias": [], "debias_on": "pool", "debias_pivot": None},
    "ratio": {"draw": "independent"},
    "study": {"near_copies": None, "export_debias": None},
}
_NEW_SECTIONS = ("loss",)  # whole or not at all: another kind of it has other fields


def completed(config: DictConfig) -> DictConfig:
    """A study's configuration with the settings that its version did not have; those it has stay as they are."""
    config = config.copy()
    if "baseline" in config.get("study", {}):
        untouched = config.study.pop("baseline")
        config.study.baselines = [UNTOUCHED] if untouched else []
    missing = {name: section for name, section in SINCE.items() if name not in config or name not in _NEW_SECTIONS}
    whole = OmegaConf.merge(missing, config)
    assert isinstance(whole, DictConfig)
    return whole


def overrides_of(remembered: Mapping[str, Any]) -> tuple[str, ...]:
    """What the overrides of a study have to begin with, so that it goes on as the version that began it: a plan of
    batches whose draw is not among the `remembered` settings that change results is of version 0.1."""
    path = "ratio.draw"
    searched = {"study.space.ratio.draw"} & remembered.keys()
    return () if path in remembered or searched else (f"{path}={flattened(SINCE)[path]}",)
