"""The trials of a study as its storage has them, however many there are.

Optuna builds an object for every parameter, value and attribute of a trial: of ten thousand trials that takes seconds
and hundreds of megabytes, and again for all that wait at every look. Here a look reads one line a trial, and the
rest only of those that may have changed: a finished trial never does.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import sqlalchemy
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import Connection, Engine, Row

AT_ONCE = 500  # ids in one question: every database takes as many

_TRIALS = models.TrialModel.__table__
_VALUES = models.TrialValueModel.__table__
_STEPS = models.TrialIntermediateValueModel.__table__
_ATTRIBUTES = models.TrialUserAttributeModel.__table__


class TrialReader:
    """Reads the trials of the study with this id. The trials it gives have neither parameters nor times: their points
    are among their user attributes."""

    def __init__(self, engine: Engine, study_id: int) -> None:
        self._engine = engine
        self._study_id = study_id
        self._kept: dict[int, FrozenTrial] = {}  # by id, in order of their numbers
        self._latest: dict[str, FrozenTrial] = {}

    def by_key(self) -> Mapping[str, FrozenTrial]:
        """The latest trial of every key, in order of their numbers; the same object while nothing has changed."""
        with self._engine.connect() as connection:
            # States first: what belongs to a state is written before it, or together with it.
            listed = connection.execute(
                sqlalchemy.select(_TRIALS.c.trial_id, _TRIALS.c.number, _TRIALS.c.state)
                .where(_TRIALS.c.study_id == self._study_id)
                .order_by(_TRIALS.c.number)
            ).all()
            changed = [row for row in listed if self._may_differ(row)]
            read = {
                trial._trial_id: trial
                for start in range(0, len(changed), AT_ONCE)
                for trial in _whole(connection, changed[start : start + AT_ONCE])
            }
        if any(self._kept.get(trial_id) != trial for trial_id, trial in read.items()):
            self._kept = {row.trial_id: read.get(row.trial_id) or self._kept[row.trial_id] for row in listed}
            trials = self._kept.values()
            self._latest = {trial.user_attrs["key"]: trial for trial in trials if "key" in trial.user_attrs}
        return self._latest

    def _may_differ(self, row: Row[Any]) -> bool:
        kept = self._kept.get(row.trial_id)
        if kept is None or kept.state != row.state:
            return True
        # One that waits again after a pause may have been paused once more.
        return row.state == TrialState.RUNNING or (row.state == TrialState.WAITING and "claims" in kept.user_attrs)


def _whole(connection: Connection, listed: Sequence[Any]) -> Iterator[FrozenTrial]:
    """Some trials, with what belongs to them."""
    ids = [row.trial_id for row in listed]
    values = _of_trials(
        connection, ids, _VALUES.c.trial_id, _VALUES.c.objective, _VALUES.c.value, _VALUES.c.value_type
    )
    steps = _of_trials(
        connection,
        ids,
        _STEPS.c.trial_id,
        _STEPS.c.step,
        _STEPS.c.intermediate_value,
        _STEPS.c.intermediate_value_type,
    )
    attributes = _of_trials(connection, ids, _ATTRIBUTES.c.trial_id, _ATTRIBUTES.c.key, _ATTRIBUTES.c.value_json)
    to_value = models.TrialValueModel.stored_repr_to_value
    to_step_value = models.TrialIntermediateValueModel.stored_repr_to_intermediate_value
    for trial_id, number, state in listed:
        yield FrozenTrial(
            number=number,
            state=state,
            value=None,
            values=[to_value(value, kind) for _, _, value, kind in values.get(trial_id, ())] or None,
            datetime_start=None,
            datetime_complete=None,
            params={},
            distributions={},
            user_attrs={name: json.loads(text) for _, name, text in attributes.get(trial_id, ())},
            system_attrs={},
            intermediate_values={
                step: to_step_value(value, kind) for _, step, value, kind in steps.get(trial_id, ())
            },
            trial_id=trial_id,
        )


def _of_trials(
    connection: Connection, ids: Sequence[int], trial_id: sqlalchemy.Column[Any], *columns: sqlalchemy.Column[Any]
) -> dict[int, list[Any]]:
    """The rows of a table that belong to some trials, by trial; in the order of the first of `columns`."""
    rows = connection.execute(
        sqlalchemy.select(trial_id, *columns).where(trial_id.in_(ids)).order_by(trial_id, columns[0])
    )
    return {found: list(of_trial) for found, of_trial in groupby(rows, key=itemgetter(0))}
