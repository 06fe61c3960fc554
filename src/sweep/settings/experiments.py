"""Experiments belong to the main job: what another command is to be given in the place of one."""

import re
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.types import Override

from sweep.errors import InputError
from sweep.settings.saved_yaml import read_yaml
from sweep.settings.tree import config_folder

EXPERIMENT = "experiment"
_CHOICE = re.compile(r"(override )?/?([^@]+)(@.+)?")


def refuse_experiment(config_name: str, overrides: Sequence[Override], config_dir: str | None) -> None:
    """Raise InputError if a command that runs no study is given an experiment: half of what it sets would have no
    meaning there. The message has the choices that have one."""
    for override in overrides:
        if config_name == "sweep" or override.key_or_group != EXPERIMENT:
            continue
        name = str(override.value())
        choices = " ".join(_choices(name, config_name, config_dir))
        instead = f"write its choices, {choices}, and what else it sets" if choices else "write what it sets"
        raise InputError(f"+{EXPERIMENT}={name} is for python -m sweep alone; here {instead}")


def _choices(name: str, config_name: str, config_dir: str | None) -> list[str]:
    """An experiment's choices of what a command has, as one writes them on its command line."""
    command = read_yaml(config_folder() / f"{config_name}.yaml")
    groups = {group for one in command.get("defaults", []) if isinstance(one, dict) for group in one}
    there = groups | command.keys()
    folders = [config_folder(), *([Path(config_dir)] if config_dir else [])]
    files = [folder / EXPERIMENT / f"{name}.yaml" for folder in folders]
    file = next((file for file in files if file.is_file()), None)
    entries = [] if file is None else read_yaml(file).get("defaults", [])
    written = []
    for key, choice in (pair for entry in entries if isinstance(entry, dict) for pair in entry.items()):
        match = _CHOICE.fullmatch(str(key))
        if match is None or match[2] not in groups:
            continue
        place = match[3] or ""
        if not place or place[1:].partition(".")[0] in there:
            written.append(f"{'' if match[1] else '+'}{match[2]}{place}={choice}")
    return written
