"""What there is of a study: its trials, how far it is, and which are the best. Changes nothing."""

from collections.abc import Mapping
from typing import Self

from sweep.records.folder import StudyFolder
from sweep.records.trial_record import TrialRecord
from sweep.records.values import State, TrialResult
from sweep.settings import StudySettings
from sweep.statistics.dominance import dominates, front
from sweep.study.goals import Goals
from sweep.study.point import Point
from sweep.study.readonly import RelationalReader
from sweep.study.storage import StudyReader
from sweep.study.trials import StoredTrial, record_of
from sweep.study.wanted import WantedTrials


class StudyView:
    """A study as one looks at it. `reader` gives its trials."""

    def __init__(self, folder: StudyFolder, settings: StudySettings, reader: StudyReader) -> None:
        self.folder = folder
        self.settings = settings
        self.goals = Goals(folder, settings)
        self.wanted = WantedTrials(settings)
        self._reader = reader
        self._recorded: tuple[Mapping[str, StoredTrial], list[TrialRecord]] = {}, []

    @classmethod
    def open(cls, folder: StudyFolder, settings: StudySettings) -> Self:
        """Open a study to look at it: nothing is created, locked or changed, not even if a run is writing it.

        Raises StudyMissing if it has no database, and DatabaseUnusable if that cannot be read.
        """
        return cls(folder, settings, RelationalReader(folder.database, settings))

    def close(self) -> None:
        """End the connections to the database."""
        self._reader.close()

    def trials(self) -> Mapping[str, StoredTrial]:
        """The latest trial of every key, in order of their numbers; the same object while nothing has changed."""
        return self._reader.trials()

    @property
    def uid(self) -> str:
        """The study's unique id; empty if no command has run it yet."""
        return str(self._reader.attributes().get("uid", ""))

    @property
    def target(self) -> int:
        """How many trials (points times seeds) are to be finished."""
        return self.wanted.count

    def records(self) -> list[TrialRecord]:
        """The current trial of every key, in order of their numbers, without reading their results."""
        known = self.trials()
        if known is not self._recorded[0]:
            breaking = self.goals.violations(known)
            self._recorded = (
                known,
                [
                    record_of(trial, self.folder, breaking.get(trial.point.without_seed, 0.0))
                    for trial in known.values()
                ],
            )
        return self._recorded[1]

    def states(self) -> dict[str, State]:
        """State of every key, without reading results: cheap enough to poll."""
        return {key: trial.state for key, trial in self.trials().items()}

    def finished(self) -> int:
        """How many trials count towards the target."""
        return self.wanted.finished(self.trials())

    def remaining(self) -> int:
        """How many trials of the target are neither finished nor FAILED; some of them may be running."""
        return self.wanted.remaining(self.trials())

    def unfinished(self) -> bool:
        """Whether a worker would have something to do."""
        return self.remaining() > 0

    def would_be_kept(self, point: Point, result: TrialResult) -> bool:
        """Whether no finished trial is as good or better: by the objective, or by all of several. A trial that breaks
        a constraint is never the best."""
        known = self.trials()
        if self.goals.breaks(point, result, known):
            return False
        own = self.goals.objectives(result)
        others = [list(trial.values) for trial in self.goals.feasible(known)]
        return not any(other == own or dominates(other, own, self.settings.objectives) for other in others)

    def best_keys(self) -> set[str]:
        """Keys of the COMPLETE trials that no other dominates: one and its equals, or a Pareto front."""
        trials = self.goals.feasible(self.trials())
        kept = front([trial.values for trial in trials], self.settings.objectives)
        return {trials[index].key for index in kept}
