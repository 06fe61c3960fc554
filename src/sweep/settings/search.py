"""Whether the space of a study can be searched: every value composes to valid settings."""

import math
import re
from typing import Any

from sweep.errors import InputError
from sweep.settings import Settings, StudySettings
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings
from sweep.settings.merging import BATCHES, MIX
from sweep.settings.metric_key import MetricKey

MAX_CHECKED_POINTS = 64  # composing takes a tenth of a second where groups are searched


# What a training is made of. Everything else is the same in all points, above all what they are measured by.
SEARCHABLE = ("ratio", "train", "loss", "model", "data", "languages")
SEEN = ("seen", "unseen")  # tiers that languages.train makes


def check_space(composer: Composer, settings: Settings) -> None:
    """Compose every value of every dimension, and a small space's every combination. Raises InputError.

    What only a combination in a larger space shows makes its trial FAILED with the same message.
    """
    space = settings.study.space
    if settings.ratio.mix != BATCHES:
        raise InputError(f"{MIX}={settings.ratio.mix}: give it to points of the space, and {BATCHES} to all others")
    for path in space:
        if path.startswith("+"):
            raise InputError(f"study.space: write '{path.lstrip('+')}', without a plus sign")
        if path == "seed":
            raise InputError("study.space: 'seed' cannot be searched: list seeds in study.seeds")
        section = re.split(r"[./@]", path)[0]
        if section in Settings.model_fields and section not in SEARCHABLE:
            raise InputError(
                f"study.space: '{path}' cannot be searched, but what a model is trained with: {', '.join(SEARCHABLE)}"
            )
    points = [_with_conditions(settings.study, path, value) for path in space for value in space[path].ends]
    if len(space) > 1 and math.prod(len(dimension.ends) for dimension in space.values()) <= MAX_CHECKED_POINTS:
        points += settings.study.combinations({path: dimension.ends for path, dimension in space.items()})
    for point in points:
        try:
            of_point = load_settings(composer, point)
        except InputError as error:
            raise InputError(f"study.space: {error}") from error
        if changed := _changed_measure(settings, of_point):
            raise InputError(
                f"study.space: {', '.join(f'{path}={value}' for path, value in point.items())} changes {changed}, by "
                "which points are compared: it has to be the same for all of them"
            )


def _changed_measure(settings: Settings, of_point: Settings) -> str | None:
    """What a point would be measured by differently, or None."""
    for field in ("evaluation", "benchmarks"):
        if getattr(settings, field) != getattr(of_point, field):
            return field
    for field in ("evaluate", "tiers"):
        if getattr(settings.languages, field) != getattr(of_point.languages, field):
            return f"languages.{field}"
    parts = {MetricKey.parse(metric).part for metric in settings.study.goals}
    if set(settings.languages.train) != set(of_point.languages.train) and parts.intersection(SEEN):
        return f"which languages are {' and '.join(sorted(parts.intersection(SEEN)))}"
    return None


def _with_conditions(study: StudySettings, path: str, value: Any) -> dict[str, Any]:
    """A value of a path with the values of other paths that it needs to exist."""
    point: dict[str, Any] = {}
    for other, wanted in (study.space[path].when or {}).items():
        point = _with_conditions(study, other, wanted[0]) | point
    return {**point, path: value}
