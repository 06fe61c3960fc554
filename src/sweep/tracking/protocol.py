"""What a tracker can do, and what of it is known before anything heavy is imported."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sweep.errors import SweepError
from sweep.records.data_record import DataRecord
from sweep.settings.tracking import Shown
from sweep.tracking.kept_model import KeptModel

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]

STUDY_KEY = "study"  # of the run that stands for the whole study


class TrackerAway(SweepError):
    """The tracker does not answer, or not as it should: another time it may."""


class TrackerRefuses(TrackerAway):
    """The tracker does not take this, today or later: a run that a user deleted, say."""


class FilesAway(TrackerAway):
    """Where the tracker keeps files it takes none now. Everything else of it may answer."""


class Row(NamedTuple):
    """One value of a metric. `timestamp_ms`: unix milliseconds; `step`: training steps done."""

    metric: str
    value: float
    timestamp_ms: int
    step: int


@dataclass(frozen=True)
class TrackedStudy:
    """A study as trackers know it: its name, an id that no other study of this name has, and its configuration."""

    name: str
    uid: str
    config: Path


@dataclass(frozen=True)
class Run:
    """A trial's run as the tracker has it. `attempt` and `parameters` (their names) are what was logged to it;
    `lacks_files`: it ended while there was no place for its files."""

    id: str
    status: Status
    attempt: str | None = None
    parameters: frozenset[str] = frozenset()
    lacks_files: bool = False


@dataclass(frozen=True)
class View:
    """How a study's runs are best looked at: columns of the table of runs by their names, the metric that it is
    sorted by, and charts of metrics of the study's own run, by title."""

    parameters: tuple[str, ...]
    metrics: tuple[str, ...]
    tags: tuple[str, ...]
    sort: str
    ascending: bool
    charts: Mapping[str, tuple[str, ...]]


class Tracker(ABC):
    """Writes one study to a place where it can be looked at.

    A study is one run for the whole, one run a point and one run a trial, found again by their keys. Whatever is sent
    may be sent again after a kill: rows with the same metric, value, timestamp and step are kept once. Every method
    raises TrackerAway, those on runs TrackerRefuses, and those that keep files FilesAway.
    """

    @abstractmethod
    def open(self, study: TrackedStudy) -> str:
        """Create the study or find it, RUNNING. An id that changes when the tracker has lost what it had."""

    @property
    @abstractmethod
    def study_run(self) -> str:
        """The id of the run of the whole study, which is open."""

    @abstractmethod
    def run(self, key: str, started_ms: int | None, name: str | None = None, parent: str | None = None) -> Run:
        """The run with this key: the one that is there, as it is, or a new one that is RUNNING since `started_ms`,
        called `name` (None: as its key) and below the run `parent` (None: that of the whole study)."""

    @abstractmethod
    def place(self, run_id: str, parent: str) -> None:
        """Put a run below another one than before."""

    @abstractmethod
    def reopen(self, run_id: str) -> None:
        """Let an ended run be RUNNING again, without the reason of its end."""

    @abstractmethod
    def log(
        self, run_id: str, rows: Sequence[Row], parameters: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Add rows, parameters (which the run must not have yet) and tags, which replace those of the same name."""

    @abstractmethod
    def attach(self, run_id: str, files: Sequence[Path], below: str = "") -> None:
        """Keep files with a run, in its folder `below`; a file takes the place of one of its name."""

    def show_metrics(self, run_id: str, metrics: Mapping[str, float]) -> Mapping[str, str]:
        """Keep all metrics with a run as a table to look at, where the place can show one; the tags that it is shown
        by, for `log`."""
        return {}

    def arrange(self, view: View) -> None:  # noqa: B027
        """Offer a view of the runs, where the place has such things. One that was offered before is replaced."""

    @abstractmethod
    def describe(self, run_id: str, text: str) -> None:
        """What is read first of a run, in Markdown, in the place of what it was before."""

    @abstractmethod
    def show_data(self, run_id: str, records: Sequence[DataRecord]) -> None:
        """Keep with a run which data it had."""

    def register(self, model: KeptModel) -> str:
        """Keep a model with the run of the whole study, and make it a version of a registered model unless it is one;
        the version. Only of places whose `register` is a name."""
        raise NotImplementedError

    @abstractmethod
    def end(self, run_id: str, status: Status, ended_ms: int | None = None, reason: str | None = None) -> None:
        """End a run, and say why."""

    @abstractmethod
    def discard(self, run_id: str) -> None:
        """Remove a run that shows what is no longer true; its trial gets a new one."""

    def keep_once(self, runs: Mapping[str, str]) -> None:  # noqa: B027
        """Remove what is beside these runs (ids by key) and has their keys, where requests without an answer may
        leave such runs."""

    @abstractmethod
    def close(self, status: Status) -> None:
        """End the run of the whole study."""


class Place(ABC):
    """Where a study is tracked: what can be known of it without importing its libraries."""

    name: str  # of the tracker with its address, as messages say it
    metrics: Shown  # which of them are logged
    register: str | None = None  # under which name the model of the best point is registered

    @abstractmethod
    def problem(self) -> str | None:
        """Why no tracker can ever be there (bad input), or None. A server that is merely away is no problem."""

    @abstractmethod
    def is_lost(self, store: str | None) -> bool:
        """Whether it is certain, without asking anybody, that what had this id is gone; None has never been there."""

    def follow(self) -> None:  # noqa: B027
        """Let what is there know where the study's folder is now, which may have been moved. Raises TrackerAway."""

    @abstractmethod
    def connect(self) -> Tracker:
        """A tracker there; it imports what it needs, which may take seconds."""

    @abstractmethod
    def browse(self, python: str) -> str:
        """How to look at it: a command with this interpreter, or a file."""
