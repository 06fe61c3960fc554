"""What studies of earlier versions lack: settings that came later, and what stands for what these versions did."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from sweep.settings.base import flattened
from sweep.settings.loss import DEFAULT_LOSS
from sweep.settings.reporting import DEFAULT_REPORT

if TYPE_CHECKING:
    from sweep.settings import Settings

# Settings that earlier versions did not have, with the values that stand for what these versions did.
SINCE: dict[str, Any] = {
    "loss": DEFAULT_LOSS.model_dump(mode="json"),
    "report": DEFAULT_REPORT.model_dump(mode="json"),
    "ratio": {"draw": "independent"},
    "study": {"near_copies": None},
}
_EMBEDDED: dict[str, Any] = {"relation": "names"}  # of data and evaluation, where these are of kind cldr
_NEW_SECTIONS = ("loss",)  # whole or not at all: another kind of it has other fields


def completed(config: DictConfig) -> DictConfig:
    """A study's configuration with the settings that its version did not have; those it has stay as they are."""
    missing = {name: section for name, section in SINCE.items() if name not in config or name not in _NEW_SECTIONS}
    embedded = {name: _EMBEDDED for name in ("data", "evaluation") if _is_embedded(config.get(name))}
    whole = OmegaConf.merge(missing, embedded, config)
    assert isinstance(whole, DictConfig)
    return whole


def _is_embedded(section: Any) -> bool:
    return isinstance(section, DictConfig) and section.get("kind") == "cldr"


def overrides_of(remembered: Mapping[str, Any], now: "Settings") -> tuple[str, ...]:
    """What the overrides of a study have to begin with, so that it goes on as the version that began it. It is of
    version 0.1 if the draw of batches, or the relation of embedded data, is not among the `remembered` settings that
    change results. `now`: those that it is run with, which may be of another kind."""
    since = {"ratio.draw": flattened(SINCE)["ratio.draw"]}
    for name in ("data", "evaluation"):
        if remembered.get(f"{name}.kind") == getattr(now, name).kind == "cldr":
            since |= flattened(_EMBEDDED, f"{name}.")
    known = remembered.keys() | {path.removeprefix("study.space.") for path in remembered}
    return tuple(f"{path}={value}" for path, value in since.items() if path not in known)
