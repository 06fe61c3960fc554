"""The study's storage: which trials there are, who runs them, and what became of them.

One key, one Optuna trial, however often its worker is killed: a trial whose worker is dead is taken over, not copied.
Only a FAILED trial that is to be retried gets a successor, since Optuna's finished trials are immutable.
"""

import logging
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import optuna
from filelock import FileLock
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import SQLAlchemyError

from sweep.errors import InputError, SweepError
from sweep.records import State, StudyFolder, TrialRecord, TrialResult
from sweep.settings import Settings, StudySettings, flattened
from sweep.study.distributions import distribution_of, search_distribution, stored, suggest
from sweep.study.point import Point, grid_points

STATES: dict[TrialState, State] = {
    TrialState.WAITING: "WAITING",
    TrialState.RUNNING: "RUNNING",
    TrialState.COMPLETE: "COMPLETE",
    TrialState.PRUNED: "PRUNED",
    TrialState.FAIL: "FAILED",
}
StorageError = optuna.exceptions.StorageInternalError

MAX_REPEATS = 100  # draws of an already known point in a row before the space counts as exhausted


@dataclass(frozen=True)
class Claim:
    """A trial that a worker has taken on. `attempt` counts from 1."""

    trial_id: int
    number: int
    point: Point
    attempt: int


class StudyStore:
    """Optuna's study in `study.db`, with claims under a lock that the kernel frees when its holder is killed.

    `alive` tells whether the worker with a given id still lives.
    """

    def __init__(self, folder: StudyFolder, settings: StudySettings, alive: Callable[[str], bool]) -> None:
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self.folder = folder
        self.settings = settings
        self._alive = alive
        self._lock = FileLock(folder.path / "claim.lock")
        folder.path.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self.study = self._open()

    def _open(self) -> optuna.Study:
        url = f"sqlite:///{self.folder.database}"
        try:
            storage = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 120}})
        except SQLAlchemyError as error:
            reason = str(error.__cause__ or error).splitlines()[0]
            raise SweepError(f"{self.folder.database}: the study's database cannot be used ({reason})") from error
        return optuna.create_study(
            study_name=self.settings.name,
            storage=storage,
            directions=[objective.direction for objective in self.settings.objectives],
            load_if_exists=True,
        )

    # Identity of the study ------------------------------------------------------------------------------------

    @property
    def uid(self) -> str:
        """A unique id of this study, told apart from a deleted study of the same name."""
        with self._lock:
            if "uid" not in self.study.user_attrs:
                self.study.set_user_attr("uid", uuid.uuid4().hex)
            return str(self.study.user_attrs["uid"])

    def check_settings(self, settings: Settings) -> None:
        """Remember the settings that change results, or compare them with the remembered ones.

        Raises InputError showing what differs.
        """
        now = result_settings(settings)
        then = self.study.user_attrs.get("settings")
        if then is None:
            self.study.set_user_attr("settings", now)
            return
        differing = sorted(path for path in now.keys() | then.keys() if now.get(path) != then.get(path))
        if differing:
            lines = [f"  {path}: {then.get(path)!r} in the study, {now.get(path)!r} now" for path in differing]
            raise InputError(
                f"study '{self.settings.name}' was started with other settings that change its results:\n"
                + "\n".join(lines)
                + "\nrun with the old settings to resume it, or give the new study another name: study.name=NAME"
            )

    # What is to be done ---------------------------------------------------------------------------------------

    @property
    def target(self) -> int:
        """How many trials (points times seeds) are to be finished."""
        if self.settings.is_grid:
            return len(grid_points(self.settings))
        return (self.settings.points or 0) * len(self.settings.seeds)

    def enqueue(self) -> None:
        """Enqueue what is known beforehand and not there yet: grid points, and FAILED trials to be retried."""
        with self._lock:
            known = self._by_key()
            if self.settings.is_grid:
                for point in grid_points(self.settings):
                    if point.key not in known:
                        self._enqueue(point, attempts=0)
            if self.settings.retry_failed:
                for trial in known.values():
                    if trial.state == TrialState.FAIL:
                        self._enqueue(_point(trial), attempts=int(trial.user_attrs.get("attempts", 0)))

    def _enqueue(self, point: Point, attempts: int) -> None:
        attrs = {"key": point.key, "point": point.to_json(), "attempts": attempts}
        fixed = {
            path: stored(value)
            for path, value in point.values.items()
            if distribution_of(self.settings, path) is not None
        }
        self.study.enqueue_trial(fixed, user_attrs=attrs)

    def claim(self, worker: str) -> Claim | None:
        """Take on the next trial, or None if nothing is left to do. Exactly one worker gets a trial."""
        with self._lock:
            self._enqueue_replicates()
            wanted = self._wanted()
            while (trial := self._abandoned() or self._next_waiting()) is not None:
                if trial.user_attrs.get("key") in wanted:
                    return self._take(trial, worker)
                self._withdraw(trial)
            if self.settings.is_grid or len(wanted) >= self.target:
                return None
            return self._search(worker)

    def _enqueue_replicates(self) -> None:
        """Enqueue the seeds that a searched point lacks: new seeds, or a kill before all of them were enqueued."""
        if not self.settings.is_grid:
            known = self._by_key()
            for key, point in self._wanted().items():
                if key not in known:
                    self._enqueue(point, attempts=0)

    def _abandoned(self) -> Trial | None:
        """A RUNNING trial whose worker is dead."""
        for trial in self._trials():
            if trial.state == TrialState.RUNNING and not self._alive(str(trial.user_attrs.get("owner", ""))):
                return Trial(self.study, trial._trial_id)
        return None

    def _next_waiting(self) -> Trial | None:
        """An enqueued trial, now RUNNING."""
        waiting = any(trial.state == TrialState.WAITING for trial in self._trials())
        return self.study.ask() if waiting else None

    def _wanted(self) -> dict[str, Point]:
        """What counts towards the target, by key: the grid as it is now (values may have been removed since), or the
        first `points` points that the search found, with every seed."""
        if self.settings.is_grid:
            return {point.key: point for point in grid_points(self.settings)}
        found = [_point(trial) for trial in self._by_key().values()]
        distinct = {Point(point.values, 0).key: point.values for point in found}
        chosen = list(distinct.values())[: self.settings.points]
        points = [Point(values, seed) for values in chosen for seed in self.settings.seeds]
        return {point.key: point for point in points}

    def _withdraw(self, trial: Trial) -> None:
        trial.set_user_attr("withdrawn", True)
        self.study.tell(trial, state=TrialState.FAIL)

    def _search(self, worker: str) -> Claim:
        """Ask the sampler for a new point; its other seeds wait as trials of their own."""
        for _ in range(MAX_REPEATS):
            trials = self._trials()
            # A sampler seeded by the number of trials: the same search, interrupted or not.
            self.study.sampler = optuna.samplers.TPESampler(seed=self.settings.search_seed + len(trials))
            known = self._by_key()
            trial = self.study.ask()
            point = self._sample(trial)
            if point.key in known:
                self._withdraw(trial)
                continue
            trial.set_user_attr("point", point.to_json())
            trial.set_user_attr("key", point.key)  # last: with a key it is a point of the study
            self._enqueue_replicates()
            return self._take(trial, worker)
        raise SweepError(
            f"the search drew {MAX_REPEATS} points in a row that were tried already: the space has too few points "
            f"for study.points={self.settings.points}; lower study.points, or make the space a grid"
        )

    def _sample(self, trial: Trial) -> Point:
        values = {}
        for path, dimension in self.settings.space.items():
            drawn = suggest(trial, path, search_distribution(dimension))
            listed = dimension.grid or dimension.choice or ()
            values[path] = next((value for value in listed if stored(value) == drawn), drawn)
        return Point(values, self.settings.seeds[0])

    def _take(self, trial: Trial, worker: str) -> Claim:
        """Mark a trial as this worker's."""
        point = Point.from_json(trial.user_attrs["point"])
        for path in point.values:
            distribution = distribution_of(self.settings, path)
            if distribution is not None:
                suggest(trial, path, distribution)
        attempt = int(trial.user_attrs.get("attempts", 0)) + 1
        trial.set_user_attr("owner", worker)
        trial.set_user_attr("attempts", attempt)
        return Claim(trial._trial_id, trial.number, point, attempt)

    # What became of it ----------------------------------------------------------------------------------------

    def finish(self, claim: Claim, result: TrialResult) -> None:
        """Record a trial's objective value. Raises SweepError if the result lacks the objective's metric."""
        trial = Trial(self.study, claim.trial_id)
        trial.set_user_attr("duration_s", result.duration_s)
        values = [objective_value(result, objective.metric) for objective in self.settings.objectives]
        self.study.tell(trial, values)

    def fail(self, claim: Claim, reason: str) -> None:
        """Record that a trial cannot give a result."""
        trial = Trial(self.study, claim.trial_id)
        trial.set_user_attr("reason", reason)
        self.study.tell(trial, state=TrialState.FAIL)

    def worker_died(self, worker: str, status: int) -> TrialRecord | None:
        """Charge a worker's death to its trial; after `max_attempts` deaths the trial is FAILED and returned."""
        with self._lock:
            for frozen in self._trials():
                if frozen.state == TrialState.RUNNING and frozen.user_attrs.get("owner") == worker:
                    trial = Trial(self.study, frozen._trial_id)
                    deaths = int(frozen.user_attrs.get("deaths", 0)) + 1
                    trial.set_user_attr("deaths", deaths)
                    if deaths >= self.settings.max_attempts:
                        killed = " (killed: out of memory?)" if status in (-9, 137) else ""
                        trial.set_user_attr(
                            "reason", f"its worker died {deaths} times, last with status {status}{killed}"
                        )
                        self.study.tell(trial, state=TrialState.FAIL)
                        return self._record(self.study.trials[frozen.number])
        return None

    def records(self) -> list[TrialRecord]:
        """The current trial of every key, in order of their numbers, without reading their results."""
        return [self._record(trial) for trial in self._by_key().values()]

    def _record(self, trial: FrozenTrial) -> TrialRecord:
        point = _point(trial)
        state = STATES[trial.state]
        return TrialRecord(
            key=point.key,
            number=trial.number,
            seed=point.seed,
            state=state,
            parameters=point.values,
            attempts=int(trial.user_attrs.get("attempts", 0)),
            value=trial.values[0] if trial.values else None,
            duration_s=trial.user_attrs.get("duration_s"),
            reason=trial.user_attrs.get("reason"),
            folder=self.folder.trial(point.key),
        )

    def states(self) -> dict[str, State]:
        """State of every key, without reading results: cheap enough to poll."""
        return {key: STATES[trial.state] for key, trial in self._by_key().items()}

    def finished(self) -> int:
        """How many trials count towards the target."""
        wanted = self._wanted()
        return sum(state in ("COMPLETE", "PRUNED") and key in wanted for key, state in self.states().items())

    def remaining(self) -> int:
        """How many trials of the target are neither finished nor FAILED; some of them may be running."""
        states = self.states()
        return self.target - sum(states.get(key, "WAITING") not in ("WAITING", "RUNNING") for key in self._wanted())

    def unfinished(self) -> bool:
        """Whether a worker would find something to do."""
        return self.remaining() > 0

    def _trials(self) -> list[FrozenTrial]:
        return list(self.study.get_trials(deepcopy=False))

    def _by_key(self) -> dict[str, FrozenTrial]:
        """The latest trial of every key; withdrawn trials and those killed before they had a key do not count."""
        return {
            trial.user_attrs["key"]: trial
            for trial in self._trials()
            if "key" in trial.user_attrs and "withdrawn" not in trial.user_attrs
        }


def objective_value(result: TrialResult, metric: str) -> float:
    """The value of the study's objective. Raises SweepError naming near metrics if the trial has none."""
    if metric not in result.metrics:
        family = "/".join(metric.split("/")[:3])
        near = sorted(name for name in result.metrics if name.startswith(family))
        raise SweepError(f"the objective '{metric}' is not among the trial's metrics; there are: {', '.join(near)}")
    return result.metrics[metric]


def result_settings(settings: Settings) -> dict[str, Any]:
    """Settings that change results, flattened to config paths; without what is searched.

    The target, seeds, launcher, tracking and paths may change between runs of one study.
    """
    sections = settings.model_dump(
        mode="json", include={"model", "data", "evaluation", "languages", "train", "ratio", "study"}
    )
    sections["study"] = {"objectives": sections["study"]["objectives"]}
    searched = set(settings.study.space)
    return {
        path: value
        for path, value in flattened(sections).items()
        if not any(path == name or path.startswith(name + ".") for name in searched)
    } | {f"study.space.{path}": _kind(settings.study, path) for path in searched}


def _kind(study: StudySettings, path: str) -> Any:
    """A grid's values may change; a searched dimension may not, since its earlier points were drawn from it."""
    return "grid" if study.is_grid else study.space[path].model_dump(mode="json", exclude_none=True)


def _point(trial: FrozenTrial) -> Point:
    return Point.from_json(trial.user_attrs["point"])
