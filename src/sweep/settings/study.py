"""What a study searches, towards what, where it runs and where it is tracked."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from sweep.settings.base import (
    Name,
    Positive,
    Section,
)


def _same(value: Any) -> str:
    """Equal for values that are one point: 1 and 1.0, but not true."""
    return repr(float(value)) if isinstance(value, (int, float)) and not isinstance(value, bool) else repr(value)


class Dimension(Section):
    """What one config path may be: exactly one of `grid` (all of these values), `choice` (one of them, searched),
    `float` or `int` (a range [low, high], searched; `log` for a logarithmic scale, `step` for a lattice)."""

    model_config = ConfigDict(populate_by_name=True)

    grid: Annotated[tuple[Any, ...], Field(min_length=1)] | None = None
    choice: Annotated[tuple[Any, ...], Field(min_length=1)] | None = None
    float_range: tuple[float, float] | None = Field(default=None, alias="float")
    int_range: tuple[int, int] | None = Field(default=None, alias="int")
    log: bool = False
    step: Annotated[float, Field(gt=0)] | None = None

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
        if self.grid is not None and len(set(map(_same, self.grid))) != len(self.grid):
            raise ValueError("a grid lists a value twice")
        return self


class Objective(Section):
    """A metric key and which way is better."""

    metric: Annotated[str, Field(min_length=1)]
    direction: Literal["maximize", "minimize"]


class StudySettings(Section):
    """What is searched, for how long, and towards what."""

    name: Name
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
    space: dict[str, Dimension]
    points: Positive | None
    search_seed: Annotated[int, Field(ge=0)]
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1, max_length=1)]
    max_attempts: Positive
    retry_failed: bool
    baseline: bool
    export: Literal["best", "all", "none"]

    @property
    def is_grid(self) -> bool:
        """Whether every dimension is a grid (or there is none), so that all points are known beforehand."""
        return all(dimension.grid is not None for dimension in self.space.values())

    @model_validator(mode="after")
    def _target_is_known(self) -> "StudySettings":
        if self.is_grid and self.points is not None:
            raise ValueError("points must be null for a grid: all of its points are run")
        if not self.is_grid and self.points is None:
            raise ValueError("points must say how many points to search, since the space is not a grid")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds lists a seed twice")
        return self


class LauncherSettings(Section):
    """`workers` local workers, each of `processes` accelerate ranks that train one trial together. `threads: null`
    shares the cores among all ranks. Every rank has a GPU of its own where there are GPUs, unless workers may share
    them."""

    kind: Literal["local"]
    workers: Positive
    processes: Positive
    threads: Positive | None
    share_devices: bool


class TrackingSettings(Section):
    """MLflow. `uri: null` is `mlflow.db` in the sweeps folder; otherwise any MLflow tracking URI."""

    uri: str | None
