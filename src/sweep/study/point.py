"""Points of the search space and their keys."""

import json
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from sweep.errors import InputError
from sweep.settings import StudySettings
from sweep.settings.merging import is_end, is_merged

MAX_KEY_LENGTH = 150  # folder names may have 255 bytes; leave room for temporary names


@dataclass(frozen=True, eq=False)
class Point:
    """Values of the searched config paths, and a seed: one trial."""

    values: dict[str, Any]
    seed: int

    @cached_property
    def key(self) -> str:
        """The trial's identity: a readable, file-safe slug such as `ratio.monolingual=0.25,seed=0`.

        Different points have different keys: unsafe characters are percent-encoded, and a key that would be too long
        ends in a hash of its whole text.
        """
        parts = [f"{path}={_slug(value)}" for path, value in sorted(self.values.items())]
        key = ",".join([*parts, f"seed={self.seed}"])
        if len(key) > MAX_KEY_LENGTH:
            tail = f"~{sha256(key.encode()).hexdigest()[:16]},seed={self.seed}"
            key = key[: MAX_KEY_LENGTH - len(tail)] + tail
        return key

    @cached_property
    def without_seed(self) -> str:
        """The same for all seeds of a point: its key, without the seed."""
        return Point(self.values, 0).key

    @property
    def assignments(self) -> dict[str, Any]:
        """Config paths and values that turn the study's configuration into this trial's."""
        return {**self.values, "seed": self.seed}

    def to_json(self) -> str:
        """The point as text, for storage."""
        return json.dumps({"values": self.values, "seed": self.seed}, sort_keys=True)

    @staticmethod
    @lru_cache(maxsize=100_000)  # every look at a study asks for the points of all of its trials
    def from_json(text: str) -> "Point":
        """The point that `to_json` wrote."""
        return Point(**json.loads(text))


def _slug(value: Any) -> str:
    """Text of a value that is safe in a file name. Whole floats lose their `.0`: 1.0 and 1 are one value."""
    return _slug_of_plain(value) if isinstance(value, (str, int, float)) else _slug_of(value)


def _slug_of(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    # A string that reads as a number or a word of JSON is quoted, so that "1" and 1 stay apart.
    if isinstance(value, str) and re.fullmatch(r"-?[0-9.eE+-]+|true|false|null|", value):
        text = json.dumps(value)
    return quote(text, safe="+-._ ").replace(" ", "%20")


_slug_of_plain = lru_cache(maxsize=10_000, typed=True)(_slug_of)  # a grid has few values and many points


def check_point(point: Point, settings: StudySettings) -> None:
    """Raise InputError for a point that this study cannot have: a database is written by others, too, and other paths
    (such as that of the model) would let them decide what a worker loads."""
    for path, value in point.values.items():
        dimension = settings.space.get(path)
        if dimension is None:
            raise InputError(f"the study's database has a point with {path}, which the study does not search")
        text = json.dumps(value, sort_keys=True)
        if dimension.listed:
            fits = dimension.holds(value) or text in [json.dumps(one, sort_keys=True) for one in dimension.listed]
        else:
            fits = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not fits:
            raise InputError(f"the study's database has a point with {path}={text[:100]}, which is not in its space")


def grid_points(settings: StudySettings) -> list[Point]:
    """All points of a grid: for every combination of values (the last path varies fastest) every seed. Merges come
    last, after what they are made of; one of λ = 0 or 1 would be its parent, and is none."""
    values = settings.combinations({path: dimension.grid or () for path, dimension in settings.space.items()})
    values = sorted((point for point in values if not is_end(point)), key=is_merged)
    return [Point(point, seed) for point in values for seed in settings.seeds]
