"""What a `config.yaml` of an earlier version lacks."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from sweep.settings.loss import DEFAULT_LOSS
from sweep.settings.reporting import DEFAULT_REPORT

# Sections that earlier versions did not have, with the values that stand for what these versions did.
SECTIONS_SINCE: dict[str, Any] = {
    "loss": DEFAULT_LOSS.model_dump(mode="json"),
    "report": DEFAULT_REPORT.model_dump(mode="json"),
}


def completed(config: DictConfig) -> DictConfig:
    """A study's configuration with the sections that its version did not have; those it has stay as they are."""
    missing = {name: section for name, section in SECTIONS_SINCE.items() if name not in config}
    whole = OmegaConf.merge(config, missing)
    assert isinstance(whole, DictConfig)
    return whole
