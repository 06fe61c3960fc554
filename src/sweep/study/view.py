"""What there is of a study: its trials, how far it is, and which are the best. Changes nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Self

from sweep.records.folder import StudyFolder
from sweep.records.trial_record import TrialRecord
from sweep.records.values import State, TrialResult
from sweep.settings import StudySettings
from sweep.statistics.dominance import dominates, front
from sweep.study.arrivals import Arrivals
from sweep.study.at_other_ratios import values_at_other_ratios
from sweep.study.confirmation import whole_points
from sweep.study.goals import Goals
from sweep.study.point import Point
from sweep.study.readonly import RelationalReader
from sweep.study.storage import StudyReader
from sweep.study.trials import FINISHED, StoredTrial, record_of
from sweep.study.wanted import WantedTrials


class StudyView:
    """A study as one looks at it. `reader` gives its trials. `expects_files`: whether what other machines ran is to
    come to this folder; else its trials have ended when the database says so."""

    def __init__(
        self, folder: StudyFolder, settings: StudySettings, reader: StudyReader, expects_files: bool = True
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.goals = Goals(folder, settings)
        self.wanted = WantedTrials(settings, self.goals)
        self._reader = reader
        self._arrivals = Arrivals(folder) if expects_files else None
        self._recorded: tuple[Mapping[str, StoredTrial], set[str], list[TrialRecord]] = {}, set(), []

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

    def attributes(self) -> Mapping[str, Any]:
        """What its commands have left of the study as a whole."""
        return self._reader.attributes()

    @property
    def uid(self) -> str:
        """The study's unique id; empty if no command has run it yet."""
        return str(self.attributes().get("uid", ""))

    @property
    def target(self) -> int:
        """How many trials (points times seeds) are to be finished."""
        return self.wanted.count(self.trials())

    def missing(self) -> list[StoredTrial]:
        """Ended trials that another machine ran, and whose files are not here yet."""
        return [] if self._arrivals is None else self._arrivals.missing(self.trials().values())

    def records(self) -> list[TrialRecord]:
        """The current trial of every key, in order of their numbers, without reading their results. One whose files
        are not here yet counts as running: for whoever looks at this folder it has not ended."""
        known, missing = self.trials(), {trial.key for trial in self.missing()}
        if known is not self._recorded[0] or missing != self._recorded[1]:
            breaking = self.goals.violations(known)
            elsewhere = values_at_other_ratios(self.settings, self.folder.config)
            records = [
                record_of(
                    replace(trial, state="RUNNING", values=()) if trial.key in missing else trial,
                    self.folder,
                    breaking.get(trial.point.without_seed, 0.0),
                    elsewhere,
                )
                for trial in known.values()
            ]
            self._recorded = known, missing, records
        return self._recorded[2]

    def compared(self) -> list[TrialRecord]:
        """The records of the points that are compared: without those of values that were removed from a grid."""
        current = self.wanted.current(self.trials())
        return [record for record in self.records() if record.key in current]

    def states(self) -> dict[str, State]:
        """State of every key, without reading results: cheap enough to poll."""
        return {key: trial.state for key, trial in self.trials().items()}

    def finished(self) -> int:
        """How many trials count towards the target."""
        return self.wanted.finished(self.trials())

    def here(self) -> int:
        """How many of these have their results in this folder: what a reader of it can count on."""
        known, missing = self.trials(), {trial.key for trial in self.missing() if trial.state in FINISHED}
        finished = self.wanted.finished(known)
        return finished - len(missing & self.wanted.among(known).keys()) if missing else finished

    def remaining(self) -> int:
        """How many trials of the target are neither finished nor FAILED; some of them may be running."""
        return self.wanted.remaining(self.trials())

    def unfinished(self) -> bool:
        """Whether a worker would have something to do."""
        return self.remaining() > 0

    def would_be_kept(self, point: Point, result: TrialResult) -> bool:
        """Whether a trial that has just ended may turn out to be one of the best point: no point with all seeds has a
        mean as good or better, by the objective or by all of several. The best seed of a point is as good as the
        point, so of the best point one is kept. Of a point that is being confirmed every further one is kept, since
        its mean, which may yet be the best, is not known. A trial that breaks a constraint is never the best.
        """
        known = self.trials()
        if self.goals.breaks(point, result, known):
            return False
        if point.seed in self.settings.further_seeds:
            return True
        own = self.goals.objectives(result)
        others = [mean for mean, _ in self._whole_points(known)]
        return not any(other == own or dominates(other, own, self.settings.objectives) for other in others)

    def best_keys(self) -> set[str]:
        """Keys of the trials of the best points (one and its equals, or a Pareto front) and of those that may still
        become the best: points whose seeds have not all ended, with a trial that no point with all seeds dominates,
        and points that are being confirmed."""
        known = self.trials()
        whole = self._whole_points(known)
        kept = front([mean for mean, _ in whole], self.settings.objectives)
        keys = {trial.key for index in kept for trial in whole[index][1]}
        given_up = {trial.point.without_seed for trial in known.values() if trial.state in ("PRUNED", "FAILED")}
        every = self.settings.confirmed_seeds
        confirmed = {trials[0].point.without_seed for _, trials in whole if len(trials) == len(every)}
        unconfirmed = {point.without_seed for point in self.wanted.confirmed(known) or ()} - given_up - confirmed
        ended = given_up | {trials[0].point.without_seed for _, trials in whole} - unconfirmed
        return keys | {
            trial.key
            for trial in self._feasible(known)
            if trial.point.without_seed not in ended
            if trial.point.without_seed in unconfirmed
            or not any(dominates(mean, trial.values, self.settings.objectives) for mean, _ in whole)
        }

    def first_of_best(self, candidates: Iterable[str]) -> set[str]:
        """Of the keys in `candidates`, those to keep: one trial of each best point, that of the first seed, and all
        of points that may still become the best, or were removed from the grid and may come back."""
        known, candidates = self.trials(), set(candidates)
        best = self.best_keys() | (candidates - self.wanted.current(known).keys())
        whole = {trial.key for _, trials in self._whole_points(known) for trial in trials}
        kept: dict[str, str] = {}
        for key in sorted(best.intersection(candidates), key=lambda key: known[key].point.seed):
            kept.setdefault(known[key].point.without_seed if key in whole else key, key)
        return set(kept.values())

    def _feasible(self, known: Mapping[str, StoredTrial]) -> list[StoredTrial]:
        """The COMPLETE trials of points that are compared, within the constraints."""
        current = self.wanted.current(known)
        return [trial for trial in self.goals.feasible(known) if trial.key in current]

    def _whole_points(self, known: Mapping[str, StoredTrial]) -> list[tuple[list[float], list[StoredTrial]]]:
        """The points within the constraints that may be the best: the confirmed ones, or before there are any those
        that have a COMPLETE trial with every seed. The means of the objectives, and the trials."""
        feasible = self._feasible(known)
        confirmed = {point.without_seed for point in self.wanted.confirmed(known) or ()}
        own = [trial for trial in feasible if trial.point.without_seed in confirmed]
        return whole_points(own, self.settings.confirmed_seeds) or whole_points(feasible, self.settings.seeds)
