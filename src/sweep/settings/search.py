"""Whether the space of a study can be searched: every value composes to valid settings."""

import math
from typing import Any

from sweep.errors import InputError
from sweep.settings import Settings, StudySettings
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings

MAX_CHECKED_POINTS = 64  # composing takes a tenth of a second where groups are searched


def check_space(composer: Composer, settings: Settings) -> None:
    """Compose every value of every dimension, and a small space's every combination. Raises InputError.

    What only a combination in a larger space shows makes its trial FAILED with the same message.
    """
    reserved = {"seed", "study", "launcher", "tracking", "paths"}
    space = settings.study.space
    for path in space:
        if path.startswith("+"):
            raise InputError(f"study.space: write '{path.lstrip('+')}', without a plus sign")
        if path.split(".")[0] in reserved:
            reason = "list seeds in study.seeds" if path == "seed" else "it does not change a trial's result"
            raise InputError(f"study.space: '{path}' cannot be searched: {reason}")
    points = [_with_conditions(settings.study, path, value) for path in space for value in space[path].ends]
    if len(space) > 1 and math.prod(len(dimension.ends) for dimension in space.values()) <= MAX_CHECKED_POINTS:
        points += settings.study.combinations({path: dimension.ends for path, dimension in space.items()})
    for point in points:
        try:
            load_settings(composer, point)
        except InputError as error:
            raise InputError(f"study.space: {error}") from error


def _with_conditions(study: StudySettings, path: str, value: Any) -> dict[str, Any]:
    """A value of a path with the values of other paths that it needs to exist."""
    point: dict[str, Any] = {}
    for other, wanted in (study.space[path].when or {}).items():
        point = _with_conditions(study, other, wanted[0]) | point
    return {**point, path: value}
