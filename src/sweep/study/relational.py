"""Studies in a relational database that Optuna lays out: SQLite or PostgreSQL."""

import logging
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from sqlalchemy.engine import Engine

from sweep.records.values import State
from sweep.settings import StudySettings
from sweep.study import rows
from sweep.study.distributions import waiting_trial
from sweep.study.enqueueing import insert_trials, keep_back
from sweep.study.faults import other_schema
from sweep.study.internals import find_study, with_cache
from sweep.study.kinds import database_of
from sweep.study.optuna_points import PointStudy
from sweep.study.patience import Patience
from sweep.study.pruning import pruner_of
from sweep.study.storage import NewTrial, SearchedPoints, TrialStorage
from sweep.study.tables import StudyTables, outlines
from sweep.study.transactions import Transactions
from sweep.study.trials import Claim, StoredTrial

Answer = TypeVar("Answer")


class RelationalStorage(TrialStorage):
    """Changes a study; whatever is missing of it is created."""

    def __init__(self, file: Path, settings: StudySettings) -> None:
        _quieten()
        self._settings = settings
        self._database = database_of(file, settings)
        self.place = self._database.place
        self._patience = Patience(self.place, self._database.secret, settings.patience_s)
        self._engine = self.patiently(self._opened)
        lock = self._database.lock_of(settings.name, self._engine)
        self._transactions = Transactions(self._database, self._engine, lock, self._patience)
        self._study_id = self.patiently(self._find) or self.change(self._begin)
        self._tables = StudyTables(self._transactions.reading, self._study_id)

    def _opened(self) -> Engine:
        try:
            return self._database.open()
        except RuntimeError as error:  # Optuna's, for tables of another of its versions
            raise other_schema(self.place, str(error)) from error

    def _find(self) -> int | None:
        with self._transactions.reading() as connection:
            return find_study(connection, self._settings.name)

    def _begin(self) -> int:
        optuna.create_study(
            study_name=self._settings.name,
            storage=self._optuna,
            directions=[objective.direction for objective in self._settings.objectives],
            load_if_exists=True,
        )
        return self._optuna.get_study_id_from_name(self._settings.name)

    @cached_property  # a worker of a grid does without it, and it takes longer to open than all that came before
    def _optuna(self) -> BaseStorage:
        return with_cache(self._database.through_optuna(self._engine))

    @cached_property
    def _study(self) -> optuna.Study:
        return optuna.load_study(
            study_name=self._settings.name,
            storage=self._optuna,
            sampler=RandomSampler(seed=0),  # points come from the search's own study
            pruner=pruner_of(self._settings),
        )

    def close(self) -> None:
        """End its connections."""
        self._engine.dispose()

    # Changes --------------------------------------------------------------------------------------------------

    def patiently(self, operation: Callable[[], Answer]) -> Answer:
        """Do what may be done twice, again and again while the database is away."""
        return self._patience(operation)

    def attend(self, meanwhile: Callable[[], None]) -> None:
        """Call this while the database is waited for."""
        self._patience.attend(meanwhile)

    def hurry(self, patience_s: float) -> None:
        """Wait for the database this long at most, from now on."""
        self._patience.hurry(patience_s)

    def change(self, operation: Callable[[], Answer]) -> Answer:
        """Do something under the study's lock."""
        return self._transactions.change(operation)

    def change_trial(self, trial_id: int, operation: Callable[[], Answer]) -> Answer:
        """Do something in one transaction that has locked this trial."""
        return self._transactions.change_trial(trial_id, operation)

    def change_free_trial(self, trial_id: int, operation: Callable[[], Answer]) -> Answer | None:
        """The same, or None at once if somebody else has locked this trial."""
        return self._transactions.change_free_trial(trial_id, operation)

    @property
    def just_recovered(self) -> bool:
        """Whether the database was away less than half a grace ago."""
        return self._patience.recovered_s_ago < self._settings.grace_s / 2

    # The study ------------------------------------------------------------------------------------------------

    def attributes(self) -> Mapping[str, Any]:
        """The study's own attributes."""
        return self.patiently(self._tables.attributes)

    def set_attribute(self, name: str, value: Any) -> None:
        """Set an attribute of the study."""
        self._study.set_user_attr(name, value)

    def name_objectives(self, metrics: Sequence[str]) -> None:
        """Name the objectives for Optuna's own tools."""
        self._study.set_metric_names(list(metrics))

    def searched_points(self) -> SearchedPoints:
        """The study of points, begun if there is none."""
        kept = self.patiently(lambda: self._optuna)
        return PointStudy(self, self._settings, self._database, kept, self._transactions.current_change)

    # Trials ---------------------------------------------------------------------------------------------------

    def trials(self) -> Mapping[str, StoredTrial]:
        """The latest trial of every key."""
        return self.patiently(self._tables.by_key)

    def trial(self, trial_id: int) -> StoredTrial:
        """A trial as it is now."""
        return self._tables.trial(trial_id)

    def outline(self, trial_id: int) -> StoredTrial:
        """A trial's state and attributes as they are now."""
        for trial in self.outlines([trial_id]):
            return trial
        raise KeyError(trial_id)

    def outlines(self, trial_ids: Sequence[int]) -> list[StoredTrial]:
        """Those of several trials, without any that are not there."""
        with self._transactions.reading() as connection:
            return outlines(connection, trial_ids)

    def hold(self, trial: StoredTrial, entry: str) -> Claim:
        """Take on a trial that this thread is changing."""
        with self._transactions.writing() as connection:
            return rows.hold(connection, trial, entry)

    def set_state(self, trial_id: int, state: State, values: Sequence[float] = ()) -> None:
        """Change a trial's state."""
        with self._transactions.writing() as connection:
            rows.set_state(connection, trial_id, state, values)

    def set_trial_attributes(self, trial_id: int, attributes: Mapping[str, Any]) -> None:
        """Set attributes of a trial."""
        with self._transactions.writing() as connection:
            rows.set_attributes(connection, trial_id, attributes)

    def set_validated(self, trial_id: int, step: int, value: float) -> None:
        """Keep the value of a validation."""
        with self._transactions.writing() as connection:
            rows.set_validated(connection, trial_id, step, value)

    def is_behind(self, trial_id: int) -> bool:
        """Whether Optuna's pruner would give the trial up."""
        return bool(self._study.pruner.prune(self._study, self._optuna.get_trial(trial_id)))

    def beat(self, trial_id: int, entry: str) -> bool:
        """Write down that the trial's worker lives now, if it still has the trial; whether it has."""

        def write() -> bool:
            with self._transactions.writing_once() as connection:
                return rows.beat_as_holder(connection, trial_id, entry)

        return self._patience.once(write)

    def end_held(
        self, trial_id: int, entry: str, state: State, values: Sequence[float], attributes: Mapping[str, Any]
    ) -> bool:
        """Give a trial this state, with its values and attributes, if it runs under this entry; whether it did."""
        with self._transactions.writing_once() as connection:
            return rows.end_held(connection, trial_id, entry, state, values, attributes)

    def is_silent(self, trial_id: int) -> bool:
        """Whether its worker gave no sign of life for the study's grace."""
        with self._transactions.reading() as connection:
            return bool(rows.silent(connection, self._study_id, self._settings.grace_s, trial_id))

    # Many trials ----------------------------------------------------------------------------------------------

    def add(self, trials: Sequence[NewTrial]) -> None:
        """Add WAITING trials of points in one transaction."""
        new = [waiting_trial(self._settings, point, earlier_attempts) for point, earlier_attempts in trials]
        with self._transactions.writing() as connection:
            insert_trials(connection, self._study_id, new)

    def keep_back(self, trial_ids: Iterable[int]) -> None:
        """From now on exactly these trials are not taken."""
        with self._transactions.writing() as connection:
            keep_back(connection, self._study_id, trial_ids)

    def take_next(self, entry: str) -> Claim | None:
        """Take on the first WAITING trial that nobody else is taking, in one transaction."""
        with self._transactions.writing_once() as connection:
            return rows.take_next(connection, self._study_id, entry)

    def held_under(self, entry: str) -> Claim | None:
        """The claim that this entry got, if it has the trial."""
        with self._transactions.reading() as connection:
            return rows.held_under(connection, self._study_id, entry)

    def taken_by(self, worker: str) -> list[StoredTrial]:
        """Outlines of the unfinished trials that this worker ever took on."""
        with self._transactions.reading() as connection:
            return rows.taken_by(connection, self._study_id, worker)

    def doubtful(self, host: str) -> list[int]:
        """Ids of the RUNNING trials whose workers may be gone."""
        with self._transactions.reading() as connection:
            return rows.doubtful(connection, self._study_id, self._settings.grace_s, host)

    def running(self) -> int:
        """How many trials are RUNNING."""
        with self._transactions.reading() as connection:
            return rows.running(connection, self._study_id)

    def silent(self) -> set[int]:
        """Ids of trials whose workers gave no sign of life for the study's grace."""
        with self._transactions.reading() as connection:
            return rows.silent(connection, self._study_id, self._settings.grace_s)


def _quieten() -> None:
    """Keep what only developers of Optuna read from the user's terminal."""
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", message="Heartbeat of storage")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
