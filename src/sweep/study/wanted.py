"""Which trials are to be finished, and how many of them are."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from sweep.settings import StudySettings
from sweep.study.confirmation import points_to_confirm
from sweep.study.goals import Goals
from sweep.study.point import Point, grid_points
from sweep.study.trials import FINISHED, StoredTrial

Known = Mapping[str, StoredTrial]


def planned_trials(settings: StudySettings) -> int:
    """How many trials (points times seeds) a study is to finish, as far as its settings tell: of the points to be
    confirmed there may turn out to be fewer."""
    if settings.is_grid:
        return len(grid_points(settings))
    points = settings.points or 0
    confirmed = 0 if settings.confirm is None else min(settings.confirm.points, points)
    return points * len(settings.seeds) + confirmed * len(settings.further_seeds)


class WantedTrials:
    """The trials that count towards a study's target. `known` are always the latest trials of all keys."""

    def __init__(self, settings: StudySettings, goals: Goals) -> None:
        self._settings = settings
        self._goals = goals
        self._seeded: tuple[int, dict[str, Point]] = 0, {}
        self._confirmed: tuple[Known, list[Point] | None] = {}, None

    def count(self, known: Known) -> int:
        """How many trials (points times seeds) are to be finished; those that confirm points are exact once it is
        known which."""
        if self._settings.is_grid:
            return len(self._grid)
        confirmed = self.confirmed(known)
        if confirmed is None:
            return planned_trials(self._settings)
        return (self._settings.points or 0) * len(self._settings.seeds) + len(self.confirming(known))

    @cached_property
    def _grid(self) -> dict[str, Point]:
        return {point.key: point for point in grid_points(self._settings)}

    def among(self, known: Known) -> Mapping[str, Point]:
        """What counts, by key: the grid as it is now (values may have been removed since), or the first `points`
        points that the search began, with every seed, and then what confirms the best of them."""
        if self._settings.is_grid:
            return self._grid
        searched, confirming = self._searched(known), self.confirming(known)
        return {**searched, **confirming} if confirming else searched

    def current(self, known: Known) -> Known:
        """The trials of the points that are compared: of a grid those that it has as it is now, of a search all."""
        if not self._settings.is_grid:
            return known
        return {key: trial for key, trial in known.items() if trial.point.without_seed in self._grid_points}

    @cached_property
    def _grid_points(self) -> set[str]:
        return {point.without_seed for point in self._grid.values()}

    def _searched(self, known: Known) -> Mapping[str, Point]:
        begun: dict[str, Point] = {}
        for trial in known.values():
            begun.setdefault(trial.point.without_seed, trial.point)
        return self.with_seeds(list(begun.values())[: self._settings.points])

    def with_seeds(self, points: Sequence[Point]) -> Mapping[str, Point]:
        """The trials of points, by key; points are only ever added, so the same number of them are the same."""
        if len(points) != self._seeded[0]:
            replicates = [Point(point.values, seed) for point in points for seed in self._settings.seeds]
            self._seeded = len(points), {point.key: point for point in replicates}
        return self._seeded[1]

    def confirming(self, known: Known) -> Mapping[str, Point]:
        """The trials that confirm points, by key; none while the search has something left to do."""
        replicates = [
            Point(point.values, seed)
            for point in self.confirmed(known) or ()
            for seed in self._settings.further_seeds
        ]
        return {point.key: point for point in replicates}

    def confirmed(self, known: Known) -> list[Point] | None:
        """The points that are confirmed, the best first; None while the search has something left to do, or if it
        confirms none."""
        if self._settings.is_grid or not self._settings.further_seeds:
            return None
        if known is not self._confirmed[0]:
            searched = self._searched(known)
            ended = len(searched) == (self._settings.points or 0) * len(self._settings.seeds) and all(
                key in known and known[key].has_ended for key in searched
            )
            trials = {key: known[key] for key in searched} if ended else {}
            self._confirmed = known, points_to_confirm(self._settings, self._goals, trials) if ended else None
        return self._confirmed[1]

    def finished(self, known: Known) -> int:
        """How many that count are COMPLETE or PRUNED."""
        trials = (known.get(key) for key in self.among(known))
        return sum(trial is not None and trial.state in FINISHED for trial in trials)

    def remaining(self, known: Known) -> int:
        """How many that count have not ended, those that nobody has begun included."""
        trials = (known.get(key) for key in self.among(known))
        return self.count(known) - sum(trial is not None and trial.has_ended for trial in trials)
