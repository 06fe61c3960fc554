"""What a study searches, towards what, and where it runs."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from sweep.settings.artifacts import ArtifactsUrl
from sweep.settings.base import (
    Positive,
    Section,
    StudyName,
)
from sweep.settings.goals import Constraint, Objective
from sweep.settings.merging import merge_problem
from sweep.settings.metric_key import MetricKey
from sweep.settings.space import Dimension, condition_problem, point_problem, same, space_problem
from sweep.settings.storage import StorageUrl
from sweep.settings.untrained import Baseline

Sampler = Literal["tpe", "random", "gp", "cmaes", "nsga2", "nsga3", "brute_force"]

LARGEST_COUNTED = 10_000  # points of a space that is counted before it is searched

SEVERAL_OBJECTIVES: tuple[Sampler, ...] = ("tpe", "random", "gp", "nsga2", "nsga3", "brute_force")


class PrunerSettings(Section):
    """Which running trials are given up early, judged at each validation by the values of the others at that step.

    `median`: worse than the median of the others. `percentile`: not among the best `percentile` per cent. `asha`:
    successive halving, where 1 in `reduction_factor` goes on at each rung, the first at step `min_resource`.
    `hyperband`: several such brackets up to `max_resource` steps. `wilcoxon`: worse than the best
    finished trial, translation group by group and beyond what seeds differ by; an equal trial is pruned in at most
    `p_threshold` of cases. median, percentile and wilcoxon wait for `startup_trials`
    finished trials, and spare a trial's first `warmup_steps` steps.
    """

    kind: Literal["none", "median", "percentile", "asha", "hyperband", "wilcoxon"]
    startup_trials: Annotated[int, Field(ge=0)]
    warmup_steps: Annotated[int, Field(ge=0)]
    percentile: Annotated[float, Field(gt=0, lt=100)]
    min_resource: Positive
    max_resource: Positive | None
    reduction_factor: Annotated[int, Field(ge=2)]
    p_threshold: Annotated[float, Field(gt=0, lt=1)]

    @model_validator(mode="after")
    def _hyperband_knows_its_end(self) -> "PrunerSettings":
        if self.kind == "hyperband" and (self.max_resource is None or self.max_resource < self.min_resource):
            raise ValueError("hyperband needs max_resource: the last step of a training, at least min_resource")
        return self


class Confirmation(Section):
    """When all points of a search are done, the best `points` of them are trained with further seeds, until each has
    `seeds`. Only a point that has all of these can then be the best."""

    points: Positive
    seeds: Positive


class StudySettings(Section):
    """What is searched, for how long, and towards what.

    With `select_on: half` points are chosen, and seeds are stopped, by one half of the benchmark's translation
    groups, and every table and interval is of the other half; `auto` is half for a search, and all for a grid.
    `confirm` is for a search alone; what it adds begins after the last point, and the sampler is not told of it.
    `sampler` draws the points of a space that is not a grid, `search_seed` makes its draws repeatable. A search
    begins with the `first_points`; the sampler draws what they leave open.
    `seed_policy: stop_when_worse` runs a point's seeds one after another, and none after it is shown to be
    worse than the best point; an equal one is given up in at most `worse_p` of cases, and none after one seed.
    `storage: null` is SQLite in the study's folder. A worker is given up if it gave no sign of life for `grace_s`
    seconds; a database, or the place of the `artifacts`, may be away for `patience_s` seconds.
    `artifacts` is a place that all machines reach: checkpoints, results, models and baselines are copied there, and
    taken from there by a machine that lacks them; null: all machines share the sweeps folder.
    `baselines`: what needs no training and stands beside the trained points, as far as the model and the benchmark
    have it. A model from scratch has nothing before its training; with `scratch_baselines` the random weights that it
    begins with at the first seed stand for it.
    `export_debias`: what an exported model carries that removes the language from its embeddings.
    Questions and passages of the benchmark that are at least `near_copies` like a training text (Jaccard similarity
    of their character 5-grams; null: not looked for) are counted and reported.
    """

    name: StudyName
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]
    space: dict[str, Dimension]
    points: Positive | None
    first_points: tuple[dict[str, Any], ...]
    sampler: Sampler
    search_seed: Annotated[int, Field(ge=0)]
    objectives: Annotated[tuple[Objective, ...], Field(min_length=1, max_length=3)]
    select_on: Literal["auto", "all", "half"]
    constraints: tuple[Constraint, ...]
    seed_policy: Literal["all", "stop_when_worse"]
    worse_p: Annotated[float, Field(gt=0, lt=1)]
    confirm: Confirmation | None
    pruner: PrunerSettings
    warm_start: StudyName | None
    max_attempts: Positive
    retry_failed: bool
    rerun_damaged: bool
    baselines: tuple[Baseline, ...]
    scratch_baselines: bool
    export: Literal["best", "all", "none"]
    export_debias: Literal["center", "lir"] | None
    near_copies: Annotated[float, Field(ge=0.5, le=1)] | None
    storage: StorageUrl | None
    artifacts: ArtifactsUrl | None
    grace_s: Positive
    patience_s: Annotated[float, Field(ge=0)]

    @property
    def is_grid(self) -> bool:
        """Whether every dimension is a grid (or there is none), so that all points are known beforehand."""
        return all(dimension.grid is not None for dimension in self.space.values())

    @property
    def selects_on_half(self) -> bool:
        """Whether points are chosen by one half of the questions, and reported on the other."""
        return self.select_on == "half" or (self.select_on == "auto" and not self.is_grid)

    def selected(self, metric: str) -> str:
        """The key of the figure that a metric's points are chosen by."""
        return str(MetricKey.parse(metric).of_half("select")) if self.selects_on_half else metric

    def reported(self, metric: str) -> str:
        """The key of the figure that tables have of a metric."""
        return str(MetricKey.parse(metric).of_half("report")) if self.selects_on_half else metric

    @property
    def further_seeds(self) -> tuple[int, ...]:
        """What confirms a point besides `seeds`: the numbers after the largest of these; empty if nothing does."""
        missing = 0 if self.confirm is None else self.confirm.seeds - len(self.seeds)
        return tuple(range(max(self.seeds) + 1, max(self.seeds) + 1 + max(0, missing)))

    @property
    def confirmed_seeds(self) -> tuple[int, ...]:
        """All seeds that a confirmed point has; empty if the study confirms none."""
        return (*self.seeds, *self.further_seeds) if self.further_seeds else ()

    @property
    def goals(self) -> tuple[str, ...]:
        """The metrics of objectives and constraints, each once."""
        metrics = [objective.metric for objective in self.objectives]
        return tuple(dict.fromkeys([*metrics, *(constraint.metric for constraint in self.constraints)]))

    def active(self, path: str, values: dict[str, Any]) -> bool:
        """Whether a path exists in a point with these values of the earlier paths."""
        when = self.space[path].when or {}
        return all(
            other in values and any(same(values[other]) == same(value) for value in wanted)
            for other, wanted in when.items()
        )

    def combinations(self, values: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
        """Every combination of these values of the space's paths (the last path varies fastest), each without the
        paths that do not exist in it."""
        points: list[dict[str, Any]] = [{}]
        for path in self.space:
            points = [
                {**point, path: value} if exists else point
                for point in points
                for exists in [self.active(path, point)]
                for value in (values[path] if exists else values[path][:1])
            ]
        return points

    @model_validator(mode="after")
    def _target_is_known(self) -> "StudySettings":
        if self.is_grid and self.points is not None:
            raise ValueError("points must be null for a grid: all of its points are run")
        if not self.is_grid and self.points is None:
            raise ValueError("points must say how many points to search, since the space is not a grid")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds lists a seed twice")
        if self.is_grid and self.confirm is not None:
            raise ValueError(
                "confirm belongs to a search, and this space is a grid; study.confirm=null leaves it out"
            )
        if self.warm_start == self.name:
            raise ValueError("warm_start names the study itself")
        return self

    @model_validator(mode="after")
    def _space_is_sound(self) -> "StudySettings":
        problem = (
            condition_problem(self.space)
            or (None if self.is_grid else space_problem(self.space, self.sampler))
            or point_problem(self.space, self.first_points)
            or merge_problem(self)
        )
        if problem:
            raise ValueError(problem)
        if self.points is not None and (size := self._size()) is not None and self.points > size:
            raise ValueError(f"points={self.points}, and the space has only {size}: set study.points={size} or less")
        return self

    def _size(self) -> int | None:
        """How many points a small space has; None if it is infinite, or too large to count."""
        if math.prod(dimension.size for dimension in self.space.values()) > LARGEST_COUNTED:
            return None
        return len(self.combinations({path: dimension.values for path, dimension in self.space.items()}))

    @model_validator(mode="after")
    def _pruner_fits(self) -> "StudySettings":
        if self.pruner.kind == "wilcoxon" and len(self.seeds) == 1:
            raise ValueError(
                "pruner.kind=wilcoxon compares points, for which one seed is too few: set study.seeds to two or more "
                "of them, or take another pruner"
            )
        return self

    @model_validator(mode="after")
    def _goals_fit(self) -> "StudySettings":
        metrics = [objective.metric for objective in self.objectives]
        if len(set(metrics)) != len(metrics):
            raise ValueError("objectives lists a metric twice")
        if len(metrics) > 1:
            if not self.is_grid and self.sampler not in SEVERAL_OBJECTIVES:
                raise ValueError(
                    f"sampler={self.sampler} has one objective; for several choose {', '.join(SEVERAL_OBJECTIVES)}"
                )
            if self.pruner.kind != "none":
                raise ValueError("pruning needs one objective: set pruner.kind=none")
            if self.seed_policy != "all":
                raise ValueError("seed_policy=stop_when_worse needs one objective: set seed_policy=all")
        elif self.seed_policy != "all" and MetricKey.parse(metrics[0]).family == "geometry":
            raise ValueError(f"seed_policy=stop_when_worse needs an objective that ranks tell, not {metrics[0]}")
        for constraint in self.constraints:
            for path in constraint.not_below.of if constraint.not_below else ():
                if path not in self.space:
                    raise ValueError(f"constraints: not_below.of names '{path}', which study.space does not search")
        return self
