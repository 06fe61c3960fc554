"""Searched values that exist at some ratios alone: what a trial at another ratio has in their place."""

from pathlib import Path
from typing import Any

from sweep.settings import StudySettings
from sweep.settings.merging import SHARE
from sweep.settings.saved_yaml import read_yaml


def values_at_other_ratios(study: StudySettings, config: Path) -> dict[str, Any]:
    """The configuration's values, by path, of what exists at some ratios alone: those that trials at the others have.

    With them a ratio has its place on the curve of all others that were trained alike. Empty if there are none, or no
    such file yet. Raises InputError if it is damaged.
    """
    bound: set[str] = set()
    for path, dimension in study.space.items():  # `when` names paths before this one
        if bound & {*(dimension.when or ())} or SHARE in (dimension.when or ()):
            bound.add(path)
    if not bound or not config.exists():
        return {}
    tree = read_yaml(config)
    values = {path: _value(tree, path) for path in sorted(bound)}
    return {path: value for path, value in values.items() if isinstance(value, (bool, int, float, str))}


def _value(tree: Any, path: str) -> Any:
    """None if the path is not there; a mapping where it is a group of choices, whose names a configuration lacks."""
    for name in path.split("."):
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree
