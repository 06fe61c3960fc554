"""The contract between a study and whatever keeps its trials.

`StudyReader` is enough for looking at a study; `TrialStorage` is what changes one. `readonly` and `relational`
implement them over a database that Optuna lays out. Another storage implements these classes and passes
`tests/contract/test_storages.py`.

There are two locks. `change` is the study's: whoever decides by what there is (what to enqueue, which point to ask
for, whether a seed is worth running) holds it. `change_trial` is that of one trial: whoever writes to a trial that
somebody may have holds it, and looks once more whether it is still as it was. Trials are handed out, kept and ended
under the second alone, so that workers do not wait for one another.
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
NewTrial = tuple[Point, int]  # a point, and how often it was attempted before


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

    What is done inside `change` or `change_trial` may be done twice: when the database goes away in the middle, the
    whole is repeated with a new lock. Methods that are not said to wait raise the storage's own error at once while
    it is away.
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
        """Do something that nobody else's `change` of this study comes between, patiently."""

    @abstractmethod
    def change_trial(self, trial_id: int, operation: Callable[[], Answer]) -> Answer:
        """Change this trial while nobody else does, patiently, and all or nothing of it. May be done inside of
        `change`. The operation uses what this class has for one trial, and nothing else of the storage."""

    @abstractmethod
    def change_free_trial(self, trial_id: int, operation: Callable[[], Answer]) -> Answer | None:
        """The same, or None at once if somebody else is changing this trial."""

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
    def outline(self, trial_id: int) -> StoredTrial:
        """The same without its values and validated steps, which cost more. Raises KeyError."""

    @abstractmethod
    def outlines(self, trial_ids: Sequence[int]) -> list[StoredTrial]:
        """The same of several, without any that are not there."""

    @abstractmethod
    def hold(self, trial: StoredTrial, entry: str) -> Claim:
        """Take a trial on, with a first sign of life. Inside its `change_trial`, which has looked at it."""

    @abstractmethod
    def set_state(self, trial_id: int, state: State, values: Sequence[float] = ()) -> None:
        """Change a trial's state; with its objectives when it is COMPLETE. Raises ValueError if it has ended."""

    @abstractmethod
    def set_trial_attributes(self, trial_id: int, attributes: Mapping[str, Any]) -> None:
        """Set attributes of a trial."""

    @abstractmethod
    def set_validated(self, trial_id: int, step: int, value: float) -> None:
        """Keep the value of a validation; it replaces an earlier one of the same step."""

    @abstractmethod
    def is_behind(self, trial_id: int) -> bool:
        """Whether the study's pruner would give the trial up, by its last validated step and those of the others."""

    @abstractmethod
    def end_held(
        self, trial_id: int, entry: str, state: State, values: Sequence[float], attributes: Mapping[str, Any]
    ) -> bool:
        """Give a trial this state, with its values and further attributes, if it runs under this entry; all or
        nothing, and whether it did."""

    @abstractmethod
    def beat(self, trial_id: int, entry: str) -> bool:
        """Write down, by the storage's clock, that the worker lives that has the trial under this entry; False if the
        trial is no longer its own. A storage that is away for it was away for `just_recovered`."""

    @abstractmethod
    def is_silent(self, trial_id: int) -> bool:
        """Whether it is RUNNING, and its last sign of life older than the study's grace, by the storage's clock."""

    # Many trials ----------------------------------------------------------------------------------------------

    @abstractmethod
    def add(self, trials: Sequence[NewTrial]) -> None:
        """Add WAITING trials, all or none."""

    @abstractmethod
    def keep_back(self, trial_ids: Iterable[int]) -> None:
        """From now on exactly these trials are not taken."""

    @abstractmethod
    def take_next(self, entry: str) -> Claim | None:
        """Take on the first WAITING trial that is not kept back, for the same effort in a study of any size. Exactly
        one of those who ask at the same time gets it."""

    @abstractmethod
    def held_under(self, entry: str) -> Claim | None:
        """The claim that this entry got, if it has the trial: who asked may not have got the answer."""

    @abstractmethod
    def taken_by(self, worker: str) -> list[StoredTrial]:
        """Outlines of the trials that this worker ever took on, and that have not ended."""

    @abstractmethod
    def doubtful(self, host: str) -> list[int]:
        """Ids of the RUNNING trials whose workers may be gone: silent, charged with a death, or running on this
        machine."""

    @abstractmethod
    def running(self) -> int:
        """How many trials are RUNNING, whoever has them."""

    @abstractmethod
    def silent(self) -> set[int]:
        """Ids of all that are silent."""


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
