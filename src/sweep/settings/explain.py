"""What is wrong with an override, in one line that names the key and what is allowed in its place."""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from sweep.settings import Settings
from sweep.settings.benchmarks import BENCHMARKS
from sweep.settings.sections import kinds_with
from sweep.settings.tree import config_folder
from sweep.settings.wording import excerpt, listed, nearest


def one_line(error: Exception) -> str:
    """Hydra's message without its line breaks, its link and its folders."""
    return " ".join(str(error).split()).split(" See https://hydra.cc")[0].split(" Config search path:")[0]


def explain_file(error: YAMLError | UnicodeDecodeError, config_dir: str | None) -> str:
    """What is wrong with a file of the user's own groups and experiments."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return f"a file of --config-dir {config_dir} is not YAML in UTF-8"
    return f"{mark.name}, line {mark.line + 1}: not YAML that can be read ({getattr(error, 'problem', error)})"


def explain_override(
    override: Override, among: Sequence[Override], groups: Mapping[str, Sequence[str]], config_name: str
) -> str | None:
    """What is wrong with one of the overrides, or None if it is another that is wrong."""
    key = override.key_or_group
    if key in groups and override.is_add() and sum(_choice(other) == _choice(override) for other in among) > 1:
        return f"{_choice(override)} is chosen twice: write one +{_choice(override)}=NAME"
    if override.is_delete() or override.is_force_add():
        return None
    if key == "experiment" and not override.is_add():
        return f"write +experiment={override.value()} (with a plus sign): an experiment is added to the defaults"
    if key in groups and override.package and not override.is_add():
        return f"write +{override.input_line}, with a plus sign: a further benchmark is added to the defaults"
    if key in groups:  # and the choice is one of them, or `check_choices` would have said so
        return None
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        try:
            choices = [str(other.input_line) for other in among if other.key_or_group in groups]
            config = compose(config_name, overrides=choices)
        except (HydraException, OmegaConfBaseException):
            return None
    if override.is_add():
        present = unknown_key(key, config) is None
        return (
            f"{key} exists already: write {str(override.input_line).lstrip('+')}, without a plus sign" * present
            or None
        )
    return unknown_key(key, config) or _other_kind(override, config)


def _choice(override: Override) -> str:
    """A group and where its choice goes, such as evaluation@benchmarks.mlqa_r."""
    return override.key_or_group + (f"@{override.package}" if override.package else "")


def _other_kind(override: Override, config: DictConfig) -> str | None:
    """A list in the place of a section, or a section in that of a list."""
    now = OmegaConf.select(config, override.key_or_group)
    value = override.value()
    if isinstance(now, DictConfig) and not isinstance(value, dict):
        return f"{excerpt(str(override.input_line))}: must be a section, {{key: value}}; its keys: {listed(now)}"
    if isinstance(now, ListConfig) and isinstance(value, dict):
        return f"{excerpt(str(override.input_line))}: must be a list, such as [{next(iter(value), '')}]"
    return None


def unknown_key(key: str, config: DictConfig) -> str | None:
    """A line that names the first part of a dotted key that does not exist, and its nearest neighbours."""
    if key.startswith("study.space."):  # whose keys have dots themselves
        path = excerpt(key.removeprefix("study.space."))
        return f"unknown key '{excerpt(key)}': write the space as a whole, 'study.space={{{path}: {{grid: [...]}}}}'"
    node: Any = config
    parts = key.split(".")
    for depth, part in enumerate(parts):
        before = ".".join(parts[:depth])
        if not isinstance(node, DictConfig):
            return f"unknown key '{excerpt(key)}': '{before}' is a value, not a section"
        allowed = [str(name) for name in node]
        if part not in allowed:
            if before == BENCHMARKS:
                return f"there is no benchmark '{part}': add it with +evaluation@{BENCHMARKS}.{part}=NAME"
            meant = _meant(parts, depth, node, config)
            if meant:
                return f"unknown key '{excerpt(key)}'; did you mean {meant}?"
            kinds = kinds_with(Settings, parts) if depth == 1 else []
            if kinds:
                return f"unknown key '{key}': only {before} of kind {' or '.join(kinds)} has it; choose {before}=NAME"
            return f"unknown key '{excerpt(key)}'. Keys of {before or 'the configuration'}: {listed(allowed)}"
        node = None if OmegaConf.is_missing(node, part) or OmegaConf.is_interpolation(node, part) else node[part]
    return None


def _exists(parts: Sequence[str], config: DictConfig) -> bool:
    node: Any = config
    for part in parts:
        if not isinstance(node, DictConfig) or part not in node:
            return False
        node = None if OmegaConf.is_missing(node, part) or OmegaConf.is_interpolation(node, part) else node[part]
    return True


def _meant(parts: Sequence[str], depth: int, node: DictConfig, config: DictConfig) -> str | None:
    """The whole key that was probably meant: a neighbour that looks alike, or the same name in another section."""
    close = nearest(parts[depth], node)
    if close is not None:
        whole = [*parts[:depth], close, *parts[depth + 1 :]]
        return f"'{'.'.join(whole if _exists(whole, config) else whole[: depth + 1])}'"
    sections = [section for section in map(str, config) if isinstance(config.get(section), DictConfig)]
    elsewhere = [f"'{section}.{parts[-1]}'" for section in sections if parts[-1] in config[section]]
    return " or ".join(elsewhere[:3]) if depth == 0 and elsewhere else None
