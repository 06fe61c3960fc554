"""Reading a study from Optuna's tables, which `internals` names.

Optuna builds an object for every parameter, value and attribute of a trial: of ten thousand trials that takes seconds
and hundreds of megabytes, and again for all that wait at every look. Read directly, a look costs one line a trial,
and the rest only of those that may have changed: a finished trial never does.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from operator import itemgetter
from typing import Any

import sqlalchemy
from optuna.trial import TrialState
from sqlalchemy.engine import Connection, Row

from sweep.study.internals import ATTRIBUTES, STATES, STEPS, STUDY_ATTRIBUTES, TRIALS, VALUES, to_step_value, to_value
from sweep.study.trials import StoredTrial

AT_ONCE = 500  # ids in one question: every database takes as many


class StudyTables:
    """Reads one study through connections that `connect` opens. Its trials come without Optuna's parameters: their
    points are among their attributes."""

    def __init__(self, connect: Callable[[], AbstractContextManager[Connection]], study_id: int) -> None:
        self._connect = connect
        self._study_id = study_id
        self._kept: dict[int, StoredTrial] = {}  # by id, in order of their numbers
        self._latest: dict[str, StoredTrial] = {}

    def attributes(self) -> dict[str, Any]:
        """The study's user attributes."""
        columns = STUDY_ATTRIBUTES.c
        with self._connect() as connection:
            rows = connection.execute(
                sqlalchemy.select(columns.key, columns.value_json).where(columns.study_id == self._study_id)
            ).all()
        return {name: json.loads(text) for name, text in rows}

    def trial(self, trial_id: int) -> StoredTrial:
        """A trial as it is now. Raises KeyError if there is none with this id."""
        with self._connect() as connection:
            listed = connection.execute(_listing().where(TRIALS.c.trial_id == trial_id)).all()
            for trial in _whole(connection, listed):
                return trial
        raise KeyError(trial_id)

    def by_key(self) -> Mapping[str, StoredTrial]:
        """The latest trial of every key, in order of their numbers; the same object while nothing has changed."""
        with self._connect() as connection:
            # States first: what belongs to a state is written before it, or together with it.
            listed = connection.execute(
                _listing().where(TRIALS.c.study_id == self._study_id).order_by(TRIALS.c.number)
            ).all()
            changed = [row for row in listed if self._may_differ(row)]
            read = {
                trial.id: trial
                for start in range(0, len(changed), AT_ONCE)
                for trial in _whole(connection, changed[start : start + AT_ONCE])
            }
        if any(self._kept.get(trial_id) != trial for trial_id, trial in read.items()):
            self._kept = {row.trial_id: read.get(row.trial_id) or self._kept[row.trial_id] for row in listed}
            self._latest = {trial.key: trial for trial in self._kept.values() if "key" in trial.attributes}
        return self._latest

    def _may_differ(self, row: Row[Any]) -> bool:
        kept = self._kept.get(row.trial_id)
        if kept is None or kept.state != STATES[row.state]:
            return True
        # One that waits again after a pause may have been paused once more.
        return row.state == TrialState.RUNNING or (row.state == TrialState.WAITING and bool(kept.claims))


def outlines(connection: Connection, trial_ids: Sequence[int]) -> list[StoredTrial]:
    """Some trials as they are now, in this order: their states and attributes, without values and validations."""
    if not trial_ids:
        return []
    owned = TRIALS.outerjoin(ATTRIBUTES, ATTRIBUTES.c.trial_id == TRIALS.c.trial_id)
    columns = TRIALS.c.trial_id, TRIALS.c.number, TRIALS.c.state, ATTRIBUTES.c.key, ATTRIBUTES.c.value_json
    trials: dict[int, StoredTrial] = {}
    for start in range(0, len(trial_ids), AT_ONCE):
        of_these = TRIALS.c.trial_id.in_(trial_ids[start : start + AT_ONCE])
        rows = connection.execute(sqlalchemy.select(*columns).select_from(owned).where(of_these))
        for trial_id, attributes in groupby(sorted(rows, key=itemgetter(0)), key=itemgetter(0)):
            listed = list(attributes)
            named = {name: json.loads(text) for *_, name, text in listed if name is not None}
            trials[trial_id] = StoredTrial(trial_id, listed[0].number, STATES[listed[0].state], attributes=named)
    return [trials[trial_id] for trial_id in trial_ids if trial_id in trials]


def _listing() -> sqlalchemy.Select[Any]:
    return sqlalchemy.select(TRIALS.c.trial_id, TRIALS.c.number, TRIALS.c.state)


def _whole(connection: Connection, listed: Sequence[Row[Any]]) -> Iterator[StoredTrial]:
    """Some trials, with what belongs to them."""
    ids = [row.trial_id for row in listed]
    values, steps = VALUES.c, STEPS.c
    values_of = _of_trials(connection, ids, values.trial_id, values.objective, values.value, values.value_type)
    steps_of = _of_trials(
        connection, ids, steps.trial_id, steps.step, steps.intermediate_value, steps.intermediate_value_type
    )
    attributes_of = _of_trials(connection, ids, ATTRIBUTES.c.trial_id, ATTRIBUTES.c.key, ATTRIBUTES.c.value_json)
    for row in listed:
        trial_id: int = row.trial_id
        yield StoredTrial(
            id=trial_id,
            number=row.number,
            state=STATES[row.state],
            values=tuple(to_value(value, kind) for _, _, value, kind in values_of.get(trial_id, ())),
            attributes={name: json.loads(text) for _, name, text in attributes_of.get(trial_id, ())},
            validated={step: to_step_value(value, kind) for _, step, value, kind in steps_of.get(trial_id, ())},
        )


def _of_trials(
    connection: Connection, ids: Sequence[int], trial_id: sqlalchemy.Column[Any], *columns: sqlalchemy.Column[Any]
) -> dict[int, list[Any]]:
    """The rows of a table that belong to some trials, by trial; in the order of the first of `columns`."""
    rows = connection.execute(
        sqlalchemy.select(trial_id, *columns).where(trial_id.in_(ids)).order_by(trial_id, columns[0])
    )
    return {owner: list(of_trial) for owner, of_trial in groupby(rows, key=itemgetter(0))}
