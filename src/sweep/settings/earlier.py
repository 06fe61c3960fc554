"""What studies of earlier versions lack: settings that came later, and what stands for what these versions did."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sweep.settings import Settings
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
    "study": {"near_copies": None, "select_on": "all", "confirm": None, "export_debias": None},
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


def overrides_of(remembered: Mapping[str, Any], settings: Settings, version: str | None) -> tuple[str, ...]:
    """What the overrides of a study have to begin with, so that it goes on as the version that began it.

    `remembered` are its settings that change results, `settings` those it would have now, and `version` is the one
    that began it, None for 0.1. That one drew batches independently, which it does not name; it confirmed no points,
    and its workers, of which there was one unless something else was said, had all cores, which decides about the
    last bits. A study that does not name the half that it chooses by chooses by all questions.
    """
    study, since, lines = settings.study, flattened(SINCE), []
    if "ratio.draw" not in remembered and "study.space.ratio.draw" not in remembered:
        lines.append(f"ratio.draw={since['ratio.draw']}")
    if version is None and study.confirm is not None:
        lines.append("study.confirm=null")
    if version is None and settings.launcher.workers == "auto" and settings.launcher.threads is None:
        lines.append("launcher.workers=1")
    if study.select_on == "auto" and study.selects_on_half and "study.select_on" not in remembered:
        lines.append(f"study.select_on={since['study.select_on']}")
    return tuple(lines)
