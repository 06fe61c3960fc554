"""Studies in a relational database that Optuna lays out: SQLite or PostgreSQL."""

import logging
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy.engine import Connection

from sweep.records.values import State
from sweep.settings import StudySettings
from sweep.study.distributions import waiting_trial
from sweep.study.faults import other_schema
from sweep.study.internals import (
    STATES,
    StudyTables,
    engine_of,
    silent_trials,
    with_cache,
)
from sweep.study.kinds import database_of
from sweep.study.optuna_points import PointStudy
from sweep.study.patience import Patience
from sweep.study.point import Point
from sweep.study.pruning import pruner_of
from sweep.study.storage import SearchedPoints, TrialStorage
from sweep.study.trials import Claim, StoredTrial

Answer = TypeVar("Answer")
TO_OPTUNA: dict[State, TrialState] = {state: theirs for theirs, state in STATES.items()}


class RelationalStorage(TrialStorage):
    """Changes a study; whatever is missing of it is created. One lock for the study, one holder at a time."""

    def __init__(self, file: Path, settings: StudySettings) -> None:
        _quieten()
        self._settings = settings
        self._database = database_of(file, settings)
        self.place = self._database.place
        self._patience = Patience(self.place, self._database.secret, settings.patience_s)
        self._thread = threading.local()
        self._backend = self.patiently(self._opened)
        self._engine = engine_of(self._backend)
        self._lock = self._database.lock_of(settings.name, self._engine)
        self._optuna = with_cache(self._backend)
        self._study = self.change(self._begun)
        self._study_id = self.patiently(lambda: self._optuna.get_study_id_from_name(settings.name))
        self._tables = StudyTables(self._reading, self._study_id)

    def _opened(self) -> RDBStorage:
        try:
            return self._database.open(self._settings.grace_s)
        except RuntimeError as error:  # Optuna's, for tables of another of its versions
            raise other_schema(self.place, str(error)) from error

    def _begun(self) -> optuna.Study:
        return optuna.create_study(
            study_name=self._settings.name,
            storage=self._optuna,
            directions=[objective.direction for objective in self._settings.objectives],
            sampler=RandomSampler(seed=0),  # points come from the search's own study
            pruner=pruner_of(self._settings),
            load_if_exists=True,
        )

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._database.only_reading(), self._engine.connect() as connection:
            yield connection

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
        """Do something under the study's lock; again as a whole, with a new lock, if the database was away."""

        def attempt() -> Answer:
            with self._lock:
                self._thread.change = object()
                try:
                    return operation()
                finally:
                    self._thread.change = None

        return self.patiently(attempt)

    def _current_change(self) -> object | None:
        return getattr(self._thread, "change", None)

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
        return PointStudy(self, self._settings, self._database, self._optuna, self._current_change)

    # Trials ---------------------------------------------------------------------------------------------------

    def trials(self) -> Mapping[str, StoredTrial]:
        """The latest trial of every key."""
        return self.patiently(self._tables.by_key)

    def trial(self, trial_id: int) -> StoredTrial:
        """A trial as it is now."""
        return self._tables.trial(trial_id)

    def add(self, point: Point, earlier_attempts: int = 0) -> None:
        """Add a WAITING trial of a point."""
        self._study.add_trial(waiting_trial(self._settings, point, earlier_attempts))

    def take(self, candidates: Iterable[StoredTrial], entry: str) -> Claim | None:
        """Take on the first candidate: under the study's lock nobody else takes it."""
        for candidate in candidates:
            trial = self.trial(candidate.id)  # with the claims of one that was taken on and given back
            if trial.state == "WAITING":
                self.set_state(trial.id, "RUNNING")
            self.beat(trial.id)
            self.set_trial_attribute(trial.id, "claims", [*trial.claims, entry])
            return Claim(trial.id, trial.number, trial.point, trial.attempts + 1, entry)
        return None

    def set_state(self, trial_id: int, state: State, values: Sequence[float] = ()) -> None:
        """Change a trial's state."""
        self._optuna.set_trial_state_values(trial_id, TO_OPTUNA[state], list(values) or None)

    def set_trial_attribute(self, trial_id: int, name: str, value: Any) -> None:
        """Set an attribute of a trial."""
        self._optuna.set_trial_user_attr(trial_id, name, value)

    def set_validated(self, trial_id: int, step: int, value: float) -> None:
        """Keep the value of a validation."""
        self._optuna.set_trial_intermediate_value(trial_id, step, value)

    def is_behind(self, trial_id: int) -> bool:
        """Whether Optuna's pruner would give the trial up."""
        return bool(self._study.pruner.prune(self._study, self._optuna.get_trial(trial_id)))

    def beat(self, trial_id: int) -> None:
        """Write down that the trial's worker lives now."""
        self._backend.record_heartbeat(trial_id)

    def silent(self) -> set[int]:
        """Ids of trials whose workers gave no sign of life for the study's grace."""
        return silent_trials(self._backend, self._study_id)


def _quieten() -> None:
    """Keep what only developers of Optuna read from the user's terminal."""
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", message="Heartbeat of storage")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
