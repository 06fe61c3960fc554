"""What is to be run and not there yet: it is enqueued as WAITING trials, or adopted from another study."""

import shutil
from collections.abc import Callable, Container, Mapping, Sequence
from statistics import fmean

from sweep.errors import InputError
from sweep.records.checksums import weights_problem
from sweep.records.study_artifacts import StudyArtifacts
from sweep.records.trial_record import damaged_trials
from sweep.records.values import TrialResult
from sweep.settings.merging import merges
from sweep.study.constraints import means
from sweep.study.outcomes import end_trial
from sweep.study.parents import needed_weights
from sweep.study.point import Point
from sweep.study.search import PointSearch
from sweep.study.storage import TrialStorage
from sweep.study.trials import StoredTrial
from sweep.study.view import StudyView


class TrialQueue:
    """Adds trials to a study. Everything here happens inside a change of the storage."""

    def __init__(self, storage: TrialStorage, view: StudyView, search: PointSearch | None) -> None:
        self._storage = storage
        self._view = view
        self._search = search

    def fill(self, check: Callable[[], None] | None = None) -> None:
        """Enqueue what is known beforehand: grid points, new seeds of a search, FAILED trials to be retried, and
        finished ones whose files are damaged, if those are to be run again. What is there and no longer wanted (a
        value was removed from the grid) is kept back, until it comes back."""
        if check is not None:
            check()
        known = self._view.trials()
        wanted = self._view.wanted.among(known)
        settings = self._view.settings
        damaged = damaged_trials(self._view.records()) if settings.rerun_damaged else {}
        without = self._without_weights(wanted, known, damaged)
        new = [(point, 0) for key, point in wanted.items() if key not in known]
        if settings.retry_failed:
            new += [(trial.point, trial.attempts) for trial in known.values() if trial.state == "FAILED"]
        for key in dict.fromkeys([*damaged, *without]):
            shutil.rmtree(self._view.folder.trial(key).path, ignore_errors=True)
            new.append((known[key].point, known[key].attempts))
        self._storage.keep_back(
            [trial.id for trial in known.values() if not trial.has_ended and trial.key not in wanted]
        )
        self._storage.add(new)

    def _without_weights(
        self, wanted: Mapping[str, Point], known: Mapping[str, StoredTrial], damaged: Container[str]
    ) -> list[str]:
        """Finished trials whose weights a merge is to average, and which have none any more: a merge was added to a
        study that was done, or is to be run again, say. Raises InputError unless they are to be run again."""
        settings = self._view.settings
        if not merges(settings):
            return []
        again = {key for key, trial in known.items() if settings.retry_failed and trial.state == "FAILED"}
        ended = {key: trial for key, trial in known.items() if key not in again and key not in damaged}
        needed = sorted(needed_weights(wanted.values(), ended, settings))
        lacking = [
            key
            for key in needed
            if key in ended
            and ended[key].state == "COMPLETE"
            and weights_problem(self._view.folder.trial(key).weights, settings.rerun_damaged) is not None
        ]
        if lacking and (artifacts := StudyArtifacts.of(settings, self._view.folder, self._view.uid)) is not None:
            left = {key: recorded for key in lacking if (recorded := known[key].artifacts) is not None}
            there = artifacts.with_weights(left)
            lacking = [key for key in lacking if key not in there]
        if lacking and not settings.rerun_damaged:
            raise InputError(
                f"merges are to average the weights of {', '.join(lacking[:4])}{' and more' if lacking[4:] else ''}, "
                "which are kept only until its merges have ended: study.rerun_damaged=true trains them again"
            )
        return lacking

    def add_seeds(self, search: PointSearch, known: Mapping[str, StoredTrial]) -> None:
        """Enqueue the seeds of points that lack some: a new one, or one whose asker was killed; and when the search
        is done, those that confirm its best points."""
        wanted = self._view.wanted
        due = {**wanted.with_seeds(search.begun()), **wanted.confirming(known)}
        self._storage.add([(point, 0) for key, point in due.items() if key not in known])

    def adopt(self, trials: Sequence[tuple[Point, TrialResult]], origin: str) -> int:
        """Add finished trials of one point that another study ran, once; how many trials or points were added."""
        return self._adopt_trials(trials, origin) if self._search is None else self._adopt_point(trials, origin)

    def _adopt_point(self, trials: Sequence[tuple[Point, TrialResult]], origin: str) -> int:
        """To a search as a point that its sampler knows."""
        assert self._search is not None
        point, goals = trials[0][0], self._view.goals
        if point.without_seed in self._search.known():
            return 0
        metrics = [goals.bounded(result) for _, result in trials]
        columns = zip(*(goals.objectives(result) for _, result in trials), strict=True)
        self._search.add_known(point.values, [fmean(column) for column in columns], means(metrics), origin)
        return 1

    def _adopt_trials(self, trials: Sequence[tuple[Point, TrialResult]], origin: str) -> int:
        """To a grid as its own trials."""
        known = self._view.trials()
        wanted = self._view.wanted.among(known)
        self._storage.add([(point, 0) for point, _ in trials if point.key in wanted and point.key not in known])
        known = self._view.trials()
        return sum(
            self._end_adopted(known[point.key], result, origin) for point, result in trials if point.key in wanted
        )

    def _end_adopted(self, trial: StoredTrial, result: TrialResult, origin: str) -> bool:
        """End a trial as another study did; False if somebody has begun it here."""
        goals = self._view.goals
        attributes = {"duration_s": result.duration_s, "warm_start": origin, "measured": goals.bounded(result)}

        def change() -> bool:
            if self._storage.outline(trial.id).state != "WAITING":
                return False
            end_trial(self._storage, trial.id, "COMPLETE", goals.objectives(result), **attributes)
            return True

        return self._storage.change_trial(trial.id, change)
