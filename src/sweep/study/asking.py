"""Asking a sampler for a new point of a search."""

import json
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from optuna.trial import FrozenTrial, Trial, TrialState

from sweep.errors import SweepError
from sweep.settings import StudySettings
from sweep.settings.space import same
from sweep.study.constraints import matches
from sweep.study.distributions import search_distribution, stored, suggest
from sweep.study.point import Point
from sweep.study.samplers import sampler_of, unseen_sampler
from sweep.study.storage import SearchedPoints
from sweep.study.telling import is_point, point_of

MAX_REPEATS = 100  # draws of an already known point in a row before the space counts as exhausted
MAX_OWN_REPEATS = 10  # before random draws for a sampler that cannot leave a part of the space with nothing new in it


def ask_point(points: SearchedPoints, settings: StudySettings) -> None:
    """Begin one new point, which is stored with its values. Raises SweepError if the sampler gives none.

    What a worker began that was killed goes on first; then what is enqueued.
    """
    _enqueue_first_points(points, settings)
    for _ in range(MAX_REPEATS):
        trials = points.trials()
        begun = next((trial for trial in trials if _is_unnamed(trial)), None)  # by a worker killed in between
        waiting = next((trial for trial in trials if trial.state == TrialState.WAITING), None)
        number = begun.number if begun else waiting.number if waiting else len(trials)
        known = {point_of(trial).key for trial in trials if is_point(trial)}
        # A sampler made for this number alone has no memory of earlier askings: a resumed search draws the same.
        at_random = _last_repeats(trials) >= MAX_OWN_REPEATS
        study = points.study(unseen_sampler(settings, number) if at_random else sampler_of(settings, number))
        trial = points.resumed(study, begun) if begun else study.ask()
        point = Point(_sample(trial, settings), 0)
        if point.key not in known:
            trial.set_user_attr("point", point.to_json())  # with it, this is a point of the study
            return
        trial.set_user_attr("repeats", point.key)
        study.tell(trial, state=TrialState.FAIL)
    raise SweepError(
        f"the search drew {MAX_REPEATS} points in a row that were tried already: the space has too few points "
        f"for study.points={settings.points}; lower study.points, or make the space a grid"
    )


def _sample(trial: Trial, settings: StudySettings) -> dict[str, Any]:
    """The values of a point: stored, enqueued or newly drawn."""
    values: dict[str, Any] = {}
    for path, dimension in settings.space.items():
        if settings.active(path, values):
            drawn = suggest(trial, path, search_distribution(dimension))
            values[path] = next((value for value in dimension.listed if stored(value) == drawn), drawn)
    return values


def _enqueue_first_points(points: SearchedPoints, settings: StudySettings) -> None:
    """Points that constraints measure others against come first, and then the first points of the study: one at a
    time, since the settings may be others at the next asking."""
    trials = points.trials()
    if any(trial.state == TrialState.WAITING for trial in trials):
        return
    first = [dict(values) for values in settings.first_points]
    known = [*first, *(point_of(trial).values for trial in trials if is_point(trial))]
    bounds = [constraint.not_below.of for constraint in settings.constraints if constraint.not_below]
    references = [dict(of) for of in bounds if not any(matches(values, of) for values in known)]
    asked = {trial.user_attrs.get("reference") for trial in trials}
    for values in [*references, *first]:
        name = json.dumps(values, sort_keys=True)
        if name not in asked:
            fixed = {path: _stored_as_listed(settings, path, value) for path, value in values.items()}
            points.study(sampler_of(settings, 0)).enqueue_trial(fixed, user_attrs={"reference": name})
            return


def _stored_as_listed(settings: StudySettings, path: str, value: Any) -> Any:
    """A value as the storage has it: of a list the listed one, 1.0 for 1, and of a lattice its point."""
    dimension = settings.space[path]
    if dimension.listed:
        return stored(next((one for one in dimension.listed if same(one) == same(value)), value))
    return dimension.on_lattice(value)


def _last_repeats(trials: Sequence[FrozenTrial]) -> int:
    """How many of the last trials repeated a known point."""
    asked = [trial for trial in trials if trial.state != TrialState.WAITING and not _is_unnamed(trial)]
    return len(list(takewhile(lambda trial: "repeats" in trial.user_attrs, reversed(asked))))


def _is_unnamed(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.RUNNING and not {"point", "repeats"} & trial.user_attrs.keys()
