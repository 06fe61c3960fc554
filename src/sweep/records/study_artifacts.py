"""What a study leaves at a place that all of its machines reach, and how it is taken from there:

checkpoints/<key>/step-<step>.<attempt>.tar   results/<key>.<attempt>.tar   models/<key>.<attempt>.tar
weights/<key>.<attempt>.tar
trails/<key>/<attempt>.tar                    baselines/<name>-<digest>.tar   workers/<worker>/*   data.json

all below <study>-<id>/. The study's database has the attempt that a finished trial's result is of: two attempts never
mix, and what a killed one left there is nobody's result.
"""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from sweep.errors import InputError
from sweep.records.artifact_store import LEFT_OVER_S, ArtifactStore
from sweep.records.data_record import DATA
from sweep.records.files import write_atomically
from sweep.records.folder import RESULT, ResultFolder, StudyFolder, TrialFolder
from sweep.settings import BASELINES, StudySettings

OWN_OBJECTS = ("checkpoint", "embeddings", "model", "weights", "borrowed")  # of a trial's folder: in no result
WORD_FILES = (".json", ".failure")  # the ends of the names of files that tell why a worker ended
WORDS_PATIENCE_S = 30.0  # who waits for longer to give or get them does nothing else meanwhile
UID_DIGITS = 12

Recorded = Mapping[str, Any]  # of a finished trial in the database: {"attempt": int, "model": bool}


def has_arrived(folder: TrialFolder, recorded: Recorded | None, is_complete: bool) -> bool:
    """Whether a trial's folder here is that of the attempt that the database has; one that was not left at a place is
    here, or nowhere."""
    if recorded is None:
        return True
    is_here = _attempt_of(folder) == recorded["attempt"]
    return is_here and (not is_complete or (folder.path / RESULT).exists())


def _attempt_of(folder: TrialFolder) -> int | None:
    """The last attempt that has written to a trial's folder; None if there is none."""
    try:
        return int(json.loads(folder.attempt.read_text())["attempt"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True, eq=False)
class StudyArtifacts:
    """The artifacts of one study, and its folder on this machine."""

    store: ArtifactStore
    folder: StudyFolder

    @classmethod
    def of(
        cls, settings: StudySettings, folder: StudyFolder, uid: str, say: Callable[[str], None] | None = None
    ) -> Self | None:
        """Those of a study with this id; None if its machines share a folder. Raises InputError for what is no id."""
        if settings.artifacts is None:
            return None
        digits = uid[:UID_DIGITS]
        if digits and not digits.isalnum():  # a database is written by others, too
            raise InputError(f"{folder.path}: the study's database has the id {digits!r}, which no study has")
        prefix = f"{settings.name}-{digits}"
        more = () if say is None else (say,)
        return cls(ArtifactStore(settings.artifacts, prefix, settings.patience_s, *more), folder)

    def until(self, given_up: Callable[[], bool]) -> "StudyArtifacts":
        """The same, for somebody who waits no longer once this is true."""
        return StudyArtifacts(self.store.until(given_up), self.folder)

    def within(self, seconds: float) -> "StudyArtifacts":
        """The same, for somebody who has better things to do than to wait for longer than this."""
        deadline = time.monotonic() + seconds
        return self.until(lambda: time.monotonic() >= deadline)

    # Results --------------------------------------------------------------------------------------------------

    def leave_result(self, key: str, attempt: int) -> Recorded:
        """Leave a trial's folder, and its model if it has one; what the database is to have of it."""
        trial = self.folder.trial(key)
        has_model = trial.model.is_dir()
        if has_model:
            self.store.put_folder(f"models/{key}.{attempt}.tar", trial.model)
        if trial.weights.is_dir():
            self.store.put_folder(_weights(key, {"attempt": attempt}), trial.weights)
        self.store.put_folder(f"results/{key}.{attempt}.tar", trial.path, OWN_OBJECTS)
        return {"attempt": attempt, "model": has_model}

    def take_result(self, key: str, recorded: Recorded) -> bool:
        """Put a trial's folder in its place here; False if there is no such result."""
        return self.store.get_folder(f"results/{key}.{recorded['attempt']}.tar", self.folder.trial(key).path)

    def take_model(self, key: str, recorded: Recorded) -> bool:
        """Put a trial's model in its place here; False if there is none."""
        return self.store.get_folder(f"models/{key}.{recorded['attempt']}.tar", self.folder.trial(key).model)

    def take_weights(self, key: str, recorded: Recorded, folder: Path) -> bool:
        """Put a trial's weights, which merges need, into a folder here; False if there are none."""
        return self.store.get_folder(_weights(key, recorded), folder)

    def with_weights(self, recorded: Mapping[str, Recorded]) -> set[str]:
        """Which of these trials, by key with what the database has of them, have left weights."""
        names = set(self.store.names("weights/"))
        return {key for key, of_trial in recorded.items() if _weights(key, of_trial) in names}

    # Baselines ------------------------------------------------------------------------------------------------

    def leave_baseline(self, baseline: ResultFolder) -> None:
        """Leave what needs no training."""
        self.store.put_folder(f"baselines/{baseline.path.name}.tar", baseline.path)

    def take_baseline(self, baseline: ResultFolder) -> bool:
        """Put it in its place here; False if nobody has left it."""
        return self.store.get_folder(f"baselines/{baseline.path.name}.tar", baseline.path)

    def take_baselines(self) -> None:
        """Take all that are not here."""
        for name in self.store.names("baselines/"):
            baseline = ResultFolder(self.folder.path / "baselines" / Path(name).stem)
            if baseline.path.name.rpartition("-")[0] in BASELINES and not baseline.metrics.exists():
                self.take_baseline(baseline)

    # Checkpoints ----------------------------------------------------------------------------------------------

    def checkpoints(self, key: str) -> list[str]:
        """The names of the folders of a trial's checkpoints."""
        return [Path(name).stem for name in self.store.names(f"checkpoints/{key}/")]

    def leave_checkpoint(self, key: str, checkpoint: Path) -> None:
        """Leave a committed checkpoint. Raises FileNotFoundError if it is deleted meanwhile."""
        self.store.put_folder(_checkpoint(key, checkpoint.name), checkpoint)

    def take_checkpoint(self, key: str, checkpoint: Path) -> bool:
        """Put a checkpoint in its place here; False if it is no longer there."""
        return self.store.get_folder(_checkpoint(key, checkpoint.name), checkpoint)

    def leave_trail(self, key: str, attempt: int) -> None:
        """Leave what an attempt has written down so far, such as its curves: they go on with its checkpoint."""
        self.store.put_folder(f"trails/{key}/{attempt}.tar", self.folder.trial(key).path, (*OWN_OBJECTS, RESULT))

    def take_trail(self, key: str, attempt: int) -> None:
        """Put what the last attempt before this one wrote down in its place here, if that is not here."""
        if attempt == 1:
            return  # nobody has begun before: the place need not be asked, and may be away
        trial = self.folder.trial(key)
        earlier = [int(Path(name).stem) for name in self.store.names(f"trails/{key}/")]
        last = max((number for number in earlier if number < attempt), default=0)
        if last <= (_attempt_of(trial) or 0):
            return
        trial.path.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=trial.path, prefix=".", suffix=".draft") as draft:
            if self.store.get_folder(f"trails/{key}/{last}.tar", Path(draft) / "trail"):
                files = list((Path(draft) / "trail").iterdir())
                # The attempt comes last: until all is here, whoever comes after a kill has to take it again.
                for path in sorted(files, key=lambda path: path.name == trial.attempt.name):
                    if path.is_dir():
                        shutil.rmtree(trial.path / path.name, ignore_errors=True)
                    os.replace(path, trial.path / path.name)

    def delete_checkpoints(self, key: str, names: Iterable[str]) -> None:
        """Delete some of them."""
        self.store.delete(_checkpoint(key, name) for name in names)

    # Words ----------------------------------------------------------------------------------------------------

    def leave_words(self, worker: str) -> None:
        """Leave what a worker or its ranks wrote down of why they end, if the driver does not share their folder."""
        for file in self.folder.workers.glob(f"{worker}.*"):
            if file.suffix in WORD_FILES:
                self.store.put(f"workers/{worker}/{file.name}", file.read_bytes())

    def take_words(self, worker: str) -> None:
        """Put these files in their place here."""
        for name in self.store.names(f"workers/{worker}/"):
            content, file = self.store.get(name), self.folder.workers / Path(name).name
            if content is not None and file.suffix in WORD_FILES:
                write_atomically(file, content.decode(errors="replace"))

    def leave_data_record(self) -> None:
        """Leave which data the study was begun with: other machines must have the same."""
        if (self.folder.path / DATA).exists():
            self.store.put(DATA, (self.folder.path / DATA).read_bytes())

    def take_data_record(self) -> None:
        """Put it in its place here."""
        content = self.store.get(DATA)
        if content is not None:
            write_atomically(self.folder.path / DATA, content.decode(errors="replace"))

    # What is no longer needed ---------------------------------------------------------------------------------

    def tidy(
        self, ended: Mapping[str, Recorded | None], kept_models: Iterable[str], kept_weights: Iterable[str] = ()
    ) -> None:
        """Delete what no machine will need: of ended trials (by key, with what the database has of them) all but
        their results, the models that are kept, and the weights that merges need."""
        kept = {f"results/{key}.{recorded['attempt']}.tar" for key, recorded in ended.items() if recorded}
        kept |= {
            f"{kind}/{key}.{recorded['attempt']}.tar"
            for kind, keys in (("models", kept_models), ("weights", kept_weights))
            for key in keys
            if (recorded := ended.get(key)) is not None
        }
        saved = (*self.store.names("checkpoints/"), *self.store.names("trails/"))
        stale = [name for name in saved if name.split("/")[1] in ended]
        for folder in ("results", "models", "weights"):
            names = self.store.names(f"{folder}/")
            keys = {name: name.removeprefix(f"{folder}/").rsplit(".", 2)[0] for name in names}
            stale += [name for name, key in keys.items() if key in ended and name not in kept]
        self.store.delete(stale)
        self.store.delete_drafts()


def _checkpoint(key: str, name: str) -> str:
    return f"checkpoints/{key}/{name}.tar"


def _weights(key: str, recorded: Recorded) -> str:
    return f"weights/{key}.{recorded['attempt']}.tar"


def remove_drafts(folder: Path) -> None:
    """Remove what killed processes left of archives and folders on their way here. Others may be at work in this
    folder, such as workers that have joined: what is young may be theirs."""
    places = ("", "trials/", "trials/*/", "trials/*/checkpoint/")
    for leftover in [path for place in places for path in folder.glob(f"{place}.*.draft")]:
        with suppress(FileNotFoundError):  # whoever made it has come to its end
            if time.time() - leftover.stat().st_mtime < LEFT_OVER_S:
                continue
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink()
