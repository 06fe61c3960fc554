"""Which points of a study are good: objectives and constraints."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from sweep.settings.base import Section

Metric = Annotated[str, Field(min_length=1)]


class Objective(Section):
    """A metric key and which way is better."""

    metric: Metric
    direction: Literal["maximize", "minimize"]

    @property
    def sign(self) -> int:
        """A value times this: larger is better."""
        return 1 if self.direction == "maximize" else -1


class Reference(Section):
    """The points with the values `of` (by config path), and how much a metric may lie below theirs."""

    of: Annotated[dict[str, Any], Field(min_length=1)]
    by: Annotated[float, Field(ge=0)]


class Constraint(Section):
    """A bound on a metric's mean over a point's seeds: `at_least`, `at_most`, or `not_below` another point's mean.

    A point that breaks one is never the best, and a search keeps away from its like.
    """

    metric: Metric
    at_least: float | None = None
    at_most: float | None = None
    not_below: Reference | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> "Constraint":
        if sum(bound is not None for bound in (self.at_least, self.at_most, self.not_below)) != 1:
            raise ValueError(f"constraint on {self.metric}: give exactly one of at_least, at_most, not_below")
        return self
