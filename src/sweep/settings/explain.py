"""What is wrong with an override, in one line that names the key and what is allowed in its place."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from sweep.settings.tree import config_folder


def one_line(error: Exception) -> str:
    """Hydra's message without its line breaks and its link."""
    return " ".join(str(error).split()).split(" See https://hydra.cc")[0]


def explain_override(
    override: Override, among: Sequence[Override], groups: Mapping[str, Sequence[str]], config_name: str
) -> str | None:
    """What is wrong with one of the overrides, or None if it is another that is wrong."""
    key = override.key_or_group
    if key in groups:
        chosen = override.value()
        if isinstance(chosen, str) and chosen not in groups[key]:
            return f"{key}={chosen}: no such choice; {key} is one of: {', '.join(groups[key])}"
    if override.is_add() or override.is_delete():
        return None
    if key == "experiment":
        return f"write +experiment={override.value()} (with a plus sign): an experiment is added to the defaults"
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        try:
            choices = [str(other.input_line) for other in among if other.key_or_group in groups]
            config = compose(config_name, overrides=choices)
        except (HydraException, OmegaConfBaseException):
            return None
    return unknown_key(key, config)


def unknown_key(key: str, config: DictConfig) -> str | None:
    """A line that names the first part of a dotted key that does not exist, and its nearest neighbours."""
    node: Any = config
    parts = key.split(".")
    for depth, part in enumerate(parts):
        if not isinstance(node, DictConfig):
            return f"unknown key '{key}': '{'.'.join(parts[:depth])}' is a value, not a section"
        allowed = [str(name) for name in node]
        if part not in allowed:
            where = ".".join(parts[:depth]) or "the configuration"
            close = difflib.get_close_matches(part, allowed, n=1)
            hint = f"; did you mean '{'.'.join([*parts[:depth], close[0]])}'?" if close else "."
            return f"unknown key '{key}'{hint} Keys of {where}: {', '.join(allowed)}"
        node = None if OmegaConf.is_missing(node, part) else node[part]
    return None
