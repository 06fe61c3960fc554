"""The study's store: what changes its trials, for the driver and the workers.

One key, one trial, however often its worker is killed: a trial whose worker is dead is taken over, not copied. Only
a FAILED trial that is to be retried gets a successor, since a finished trial never changes. Every change happens
under one of the storage's locks, and may be done twice: when the database goes away in the middle, the whole change
is repeated with a new lock.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep import __version__
from sweep.errors import Fenced, InputError
from sweep.records.folder import StudyFolder
from sweep.records.study_artifacts import Recorded
from sweep.records.trial_record import TrialRecord
from sweep.records.values import State, TrialResult
from sweep.settings import Settings, StudySettings
from sweep.settings.identity import differences, result_settings
from sweep.study.claims import Claims
from sweep.study.faults import StorageError
from sweep.study.outcomes import charge_death, fail_last, stated
from sweep.study.parents import is_parent
from sweep.study.point import Point
from sweep.study.pruning import is_clearly_worse, write_values
from sweep.study.queue import TrialQueue
from sweep.study.relational import RelationalStorage
from sweep.study.search import PointSearch
from sweep.study.trials import Claim, StoredTrial, record_of
from sweep.study.view import StudyView

__all__ = ["Claim", "StorageError", "StudyStore"]


class StudyStore:
    """A study whose trials are run; it is created if it is not there. `view` is the same study for looking at it.

    `alive` tells whether a worker of this machine with a given id still lives.
    """

    def __init__(self, folder: StudyFolder, settings: StudySettings, alive: Callable[[str], bool]) -> None:
        self.folder = folder
        self.settings = settings
        self.storage = RelationalStorage(folder.database, settings)
        self.view = StudyView(folder, settings, self.storage)
        points = None if settings.is_grid else self.storage.searched_points()
        search = None if points is None else PointSearch(points, settings, self.view.goals)
        self._queue = TrialQueue(self.storage, self.view, search)
        self.claims = Claims(self.storage, self.view, search, self._queue, alive)

    # Identity of the study ------------------------------------------------------------------------------------

    @property
    def uid(self) -> str:
        """A unique id of this study, distinct from that of a study of the same name whose folder was deleted."""

        def change() -> str:
            if "uid" not in self.storage.attributes():
                self.storage.set_attribute("uid", self.folder.read_uid() or uuid.uuid4().hex)
            return str(self.storage.attributes()["uid"])

        uid = self.storage.change(change)
        self.folder.write_uid(uid)
        return uid

    @property
    def remembered(self) -> dict[str, Any] | None:
        """The settings that change results, as they were when the study was begun; None if it is new."""
        settings: dict[str, Any] | None = self.storage.attributes().get("settings")
        return settings

    @property
    def version(self) -> str | None:
        """The version that began the study; None for 0.1, or if the study is new."""
        version: str | None = self.storage.attributes().get("version")
        return version

    def check_settings(self, settings: Settings) -> None:
        """Remember the settings that change results, or compare them with the remembered ones.

        Raises InputError showing what differs.
        """
        now = result_settings(settings)

        def change() -> list[str]:
            then = self.storage.attributes().get("settings")
            if then is None:
                self.storage.name_objectives(
                    [self.settings.selected(objective.metric) for objective in self.settings.objectives]
                )
                self.storage.set_attribute("version", __version__)
                self.storage.set_attribute("settings", now)
            return differences(then or now, now)

        lines = self.storage.change(change)
        if lines:
            raise InputError(
                f"study '{self.settings.name}' was started with other settings that change its results:\n"
                + "\n".join(lines)
                + "\nrun with the old settings to resume it, or give the new study another name: study.name=NAME"
            )

    # What is to be done ---------------------------------------------------------------------------------------

    def enqueue(self, check: Callable[[], None] | None = None) -> None:
        """Enqueue what is known beforehand and not there yet: grid points, and FAILED trials to be retried. What
        `check` raises leaves all as it is; nobody changes anything between it and this."""
        self.storage.change(lambda: self._queue.fill(check))

    def is_wanted(self, point: Point) -> bool:
        """Whether a trial of this point counts towards the target."""
        return point.key in self.view.wanted.among(self.view.trials())

    def adopt(self, trials: Sequence[tuple[Point, TrialResult]], origin: str) -> int:
        """Add finished trials of one point that the study `origin` ran, once: to a grid as its own, to a search as a
        point for its sampler. How many were added."""
        return self.storage.change(lambda: self._queue.adopt(trials, origin))

    # A claimed trial ------------------------------------------------------------------------------------------

    def claim(self, worker: str) -> Claim | None:
        """Take on the next trial, or None if nothing is left to do. Exactly one worker gets a trial."""
        return self.claims.claim(f"{worker}#{time.time_ns()}")

    def abandoned(self) -> int:
        """How many running trials a worker could take over now, since theirs is dead or gave no sign of life."""
        return self.storage.patiently(self.claims.abandoned)

    def silent_workers(self) -> set[str]:
        """Workers that have a trial and gave no sign of life for `study.grace_s` seconds. Changes nothing."""
        return self.storage.patiently(self.claims.silent_workers)

    def still_mine(self, claim: Claim) -> bool:
        """Whether no other attempt has taken the trial over."""
        return self.storage.patiently(lambda: self.storage.outline(claim.trial_id).is_held_by(claim.entry))

    def beat(self, claim: Claim) -> bool:
        """Say that the claim's worker lives; False if the trial is no longer its own. Raises StorageError at once
        while the database is away."""
        return self.storage.beat(claim.trial_id, claim.entry)

    def _fenced(self, claim: Claim) -> StoredTrial:
        """The trial of a claim. Raises Fenced if it is no longer the claim's."""
        trial = self.storage.outline(claim.trial_id)
        if not trial.is_held_by(claim.entry):
            raise Fenced(f"{claim.point.key}: another attempt has taken this trial over")
        return trial

    def report(self, claim: Claim, step: int, value: float, values_g: NDArray[np.float64] | None = None) -> bool:
        """Keep a validation's value (and what each translation group contributes, g) of a step; whether the trial
        should be pruned.

        The value's better way is the objective's. A step that is reported again, after a kill, replaces the first.
        Raises Fenced.
        """
        if values_g is not None:
            write_values(self.folder.trial(claim.point.key).validation, step, values_g)

        def keep() -> bool:
            if self._fenced(claim).attributes.get("hopeless_at") == step:
                return True  # decided before, for an attempt that was killed before it could act
            self.storage.set_validated(claim.trial_id, step, value)
            return False

        def give_up() -> None:
            self._fenced(claim)
            self.storage.set_trial_attributes(claim.trial_id, {"hopeless_at": step})

        if self.storage.change_trial(claim.trial_id, keep):
            return True
        hopeless = self.storage.patiently(lambda: self._is_hopeless(claim, step, values_g))  # a look at all others
        if hopeless:
            self.storage.change_trial(claim.trial_id, give_up)
        return hopeless

    def _is_hopeless(self, claim: Claim, step: int, values_g: NDArray[np.float64] | None) -> bool:
        # One of the best points, which lacks this to be confirmed, or one whose weights merges are to average.
        if claim.point.seed in self.settings.further_seeds or is_parent(claim.point, self.settings):
            return False
        if self.settings.pruner.kind == "wilcoxon" and values_g is not None:
            complete = [trial for trial in self.view.trials().values() if trial.state == "COMPLETE"]
            return is_clearly_worse(self.settings, self.folder, self.storage.trial(claim.trial_id), step, complete)
        return self.storage.is_behind(claim.trial_id)

    def commit_result(self, claim: Claim, write: Callable[[], None]) -> None:
        """Let the claim's worker write its result: the first result stays. Raises Fenced."""

        def change() -> None:
            self._fenced(claim)
            write()

        self.storage.change_trial(claim.trial_id, change)

    # What became of it ----------------------------------------------------------------------------------------

    def finish(self, claim: Claim, result: TrialResult, artifacts: Recorded | None = None) -> None:
        """Record a trial's objective values, and which of its artifacts others are to take. Raises SweepError if the
        result lacks a metric, and Fenced."""
        values, measured = self.view.goals.objectives(result), self.view.goals.bounded(result)
        self._end(claim, "COMPLETE", values, duration_s=result.duration_s, measured=measured, artifacts=artifacts)

    def fail(self, claim: Claim, reason: str, artifacts: Recorded | None = None) -> None:
        """Record that a trial cannot give a result. Raises Fenced."""
        self._end(claim, "FAILED", reason=reason, artifacts=artifacts)

    def prune(self, claim: Claim, reason: str, artifacts: Recorded | None = None) -> None:
        """Record that a trial was given up early; it counts as finished. Raises Fenced."""
        self._end(claim, "PRUNED", reason=reason, artifacts=artifacts)

    def release(self, claim: Claim) -> None:
        """Give a trial back that is to go on later; whoever claims next may take it. Raises Fenced."""
        self._end(claim, "WAITING")

    def _end(self, claim: Claim, state: State, values: Sequence[float] = (), **attributes: object) -> None:
        kept = stated(attributes)

        def end() -> None:
            if self.storage.end_held(claim.trial_id, claim.entry, state, values, kept):
                return
            trial = self.storage.outline(claim.trial_id)
            if trial.state != state or trial.holder != claim.entry:  # else the database went away after it was done
                raise Fenced(f"{claim.point.key}: another attempt has taken this trial over")

        self.storage.patiently(end)

    def worker_died(self, worker: str, status: int) -> TrialRecord | None:
        """Charge a worker's death to its trial; after `max_attempts` deaths the trial is FAILED and returned.

        Only a launcher that saw the worker die calls this: workers that end with their driver cost a trial nothing.
        A worker that ended because it lost its trial died of nothing.
        """
        if status == Fenced.exit_status:
            return None
        attempts = self.settings.max_attempts
        given_up = self.storage.patiently(lambda: charge_death(self.storage, worker, status, attempts))
        return None if given_up is None else record_of(given_up, self.folder)

    def worker_failed(self, worker: str, reason: str) -> TrialRecord | None:
        """Record that the trial a worker had cannot give a result, and return it; None if the worker has none.

        Only a launcher that saw the worker end calls this.
        """
        failed = self.storage.patiently(lambda: fail_last(self.storage, worker, reason))
        return None if failed is None else record_of(failed, self.folder)
