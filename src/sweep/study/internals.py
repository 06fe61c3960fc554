"""All that this package touches of Optuna beyond its public interface: private members, its tables, its cache.

No other module reaches in.
`optuna.storages._rdb.models`    Its tables. `tables` reads them: a look through Optuna takes seconds for ten thousand
                                 trials, and `RDBStorage` cannot open a database without writing to it. `rows` changes
                                 one trial in one transaction, with that trial alone locked, which Optuna's functions
                                 cannot: each is a transaction of its own. `enqueueing` adds thousands at once.
`RDBStorage.engine`, `scoped_session`  The connections that the lock is held on, and whose transactions take their
                                 turns. They are opened without Optuna, which only owners, searches and pruners need.
`optuna/storages/_rdb/alembic`  The versions of its tables, of which the newest is what it can read.
`optuna.storages.get_storage`    Optuna's cache of finished trials, shared by all studies of points that a search
                                 opens: without it every new point would read all the earlier ones.
`optuna.trial.Trial(study, id)`, `FrozenTrial._trial_id`  A point that was begun by another process goes on.
`CmaEsSampler._restore_optimizer`, `_init_optimizer`, `_split_optimizer_str`, `_cma_rng`, `_attr_key_generation`  Its
                                 optimizer is a pickle in the database, which runs code of whoever can write there.
"""

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.samplers import CmaEsSampler
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.engine import Connection, Engine

from sweep.records.values import State

STATES: dict[TrialState, State] = {
    TrialState.WAITING: "WAITING",
    TrialState.RUNNING: "RUNNING",
    TrialState.COMPLETE: "COMPLETE",
    TrialState.PRUNED: "PRUNED",
    TrialState.FAIL: "FAILED",
}

STUDIES = models.StudyModel.__table__
STUDY_ATTRIBUTES = models.StudyUserAttributeModel.__table__
TRIALS = models.TrialModel.__table__
VALUES = models.TrialValueModel.__table__
STEPS = models.TrialIntermediateValueModel.__table__
ATTRIBUTES = models.TrialUserAttributeModel.__table__
PARAMETERS = models.TrialParamModel.__table__
HEARTBEATS = models.TrialHeartbeatModel.__table__

to_value = models.TrialValueModel.stored_repr_to_value
of_value = models.TrialValueModel.value_to_stored_repr
to_step_value = models.TrialIntermediateValueModel.stored_repr_to_intermediate_value
of_step_value = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr

# Of this package, on Optuna's tables: the next trial to take and those that run cost the same in a study of any size.
INDEXES = (
    "CREATE INDEX IF NOT EXISTS sweep_waiting ON trials (study_id, number) WHERE state = 'WAITING'",
    "CREATE INDEX IF NOT EXISTS sweep_running ON trials (study_id, number) WHERE state = 'RUNNING'",
)


def engine_of(storage: RDBStorage) -> Engine:
    """The connections of a storage."""
    engine: Engine = storage.engine
    return engine


def with_engine(storage: RDBStorage, engine: Engine) -> RDBStorage:
    """The storage, over these connections instead of its own."""
    engine_of(storage).dispose()
    storage.engine = engine
    storage.scoped_session.remove()
    storage.scoped_session.configure(bind=engine)
    return storage


def with_cache(storage: RDBStorage) -> BaseStorage:
    """The storage, reading finished trials once."""
    return optuna.storages.get_storage(storage)


def resumed_trial(study: optuna.Study, trial: FrozenTrial) -> Trial:
    """A running trial of a study that can be changed again."""
    return Trial(study, trial._trial_id)


def has_studies(connection: Connection) -> bool:
    """Whether there is a table for studies."""
    return bool(sqlalchemy.inspect(connection).has_table(STUDIES.name))


def find_study(connection: Connection, name: str) -> int | None:
    """The id of a study, or None if there is no such study."""
    study_id: int | None = connection.scalar(
        sqlalchemy.select(STUDIES.c.study_id).where(STUDIES.c.study_name == name)
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
    if not all(tables.has_table(name) for name in ("alembic_version", STUDIES.name)):
        return False
    indexes = {index["name"] for index in tables.get_indexes(STUDIES.name)}
    if not {index.name for index in STUDIES.indexes} <= indexes:
        return False
    return connection.execute(sqlalchemy.text("SELECT 1 FROM alembic_version")).first() is not None


@cache
def newest_schema() -> str | None:
    """The version of the tables that the installed Optuna makes."""
    from alembic.script import ScriptDirectory  # what only a server's studies need, and takes a while to import

    return ScriptDirectory(Path(models.__file__).with_name("alembic")).get_current_head()


def schema_on_server(connection: Connection) -> str | None:
    """The version of the tables in a PostgreSQL database, or None if some of them or of our indexes are missing. Two
    short questions, since a thousand workers may ask them at once."""
    names = ("alembic_version", *(index.name for index in STUDIES.indexes), "sweep_waiting", "sweep_running")
    there = connection.execute(sqlalchemy.select(*(sqlalchemy.func.to_regclass(name) for name in names))).one()
    if None in there:
        return None
    version: str | None = connection.scalar(sqlalchemy.text("SELECT version_num FROM alembic_version"))
    return version
