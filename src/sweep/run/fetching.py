"""Brings what other machines have run into the study's folder, in a thread of its own."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Self

from sweep.errors import ArtifactsUnusable, InputError, SweepError, shortened
from sweep.records.study_artifacts import StudyArtifacts, has_arrived, remove_drafts
from sweep.settings import Settings
from sweep.settings.secrets import redact
from sweep.study.parents import needed_weights
from sweep.study.store import StudyStore
from sweep.study.trials import StoredTrial
from sweep.study.view import StudyView
from sweep.tracking.protocol import Status

AT_ONCE = 4  # folders on their way
BATCH = 32  # between two looks at what is missing, and at whether to go on
PAUSE_S = 0.5
AGAIN_S = 10.0  # until something that could not be taken is tried again
POLL_S = 0.1
MOST_NAMED = 5


class Fetching:
    """Takes the folders of ended trials from where their machines left them. Nobody waits for it before the end."""

    def __init__(self, artifacts: StudyArtifacts | None, say: Callable[[str], None], patience_s: float) -> None:
        self._patience_s = patience_s
        self._say = say
        self._given_up = threading.Event()
        self._artifacts = None if artifacts is None else artifacts.until(self._given_up.is_set)
        self._missing: Sequence[StoredTrial] = ()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._reasons: dict[str, str] = {}  # why a trial's folder could not be taken, by its key

    @classmethod
    def of(cls, settings: Settings, store: StudyStore, say: Callable[[str], None]) -> Self:
        """That of a study, whose place is written to and read once; it has nothing to do if its machines share the
        sweeps folder. Raises InputError if the place cannot be used, or is needed and not given."""
        artifacts = StudyArtifacts.of(settings.study, store.folder, store.uid, say)
        if artifacts is None:
            refuse_missing(store.view, settings)
        else:
            artifacts.store.check()
            artifacts.leave_data_record()
            remove_drafts(store.folder.path)
        return cls(artifacts, say, settings.study.patience_s)

    def update(self, missing: Sequence[StoredTrial]) -> None:
        """The ended trials that are not here. Returns at once."""
        self._missing = missing
        if missing and self._thread is None and self._artifacts is not None:
            self._thread = threading.Thread(target=self._run, args=(self._artifacts,), name="fetching", daemon=True)
            self._thread.start()
        self._wake.set()

    def finish(self, view: StudyView, status: Status) -> None:
        """Wait until all ended trials are here, or until the study's patience has passed without one more; then take
        the models that are kept, and delete what nobody needs. Waits for nothing if the run was KILLED; Ctrl-C ends
        the wait."""
        try:
            if status != "KILLED" and self._artifacts is not None:
                self._await_all(view)
                if not view.missing():
                    self._take_models(self._artifacts, view)
        except KeyboardInterrupt:
            self._say("what other machines have run was not all fetched; the same command fetches the rest")
        except (ArtifactsUnusable, OSError) as error:
            self._say(f"the study's artifacts were left as they are: {_reason(error)}")
        finally:
            self._given_up.set()
            self._wake.set()

    def _await_all(self, view: StudyView) -> None:
        left, since = -1, time.monotonic()
        while missing := view.missing():
            self.update(missing)
            if len(missing) != left:
                left, since = len(missing), time.monotonic()
            if time.monotonic() - since >= self._patience_s:
                reasons = dict.fromkeys(self._reasons.values())
                self._say(f"{left} ended trials could not be fetched ({'; '.join(reasons) or 'no answer'})")
                return
            time.sleep(POLL_S)

    def _take_models(self, artifacts: StudyArtifacts, view: StudyView) -> None:
        """Have here the models that the study keeps, and nothing at the place that nobody needs any more."""
        trials = view.trials()
        with_model = [key for key, trial in trials.items() if (trial.artifacts or {}).get("model")]
        kept = set(with_model) if view.settings.export == "all" else view.first_of_best(with_model)
        for key in sorted(kept):
            recorded = trials[key].artifacts
            if recorded is not None and not view.folder.trial(key).model.is_dir():
                artifacts.take_model(key, recorded)
        artifacts.take_baselines()
        ended = {key: trial.artifacts for key, trial in trials.items() if trial.has_ended}
        needed = needed_weights(view.wanted.among(trials).values(), trials, view.settings)
        artifacts.tidy(ended, kept, needed)

    def _run(self, artifacts: StudyArtifacts) -> None:
        failed: dict[str, float] = {}
        with ThreadPoolExecutor(AT_ONCE, "fetching") as pool:
            while not self._given_up.is_set():
                now = time.monotonic()
                due = [trial for trial in self._missing if failed.get(trial.key, 0.0) <= now][:BATCH]
                arrived = list(pool.map(partial(self._take, artifacts), due))
                for trial, is_here in zip(due, arrived, strict=True):
                    if is_here:
                        failed.pop(trial.key, None)
                    else:
                        failed[trial.key] = time.monotonic() + AGAIN_S
                here = {trial.key for trial, is_here in zip(due, arrived, strict=True) if is_here}
                self._missing = [trial for trial in self._missing if trial.key not in here]
                if not any(arrived):
                    self._wake.wait(PAUSE_S)
                    self._wake.clear()

    def _take(self, artifacts: StudyArtifacts, trial: StoredTrial) -> bool:
        """Whether a trial's folder has arrived; what keeps it away is kept for the end."""
        assert trial.artifacts is not None  # else it is not missing
        try:
            folder = artifacts.folder.trial(trial.key)
            if has_arrived(folder, trial.artifacts, trial.state == "COMPLETE"):
                return True
            if not artifacts.take_result(trial.key, trial.artifacts):
                self._reasons[trial.key] = f"{artifacts.store.name} does not have {trial.key}"
            elif has_arrived(folder, trial.artifacts, trial.state == "COMPLETE"):
                self._reasons.pop(trial.key, None)
                return True
            else:
                self._reasons[trial.key] = f"what {artifacts.store.name} has of {trial.key} is not its result"
        except (SweepError, OSError) as error:
            self._reasons[trial.key] = _reason(error)
        return False


def refuse_missing(view: StudyView, settings: Settings) -> None:
    """Raise SweepError if ended trials are not here: without them another ratio would be the best."""
    missing = [trial.key for trial in view.missing()]
    if not missing:
        return
    shown = ", ".join(missing[:MOST_NAMED]) + (
        f" and {len(missing) - MOST_NAMED} more" if missing[MOST_NAMED:] else ""
    )
    if settings.study.artifacts is None:
        raise InputError(
            f"{len(missing)} trials were run on other machines, and their results are not in {view.folder.path} "
            f"({shown}): give the study.artifacts=URL that the study had then"
        )
    raise SweepError(
        f"there is no table: {len(missing)} trials were run on other machines, and their results could not be "
        f"fetched from {settings.study.artifacts} ({shown}); the same command fetches them"
    )


def _reason(error: Exception) -> str:
    return shortened(redact(" ".join(str(error).split()) or type(error).__name__), 300)
