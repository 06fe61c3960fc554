"""The search space: what every searched config path may be."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

from pydantic import ConfigDict, Field, field_validator, model_validator

from sweep.settings.base import Section
from sweep.settings.wording import written


def exact(number: float) -> Decimal:
    """The decimal number that a person writes for it."""
    return Decimal(repr(number))


def same(value: Any) -> str:
    """Equal for values that are one point: 1 and 1.0, but not true."""
    return repr(float(value)) if isinstance(value, (int, float)) and not isinstance(value, bool) else repr(value)


class Dimension(Section):
    """What one config path may be: exactly one of `grid` (all of these values), `choice` (one of them, searched),
    `float` or `int` (a range [low, high], searched; `log` for a logarithmic scale, `step` for a lattice).

    With `when` (another searched path -> a value or a list of them) the path exists only in points where that path
    has one of these values; other points lack it, and keep the composed configuration's value.
    """

    model_config = ConfigDict(populate_by_name=True)

    grid: Annotated[tuple[Any, ...], Field(min_length=1)] | None = None
    choice: Annotated[tuple[Any, ...], Field(min_length=1)] | None = None
    float_range: tuple[float, float] | None = Field(default=None, alias="float")
    int_range: tuple[int, int] | None = Field(default=None, alias="int")
    log: bool = False
    step: Annotated[float, Field(gt=0)] | None = None
    when: dict[str, tuple[Any, ...]] | None = None

    @field_validator("when", mode="before")
    @classmethod
    def _a_value_is_a_list_of_one(cls, when: Any) -> Any:
        if not isinstance(when, dict):
            return when
        return {path: tuple(value) if isinstance(value, (list, tuple)) else (value,) for path, value in when.items()}

    @property
    def listed(self) -> tuple[Any, ...]:
        """The values of a grid or a choice; nothing for a range."""
        return self.grid or self.choice or ()

    def holds(self, value: Any) -> bool:
        """Whether the dimension can have this value."""
        if self.listed:
            return any(same(value) == same(one) for one in self.listed)
        low, high = self.float_range or self.int_range or (0, 0)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not low <= value <= high or (self.int_range and not float(value).is_integer()):
            return False
        steps = (value - low) / (self.step or 1)
        return not self.step or abs(steps - round(steps)) < 1e-6

    @property
    def size(self) -> float:
        """How many values there are; infinite for a float range without a step."""
        if self.listed:
            return len(self.listed)
        low, high = self.float_range or self.int_range or (0, 0)
        if self.float_range and self.step is None:
            return math.inf
        return int((exact(high) - exact(low)) / exact(self.step or 1)) + 1

    def on_lattice(self, value: float) -> float:
        """The value of the range that is nearest, written as shortly as low and step are: .3, and not 3 * .1."""
        if self.step is None or self.float_range is None:
            return value
        low, step = exact(self.float_range[0]), exact(self.step)
        return float(low + round((exact(value) - low) / step) * step)

    @property
    def values(self) -> tuple[Any, ...]:
        """All of them; `size` is to be finite."""
        if self.listed:
            return self.listed
        low, high = self.int_range or (0, 0)
        if self.float_range is None:
            return tuple(range(low, high + 1, int(self.step or 1)))
        start, step = exact(self.float_range[0]), exact(self.step or 1)
        return tuple(float(start + index * step) for index in range(int(self.size)))

    @property
    def ends(self) -> tuple[Any, ...]:
        """Every value of a list, both ends of a range: what must compose for the whole dimension to compose."""
        return self.grid or self.choice or self.float_range or self.int_range or ()

    @model_validator(mode="after")
    def _one_kind(self) -> "Dimension":
        kinds = [self.grid, self.choice, self.float_range, self.int_range]
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("give exactly one of grid, choice, float, int")
        bounds = self.float_range or self.int_range
        if bounds is None and (self.log or self.step):
            raise ValueError("log and step belong to float and int ranges")
        if bounds is not None and not bounds[0] < bounds[1]:
            raise ValueError(f"the range [{bounds[0]}, {bounds[1]}] is empty: low must be smaller than high")
        if bounds is not None and self.log and (bounds[0] <= 0 or self.step):
            raise ValueError("a log range needs low > 0 and takes no step")
        if self.int_range and self.step and not self.step.is_integer():
            raise ValueError(f"step={self.step}: an int range takes a whole step")
        if self.grid is not None and len(set(map(same, self.grid))) != len(self.grid):
            raise ValueError("a grid lists a value twice")
        return self


def condition_problem(space: Mapping[str, Dimension]) -> str | None:
    """What is wrong with the conditions of a space, or None: each names an earlier path and values it can have."""
    earlier: dict[str, Dimension] = {}
    for path, dimension in space.items():
        for other, wanted in (dimension.when or {}).items():
            if other not in earlier:
                known = ", ".join(earlier) or "none"
                return f"space.{path}.when: '{other}' is not a searched path before '{path}' (there: {known})"
            for value in wanted:
                if not earlier[other].holds(value):
                    return f"space.{path}.when: '{other}' cannot be {written(value)}"
        earlier[path] = dimension
    return None


def space_problem(space: Mapping[str, Dimension], sampler: str) -> str | None:
    """What of a space a sampler cannot search, or None."""
    for path, dimension in space.items():
        if sampler == "brute_force" and dimension.float_range and not dimension.step:
            return f"space.{path}: sampler=brute_force needs a step for a float range, to have an end"
    return None


def point_problem(space: Mapping[str, Dimension], points: Sequence[Mapping[str, Any]]) -> str | None:
    """What is wrong with the first points of a search, or None."""
    fix = "study.first_points=[] leaves them out"
    if points and all(dimension.grid is not None for dimension in space.values()):
        return f"first_points belong to a search, and this space is a grid; {fix}"
    for point in points:
        for path, value in point.items():
            if path not in space:
                known = ", ".join(space) or "nothing"
                return f"first_points: '{path}' is not searched (space: {known}); {fix}"
            if not space[path].holds(value):
                return f"first_points: {path}={written(value)} is not in the space; {fix}"
    return None
