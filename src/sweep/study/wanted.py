"""Which trials are to be finished, and how many of them are."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from sweep.settings import StudySettings
from sweep.study.point import Point, grid_points
from sweep.study.trials import FINISHED, StoredTrial


class WantedTrials:
    """The trials that count towards a study's target. `known` are always the latest trials of all keys."""

    def __init__(self, settings: StudySettings) -> None:
        self._settings = settings
        self._seeded: tuple[int, dict[str, Point]] = 0, {}

    @property
    def count(self) -> int:
        """How many trials (points times seeds) are to be finished."""
        if self._settings.is_grid:
            return len(self._grid)
        return (self._settings.points or 0) * len(self._settings.seeds)

    @cached_property
    def _grid(self) -> dict[str, Point]:
        return {point.key: point for point in grid_points(self._settings)}

    def among(self, known: Mapping[str, StoredTrial]) -> Mapping[str, Point]:
        """What counts, by key: the grid as it is now (values may have been removed since), or the first `points`
        points that the search began, with every seed."""
        if self._settings.is_grid:
            return self._grid
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

    def finished(self, known: Mapping[str, StoredTrial]) -> int:
        """How many that count are COMPLETE or PRUNED."""
        trials = (known.get(key) for key in self.among(known))
        return sum(trial is not None and trial.state in FINISHED for trial in trials)

    def remaining(self, known: Mapping[str, StoredTrial]) -> int:
        """How many that count have not ended, those that nobody has begun included."""
        trials = (known.get(key) for key in self.among(known))
        return self.count - sum(trial is not None and trial.has_ended for trial in trials)
