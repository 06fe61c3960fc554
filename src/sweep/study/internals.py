"""All that this package touches of Optuna beyond its public interface: private members, its tables, its cache.

No other module reaches in.
`optuna.storages._rdb.models`    Its tables. Optuna builds an object for every parameter, value and attribute of a
                                 trial: of ten thousand trials that takes seconds and hundreds of megabytes, and again
                                 for all that wait at every look. Read directly, a look costs one line a trial, and
                                 the rest only of those that may have changed: a finished trial never does. And
                                 `RDBStorage` cannot open a database without writing to it.
`RDBStorage.engine`              The connections that the lock is held on, and whose transactions take their turns.
`RDBStorage._get_stale_trial_ids`  Who is silent, by the database's clock; public functions would fail those trials,
                                 and Optuna's failed trials cannot go on.
`optuna.storages.get_storage`    Optuna's cache of finished trials, shared by all studies of points that a search
                                 opens: without it every new point would read all the earlier ones.
`optuna.trial.Trial(study, id)`, `FrozenTrial._trial_id`  A point that was begun by another process goes on.
`CmaEsSampler._restore_optimizer`, `_init_optimizer`, `_split_optimizer_str`, `_cma_rng`, `_attr_key_generation`  Its
                                 optimizer is a pickle in the database, which runs code of whoever can write there.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import optuna
import sqlalchemy
from optuna.samplers import CmaEsSampler
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.engine import Connection, Engine, Row

from sweep.records.values import State
from sweep.study.trials import StoredTrial

AT_ONCE = 500  # ids in one question: every database takes as many

STATES: dict[TrialState, State] = {
    TrialState.WAITING: "WAITING",
    TrialState.RUNNING: "RUNNING",
    TrialState.COMPLETE: "COMPLETE",
    TrialState.PRUNED: "PRUNED",
    TrialState.FAIL: "FAILED",
}

_STUDIES = models.StudyModel.__table__
_STUDY_ATTRIBUTES = models.StudyUserAttributeModel.__table__
_TRIALS = models.TrialModel.__table__
_VALUES = models.TrialValueModel.__table__
_STEPS = models.TrialIntermediateValueModel.__table__
_ATTRIBUTES = models.TrialUserAttributeModel.__table__

_to_value = models.TrialValueModel.stored_repr_to_value
_to_step_value = models.TrialIntermediateValueModel.stored_repr_to_intermediate_value


def engine_of(storage: RDBStorage) -> Engine:
    """The connections of a storage."""
    engine: Engine = storage.engine
    return engine


def with_cache(storage: RDBStorage) -> BaseStorage:
    """The storage, reading finished trials once."""
    return optuna.storages.get_storage(storage)


def silent_trials(storage: RDBStorage, study_id: int) -> set[int]:
    """Ids of running trials whose last heartbeat is older than the storage's grace period."""
    return set(storage._get_stale_trial_ids(study_id))


def resumed_trial(study: optuna.Study, trial: FrozenTrial) -> Trial:
    """A running trial of a study that can be changed again."""
    return Trial(study, trial._trial_id)


def find_study(connection: Connection, name: str) -> int | None:
    """The id of a study, or None if there is no such study, or not even a table for it."""
    if not sqlalchemy.inspect(connection).has_table(_STUDIES.name):
        return None
    study_id: int | None = connection.scalar(
        sqlalchemy.select(_STUDIES.c.study_id).where(_STUDIES.c.study_name == name)
    )
    return study_id


class ReplayedCmaEs(CmaEsSampler):
    """CMA-ES whose optimizer is no part of the database: it is told again what Optuna's own was told, the points of
    each generation that were finished first. Where one worker asks, it draws what Optuna's own draws."""

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> None:
        """Nothing, so that a new one is made, for which the finished points are kept here."""
        self._finished = sorted(completed_trials, key=lambda trial: trial.datetime_complete or datetime.max)

    def _split_optimizer_str(self, optimizer_str: str) -> dict[str, str]:
        return {}  # of the pickle nothing is kept

    def _init_optimizer(self, trans: Any, direction: StudyDirection) -> Any:
        generator = self._cma_rng.rng
        untouched = generator.get_state()
        optimizer = super()._init_optimizer(trans, direction)
        of_generation: dict[int, list[FrozenTrial]] = {}
        for trial in self._finished:
            of_generation.setdefault(trial.system_attrs.get(self._attr_key_generation, -1), []).append(trial)
        sign = 1 if direction == StudyDirection.MINIMIZE else -1
        while len(finished := of_generation.get(optimizer.generation, [])) >= optimizer.population_size:
            first = finished[: optimizer.population_size]
            optimizer.tell([(trans.transform(trial.params), sign * trial.values[0]) for trial in first])
        if max(of_generation) > 0:  # Optuna's own would have read it, and not drawn a seed for a new one
            generator.set_state(untouched)
        return optimizer


def is_laid_out(connection: Connection) -> bool:
    """Whether Optuna has come to the end of making its tables: what it does last, and the index that keeps a study's
    name to one study."""
    tables = sqlalchemy.inspect(connection)
    if not all(tables.has_table(name) for name in ("alembic_version", _STUDIES.name)):
        return False
    indexes = {index["name"] for index in tables.get_indexes(_STUDIES.name)}
    if not {index.name for index in _STUDIES.indexes} <= indexes:
        return False
    return connection.execute(sqlalchemy.text("SELECT 1 FROM alembic_version")).first() is not None


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
        columns = _STUDY_ATTRIBUTES.c
        with self._connect() as connection:
            rows = connection.execute(
                sqlalchemy.select(columns.key, columns.value_json).where(columns.study_id == self._study_id)
            ).all()
        return {name: json.loads(text) for name, text in rows}

    def trial(self, trial_id: int) -> StoredTrial:
        """A trial as it is now. Raises KeyError if there is none with this id."""
        with self._connect() as connection:
            listed = connection.execute(_listing().where(_TRIALS.c.trial_id == trial_id)).all()
            for trial in _whole(connection, listed):
                return trial
        raise KeyError(trial_id)

    def by_key(self) -> Mapping[str, StoredTrial]:
        """The latest trial of every key, in order of their numbers; the same object while nothing has changed."""
        with self._connect() as connection:
            # States first: what belongs to a state is written before it, or together with it.
            listed = connection.execute(
                _listing().where(_TRIALS.c.study_id == self._study_id).order_by(_TRIALS.c.number)
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


def _listing() -> sqlalchemy.Select[Any]:
    return sqlalchemy.select(_TRIALS.c.trial_id, _TRIALS.c.number, _TRIALS.c.state)


def _whole(connection: Connection, listed: Sequence[Row[Any]]) -> Iterator[StoredTrial]:
    """Some trials, with what belongs to them."""
    ids = [row.trial_id for row in listed]
    values, steps = _VALUES.c, _STEPS.c
    values_of = _of_trials(connection, ids, values.trial_id, values.objective, values.value, values.value_type)
    steps_of = _of_trials(
        connection, ids, steps.trial_id, steps.step, steps.intermediate_value, steps.intermediate_value_type
    )
    attributes_of = _of_trials(connection, ids, _ATTRIBUTES.c.trial_id, _ATTRIBUTES.c.key, _ATTRIBUTES.c.value_json)
    for row in listed:
        trial_id: int = row.trial_id
        yield StoredTrial(
            id=trial_id,
            number=row.number,
            state=STATES[row.state],
            values=tuple(_to_value(value, kind) for _, _, value, kind in values_of.get(trial_id, ())),
            attributes={name: json.loads(text) for _, name, text in attributes_of.get(trial_id, ())},
            validated={step: _to_step_value(value, kind) for _, step, value, kind in steps_of.get(trial_id, ())},
        )


def _of_trials(
    connection: Connection, ids: Sequence[int], trial_id: sqlalchemy.Column[Any], *columns: sqlalchemy.Column[Any]
) -> dict[int, list[Any]]:
    """The rows of a table that belong to some trials, by trial; in the order of the first of `columns`."""
    rows = connection.execute(
        sqlalchemy.select(trial_id, *columns).where(trial_id.in_(ids)).order_by(trial_id, columns[0])
    )
    return {owner: list(of_trial) for owner, of_trial in groupby(rows, key=itemgetter(0))}
