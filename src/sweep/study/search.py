"""The points of a search: an Optuna study of its own, `<name>.points`, whose trials are points and not replicates.

A point is RUNNING while trials of its seeds are unfinished, then it is told the mean of each objective over them. It
carries what samplers keep with a trial (generations, populations), which a single seed's trial could not.
Everything here happens under the study's lock, and a kill at any place is mended by the next claim.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from statistics import fmean
from typing import Any

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from sweep.errors import SweepError
from sweep.settings import StudySettings
from sweep.settings.space import same
from sweep.study.constraints import Measured, matches, means, violations
from sweep.study.database import Database
from sweep.study.distributions import search_distribution, stored, suggest
from sweep.study.point import Point
from sweep.study.samplers import random_sampler, sampler_of
from sweep.study.trials import UNFINISHED

MAX_REPEATS = 100  # draws of an already known point in a row before the space counts as exhausted
MAX_OWN_REPEATS = 10  # before chance draws for a sampler that cannot leave a part of the space with nothing new in it


class PointSearch:
    """Asks for points, and tells what became of them. `measured` gives the constrained metrics of a trial."""

    def __init__(
        self,
        database: Database,
        settings: StudySettings,
        measured: Callable[[FrozenTrial], Mapping[str, float]],
    ) -> None:
        self._database = database
        self._settings = settings
        self._measured = measured
        self._name = f"{settings.name}.points"
        study = optuna.create_study(
            study_name=self._name,
            storage=database.storage,
            directions=[objective.direction for objective in settings.objectives],
            load_if_exists=True,
        )
        self._study_id = study._study_id
        # Read under the lock in this change of it, and not changed since.
        self._known: tuple[object | None, list[FrozenTrial]] = None, []

    def _study(self, number: int, by_chance: bool = False) -> optuna.Study:
        """The study as the sampler of the point with this number sees it: without memory of earlier askings."""
        sampler = random_sampler(self._settings, number) if by_chance else sampler_of(self._settings, number)
        return optuna.load_study(study_name=self._name, storage=self._database.storage, sampler=sampler)

    def _trials(self) -> list[FrozenTrial]:
        change = self._database.current_change
        if change is None or self._known[0] is not change:
            with self._database.reading():
                self._known = change, self._database.storage.get_all_trials(self._study_id, deepcopy=False)
        return self._known[1]

    def _forget(self) -> None:
        self._known = None, []

    def points(self) -> list[FrozenTrial]:
        """What counts as a point of this search, in the order of asking."""
        return [trial for trial in self._trials() if _is_point(trial) and "warm_start" not in trial.user_attrs]

    def known(self) -> set[str]:
        """Keys (without seed) of all points, those of another study included."""
        return {_point(trial).key for trial in self._trials() if _is_point(trial)}

    # Asking ---------------------------------------------------------------------------------------------------

    def ask(self) -> None:
        """Begin one new point. Raises SweepError if the sampler finds none."""
        self._enqueue_references()
        for _ in range(MAX_REPEATS):
            trials = self._trials()
            begun = next((trial for trial in trials if _is_unnamed(trial)), None)  # by a worker killed in between
            waiting = next((trial for trial in trials if trial.state == TrialState.WAITING), None)
            number = begun.number if begun else waiting.number if waiting else len(trials)
            study = self._study(number, by_chance=_last_repeats(trials) >= MAX_OWN_REPEATS)
            known = self.known()
            self._forget()
            trial = Trial(study, begun._trial_id) if begun else study.ask()
            point = Point(self._sample(trial), 0)
            if point.key not in known:
                trial.set_user_attr("point", point.to_json())  # with it, this is a point of the study
                return
            trial.set_user_attr("repeats", point.key)
            study.tell(trial, state=TrialState.FAIL)
        raise SweepError(
            f"the search drew {MAX_REPEATS} points in a row that were tried already: the space has too few points "
            f"for study.points={self._settings.points}; lower study.points, or make the space a grid"
        )

    def _sample(self, trial: Trial) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for path, dimension in self._settings.space.items():
            if self._settings.active(path, values):
                drawn = suggest(trial, path, search_distribution(dimension))
                values[path] = next((value for value in dimension.listed if stored(value) == drawn), drawn)
        return values

    def _enqueue_references(self) -> None:
        """Points that constraints measure others against come first, and then the first points of the study: one at a
        time, since the settings may be others at the next asking."""
        trials = self._trials()
        if any(trial.state == TrialState.WAITING for trial in trials):
            return
        first = [dict(values) for values in self._settings.first_points]
        known = [*first, *(_point(trial).values for trial in trials if _is_point(trial))]
        bounds = [constraint.not_below.of for constraint in self._settings.constraints if constraint.not_below]
        references = [dict(of) for of in bounds if not any(matches(values, of) for values in known)]
        asked = {trial.user_attrs.get("reference") for trial in trials}
        for values in [*references, *first]:
            name = json.dumps(values, sort_keys=True)
            if name not in asked:
                self._forget()
                fixed = {path: self._stored(path, value) for path, value in values.items()}
                self._study(0).enqueue_trial(fixed, user_attrs={"reference": name})
                return

    def _stored(self, path: str, value: Any) -> Any:
        """A value as the storage has it: of a list the listed one, 1.0 for 1."""
        return stored(next((one for one in self._settings.space[path].listed if same(one) == same(value)), value))

    # Telling --------------------------------------------------------------------------------------------------

    def settle(self, replicates: Mapping[str, FrozenTrial]) -> None:
        """Tell every point whose trials (by key) are all finished."""
        for trial in self._trials():
            if trial.state != TrialState.RUNNING:
                continue
            if "repeats" in trial.user_attrs:
                self._forget()
                self._study(trial.number).tell(trial.number, state=TrialState.FAIL)
            elif _is_point(trial):
                values = _point(trial).values
                found = [replicates.get(Point(values, seed).key) for seed in self._settings.seeds]
                ended = [other for other in found if other is not None and other.state not in UNFINISHED]
                if len(ended) == len(found):
                    self._forget()
                    self._tell(trial, values, ended, replicates)

    def _tell(
        self,
        trial: FrozenTrial,
        values: dict[str, Any],
        seeds: list[FrozenTrial],
        replicates: Mapping[str, FrozenTrial],
    ) -> None:
        """Tell a point: the means over its seeds. One whose training was given up early is told as PRUNED: the mean
        of the seeds that were good enough to go on would flatter it."""
        study = self._study(trial.number)
        complete = [other for other in seeds if other.state == TrialState.COMPLETE]
        pruned = [other for other in seeds if other.state == TrialState.PRUNED and other.intermediate_values]
        if pruned:
            step = min(max(other.intermediate_values) for other in pruned)
            reached = [other.intermediate_values[step] for other in pruned if step in other.intermediate_values]
            Trial(study, trial._trial_id).report(fmean(reached), step)
            study.tell(trial.number, state=TrialState.PRUNED)
        elif complete:
            self._constrain(study, trial, values, complete, replicates)
            columns = zip(*(other.values or () for other in complete), strict=True)
            study.tell(trial.number, [fmean(column) for column in columns])
        else:
            study.tell(trial.number, state=TrialState.FAIL)

    def _constrain(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        values: dict[str, Any],
        complete: list[FrozenTrial],
        replicates: Mapping[str, FrozenTrial],
    ) -> None:
        if not self._settings.constraints:
            return
        point = Measured(values, means([self._measured(other) for other in complete]))
        broken = violations(self._settings, point, measured_points(replicates.values(), self._measured))
        live = Trial(study, trial._trial_id)
        for name, by in zip(self._constraint_names, broken, strict=True):
            if name not in live.constraints:  # else told by a worker that was killed right after
                live.set_constraint(name, by)

    @property
    def _constraint_names(self) -> list[str]:
        return [f"{index}:{constraint.metric}" for index, constraint in enumerate(self._settings.constraints)]

    def add_known(
        self, values: dict[str, Any], objectives: list[float], metrics: Mapping[str, float], origin: str
    ) -> None:
        """Add a finished point of another study, with its constrained metrics, for the sampler alone."""
        broken = violations(self._settings, Measured(values, metrics), [])
        kept = {path: search_distribution(self._settings.space[path]) for path in values}
        self._forget()
        self._study(0).add_trial(
            optuna.trial.create_trial(
                values=objectives,
                params={path: stored(values[path]) for path in kept},
                distributions=kept,
                user_attrs={"point": Point(values, 0).to_json(), "warm_start": origin},
                constraints=dict(zip(self._constraint_names, broken, strict=True)),
            )
        )


def measured_points(
    trials: Iterable[FrozenTrial], measured: Callable[[FrozenTrial], Mapping[str, float]]
) -> list[Measured]:
    """The points with a COMPLETE trial, in the order they were begun, with the means over their seeds."""
    rows: dict[str, tuple[dict[str, Any], list[Mapping[str, float]]]] = {}
    for trial in trials:
        if trial.state == TrialState.COMPLETE:
            point = Point.from_json(trial.user_attrs["point"])
            rows.setdefault(point.without_seed, (point.values, []))[1].append(measured(trial))
    return [Measured(values, means(metrics)) for values, metrics in rows.values()]


def _last_repeats(trials: Sequence[FrozenTrial]) -> int:
    """How many of the last trials repeated a known point."""
    asked = [trial for trial in trials if trial.state != TrialState.WAITING and not _is_unnamed(trial)]
    return len(list(takewhile(lambda trial: "repeats" in trial.user_attrs, reversed(asked))))


def _is_point(trial: FrozenTrial) -> bool:
    return "point" in trial.user_attrs


def _is_unnamed(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.RUNNING and not {"point", "repeats"} & trial.user_attrs.keys()


def _point(trial: FrozenTrial) -> Point:
    return Point.from_json(trial.user_attrs["point"])
