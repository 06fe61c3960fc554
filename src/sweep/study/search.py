"""The points of a search: an Optuna study of its own, whose trials are points and not replicates.

A point is RUNNING while trials of its seeds are unfinished, then it is told the mean of each objective over them. It
carries what samplers keep with a trial (generations, populations), which a single seed's trial could not.
Everything here happens inside a change of the study's storage, and what a kill at any place leaves is completed by
the next claim.
"""

from collections.abc import Mapping

from optuna.trial import create_trial

from sweep.settings import StudySettings
from sweep.study.asking import ask_point
from sweep.study.constraints import Measured, violations
from sweep.study.distributions import search_distribution, stored
from sweep.study.goals import Goals
from sweep.study.point import Point
from sweep.study.samplers import sampler_of
from sweep.study.storage import SearchedPoints
from sweep.study.telling import constraint_names, is_point, point_of, settle_points
from sweep.study.trials import StoredTrial


class PointSearch:
    """Asks for points, and tells what became of them."""

    def __init__(self, points: SearchedPoints, settings: StudySettings, goals: Goals) -> None:
        self._points = points
        self._settings = settings
        self._goals = goals

    def begun(self) -> list[Point]:
        """What counts as a point of this search, in the order of asking; no more than the study wants."""
        own = [trial for trial in self._points.trials() if is_point(trial) and "warm_start" not in trial.user_attrs]
        return [point_of(trial) for trial in own[: self._settings.points]]

    def known(self) -> set[str]:
        """Keys (without seed) of all points, those of another study included."""
        return {point_of(trial).key for trial in self._points.trials() if is_point(trial)}

    def ask(self) -> None:
        """Begin one new point. Raises SweepError if the sampler gives none."""
        ask_point(self._points, self._settings)

    def settle(self, replicates: Mapping[str, StoredTrial]) -> None:
        """Tell every point whose trials (`replicates`, by key) have all ended."""
        settle_points(self._points, self._settings, self._goals, replicates)

    def add_known(
        self, values: dict[str, object], objectives: list[float], metrics: Mapping[str, float], origin: str
    ) -> None:
        """Add a finished point of the study `origin`, with its constrained metrics, for the sampler alone."""
        broken = violations(self._settings, Measured(values, metrics), [])
        kept = {path: search_distribution(self._settings.space[path]) for path in values}
        self._points.study(sampler_of(self._settings, 0)).add_trial(
            create_trial(
                values=objectives,
                params={path: stored(values[path]) for path in kept},
                distributions=kept,
                user_attrs={"point": Point(values, 0).to_json(), "warm_start": origin},
                constraints=dict(zip(constraint_names(self._settings), broken, strict=True)),
            )
        )
