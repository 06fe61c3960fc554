"""The contract between a study and whatever keeps its trials.

`StudyReader` is enough for looking at a study; `TrialStorage` is what changes one. `readonly` and `relational`
implement them over a database that Optuna lays out. Another storage, or another way to hand out trials (row locks
instead of one lock for the study, say), implements these classes and passes `tests/contract/test_storages.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from optuna import Study
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial

from sweep.errors import DatabaseUnusable
from sweep.records.values import State
from sweep.study.point import Point
from sweep.study.trials import Claim, StoredTrial

Answer = TypeVar("Answer")


class StudyMissing(DatabaseUnusable):
    """There is nothing to read: no database, or none with this study. The message goes on from the study's name."""


class StudyReader(ABC):
    """What is kept of one study. Reading creates nothing, changes nothing, and waits for no writer.

    Methods wait while the database is away, and raise DatabaseUnusable when the study's patience ends or no waiting
    helps.
    """

    place: str  # where it is kept, for messages: without a password

    @abstractmethod
    def attributes(self) -> Mapping[str, Any]:
        """The study's own attributes, such as `uid` and `settings`."""

    @abstractmethod
    def trials(self) -> Mapping[str, StoredTrial]:
        """The latest trial of every key, in order of their numbers; the same object while nothing has changed."""

    @abstractmethod
    def close(self) -> None:
        """End its connections."""


class TrialStorage(StudyReader):
    """Trials that change hands.

    Changes are made inside `change` or `change_trial`. What they do may be done twice: when the database goes away in
    the middle, the whole is repeated with a new lock. Methods that are not said to wait raise the storage's own error
    at once while it is away.
    """

    @abstractmethod
    def patiently(self, operation: Callable[[], Answer]) -> Answer:
        """Do what may be done twice, again and again while the storage is away.

        Raises DatabaseUnusable when patience ends, or for an error that no waiting helps against.
        """

    @abstractmethod
    def attend(self, meanwhile: Callable[[], None]) -> None:
        """Call this several times a second while the storage is waited for; what it raises ends the waiting."""

    @abstractmethod
    def hurry(self, patience_s: float) -> None:
        """From now on, wait this long at most."""

    @abstractmethod
    def change(self, operation: Callable[[], Answer]) -> Answer:
        """Do something that nobody else's change of this study comes between, patiently."""

    def change_trial(self, trial_id: int, operation: Callable[[], Answer]) -> Answer:
        """The same for what changes this trial alone; a storage may then lock no other."""
        return self.change(operation)

    @property
    @abstractmethod
    def just_recovered(self) -> bool:
        """Whether workers may not yet have had the time for a sign of life since the storage was away."""

    # The study ------------------------------------------------------------------------------------------------

    @abstractmethod
    def set_attribute(self, name: str, value: Any) -> None:
        """Set an attribute of the study."""

    @abstractmethod
    def name_objectives(self, metrics: Sequence[str]) -> None:
        """Name the objectives, for those who look at the study with Optuna's own tools."""

    @abstractmethod
    def searched_points(self) -> "SearchedPoints":
        """The points of a search, where samplers see them; begun if there are none."""

    # One trial ------------------------------------------------------------------------------------------------

    @abstractmethod
    def trial(self, trial_id: int) -> StoredTrial:
        """A trial as it is now."""

    @abstractmethod
    def add(self, point: Point, earlier_attempts: int = 0) -> None:
        """Add a WAITING trial of a point."""

    @abstractmethod
    def take(self, candidates: Iterable[StoredTrial], entry: str) -> Claim | None:
        """Take on the first candidate that nobody else has taken meanwhile, with a first sign of life.

        The next candidate is asked for only if the one before is gone. A kill in between leaves a trial RUNNING with
        a dead worker, or with none.
        """

    @abstractmethod
    def set_state(self, trial_id: int, state: State, values: Sequence[float] = ()) -> None:
        """Change a trial's state; with its objective values when it is COMPLETE."""

    @abstractmethod
    def set_trial_attribute(self, trial_id: int, name: str, value: Any) -> None:
        """Set an attribute of a trial."""

    @abstractmethod
    def set_validated(self, trial_id: int, step: int, value: float) -> None:
        """Keep the value of a validation; it replaces an earlier one of the same step."""

    @abstractmethod
    def is_behind(self, trial_id: int) -> bool:
        """Whether the study's pruner would give the trial up, by its last validated step and those of the others."""

    @abstractmethod
    def beat(self, trial_id: int) -> None:
        """Write down that the trial's worker lives now, by the storage's clock."""

    @abstractmethod
    def silent(self) -> set[int]:
        """Ids of RUNNING trials whose last sign of life is older than the study's grace, by the storage's clock."""


class SearchedPoints(ABC):
    """The points of a search as Optuna's samplers need them: real Optuna trials, one a point and not one a seed."""

    @abstractmethod
    def trials(self) -> Sequence[FrozenTrial]:
        """All of them, in order of their numbers."""

    @abstractmethod
    def study(self, sampler: BaseSampler) -> Study:
        """The study of points, to ask or to tell with this sampler."""

    @abstractmethod
    def resumed(self, study: Study, trial: FrozenTrial) -> Trial:
        """A RUNNING point that can be changed again, whoever began it."""
